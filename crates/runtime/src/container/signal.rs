//! `kill`: a signal to the payload, or to all of a container's processes.

use super::{Runtime, not_running, process};
use error::{Result, ResultExt};
use oci::runtime::Status;
use rustix::io::Errno;

/// SIGKILL.
const KILL: u8 = 9;

impl Runtime {
    /// Sends it to the first process, or with `all` to each; all of those that are left may be none.
    pub fn kill(&self, id: &str, signal: u8, all: bool) -> Result<()> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        let status = folder.status(&kept)?;
        let gone = || if all { Ok(()) } else { Err(not_running(id)) };
        // Who kills a container means all of it (as with runc).
        if (all || signal == KILL && kept.shares_pids)
            && let Some(cgroups) = &kept.cgroups
        {
            // Processes may have outlived the first one where they share a pid namespace with others.
            if status == Status::Stopped && cgroups.processes()?.is_empty() {
                return gone();
            }
            return cgroups.kill_all(signal);
        }
        let Some((_, pidfd)) = kept.pid.map(|pid| process::open(pid, kept.start_time)).transpose()?.flatten() else {
            return gone();
        };
        match sys::process::signal(&pidfd, signal) {
            Ok(()) => {}
            Err(Errno::SRCH) => return gone(),
            Err(errno) => {
                let words = || format!("can't send signal {signal} to container `{id}`");
                return Err(std::io::Error::from(errno)).context(words);
            }
        }
        // A frozen process of v1 does not even die.
        if signal == KILL && status == Status::Paused {
            kept.cgroups()?.thaw()?;
        }
        Ok(())
    }
}
