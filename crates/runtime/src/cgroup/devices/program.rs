//! Device rules as a program for v2: `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15).
//!
//! The kernel runs it at each open and mknod of a device; 1 allows, 0 denies. It goes through the rules from the last
//! to the first. Register 3 holds the accesses that nobody has decided about yet:
//! ```text
//! r2 = type; r3 = asked; r4 = major; r5 = minor
//! for each rule, last first:  if it names the device:
//!     a denying one:   if r3 has one of its accesses: return 0
//!     an allowing one: take its accesses out of r3; if nothing is left: return 1
//! return 0
//! ```

use super::{ALL, Kind, Rule, read};
use error::Result;
use oci::runtime::DeviceRule;
use sys::bpf::Instruction;

// linux/bpf_common.h and linux/bpf.h: class, size or operation, mode or source.
const LOAD_WORD: u8 = 0x61; // dst = *(u32 *)(src + offset)
const AND: u8 = 0x54; // dst &= immediate, 32 bits
const SHIFT_RIGHT: u8 = 0x74; // dst >>= immediate, 32 bits
const MOVE: u8 = 0xb4; // dst = immediate, 32 bits
const JUMP: u8 = 0x05; // to offset
const JUMP_IF_NOT: u8 = 0x55; // to offset if dst != immediate
const JUMP_IF_ANY: u8 = 0x45; // to offset if dst & immediate
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ASKED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The program for these rules and the [`defaults`](super::defaults); `None` if nothing is restricted.
pub fn program(rules: &[DeviceRule]) -> Result<Option<Vec<Instruction>>> {
    if rules.is_empty() {
        return Ok(None);
    }
    let rules = read(rules)?;
    // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, where access_type = access << 16 | type.
    let mut code = vec![
        Instruction::new(LOAD_WORD, KIND, CONTEXT, 0, 0),
        Instruction::new(LOAD_WORD, ASKED, CONTEXT, 0, 0),
        Instruction::new(AND, KIND, 0, 0, 0xffff),
        Instruction::new(SHIFT_RIGHT, ASKED, 0, 0, 16),
        Instruction::new(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        Instruction::new(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let decision = decision(rule);
        let conditions = conditions(rule);
        for (index, (register, value)) in conditions.iter().enumerate() {
            let skipped = conditions.len() - index - 1 + decision.len();
            code.push(Instruction::new(JUMP_IF_NOT, *register, 0, small(skipped), *value));
        }
        code.extend(decision);
        // Nothing comes through it, and the kernel refuses a program with code that is never reached.
        if conditions.is_empty() && rule.access == ALL {
            return Ok(Some(code));
        }
    }
    code.extend(end(false));
    Ok(Some(code))
}

fn conditions(rule: &Rule) -> Vec<(u8, i32)> {
    let kind = rule.kind.map(|kind| match kind {
        Kind::Block => 1,     // BPF_DEVCG_DEV_BLOCK
        Kind::Character => 2, // BPF_DEVCG_DEV_CHAR
    });
    let number = |number: Option<u32>| number.map(|number| i32::try_from(number).expect("checked when it was read"));
    [(KIND, kind), (MAJOR, number(rule.major)), (MINOR, number(rule.minor))]
        .into_iter()
        .filter_map(|(register, value)| Some((register, value?)))
        .collect()
}

fn decision(rule: &Rule) -> Vec<Instruction> {
    let access = i32::from(rule.access);
    let mut code = match (rule.allow, rule.access) {
        (_, ALL) => Vec::new(),
        (true, _) => {
            vec![Instruction::new(AND, ASKED, 0, 0, !access), Instruction::new(JUMP_IF_NOT, ASKED, 0, 2, 0)]
        }
        (false, _) => vec![Instruction::new(JUMP_IF_ANY, ASKED, 0, 1, access), Instruction::new(JUMP, 0, 0, 2, 0)],
    };
    code.extend(end(rule.allow));
    code
}

fn end(allow: bool) -> [Instruction; 2] {
    [Instruction::new(MOVE, RESULT, 0, 0, i32::from(allow)), Instruction::new(EXIT, 0, 0, 0, 0)]
}

fn small(count: usize) -> i16 {
    i16::try_from(count).expect("a rule has at most eight instructions")
}
