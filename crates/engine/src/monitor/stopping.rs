//! Is there any sense in waiting for a payload to end?
//!
//! The kernel drops a signal to the first process of a pid namespace unless that process has a handler for it
//! (pid_namespaces(7)); nothing ends a payload then but SIGKILL, now or ten seconds later. What blocks the signal may be
//! about to take it by a signalfd(2) or sigwait(3). Who sleeps in sigwait(3), as many an init does, has it unblocked for
//! that time (the kernel's `do_sigtimedwait`): so the system call is looked at, too.

use api::{Grace, STOP_TIMEOUT_S, Stop};
use oci::signals::Signal;
use rustix::process::Pid;
use std::path::Path;
use std::time::Duration;

/// How a payload is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Killed now.
    Kill,
    /// Killed now, because it would not notice this signal.
    KillDeaf(u8),
    /// Sent this signal, and killed after so long, if ever.
    Ask(u8, Option<Duration>),
}

/// What the container says of its own end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    /// Its stop signal.
    pub signal: u8,
    /// Its time.
    pub timeout_s: Option<i64>,
}

/// Decides; `notices` is asked when it matters.
pub(super) fn decide(stop: &Stop, manners: Manners, notices: impl FnOnce(u8) -> bool) -> Way {
    let signal = stop.signal.unwrap_or(manners.signal);
    let timeout_s = stop.timeout_s.or(manners.timeout_s).unwrap_or(STOP_TIMEOUT_S);
    if i32::from(signal) == Signal::KILL.number() {
        return Way::Kill;
    }
    if stop.grace == Grace::Auto && timeout_s != 0 && !notices(signal) {
        return Way::KillDeaf(signal);
    }
    // Less than none is for ever.
    Way::Ask(signal, u64::try_from(timeout_s).ok().map(Duration::from_secs))
}

/// What a user is told who might wonder that it was so quick.
pub(super) fn note(name: &str, signal: u8) -> String {
    let signal = Signal::from_number(signal.into()).map_or_else(|| signal.to_string(), Signal::name);
    format!(
        "Note: container {name} was killed at once: its process 1 has no handler for {signal}, so the kernel drops the \
         signal and waiting is for nothing (`--init` or a handler helps, `--grace always` waits)"
    )
}

/// Would the process notice the signal? If it cannot be looked at, it gets its time.
pub(super) fn notices(pid: Pid, signal: u8) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return true };
    // A thread that has gone meanwhile waits for nothing.
    tasks.flatten().any(|task| thread_notices(&task.path(), signal))
}

fn thread_notices(task: &Path, signal: u8) -> bool {
    let is_dropped = || std::fs::read_to_string(task.join("status")).is_ok_and(|status| is_dropped(&status, signal));
    // Twice: it may come out of a sigwait(3), or go to it, while we look.
    !is_dropped()
        || std::fs::read_to_string(task.join("syscall")).map_or(true, |call| is_sigwait(&call))
        || !is_dropped()
}

/// Is it asleep in a system call that takes signals? `128 0x7ffc… …` (proc_pid_syscall(5)). Not readable: it may be.
fn is_sigwait(call: &str) -> bool {
    let number = call.split_whitespace().next().and_then(|number| number.parse().ok());
    number.is_some_and(sys::signal::is_wait)
}

/// Does the kernel drop it, by what proc_pid_status(5) says?
fn is_dropped(status: &str, signal: u8) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // Its ids, from ours inwards: the first of a namespace, and not of ours, which would be the machine's.
    let is_init = field("NSpid:").is_some_and(|ids| {
        let mut inwards = ids.split_whitespace();
        inwards.next().is_some() && inwards.last() == Some("1")
    });
    let has = |name: &str| {
        let mask = field(name).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        // One that cannot be read says nothing against it.
        mask.is_none_or(|mask| mask >> (signal.clamp(1, 64) - 1) & 1 == 1)
    };
    is_init && !has("SigCgt:") && !has("SigBlk:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(ids: &str, blocked: u64, caught: u64) -> String {
        format!("Name:\tx\nNSpid:\t{ids}\nSigBlk:\t{blocked:016x}\nSigIgn:\t0000000000000000\nSigCgt:\t{caught:016x}\n")
    }

    #[test]
    fn only_an_init_that_neither_handles_nor_blocks_it_misses_a_signal() {
        let term = 1 << 14;
        for (ids, blocked, caught, dropped) in [
            ("4711\t1", 0, 0, true),
            ("4711\t12\t1", 0, 0, true),
            ("4711\t1", 0, term, false),
            ("4711\t1", term, 0, false),
            ("4711\t1", 1 << 1, 1 << 16, true),
            // Not the first of its namespace (`--pid host`, `--init`), or not in one of its own.
            ("4711\t7", 0, 0, false),
            ("4711", 0, 0, false),
            ("1", 0, 0, false),
        ] {
            assert_eq!(is_dropped(&status(ids, blocked, caught), 15), dropped, "{ids} {blocked} {caught}");
        }
        assert!(!is_dropped("", 15) && is_dropped(&status("5 1", 0, 0), 64));
        assert!(!is_dropped(&status("5 1", 0, 1 << 63), 64));
    }

    #[test]
    fn who_asks_decides_and_then_the_container() {
        let manners = Manners { signal: 3, timeout_s: Some(7) };
        let plain = Stop::default();
        let way = |stop: &Stop, notices: bool| decide(stop, manners, |_| notices);
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(way(&plain, true), Way::Ask(3, seconds(7)));
        assert_eq!(way(&plain, false), Way::KillDeaf(3));
        assert_eq!(way(&Stop { grace: Grace::Always, ..plain.clone() }, false), Way::Ask(3, seconds(7)));
        assert_eq!(way(&Stop { signal: Some(9), ..plain.clone() }, true), Way::Kill);
        assert_eq!(way(&Stop { signal: Some(2), timeout_s: Some(-1), ..plain.clone() }, true), Way::Ask(2, None));
        // Who gives no time has it killed anyway.
        assert_eq!(way(&Stop { timeout_s: Some(0), ..plain.clone() }, false), Way::Ask(3, seconds(0)));
        let none = Manners { signal: 15, timeout_s: None };
        assert_eq!(decide(&plain, none, |_| true), Way::Ask(15, seconds(10)));
    }

    #[test]
    fn the_call_that_waits_for_signals_is_known() {
        assert!(is_sigwait(&format!("{} 0x7ffd 0x0 0x7ffd 0x8 0x0 0x0 0x7ffd 0x4012\n", libc_number())));
        assert!(!is_sigwait("running\n") && !is_sigwait("-1 0x7ffd 0x40\n") && !is_sigwait("0 0x3 0x7f\n"));
    }

    /// rt_sigtimedwait(2) where the tests run.
    fn libc_number() -> u32 {
        if cfg!(target_arch = "x86_64") { 128 } else { 137 }
    }

    #[test]
    fn our_own_process_gets_its_time() {
        assert!(notices(rustix::process::getpid(), 15));
    }
}
