//! What a profile says about one call, read from the rules one by one: slow, plain, and without BPF.

use super::machine::Call;
use super::{AARCH64, ARM, ENOSYS, I386, KILL, X86_64};
use crate::seccomp::arch;
use oci::runtime::Seccomp;
use oci::runtime::seccomp::{Action, Arch, Arg, Op};

/// The verdict that the compiled program must give.
pub(super) fn decide(section: &Seccomp, native: Arch, call: &Call) -> u32 {
    let Some(abi) = abi(section, native, call) else { return KILL };
    let default = verdict(section.default_action, section.default_errno_ret);
    let narrow = matches!(abi, Arch::X86 | Arch::Arm);
    let matching = || {
        section
            .syscalls
            .iter()
            .filter(|rule| rule.names.iter().any(|name| arch::number(name, abi) == Some(call.number)))
            .map(|rule| (rule, verdict(rule.action, rule.errno_ret)))
            .filter(|(_, verdict)| *verdict != default)
    };
    if let Some((_, verdict)) = matching().find(|(rule, _)| rule.args.is_empty()) {
        return verdict;
    }
    for (rule, verdict) in matching() {
        let mut indexes: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let holds = |arg: &Arg| holds(arg, call.args[arg.index as usize], narrow);
        let all_or_any =
            if indexes.len() < rule.args.len() { rule.args.iter().any(holds) } else { rule.args.iter().all(holds) };
        if all_or_any {
            return verdict;
        }
    }
    let private = |number: u32| abi == Arch::Arm && (0xf_0000..0xf_0800).contains(&number);
    let numbers = section.syscalls.iter().flat_map(|rule| &rule.names).filter_map(|name| arch::number(name, abi));
    let largest = numbers.filter(|number| !private(*number)).max();
    let lets_through = matches!(section.default_action, Action::Allow | Action::Log | Action::Trace);
    let helps = !lets_through && section.default_errno_ret != Some(38);
    match largest {
        Some(largest) if call.number > largest && !private(call.number) && helps => ENOSYS,
        _ => default,
    }
}

/// The ABI of a call, if the profile lets it in.
fn abi(section: &Seccomp, native: Arch, call: &Call) -> Option<Arch> {
    let listed = |arch: Arch| Some(arch).filter(|arch| *arch == native || section.architectures.contains(arch));
    match (call.arch, native) {
        (X86_64, Arch::X86_64) if call.number < 0x4000_0000 => Some(Arch::X86_64),
        (X86_64, Arch::X86_64) if call.number == u32::MAX => listed(Arch::X32).or(Some(Arch::X86_64)),
        (X86_64, Arch::X86_64) => listed(Arch::X32),
        (I386, Arch::X86_64) => listed(Arch::X86),
        (AARCH64, Arch::Aarch64) => Some(Arch::Aarch64),
        (ARM, Arch::Aarch64) => listed(Arch::Arm),
        (0x8000_0016, Arch::S390x) => Some(Arch::S390x),
        _ => None,
    }
}

fn holds(arg: &Arg, argument: u64, narrow: bool) -> bool {
    let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
    let (argument, value, value_two) = (cut(argument), cut(arg.value), cut(arg.value_two));
    match arg.op {
        Op::NotEqual => argument != value,
        Op::Less => argument < value,
        Op::LessOrEqual => argument <= value,
        Op::Equal => argument == value,
        Op::GreaterOrEqual => argument >= value,
        Op::Greater => argument > value,
        Op::MaskedEqual => argument & value == value_two,
    }
}

fn verdict(action: Action, number: Option<u32>) -> u32 {
    let number = number.unwrap_or(1);
    match action {
        Action::Kill | Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x3_0000,
        Action::Errno => 0x5_0000 + number,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 + number,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}
