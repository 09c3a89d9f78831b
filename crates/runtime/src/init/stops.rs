//! Where the init stops: for its launcher, and at last for whoever starts the payload.

use super::process::{Labels, first_own};
use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::Plan;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with};
use std::io::IoSlice;

/// What the init says. An end of the conversation without [`message::EXECUTING`] means that it was killed on its way.
pub(crate) mod message {
    /// Comes with the terminal's controlling end.
    pub(crate) const CONSOLE: &[u8] = b"c";
    /// All is mounted; it waits.
    pub(crate) const MOUNTED: &[u8] = b"m";
    /// The container is created; it waits to be started.
    pub(crate) const CREATED: &[u8] = b"r";
    /// The payload is executed next.
    pub(crate) const EXECUTING: &[u8] = b"x";
}

/// Lets a waiting init go on.
pub(crate) const GO: &[u8] = b"g";

/// Lets a created container start.
pub(crate) const START: &[u8] = b"s";

pub(super) fn say(report: BorrowedFd<'_>, what: &[u8]) -> Result<(), Errno> {
    sys::socket::send(report, &[IoSlice::new(what)], None, SendFlags::empty())
}

pub(super) fn at_birth(plan: &Plan, report: BorrowedFd<'_>) -> Done {
    if plan.stops.at_birth { wait(report) } else { Ok(()) }
}

pub(super) fn when_mounted(plan: &Plan, report: BorrowedFd<'_>) -> Done {
    if !plan.stops.when_mounted {
        return Ok(());
    }
    say(report, message::MOUNTED).at(Stage::Launcher, 1)?;
    wait(report)
}

/// Waits for the launcher's word. Its end is ours.
pub(super) fn wait(report: BorrowedFd<'_>) -> Done {
    hear_go(report).at(Stage::Launcher, 0)
}

fn hear_go(report: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut word = [0; 1];
    let (length, _) = sys::socket::receive(report, &mut word, RecvFlags::empty())?;
    if word[..length] == *GO { Ok(()) } else { Err(Errno::CONNRESET) }
}

/// An init that waits, or calls hooks of the container, holds nothing of the host's that a neighbour who may trace it
/// could take (CVE-2016-9962).
pub(super) fn let_go(plan: &Plan, inherited: &Inherited<'_>, labels: &Labels) -> Done {
    if !plan.stops.before_payload && plan.start_container_hooks.is_empty() {
        return Ok(());
    }
    let Inherited { payload, start, hook_input, .. } = inherited;
    let [apparmor, selinux] = labels.fds();
    let [_, created] = hook_input.map_or([None; 2], |inputs| inputs.map(Some));
    let agent = payload.listener.map(|(agent, _)| agent);
    let kept = [Some(payload.report), *start, created, apparmor, selinux, agent];
    sys::process::close_all_but(first_own(&plan.process), kept).at(Stage::Launcher, 4)
}

/// Says that the container is created, and waits on its socket until somebody starts it: then that conversation is the
/// one to report to. Connections that end without the word are looks at whether we still wait.
pub(super) fn before_payload(plan: &Plan, inherited: &Inherited<'_>) -> Done<Option<OwnedFd>> {
    let Some(start) = inherited.start.filter(|_| plan.stops.before_payload) else { return Ok(None) };
    if !plan.process.candidates.is_empty() {
        super::process::find_program(&plan.process)?;
    }
    say(inherited.payload.report, message::CREATED).at(Stage::Launcher, 2)?;
    loop {
        let conversation = match accept_with(start, SocketFlags::CLOEXEC) {
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            other => other.at(Stage::Launcher, 3)?,
        };
        let mut word = [0; 1];
        match sys::socket::receive(&conversation, &mut word, RecvFlags::empty()) {
            Ok((length, _)) if word[..length] == *START => return Ok(Some(conversation)),
            // It looked, or was killed before it could say anything.
            _ => {}
        }
    }
}
