//! A signal for every process of a container.

use super::dir::Dir;
use super::paths::Paths;
use error::{Error, Result, ResultExt};
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::HashSet;

/// How often the list of processes is read again: where they cannot be frozen nothing keeps them from forking meanwhile.
const ROUNDS: u32 = 100;

/// `SIGKILL`.
pub(super) const KILL: u8 = 9;

impl Paths {
    /// Sends `signal` to all processes in the cgroup and below. None being there is success.
    ///
    /// `SIGKILL` goes through `cgroup.kill` (v2, Linux 5.14), which nothing escapes. Otherwise the processes are frozen
    /// first, so that none forks in between, and those that were not frozen before go on afterwards.
    pub fn kill_all(&self, signal: u8) -> Result<()> {
        if signal == KILL && self.kill_through_file()? {
            return self.release_killed();
        }
        let was_frozen = self.is_frozen()?;
        let can_freeze = was_frozen || self.freeze().is_ok();
        let sent = self.signal_each(signal);
        if can_freeze && (!was_frozen || signal == KILL) {
            self.thaw()?;
        }
        if signal == KILL {
            self.release_killed()?;
        }
        sent
    }

    /// `false` where there is no such file.
    fn kill_through_file(&self) -> Result<bool> {
        let Some(place) = self.v2() else { return Ok(false) };
        let path = place.path();
        match Dir::open(&path).and_then(|dir| dir.write("cgroup.kill", "1")) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => Ok(false),
            Err(errno) => Err(std::io::Error::from(errno))
                .context(|| format!("can't kill through `{}/cgroup.kill`", path.display())),
        }
    }

    /// One that appears after its round is found in the next.
    fn signal_each(&self, signal: u8) -> Result<()> {
        let mut told = HashSet::<Pid>::new();
        for _ in 0..ROUNDS {
            let fresh: Vec<Pid> = self.processes()?.into_iter().filter(|pid| !told.contains(pid)).collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh {
                match sys::process::signal_pid(pid, signal) {
                    // It may have ended by itself.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => {
                        let error = Error::from(std::io::Error::from(errno));
                        let pid = pid.as_raw_nonzero();
                        return Err(error.context(format!("can't send signal {signal} to process {pid}")));
                    }
                }
                told.insert(pid);
            }
        }
        Ok(())
    }
}
