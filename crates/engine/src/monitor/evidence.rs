//! What the monitor knows of an end.

use super::{Monitor, kernel_log, words};
use crate::death::{By, Death, Sent};
use runtime::Running;
use rustix::process::WaitStatus;
use std::time::Instant;
use sys::signal::number;

/// Set in a wait status when there is a core dump (wait(2), `WCOREDUMP`).
const CORE_DUMPED: i32 = 0x80;

/// When the payload is killed, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub at: Instant,
    pub sent: Sent,
}

impl Monitor {
    /// Sends it, and remembers for whom.
    pub(super) fn send(&mut self, running: &Running, signal: u8, by: By) {
        self.sent = Some(Sent { signal, by, asked: None, deaf: false });
        words::signal(running, signal);
    }

    /// Who is in more of a hurry than one before decides.
    pub(super) fn kill_by(&mut self, deadline: Option<Deadline>) {
        self.kill_at = self.kill_at.into_iter().chain(deadline).min_by_key(|deadline| deadline.at);
    }

    pub(super) fn kill_if_due(&mut self, running: &Running) {
        if let Some(Deadline { sent, .. }) = self.kill_at.filter(|deadline| Instant::now() >= deadline.at) {
            (self.kill_at, self.sent) = (None, Some(sent));
            words::signal(running, number::KILL);
        }
    }

    /// Of an end that was no exit with 0.
    pub(super) fn death(&self, running: &Running, status: Option<WaitStatus>) -> Option<Death> {
        let status = status.filter(|status| status.exit_status() != Some(0))?;
        let signal = status.terminating_signal().and_then(|signal| u8::try_from(signal).ok());
        let was_filtered = signal == Some(number::SYS);
        Some(Death {
            signal,
            core_dumped: signal.is_some() && status.as_raw() & CORE_DUMPED != 0,
            sent: self.sent,
            out_of_memory: None,
            call: if was_filtered { kernel_log::killing_call(running.pid.as_raw_nonzero().get()) } else { None },
        })
    }
}
