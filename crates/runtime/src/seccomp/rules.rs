//! What a profile means: for every number of every ABI, what happens. No BPF here.
//!
//! # When rules collide
//!
//! As in runc with libseccomp, which profiles are written for:
//!
//! - a rule with the default action says nothing;
//! - the first rule without conditions decides alone, whatever rules with conditions stand before or after it;
//! - otherwise the first rule whose conditions hold decides (libseccomp promises no order among those that overlap);
//! - a rule with two conditions on one argument is as many rules as it has conditions, with one condition each;
//! - names that an ABI doesn't have mean nothing there.
//!
//! # Calls that are newer than the profile
//!
//! A program that tries a new call falls back on an old one if it gets `ENOSYS`, and fails if it gets `EPERM`. So
//! numbers above the largest one that the profile names give `ENOSYS`, unless the default is to let calls through.

use super::arch::{self, ARM_PRIVATE, Audit, X32_BIT};
use error::{Error, Result};
use oci::runtime::Seccomp;
use oci::runtime::seccomp::{Action, Arch, Arg};
use std::collections::BTreeMap;

/// Values that a filter returns (linux/seccomp.h); the lower 16 bits carry an errno or a message.
pub(super) mod verdict {
    pub(in super::super) const KILL_PROCESS: u32 = 0x8000_0000;
    pub(in super::super) const KILL_THREAD: u32 = 0;
    pub(in super::super) const TRAP: u32 = 0x0003_0000;
    pub(in super::super) const ERRNO: u32 = 0x0005_0000;
    pub(in super::super) const NOTIFY: u32 = 0x7fc0_0000;
    pub(in super::super) const TRACE: u32 = 0x7ff0_0000;
    pub(in super::super) const LOG: u32 = 0x7ffc_0000;
    pub(in super::super) const ALLOW: u32 = 0x7fff_0000;
}

/// The errno when a rule gives none.
const EPERM: u32 = 1;
/// The errno of calls that don't exist; the same number on all our architectures.
const ENOSYS: u32 = 38;
/// The largest errno that the kernel hands on (linux/err.h).
const MAX_ERRNO: u32 = 4095;
/// ARM has room for this many private calls (arch/arm/kernel/traps.c).
const ARM_PRIVATE_CALLS: u32 = 0x800;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// Always this.
    Always(u32),
    /// The first whose conditions all hold; otherwise the default.
    First(Vec<(Vec<Arg>, u32)>),
}

/// From this number on, up to the next range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) outcome: Outcome,
}

/// The default of a profile, as a verdict.
pub(super) fn default_verdict(section: &Seccomp) -> Result<u32> {
    match section.default_action {
        Action::Notify => Err(invalid("a listener can't be asked about every call (`SCMP_ACT_NOTIFY` as default)")),
        action => value(action, section.default_errno_ret),
    }
}

/// What happens to each number under an audit number; `abis` are those of it that the profile lets in.
pub(super) fn ranges(section: &Seccomp, audit: &Audit, abis: &[Arch]) -> Result<Vec<Range>> {
    let default = default_verdict(section)?;
    let mut base = vec![];
    let mut calls = BTreeMap::new();
    for abi in audit.abis {
        if !abis.contains(abi) {
            // A tracer skips a call by making its number -1: that is no call of a foreign ABI, but an unknown one.
            let unknown = last_verdict(&base, default);
            base.extend([(first_number(*abi), verdict::KILL_PROCESS), (u32::MAX, unknown)]);
            continue;
        }
        let largest = collect(section, *abi, default, &mut calls)?;
        base.push((first_number(*abi), default));
        if let Some(largest) = largest.filter(|_| fills_in_enosys(section)) {
            base.push((largest + 1, verdict::ERRNO | ENOSYS));
        }
        if *abi == Arch::Arm {
            let unknown = last_verdict(&base, default);
            base.extend([(ARM_PRIVATE, default), (ARM_PRIVATE + ARM_PRIVATE_CALLS, unknown)]);
        }
    }
    Ok(merge(&base, calls))
}

