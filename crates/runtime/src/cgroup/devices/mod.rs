//! Which devices a container may use: rules of a configuration, in words of v1 (two lists) and of v2 (a program).
//!
//! Rules are read first to last; for each of read, write and mknod the last one that names the device decides. What
//! no rule names is denied as soon as there are rules at all; without rules nothing is restricted.

mod program;
mod v1;

pub use program::program;
pub(super) use v1::v1;

use super::limits::invalid;
use error::Result;
use oci::runtime::DeviceRule;

/// Block or character devices; `None` elsewhere means both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Block,
    Character,
}

/// Access as bits: the kernel's `BPF_DEVCG_ACC_…`.
const MKNOD: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
const ALL: u8 = MKNOD | READ | WRITE;

/// A rule, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    allow: bool,
    kind: Option<Kind>,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
    /// One of [`defaults`].
    own: bool,
}

impl Rule {
    /// Does it name every device that `other` names?
    fn covers(&self, other: &Self) -> bool {
        fn wide<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || a == b
        }
        wide(self.kind, other.kind) && wide(self.major, other.major) && wide(self.minor, other.minor)
    }

    /// Is there a device that both name?
    fn meets(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        same(self.kind, other.kind) && same(self.major, other.major) && same(self.minor, other.minor)
    }
}

/// What every container with rules may do besides, after all its rules: the devices of config-linux.md ("Default
/// Devices"), `/dev/net/tun` as runc and crun have it, and making nodes of any kind, which are of no use by themselves.
///
/// A container's `/dev/console` is a pty; 5:1 would be the host's console, and is not among them (as in runc).
pub fn defaults() -> Vec<DeviceRule> {
    let rule = |kind: &str, major, minor, access: &str| {
        let (kind, access) = (kind.to_owned(), access.to_owned());
        DeviceRule { allow: true, kind, major, minor, access }
    };
    // null, zero, full, random, urandom; tty, ptmx; every pts; tun.
    let numbers = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
    let mut rules = vec![rule("c", None, None, "m"), rule("b", None, None, "m")];
    rules.extend(numbers.map(|(major, minor)| rule("c", Some(major), Some(minor), "rwm")));
    rules.extend([rule("c", Some(136), None, "rwm"), rule("c", Some(10), Some(200), "rwm")]);
    rules
}

/// Reads rules and adds the [`defaults`]; leaves out what later rules overrule. None stay none.
fn read(rules: &[DeviceRule]) -> Result<Vec<Rule>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        all.push(read_one(&format!("devices[{index}]"), rule)?);
    }
    for (index, rule) in defaults().iter().enumerate() {
        all.push(Rule { own: true, ..read_one(&format!("devices[default {index}]"), rule)? });
    }
    let mut kept: Vec<Rule> = Vec::new();
    for rule in all.into_iter().rev() {
        if !kept.iter().any(|later| later.covers(&rule) && later.access & rule.access == rule.access) {
            kept.push(rule);
        }
    }
    kept.reverse();
    Ok(kept)
}

fn read_one(field: &str, rule: &DeviceRule) -> Result<Rule> {
    let number = |name: &str, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => match u32::try_from(value).ok().filter(|value| i32::try_from(*value).is_ok()) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(&format!("{field}.{name}"), format_args!("{value} is no device number"))),
        },
    };
    let kind = match rule.kind.as_str() {
        "" | "a" => None,
        // `u` is an unbuffered character device, as for mknod(1).
        "c" | "u" => Some(Kind::Character),
        "b" => Some(Kind::Block),
        other => return Err(invalid(&format!("{field}.type"), format_args!("`{other}` is none of a, b, c"))),
    };
    let mut access = 0;
    for letter in rule.access.chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => return Err(invalid(&format!("{field}.access"), format_args!("`{letter}` is none of r, w, m"))),
        };
    }
    // Absent is all of it, as in the list that the kernel starts with.
    let access = if access == 0 { ALL } else { access };
    let (major, minor) = (number("major", rule.major)?, number("minor", rule.minor)?);
    // As runc has it: with the type `a` a rule is about all devices, whatever numbers stand there.
    let (major, minor) = if kind.is_none() && rule.kind == "a" { (None, None) } else { (major, minor) };
    Ok(Rule { allow: rule.allow, kind, major, minor, access, own: false })
}
