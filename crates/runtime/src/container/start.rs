//! `start`: lets the init of a created container execute its payload.

use super::folder::Folder;
use super::kept::Kept;
use super::notify::Notify;
use super::{Runtime, Warnings, delete, process, start_socket, status};
use crate::compile::{Setting, compile};
use crate::failure::Failure;
use crate::init::START;
use crate::{Host, diagnosis, hooks};
use error::{Error, Result, ResultExt};
use oci::runtime::Status;
use rustix::net::SendFlags;
use std::io::IoSlice;

impl Runtime {
    /// Starts the payload, then calls the poststart hooks.
    pub fn start(&self, id: &str) -> Result<Warnings> {
        let folder = self.find(id)?;
        folder.lock()?;
        let kept = folder.kept()?;
        match folder.status(&kept)? {
            Status::Created => {}
            Status::Stopped => return Err(status::wrong(id, Status::Stopped, "started")),
            status => return Err(status::wrong(id, status, "started")),
        }
        let spec = folder.outline()?;
        if spec.process.is_none() {
            return Err(missing_process().context(format!("container `{id}` cannot be started")));
        }
        let notify = kept.notify_socket.as_deref().map(|manager| Notify::listen(&folder, manager)).transpose()?;
        let gone = || status::wrong(id, Status::Running, "started");
        let conversation = start_socket::knock(&folder)?.ok_or_else(gone)?;
        sys::socket::send(&conversation, &[IoSlice::new(START)], None, SendFlags::empty())
            .map_err(std::io::Error::from)
            .context(|| "can't speak to the container's init")?;
        crate::launch::hear_out(&conversation, |failure| explain(failure, &folder, &kept))?;
        start_socket::remove(&folder)?;
        let state = folder.state(&kept, Status::Running, &spec);
        if let Err(error) = hooks::call(&spec.hooks.poststart, "poststart", &state) {
            // Then the container does not go on (runtime.md, "Lifecycle"). The hook's failure is the one to tell.
            let _ = delete::end(&folder, &kept);
            return Err(error);
        }
        let mut warnings = Warnings::new();
        if let Some(notify) = notify
            && let Some((_, pidfd)) = kept.pid.map(|pid| process::open(pid, kept.start_time)).transpose()?.flatten()
        {
            // The payload runs, whoever hears of it.
            warnings.extend(notify.pass_on(&pidfd).err());
        }
        Ok(warnings)
    }
}

/// A document need not have one before its container is started (config.md, "Process").
pub(super) fn missing_process() -> Error {
    Error::invalid("config.json: `process` is missing")
}

/// The plan is made again to name what a failure is about: it happens once in a while only.
fn explain(failure: Failure, folder: &Folder, kept: &Kept) -> Error {
    let compiled = Host::read().and_then(|host| {
        let setting = Setting {
            rootfs: Some(&kept.rootfs),
            cgroups: &kept.cgroups.as_ref().map_or_else(Vec::new, |cgroups| cgroups.places.clone()),
            stops_at_birth: true,
            waits_for_start: true,
            ..Setting::plain(&host, &kept.bundle, &kept.rootfs)
        };
        compile(&folder.spec()?, &setting)
    });
    match compiled {
        Ok(plan) => {
            let error = failure.explain(&plan);
            match kept.pid.and_then(|pid| process::open(pid, kept.start_time).ok().flatten()) {
                Some((pid, _)) => diagnosis::deepen(error, failure, &plan.process, pid),
                None => error,
            }
        }
        Err(error) => error.context(format!("container `{}` cannot be started", folder.id)),
    }
}
