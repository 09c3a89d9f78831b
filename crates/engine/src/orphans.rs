//! Payloads that outlived their monitor.
//!
//! Mostly they cannot: the kernel kills them with it. But it forgets to when a payload changes who it is
//! (`PR_SET_PDEATHSIG`, prctl(2)), as a server does that begins as root. Two of them on the same data would ruin it, so
//! the old one ends before a new one starts, and before its container is removed.

use crate::Engine;
use crate::containers::Container;
use api::State;
use error::{Error, Kind, Result, ResultExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long a killed process may take to be gone: it may have much memory to give back.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

impl Engine {
    /// Kills the payloads of those of these containers whose monitor is gone. As the user himself: to his own user
    /// namespace, entered anew, the payload would be a stranger.
    pub fn end_orphans(&self, wanted: &[String]) -> Result<()> {
        for wanted in wanted {
            // What is wrong with the name is told by who is asked next.
            if let Ok(Some(container)) = self.containers.find(&self.names, wanted) {
                end(&container)?;
            }
        }
        Ok(())
    }
}

fn end(container: &Container) -> Result<()> {
    let Container { record, status, state, .. } = container;
    let pid = status.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|_| *state == State::Dead) else { return Ok(()) };
    let words = || format!("can't end what is left of container {}", record.name);
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        other => other.map_err(std::io::Error::from).context(words)?,
    };
    if !is_of(pid, &record.id) {
        return Ok(());
    }
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) => {}
        Err(Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(std::io::Error::from(errno)).context(words),
    }
    loop {
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&PATIENCE)) {
            Ok(0) => {
                return Err(Error::new(Kind::Unavailable, "it does not end although it was killed").context(words()));
            }
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
    }
}

/// Is it a process of that container, not another that got the number since? Files of the container's folder are mounted
/// in its mount namespace and in no other.
fn is_of(pid: Pid, id: &str) -> bool {
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", pid.as_raw_nonzero()));
    mounts.is_ok_and(|mounts| mounts.contains(id))
}
