//! What the kernel asks of a seccomp program before it takes it (`seccomp_check_filter`, `bpf_check_classic`).

use runtime::seccomp::Instruction;

/// `BPF_MAXINSNS` of linux/bpf_common.h.
const MAX_INSTRUCTIONS: usize = 4096;
/// Bytes of `struct seccomp_data`.
const DATA_BYTES: u32 = 64;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const TESTS: [u16; 3] = [0x15, 0x25, 0x35];
const RETURN: u16 = 0x06;

/// Panics where the kernel would refuse. No program at all stands for no filter.
pub(crate) fn check(program: &[Instruction]) {
    assert!(program.len() <= MAX_INSTRUCTIONS, "{} instructions", program.len());
    for (at, instruction) in program.iter().enumerate() {
        let Instruction { code, jt, jf, k } = *instruction;
        let after = program.len() - at - 1;
        match code {
            LOAD => assert!(k % 4 == 0 && k < DATA_BYTES, "{at}: loads from {k}"),
            AND | RETURN => {}
            JUMP => assert!((k as usize) < after, "{at}: jumps out"),
            test if TESTS.contains(&test) => assert!(usize::from(jt.max(jf)) < after, "{at}: jumps out"),
            other => panic!("{at}: instruction {other:#x}"),
        }
    }
    assert!(program.last().is_none_or(|last| last.code == RETURN), "it ends without an answer");
}
