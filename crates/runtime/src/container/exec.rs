//! `exec`: one more process in a container that runs.

use super::folder::Folder;
use super::kept::Kept;
use super::{Exec, Runtime, Warnings, filter, process, status, tree, user};
use crate::cgroup::Cgroup;
use crate::compile::{Setting, compile_exec};
use crate::enter::{self, Agent, Entering};
use crate::files::Receivers;
use crate::launch::reap;
use crate::plan::ProcessPlan;
use crate::seccomp::Program;
use crate::{Host, Running, files};
use error::{Error, Result};
use oci::runtime::{Spec, Status};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;
use std::path::Path;

impl Runtime {
    /// Starts the process. The caller waits for its end.
    pub fn exec(&self, what: &Exec<'_>, warnings: &mut Warnings) -> Result<Running> {
        let folder = self.find(what.id)?;
        let kept = folder.kept()?;
        match folder.status(&kept)? {
            Status::Running | Status::Created => {}
            Status::Paused if what.ignore_paused => {}
            Status::Paused => {
                return Err(status::wrong(what.id, Status::Paused, "exec'd into").hint("resume it first"));
            }
            _ => return Err(super::not_running(what.id)),
        }
        let gone = || super::not_running(what.id);
        let (pid, pidfd) =
            kept.pid.map(|pid| process::open(pid, kept.start_time)).transpose()?.flatten().ok_or_else(gone)?;
        let spec = folder.spec()?;
        let entered = enter::namespaces(pid).map_err(|_| gone())?;
        let mut host = Host::read()?;
        host.may_set_groups &= enter::may_set_groups(pid);
        let filter = filter::read(&folder)?;
        let plan = compile(what, &spec, &kept, &host, (pid, filter.as_ref()))?;
        warnings.extend(plan.warnings.iter().cloned());
        let cgroup = open_cgroup(&kept, what.cgroup)?;
        let root = tree::is_needed(&spec).then(|| tree::path(&folder));
        let running = Entering {
            plan: &plan,
            pidfd: &pidfd,
            namespaces: entered,
            root: root.as_deref(),
            stdio: [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()],
            cgroup: cgroup.as_ref(),
        }
        .start(&agent(&plan, &folder, &kept, &spec)?)?;
        hand_over(what, running)
    }
}

fn compile(
    what: &Exec<'_>,
    spec: &Spec,
    kept: &Kept,
    host: &Host,
    (pid, filter): (Pid, Option<&Program>),
) -> Result<ProcessPlan> {
    if what.console_socket.is_some() && !what.process.terminal {
        return Err(Error::invalid("a `--console-socket` needs a terminal: the process would have none"));
    }
    let home = if user::has_home(&what.process.env) { None } else { home(pid, what.process.user.uid) };
    let setting = Setting {
        kept_fds: what.preserve_fds,
        stops_at_birth: true,
        home: home.as_deref(),
        seccomp: filter,
        // With a keyring of its own: the caller's keys are not for the container.
        ..Setting::plain(host, &kept.bundle, &kept.rootfs)
    };
    let mut plan = compile_exec(&what.process, spec.linux.as_ref(), &setting)?;
    // Else the caller shows the terminal on its own.
    plan.plain_lines = what.console_socket.is_none();
    Ok(plan)
}

/// Through the container's root, as its processes see it.
fn home(pid: Pid, uid: u32) -> Option<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, format!("/proc/{}/root", pid.as_raw_nonzero()), flags, Mode::empty()).ok()?;
    Some(user::home(root, uid))
}

/// The container's cgroups, or one below them.
fn open_cgroup(kept: &Kept, below: Option<&str>) -> Result<Option<Cgroup>> {
    let Some(cgroups) = &kept.cgroups else {
        return match below {
            Some(_) => kept.cgroups().map(|_| None),
            None => Ok(None),
        };
    };
    match below {
        None => cgroups.open().map(Some),
        Some(name) => cgroups.open_below(name).map(Some),
    }
}

fn agent(plan: &ProcessPlan, folder: &Folder, kept: &Kept, spec: &Spec) -> Result<Agent> {
    let Some(listener) = &plan.listener else { return Ok(Agent { connection: None, message: None }) };
    let connection = files::connect(Path::new(&listener.path))?;
    Ok(Agent { connection: Some(connection), message: Some(folder.state(kept, Status::Running, spec)) })
}

fn hand_over(what: &Exec<'_>, mut running: Running) -> Result<Running> {
    let receivers = Receivers {
        console_socket: what.console_socket,
        pid_file: what.pid_file,
        pidfd_socket: what.pidfd_socket.map(|socket| (socket, "setns")),
    };
    match files::hand_over(&mut running, receivers) {
        Ok(()) => Ok(running),
        Err(error) => Err(reap(running.pid, error)),
    }
}
