//! Health checks while a payload runs: when the next is due, and the one that is under way.
//!
//! Each is executed as `exec` does it, by an attendant whose exit code is the check's. What it says goes into a pipe of
//! ours, and its beginning into the status.

use super::watch::{READABLE, Seen, Watch, What};
use crate::health::{Health, HealthResult, Healthcheck};
use crate::record;
use error::{Error, Result, ResultExt};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitOptions, waitpid};
use std::time::{Duration, Instant};
use sys::process::Child;

/// What is kept of what a check says, in bytes.
const OUTPUT_BYTES: usize = 4096;

/// The exit code of a check that took too long, as with Docker.
const TOO_LONG: i32 = -1;

/// What is killed with its payload ends before it, in the kernel's order. So a check that was killed counts only when the
/// payload is still there after this.
const BENEFIT_OF_DOUBT: Duration = Duration::from_millis(200);

/// The exit code of what SIGKILL ended.
pub(super) const KILLED: i32 = 137;

/// The checks of one run of a payload.
pub(super) struct Checks {
    plan: Healthcheck,
    started: Instant,
    next: Instant,
    probe: Option<Probe>,
    /// One that was killed, and when it counts.
    doubtful: Option<(Duration, HealthResult, Instant)>,
}

/// A check under way.
struct Probe {
    attendant: Child,
    ear: OwnedFd,
    said: Vec<u8>,
    begin: String,
    /// Since the payload's start.
    ran: Duration,
    deadline: Instant,
    is_late: bool,
    /// Nobody has the pipe's other end any more.
    has_heard_all: bool,
}

impl Checks {
    /// Of a payload that starts now.
    pub(super) fn new(plan: Healthcheck) -> Self {
        let started = Instant::now();
        let next = started + plan.pause(&Health::default(), Duration::ZERO);
        Self { plan, started, next, probe: None, doubtful: None }
    }

    /// What runs in the container.
    pub(super) fn plan(&self) -> &Healthcheck {
        &self.plan
    }

    pub(super) fn watch<'a>(&'a self, watch: &mut Watch<'a>) {
        if let Some(probe) = &self.probe {
            watch.add(What::Check, Some(probe.ear.as_fd()).filter(|_| !probe.has_heard_all), PollFlags::IN);
            watch.add(What::Checker, Some(probe.attendant.pidfd.as_fd()), PollFlags::IN);
        }
    }

    /// When there is something to be done that nothing else tells.
    pub(super) fn due(&self) -> Option<Instant> {
        match (&self.probe, &self.doubtful) {
            (Some(probe), _) => (!probe.is_late).then_some(probe.deadline),
            (None, Some((.., at))) => Some(*at),
            (None, None) => Some(self.next),
        }
    }

    /// Begins a check that is due. `begin` starts the attendant, with that end of a pipe for what the check says.
    pub(super) fn begin_if_due(&mut self, begin: impl FnOnce(BorrowedFd<'_>) -> Result<Child>) -> Result<()> {
        let now = Instant::now();
        if self.probe.is_some() || self.doubtful.is_some() || now < self.next {
            return Ok(());
        }
        let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(std::io::Error::from);
        let (ear, mouth) = pipe.context(|| "can't make a pipe")?;
        let attendant = begin(mouth.as_fd())?;
        self.probe = Some(Probe {
            attendant,
            ear,
            said: Vec::new(),
            begin: record::now(),
            ran: self.started.elapsed(),
            deadline: now + self.plan.timeout(),
            is_late: false,
            has_heard_all: false,
        });
        Ok(())
    }

    /// Goes on with the check under way. Has `health` become unhealthy by its end? `None`: it has not ended.
    pub(super) fn serve(&mut self, seen: &Seen, health: &mut Health) -> Option<bool> {
        if let Some((ran, result, _)) = self.doubtful.take_if(|(.., at)| Instant::now() >= *at) {
            return Some(self.settle(ran, result, health));
        }
        let probe = self.probe.as_mut()?;
        if seen.has(What::Check, READABLE) {
            probe.listen();
        }
        if !probe.is_late && Instant::now() >= probe.deadline {
            probe.is_late = true;
            probe.kill();
        }
        if !seen.has(What::Checker, READABLE) {
            return None;
        }
        let ran = probe.ran;
        let result = self.probe.take()?.finish(self.plan.timeout());
        if result.exit_code == KILLED {
            self.doubtful = Some((ran, result, Instant::now() + BENEFIT_OF_DOUBT));
            return None;
        }
        Some(self.settle(ran, result, health))
    }

    fn settle(&mut self, ran: Duration, result: HealthResult, health: &mut Health) -> bool {
        let turned = health.take(&self.plan, ran, result);
        self.next = Instant::now() + self.plan.pause(health, self.started.elapsed());
        turned
    }

    /// The payload has ended, and what was executed in its container with it.
    pub(super) fn end(self) {
        if let Some(probe) = self.probe {
            probe.kill();
            probe.finish(Duration::ZERO);
        }
    }

    /// A check that could not even begin has failed.
    pub(super) fn fail(&mut self, error: &Error, health: &mut Health) -> bool {
        let now = record::now();
        let result = HealthResult { start: now.clone(), end: now, exit_code: TOO_LONG, output: error.to_string() };
        self.settle(self.started.elapsed(), result, health)
    }
}

impl Probe {
    /// What is more than is kept goes nowhere.
    fn listen(&mut self) {
        let mut buffer = [0; OUTPUT_BYTES];
        loop {
            match rustix::io::read(&self.ear, &mut buffer) {
                Ok(0) => return self.has_heard_all = true,
                Ok(length) => {
                    let room = OUTPUT_BYTES - self.said.len();
                    self.said.extend_from_slice(&buffer[..length.min(room)]);
                }
                Err(_) => return,
            }
        }
    }

    fn kill(&self) {
        // It may have ended by itself in this moment.
        let _ = rustix::process::pidfd_send_signal(&self.attendant.pidfd, Signal::KILL);
    }

    /// Its attendant has ended, or is about to.
    fn finish(mut self, timeout: Duration) -> HealthResult {
        self.listen();
        let waited = rustix::io::retry_on_intr(|| waitpid(Some(self.attendant.pid), WaitOptions::empty()));
        let code = waited.ok().flatten().and_then(|(_, status)| status.exit_status());
        let (exit_code, output) = match code {
            Some(code) if !self.is_late => (code, String::from_utf8_lossy(&self.said).into_owned()),
            _ if self.is_late => (TOO_LONG, format!("Health check exceeded timeout ({timeout:?})")),
            _ => (TOO_LONG, String::from_utf8_lossy(&self.said).into_owned()),
        };
        HealthResult { start: self.begin, end: record::now(), exit_code, output }
    }
}
