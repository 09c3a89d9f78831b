//! `delete`: takes away what a container was.

use super::folder::Folder;
use super::kept::Kept;
use super::{Runtime, Warnings, check_id, process, status};
use crate::hooks;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Spec, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// How long a killed process may take to be gone: it may have much memory to give back.
const KILL_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is looked at meanwhile: nothing tells that an init has only others' processes to wait for.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

impl Runtime {
    /// Removes a container that has stopped; with `force` any, and one that is not there is fine. The poststop hooks
    /// are called at the end.
    pub fn delete(&self, id: &str, force: bool) -> Result<Warnings> {
        check_id(id)?;
        let folder = match Folder::open(&self.root, id)? {
            Some(folder) => folder,
            None if force => return Ok(Warnings::new()),
            None => return Err(Error::not_found(format!("container `{id}` does not exist"))),
        };
        folder.lock()?;
        let kept = match folder.kept() {
            Ok(kept) => kept,
            // Its maker was killed before it took anything else; or somebody deleted it while we waited.
            Err(error) if error.kind == Kind::NotFound => {
                folder.remove()?;
                return if force { Ok(Warnings::new()) } else { Err(error) };
            }
            Err(error) => return Err(error),
        };
        let status = folder.status(&kept)?;
        match status {
            Status::Stopped => {}
            // A container that nobody started yet has nothing that could be lost.
            Status::Created | Status::Running | Status::Paused | Status::Creating if force => {}
            Status::Created => {}
            status => {
                return Err(status::wrong(id, status, "deleted").hint("stop it, or delete it with `--force`"));
            }
        }
        self.take_away(&folder, &kept)
    }

    fn take_away(&self, folder: &Folder, kept: &Kept) -> Result<Warnings> {
        let spec = folder.outline();
        end(folder, kept)?;
        if let Some(cgroups) = &kept.cgroups {
            cgroups.remove()?;
        }
        if let Some(class) = &kept.intel_rdt {
            class.remove()?;
        }
        folder.remove()?;
        let call = |spec: &Spec| {
            let state = folder.state(kept, Status::Stopped, spec);
            hooks::call_all(&spec.hooks.poststop, "poststop", &state)
        };
        // A document that cannot be read keeps nobody from removing its container, but its hooks are not called.
        Ok(spec.as_ref().map_or_else(|error| vec![error.clone()], call))
    }
}

/// Kills the first process and waits until nothing is left of it but its number.
pub(super) fn end(folder: &Folder, kept: &Kept) -> Result<()> {
    let Some((pid, pidfd)) = kept.pid.map(|pid| process::open(pid, kept.start_time)).transpose()?.flatten() else {
        return Ok(());
    };
    let words = || format!("can't kill container `{}`", folder.id);
    match rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => return Err(std::io::Error::from(errno)).context(words),
    }
    if let Some(cgroups) = &kept.cgroups
        && cgroups.is_frozen()?
    {
        // A frozen process of v1 does not even die.
        cgroups.thaw()?;
    }
    let end = Instant::now() + KILL_TIMEOUT;
    loop {
        match poll(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::IN)], Some(&LOOK)) {
            Ok(0) if process::start_time(pid.as_raw_nonzero().get())?.is_none() => return Ok(()),
            Ok(0) if Instant::now() > end => {
                return Err(Error::new(Kind::Unavailable, "it does not end").context(words()));
            }
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
    }
}
