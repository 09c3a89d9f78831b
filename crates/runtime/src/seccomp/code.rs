//! Writes classic BPF from its end to its start.
//!
//! A conditional jump skips at most 255 instructions, and only forwards. Written backwards, every target is known when
//! a jump to it is written, so its distance is too; a target out of reach gets a stand-in nearby: a return is simply
//! repeated, anything else is reached through an unconditional jump, which has 32 bits.

use std::collections::HashMap;
use sys::seccomp::Instruction;

/// Load a word of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// Mask the accumulator.
pub(super) const AND: u16 = 0x54;
/// Jump.
pub(super) const JUMP: u16 = 0x05;
/// Jump if the accumulator equals.
pub(super) const JEQ: u16 = 0x15;
/// Jump if the accumulator is greater, unsigned.
pub(super) const JGT: u16 = 0x25;
/// Jump if the accumulator is greater or equal, unsigned.
pub(super) const JGE: u16 = 0x35;
/// Leave with a constant.
pub(super) const RETURN: u16 = 0x06;

/// A jump skips up to 255 instructions; writing two stand-ins moves a target by two.
const REACH: usize = 255 - 2;

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Leave with this value (`SECCOMP_RET_…`).
    Return(u32),
    /// The instruction with this number, counted from the end.
    At(usize),
}

/// The program so far, last instruction first.
#[derive(Default)]
pub(super) struct Code {
    backwards: Vec<Instruction>,
    /// The stand-in written last for each target.
    nearest: HashMap<Target, usize>,
}

impl Code {
    /// Puts an instruction before all others.
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Target {
        self.backwards.push(Instruction { code, jt, jf, k });
        Target::At(self.backwards.len() - 1)
    }

    /// `code k`, then `next`, for instructions that simply go on. `next` must be what was written last, or a return.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Target) -> Target {
        let next = self.place(next);
        if next + 1 != self.backwards.len() {
            self.jump(next);
        }
        self.push(code, 0, 0, k)
    }

    /// `if accumulator <code> k { yes } else { no }`
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.near(yes), self.near(no));
        let here = self.backwards.len();
        let skip = |target: usize| u8::try_from(here - target - 1).expect("`near` keeps targets within REACH");
        let (jt, jf) = (skip(yes), skip(no));
        self.push(code, jt, jf, k)
    }

    /// The whole program, first instruction first, starting at `start`.
    pub(super) fn finish(mut self, start: Target) -> Vec<Instruction> {
        let start = self.place(start);
        if start + 1 != self.backwards.len() {
            self.jump(start);
        }
        self.backwards.reverse();
        self.backwards
    }

    /// An instruction for `target` that a conditional jump written next can reach.
    fn near(&mut self, target: Target) -> usize {
        let known = match target {
            Target::At(index) => Some(self.nearest.get(&target).copied().unwrap_or(index)),
            Target::Return(_) => self.nearest.get(&target).copied(),
        };
        match (known, target) {
            (Some(index), _) if self.backwards.len() - index <= REACH => index,
            (_, Target::Return(_)) => self.write_return(target),
            (_, Target::At(index)) => {
                self.jump(index);
                self.nearest.insert(target, self.backwards.len() - 1);
                self.backwards.len() - 1
            }
        }
    }

    /// The target itself, however far.
    fn place(&mut self, target: Target) -> usize {
        match target {
            Target::At(index) => index,
            // What goes on in a straight line wants it right here.
            Target::Return(_) => self.write_return(target),
        }
    }

    fn write_return(&mut self, target: Target) -> usize {
        let Target::Return(value) = target else { unreachable!("called for returns only") };
        self.push(RETURN, 0, 0, value);
        self.nearest.insert(target, self.backwards.len() - 1);
        self.backwards.len() - 1
    }

    fn jump(&mut self, index: usize) {
        let distance = self.backwards.len() - index - 1;
        self.push(JUMP, 0, 0, u32::try_from(distance).expect("programs are short"));
    }
}
