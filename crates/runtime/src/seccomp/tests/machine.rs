//! The kernel's classic BPF machine, as far as seccomp lets programs use it.

use crate::seccomp::Instruction;
use crate::seccomp::code::{AND, JEQ, JGE, JGT, JUMP, LOAD, RETURN};

/// A system call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    /// Arguments not given are 0.
    pub(super) fn new(arch: u32, number: u32, given: &[u64]) -> Self {
        let mut args = [0; 6];
        args[..given.len()].copy_from_slice(given);
        Self { arch, number, args }
    }

    /// `struct seccomp_data`: number, architecture, instruction pointer, arguments.
    fn bytes(&self, big_endian: bool) -> Vec<u8> {
        let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u64| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = [word(self.number), word(self.arch)].concat();
        bytes.extend(long(0xdead_beef));
        bytes.extend(self.args.iter().flat_map(|arg| long(*arg)));
        bytes
    }
}

/// The program's verdict. Panics where the kernel would refuse the program.
pub(super) fn run(program: &[Instruction], call: &Call, big_endian: bool) -> u32 {
    let data = call.bytes(big_endian);
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            LOAD => {
                let bytes = data[k as usize..][..4].try_into().unwrap();
                accumulator = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            }
            AND => accumulator &= k,
            JUMP => at += k as usize,
            JEQ => at += jump(accumulator == k),
            JGT => at += jump(accumulator > k),
            JGE => at += jump(accumulator >= k),
            RETURN => return k,
            _ => panic!("instruction {code:#x}"),
        }
    }
}

/// A program as text.
pub(super) fn disassemble(program: &[Instruction]) -> String {
    let line = |(at, i): (usize, &Instruction)| {
        let to = |skip: u8| at + 1 + usize::from(skip);
        let test = |sign: &str| format!("if {sign} {:#x} goto {} else {}", i.k, to(i.jt), to(i.jf));
        let text = match (i.code, i.k) {
            (LOAD, 0) => "load number".into(),
            (LOAD, 4) => "load arch".into(),
            (LOAD, offset) => {
                let bytes = if offset % 8 == 0 { "0..4" } else { "4..8" };
                format!("load arg{}[{bytes}]", (offset - 16) / 8)
            }
            (AND, mask) => format!("and {mask:#x}"),
            (JUMP, skip) => format!("goto {}", at + 1 + skip as usize),
            (JEQ, _) => test("=="),
            (JGT, _) => test(">"),
            (JGE, _) => test(">="),
            (RETURN, value) => format!("return {value:#x}"),
            (code, _) => panic!("instruction {code:#x}"),
        };
        format!("{at:3}  {text}\n")
    };
    program.iter().enumerate().map(line).collect()
}
