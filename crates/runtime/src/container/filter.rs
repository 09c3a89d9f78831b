//! The seccomp filter of a container, kept as the kernel takes it: an `exec` need not compile the profile again.
//!
//! ```text
//! file = flags of seccomp(2) (u32) · instructions (code u16 · jt u8 · jf u8 · k u32), all little endian
//! ```
//! It says nothing that `config.json` beside it does not say: where it is missing the profile is compiled again.

use super::folder::{Folder, file};
use crate::plan::ProcessPlan;
use crate::seccomp::Program;
use error::Result;
use std::borrow::Cow;
use sys::seccomp::Instruction;

/// Keeps the filter, unless it costs nothing to be had again (our own default), or an agent belongs to it.
pub(super) fn keep(folder: &Folder, plan: &ProcessPlan) -> Result<()> {
    match &plan.seccomp {
        Cow::Owned(instructions) if !instructions.is_empty() && plan.listener.is_none() => {
            folder.write(file::SECCOMP, &encode(plan.seccomp_flags, instructions))
        }
        _ => Ok(()),
    }
}

/// The filter that was kept.
pub(super) fn read(folder: &Folder) -> Result<Option<Program>> {
    Ok(folder.read(file::SECCOMP)?.and_then(|bytes| decode(&bytes)))
}

fn encode(flags: u32, instructions: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + 8 * instructions.len());
    bytes.extend(flags.to_le_bytes());
    for Instruction { code, jt, jf, k } in instructions {
        bytes.extend(code.to_le_bytes());
        bytes.extend([*jt, *jf]);
        bytes.extend(k.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Program> {
    let (flags, rest) = bytes.split_first_chunk::<4>()?;
    let (instructions @ [_, ..], []) = rest.as_chunks::<8>() else { return None };
    let instruction = |&[a, b, jt, jf, c, d, e, f]: &[u8; 8]| Instruction {
        code: u16::from_le_bytes([a, b]),
        jt,
        jf,
        k: u32::from_le_bytes([c, d, e, f]),
    };
    let instructions = Cow::Owned(instructions.iter().map(instruction).collect::<Vec<_>>());
    Some(Program { instructions, flags: u32::from_le_bytes(*flags), listener: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_it_was_kept() {
        let instructions = [
            Instruction { code: 0x20, jt: 0, jf: 0, k: 4 },
            Instruction { code: 0x15, jt: 1, jf: 255, k: 0xc000_003e },
            Instruction { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
        ];
        let bytes = encode(6, &instructions);
        let program = decode(&bytes).unwrap();
        assert_eq!((program.flags, &program.instructions[..]), (6, &instructions[..]));
        for length in [0, 3, 4, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..length]), None);
        }
    }
}
