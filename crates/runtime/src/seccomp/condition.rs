//! A condition on an argument, as BPF. The machine compares words of 32 bits, so an argument of 64 has two.

use super::code::{AND, Code, JEQ, JGE, JGT, LOAD, Target};
use oci::runtime::seccomp::{Arg, Op};

/// Where the arguments lie in `struct seccomp_data`.
const ARGUMENTS: u32 = 16;

/// How arguments lie in memory.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The upper word first.
    pub(super) big_endian: bool,
    /// 64 bits count; otherwise only the lower 32, of the profile's numbers too, as in libseccomp.
    pub(super) wide: bool,
}

/// `if arg { yes } else { no }`
pub(super) fn write(code: &mut Code, layout: Layout, arg: &Arg, yes: Target, no: Target) -> Target {
    if yes == no {
        return yes;
    }
    let mut compare = |low: u16, yes: Target, no: Target| {
        if layout.wide {
            wide_order(code, layout, arg, low, yes, no)
        } else {
            word(code, layout.low(arg), None, low, low_word(arg.value), yes, no)
        }
    };
    match arg.op {
        Op::Greater => compare(JGT, yes, no),
        Op::GreaterOrEqual => compare(JGE, yes, no),
        Op::LessOrEqual => compare(JGT, no, yes),
        Op::Less => compare(JGE, no, yes),
        Op::Equal => masked(code, layout, arg, (u64::MAX, arg.value), yes, no),
        Op::NotEqual => masked(code, layout, arg, (u64::MAX, arg.value), no, yes),
        Op::MaskedEqual => masked(code, layout, arg, (arg.value, arg.value_two), yes, no),
    }
}

/// `argument > value` or, if `low` is [`JGE`], `argument >= value`: the upper words decide unless they are equal.
fn wide_order(code: &mut Code, layout: Layout, arg: &Arg, low: u16, yes: Target, no: Target) -> Target {
    let upper = high_word(arg.value);
    let equal = word(code, layout.low(arg), None, low, low_word(arg.value), yes, no);
    let decided = if upper == 0 {
        code.branch(JEQ, 0, equal, yes)
    } else {
        let not_greater = code.branch(JEQ, upper, equal, no);
        code.branch(JGT, upper, yes, not_greater)
    };
    code.then(LOAD, layout.high(arg), decided)
}

/// `argument & mask == value`. A word whose mask is 0 isn't looked at.
fn masked(code: &mut Code, layout: Layout, arg: &Arg, (mask, value): (u64, u64), yes: Target, no: Target) -> Target {
    let impossible = value & !mask;
    if low_word(impossible) != 0 || layout.wide && high_word(impossible) != 0 {
        return no;
    }
    let lower = match low_word(mask) {
        0 => yes,
        mask => word(code, layout.low(arg), Some(mask), JEQ, low_word(value), yes, no),
    };
    match high_word(mask) {
        mask if layout.wide && mask != 0 => word(code, layout.high(arg), Some(mask), JEQ, high_word(value), lower, no),
        _ => lower,
    }
}

/// Loads a word, masks it and compares it.
fn word(code: &mut Code, offset: u32, mask: Option<u32>, how: u16, value: u32, yes: Target, no: Target) -> Target {
    let compared = code.branch(how, value, yes, no);
    let masked = match mask {
        Some(mask) if mask != u32::MAX => code.then(AND, mask, compared),
        _ => compared,
    };
    code.then(LOAD, offset, masked)
}

impl Layout {
    fn low(self, arg: &Arg) -> u32 {
        ARGUMENTS + 8 * arg.index + if self.big_endian { 4 } else { 0 }
    }

    fn high(self, arg: &Arg) -> u32 {
        ARGUMENTS + 8 * arg.index + if self.big_endian { 0 } else { 4 }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn low_word(value: u64) -> u32 {
    value as u32
}

fn high_word(value: u64) -> u32 {
    low_word(value >> 32)
}
