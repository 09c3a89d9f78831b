//! `--init`: process 1 stays between the container and its payload. It hands signals on, waits for whoever is left without
//! a parent, and ends with the payload's code.
//!
//! It is the init itself, which makes the payload as its child instead of becoming it: nothing of ours has to be put into
//! the container, and what cannot be executed is told as always. It has the payload's rights and no more.

use super::{At, Done, Payload};
use crate::copy::copy;
use crate::failure::{Failure, Stage};
use crate::plan::ProcessPlan;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, set_child_subreaper, set_parent_process_death_signal, setpgid, wait,
};
use rustix::termios::tcsetpgrp;
use std::convert::Infallible;
use sys::process::{Child, Clone3, Range, exit_now};
use sys::signal::number;

/// The name in process lists.
const NAME: &std::ffi::CStr = c"docker-init";

/// Comes back only to say why there is no payload. `restrict`: takes the last rights away; `go_on`: becomes the payload.
pub(super) fn stand_between(
    plan: &ProcessPlan,
    payload: &Payload<'_>,
    restrict: impl Fn() -> Done,
    go_on: impl FnOnce(),
) -> Failure {
    let Err(failure) = make_payload(plan, payload, go_on).map(|child| watch_over(child, payload, restrict));
    failure
}

fn make_payload(plan: &ProcessPlan, payload: &Payload<'_>, go_on: impl FnOnce()) -> Done<Child> {
    // All wait until somebody is there who takes them.
    sys::signal::block_all().at(Stage::Session, 5)?;
    copy(Clone3::default(), || {
        if plan.dies_with_launcher {
            // Not in the container's own pid namespace (`--pid host`) it would outlive us.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
        }
        // A group of its own, in front of its terminal: keys that mean signals are for it alone.
        let _ = setpgid(None, None);
        if plan.terminal.is_some() {
            let _ = tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid());
        }
        match sys::process::reset_signals() {
            Ok(()) => go_on(),
            Err(errno) => super::give_up(payload.report, Failure { stage: Stage::Session, index: 6, errno }),
        }
    })
    .at(Stage::Session, 6)
}

fn watch_over(child: Child, payload: &Payload<'_>, restrict: impl Fn() -> Done) -> Infallible {
    let Child { pid, pidfd } = child;
    // It is closed with all else, the conversation with the launcher too: that is the payload's, and ends by its exec.
    std::mem::forget(pidfd);
    let _ = sys::process::close_range(3, Range::Close);
    // Where we are not process 1: those without a parent are ours all the same.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    let _ = sys::process::set_name(NAME);
    if let Some(title) = payload.title {
        title.show();
    }
    if restrict().is_err() {
        // Rather than stay with more rights than the payload, which says itself what went wrong.
        exit_now(127);
    }
    loop {
        match sys::signal::wait() {
            Ok(number::CHLD) | Err(_) => {
                if let Some(code) = reap(pid) {
                    exit_now(code);
                }
            }
            // Background reads and writes of a terminal are nobody's orders.
            Ok(number::TTIN | number::TTOU) => {}
            Ok(signal) => forward(pid, signal),
        }
    }
}

/// It may have ended already; then its end is the next thing that we hear.
fn forward(child: Pid, signal: u8) {
    let _ = sys::process::signal_pid(child, signal);
}

/// Waits for all that have ended; the exit code, when the payload is among them.
fn reap(child: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => code = Some(exit_code(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return code,
        }
    }
}

/// As a shell says it.
fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(127)
}
