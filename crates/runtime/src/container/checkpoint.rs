//! `checkpoint` and `restore`: what CRIU writes down and brings back, as containers of this runtime.

use super::folder::{Folder, file};
use super::kept::{self, Kept};
use super::{Create, Runtime, check_id, config, create, process, status, tree};
use crate::cgroup::{self, CgroupPlan};
use crate::criu::{self, Criu, Dump, Event, Restore, Restoring};
use crate::files::Receivers;
use crate::{Host, Running, files, hooks};
use error::{Error, Result, ResultExt};
use oci::runtime::Status;
use rustix::fd::AsFd;

impl Runtime {
    /// Writes a container's processes to disk. Unless it is to go on, it has stopped then.
    pub fn checkpoint(&self, id: &str, options: &Dump) -> Result<()> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        let pid = match (folder.status(&kept)?, kept.pid) {
            (Status::Running | Status::Paused, Some(pid)) => pid,
            (status, _) => return Err(status::wrong(id, status, "written down")),
        };
        let spec = folder.spec()?;
        tree::refuse(&spec, "checkpointed")?;
        let container = criu::Container {
            spec: &spec,
            bundle: &kept.bundle,
            rootfs: &kept.rootfs,
            pid,
            cgroups: kept.cgroups.as_ref(),
            descriptors: &kept.descriptors,
        };
        criu::dump(&Criu::find()?, &container, options)
    }

    /// Makes a container of what a checkpoint wrote. The caller waits for its end.
    pub fn restore(&self, what: &Create<'_>, options: &Restore) -> Result<Running> {
        check_id(what.id)?;
        let bundle = what.bundle.canonicalize();
        let bundle = bundle.context(|| format!("can't find the bundle `{}`", what.bundle.display()))?;
        let (text, spec) = config::read(&bundle)?;
        tree::refuse(&spec, "restored")?;
        let rootfs = create::rootfs(&spec, &bundle)?;
        let criu = Criu::find()?;
        let root = create::open_root(&rootfs, &spec)?;
        let cgroups = self.plan_cgroups(&spec, what.id, &Host::read()?)?;
        if cgroups.as_ref().is_some_and(|plan| plan.scope.is_some()) {
            return Err(Error::new(error::Kind::Unsupported, "can't restore a container into a cgroup of systemd's")
                .hint("leave `--systemd-cgroup` out"));
        }
        let folder = create::Unfinished(Some(Folder::make(&self.root, what.id)?));
        let mut kept = Kept {
            version: kept::VERSION,
            bundle: bundle.clone(),
            rootfs: rootfs.clone(),
            created: jiff::Timestamp::now().to_string(),
            pid: None,
            start_time: 0,
            cgroups: cgroups.as_ref().map(CgroupPlan::paths),
            intel_rdt: None,
            notify_socket: None,
            descriptors: criu::descriptors(),
            shares_pids: false,
        };
        folder.get().write(file::CONFIG, &text)?;
        folder.get().write_kept(&kept)?;
        let cgroup = cgroups.as_ref().map(cgroup::make).transpose()?;
        let place = folder.get();
        let mut attend = |event: Event| match event {
            Event::Namespaces(pid) => {
                let state = place.state(
                    &Kept { pid: Some(pid.as_raw_nonzero().get()), ..kept.clone() },
                    Status::Created,
                    &spec,
                );
                hooks::call(&spec.hooks.prestart, "prestart", &state)?;
                hooks::call(&spec.hooks.create_runtime, "createRuntime", &state)
            }
            Event::Restored(pid) => {
                let number = pid.as_raw_nonzero().get();
                kept.pid = Some(number);
                kept.start_time = process::start_time(number)?.unwrap_or_default();
                place.write_kept(&kept)
            }
        };
        let restoring = Restoring {
            spec: &spec,
            bundle: &bundle,
            rootfs: &rootfs,
            root: root.as_fd(),
            cgroup: cgroup.as_ref(),
            attend: &mut attend,
        };
        let mut running = criu::restore(&criu, restoring, options)?;
        let receivers =
            Receivers { console_socket: what.console_socket, pid_file: what.pid_file, ..Receivers::default() };
        if let Err(error) = files::hand_over(&mut running, receivers) {
            return Err(crate::launch::reap(running.pid, error));
        }
        folder.keep();
        if let Some(cgroup) = cgroup {
            cgroup.keep();
        }
        Ok(running)
    }
}
