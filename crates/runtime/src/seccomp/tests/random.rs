//! For any profile and any call, program and model agree.

use super::machine::{self, Call};
use super::*;
use crate::seccomp::compile::MAX_INSTRUCTIONS;
use crate::seccomp::{arch, table};
use oci::runtime::seccomp::{Action, Arg, Op, Rule};

/// Numbers that look random and are the same on every machine (splitmix64).
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

const MACHINES: [Arch; 3] = [Arch::X86_64, Arch::Aarch64, Arch::S390x];
const AUDITS: [u32; 6] = [X86_64, I386, AARCH64, ARM, 0x8000_0016, 0xc000_00f3];
const ACTIONS: [Action; 8] = [
    Action::Allow,
    Action::Errno,
    Action::Errno,
    Action::Kill,
    Action::KillProcess,
    Action::Trap,
    Action::Trace,
    Action::Log,
];
const OPS: [Op; 7] =
    [Op::NotEqual, Op::Less, Op::LessOrEqual, Op::Equal, Op::GreaterOrEqual, Op::Greater, Op::MaskedEqual];
/// Values at which comparisons change their mind.
const VALUES: [u64; 12] = [
    0,
    1,
    7,
    8,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0007,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

fn profile(dice: &mut Dice, names: usize, rules: usize) -> Seccomp {
    let mut syscalls = vec![];
    for _ in 0..rules {
        let action = dice.one(&ACTIONS);
        let args = (0..dice.one(&[0, 1, 1, 1, 2, 3]))
            .map(|_| Arg {
                index: dice.one(&[0, 0, 1, 2, 5]),
                value: dice.one(&VALUES),
                value_two: dice.one(&[0, 0, 1, 7, 0x1_0000_0000, 0xffff_ffff]),
                op: dice.one(&OPS),
            })
            .collect();
        let names = (0..=dice.below(4)).map(|_| table::SYSCALLS[dice.below(names)].0.to_owned()).collect();
        syscalls.push(Rule { names, action, errno_ret: dice.one(&[None, Some(1), Some(38), Some(7)]), args });
    }
    Seccomp {
        default_action: dice.one(&ACTIONS),
        default_errno_ret: dice.one(&[None, Some(1), Some(22), Some(38)]),
        architectures: [Arch::X86, Arch::X32, Arch::Arm, Arch::Mips]
            .into_iter()
            .filter(|_| dice.below(2) == 0)
            .collect(),
        flags: None,
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls,
    }
}

fn call(dice: &mut Dice, section: &Seccomp, native: Arch) -> Call {
    let rule = (!section.syscalls.is_empty()).then(|| dice.one(&section.syscalls));
    let abi = dice.one(&[native, Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm, Arch::S390x]);
    let named = rule.as_ref().and_then(|rule| arch::number(&dice.one(&rule.names), abi)).unwrap_or(3);
    let number = match dice.below(6) {
        0 => dice.one(&[0, 466, 467, 0x3fff_ffff, 0x4000_0000, 0x4000_0300, 0xf_0000, 0xf_0005, 0xf_0800, u32::MAX]),
        1 => named.wrapping_add(1),
        2 => named.wrapping_sub(1),
        _ => named,
    };
    let values: Vec<u64> = rule.iter().flat_map(|rule| &rule.args).flat_map(|arg| [arg.value, arg.value_two]).collect();
    let args: Vec<u64> = (0..6)
        .map(|_| match (dice.below(4), values.is_empty()) {
            (0, _) => dice.one(&VALUES),
            (1, _) => dice.number(),
            (2, false) => dice.one(&values).wrapping_add(dice.one(&[1, u64::MAX, 0x1_0000_0000])),
            (_, false) => dice.one(&values),
            (_, true) => 0,
        })
        .collect();
    let audit = match abi {
        Arch::X86_64 | Arch::X32 => X86_64,
        Arch::X86 => I386,
        Arch::Aarch64 => AARCH64,
        Arch::Arm => ARM,
        _ => 0x8000_0016,
    };
    Call::new(if dice.below(10) == 0 { dice.one(&AUDITS) } else { audit }, number, &args)
}

fn agree(dice: &mut Dice, section: &Seccomp, native: Arch, calls: usize) -> usize {
    let program = compile(section, native).unwrap();
    for _ in 0..calls {
        let call = call(dice, section, native);
        let (got, expected) =
            (machine::run(&program, &call, native == Arch::S390x), model::decide(section, native, &call));
        assert_eq!(got, expected, "{got:#x}, not {expected:#x}, for {call:x?} on {native:?} with {section:#x?}");
    }
    program.len()
}

#[test]
fn small_profiles_full_of_collisions() {
    let mut dice = Dice(1);
    for _ in 0..600 {
        let (names, rules) = (1 + dice.below(20), dice.below(12));
        let section = profile(&mut dice, names, rules);
        let native = dice.one(&MACHINES);
        agree(&mut dice, &section, native, 100);
    }
}

#[test]
fn long_profiles_whose_jumps_need_stand_ins() {
    let mut dice = Dice(2);
    let mut longest = 0;
    for _ in 0..10 {
        let section = profile(&mut dice, table::SYSCALLS.len(), 110);
        let native = dice.one(&MACHINES);
        longest = longest.max(agree(&mut dice, &section, native, 1500));
    }
    assert!((1500..MAX_INSTRUCTIONS).contains(&longest), "{longest}");
}

#[test]
fn the_default_profile_for_every_number() {
    let mut dice = Dice(3);
    for native in MACHINES {
        let section = default_profile(native);
        let program = compile(&section, native).unwrap();
        for arch in AUDITS {
            for number in (0..480).chain(0x4000_0000..0x4000_0000 + 560).chain(0xf_0000..0xf_0008) {
                let call = Call::new(arch, number, &[dice.number() % 70, dice.one(&VALUES)]);
                assert_eq!(
                    machine::run(&program, &call, native == Arch::S390x),
                    model::decide(&section, native, &call),
                    "{call:x?} on {native:?}"
                );
            }
        }
    }
}