/// Adds the ABI's calls that the profile names; gives the largest number among them, private ones aside.
fn collect(section: &Seccomp, abi: Arch, default: u32, calls: &mut BTreeMap<u32, Outcome>) -> Result<Option<u32>> {
    let mut largest = None;
    for rule in &section.syscalls {
        let verdict = value(rule.action, rule.errno_ret)?;
        if let Some(arg) = rule.args.iter().find(|arg| arg.index > 5) {
            return Err(invalid(format!("argument {} does not exist: calls have 0 to 5", arg.index)));
        }
        for name in &rule.names {
            if rule.action == Action::Notify && name == "write" {
                return Err(invalid("a listener can't be asked about `write`, which telling it needs"));
            }
            let Some(number) = arch::number(name, abi) else { continue };
            if !(ARM_PRIVATE..X32_BIT).contains(&number) {
                largest = largest.max(Some(number));
            }
            if verdict != default {
                add(calls.entry(number), &rule.args, verdict);
            }
        }
    }
    Ok(largest)
}

fn add(entry: std::collections::btree_map::Entry<u32, Outcome>, args: &[Arg], verdict: u32) {
    let outcome = entry.or_insert_with(|| Outcome::First(vec![]));
    match outcome {
        Outcome::Always(_) => {}
        _ if args.is_empty() => *outcome = Outcome::Always(verdict),
        Outcome::First(cases) if names_an_argument_twice(args) => {
            cases.extend(args.iter().map(|arg| (vec![*arg], verdict)));
        }
        Outcome::First(cases) => cases.push((args.to_vec(), verdict)),
    }
}

fn names_an_argument_twice(args: &[Arg]) -> bool {
    args.iter().enumerate().any(|(i, arg)| args[..i].iter().any(|other| other.index == arg.index))
}

/// Lays the calls over what holds where no call is named, and joins neighbours that are equal.
fn merge(base: &[(u32, u32)], calls: BTreeMap<u32, Outcome>) -> Vec<Range> {
    let base_at = |number: u32| base.iter().rev().find(|(start, _)| *start <= number).expect("the base starts at 0").1;
    let mut starts: BTreeMap<u32, Outcome> = base.iter().map(|(n, verdict)| (*n, Outcome::Always(*verdict))).collect();
    for (number, outcome) in calls {
        starts.insert(number, outcome);
        if let Some(next) = number.checked_add(1) {
            starts.entry(next).or_insert_with(|| Outcome::Always(base_at(next)));
        }
    }
    let mut ranges: Vec<Range> = vec![];
    for (start, outcome) in starts {
        if ranges.last().is_none_or(|last| last.outcome != outcome) {
            ranges.push(Range { start, outcome });
        }
    }
    ranges
}

fn last_verdict(base: &[(u32, u32)], default: u32) -> u32 {
    base.last().map_or(default, |(_, verdict)| *verdict)
}

fn first_number(abi: Arch) -> u32 {
    if abi == Arch::X32 { X32_BIT } else { 0 }
}

/// A good tracer handles new calls itself, and a profile with `ENOSYS` as default needs no help.
fn fills_in_enosys(section: &Seccomp) -> bool {
    !matches!(section.default_action, Action::Allow | Action::Log | Action::Trace)
        && section.default_errno_ret != Some(ENOSYS)
}

/// The verdict of an action.
fn value(action: Action, number: Option<u32>) -> Result<u32> {
    let number = number.unwrap_or(EPERM);
    Ok(match action {
        Action::Kill | Action::KillThread => verdict::KILL_THREAD,
        Action::KillProcess => verdict::KILL_PROCESS,
        Action::Trap => verdict::TRAP,
        Action::Allow => verdict::ALLOW,
        Action::Log => verdict::LOG,
        Action::Notify => verdict::NOTIFY,
        Action::Errno if number <= MAX_ERRNO => verdict::ERRNO | number,
        Action::Trace if number <= u32::from(u16::MAX) => verdict::TRACE | number,
        Action::Errno => return Err(invalid(format!("errno {number} is more than {MAX_ERRNO}"))),
        Action::Trace => return Err(invalid(format!("the tracer's message {number} has more than 16 bits"))),
    })
}

/// True if a listener may get calls.
pub(super) fn notifies(section: &Seccomp) -> bool {
    section.syscalls.iter().any(|rule| rule.action == Action::Notify)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid(message)
}
