//! From what a profile means to a program for the kernel.
//!
//! ```text
//! if arch == native { native calls } else if arch == compat { compat calls } else { kill the process }
//! calls: a binary search over ranges of numbers with the same outcome, then the conditions on arguments, if any
//! ```
//!
//! Since 5.11 the kernel works out by itself which numbers are always allowed and doesn't run the program for them;
//! it can do so for every instruction that we use.

use super::arch;
use super::code::{Code, JEQ, JGE, LOAD, Target};
use super::condition::{self, Layout};
use super::rules::{self, Outcome, Range, verdict};
use error::{Error, Kind, Result};
use oci::runtime::Seccomp;
use oci::runtime::seccomp::Arch;
use std::collections::HashMap;
use sys::seccomp::Instruction;

/// The kernel's `BPF_MAXINSNS`.
pub(super) const MAX_INSTRUCTIONS: usize = 4096;

/// Where number and architecture lie in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// Lone numbers inside a range are tested one by one, up to this many; more would make the last one slow.
const EXCEPTIONS: usize = 3;

/// The program for a machine whose kernel is a `native` one.
pub fn compile(section: &Seccomp, native: Arch) -> Result<Vec<Instruction>> {
    let machine = arch::machine(native)
        .ok_or_else(|| Error::new(Kind::Unsupported, format!("no table of system calls for {native:?}")))?;
    let default = Target::Return(rules::default_verdict(section)?);
    let mut code = Code::default();
    let mut starts = vec![];
    // Written backwards: the native part, which matters most, ends up next to the entrance.
    for audit in machine.audits.iter().rev() {
        let wanted = |abi: &&Arch| **abi == native || section.architectures.contains(*abi);
        let abis: Vec<Arch> = audit.abis.iter().filter(wanted).copied().collect();
        if abis.is_empty() {
            continue;
        }
        let layout = Layout { big_endian: machine.big_endian, wide: audit.wide };
        let ranges = rules::ranges(section, audit, &abis)?;
        starts.push((audit.number, calls(&mut code, layout, &ranges, default)));
    }
    let foreign = Target::Return(verdict::KILL_PROCESS);
    let entrance = starts.into_iter().fold(foreign, |other, (number, start)| code.branch(JEQ, number, start, other));
    let entrance = code.then(LOAD, ARCH, entrance);
    let program = code.finish(entrance);
    if program.len() > MAX_INSTRUCTIONS {
        let length = program.len();
        return Err(Error::invalid(format!("{length} instructions are too many: the kernel takes {MAX_INSTRUCTIONS}")));
    }
    Ok(program)
}

/// A number's way to its outcome.
fn calls(code: &mut Code, layout: Layout, ranges: &[Range], default: Target) -> Target {
    let mut targets: HashMap<&Outcome, Target> = HashMap::new();
    for range in ranges {
        if !targets.contains_key(&range.outcome) {
            let target = outcome(code, layout, &range.outcome, default);
            targets.insert(&range.outcome, target);
        }
    }
    let groups = groups(ranges);
    let start = search(code, &groups, &targets);
    code.then(LOAD, NUMBER, start)
}

/// What happens to a call once its number is known.
fn outcome(code: &mut Code, layout: Layout, outcome: &Outcome, default: Target) -> Target {
    match outcome {
        Outcome::Always(verdict) => Target::Return(*verdict),
        Outcome::First(cases) => cases.iter().rev().fold(default, |otherwise, (args, verdict)| {
            let yes = Target::Return(*verdict);
            args.iter().rev().fold(yes, |yes, arg| condition::write(code, layout, arg, yes, otherwise))
        }),
    }
}

/// A range with lone numbers in it that have another outcome.
struct Group<'a> {
    start: u32,
    outcome: &'a Outcome,
    exceptions: Vec<(u32, &'a Outcome)>,
}

/// One test for equality takes a lone number out of a range; without groups it would take two for order.
fn groups(ranges: &[Range]) -> Vec<Group<'_>> {
    let mut groups = vec![];
    let mut rest = ranges;
    while let [first, after @ ..] = rest {
        let mut group = Group { start: first.start, outcome: &first.outcome, exceptions: vec![] };
        rest = after;
        while let [lone, back, after @ ..] = rest
            && group.exceptions.len() < EXCEPTIONS
            && back.start == lone.start + 1
            && back.outcome == *group.outcome
        {
            group.exceptions.push((lone.start, &lone.outcome));
            rest = after;
        }
        groups.push(group);
    }
    groups
}

/// Halves the groups until one is left.
fn search(code: &mut Code, groups: &[Group], targets: &HashMap<&Outcome, Target>) -> Target {
    if let [group] = groups {
        let inside = targets[group.outcome];
        return group
            .exceptions
            .iter()
            .rev()
            .fold(inside, |otherwise, (number, outcome)| code.branch(JEQ, *number, targets[*outcome], otherwise));
    }
    let (lower, upper) = groups.split_at(groups.len() / 2);
    let (start, upper) = (upper[0].start, search(code, upper, targets));
    let lower = search(code, lower, targets);
    code.branch(JGE, start, upper, lower)
}
