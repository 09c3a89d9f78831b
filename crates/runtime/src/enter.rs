//! Going into a container that runs, to make one more process there.
//!
//! A child of ours enters the container's namespaces, all at once by the init's pidfd, and makes the process as its own
//! sibling, our child: only the children of whoever entered a pid namespace are in it. Whoever of the three dies, the
//! others see it as the end of a conversation.

use crate::cgroup::Cgroup;
use crate::compile::{Setting, compile_exec};
use crate::container::tree;
use crate::copy::copy;
use crate::failure::Failure;
use crate::init::{self, Payload};
use crate::launch::{go, grant, hear_out, host_proc, owned, reap, tell_pid};
use crate::plan::ProcessPlan;
use crate::{Host, Running, diagnosis, files};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Linux, Process};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::stat;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};
use std::ffi::{CStr, CString};
use std::path::Path;
use sys::process::{Clone3, ExecTables, namespace};

/// What can be entered by a pidfd, by its name in `/proc/<pid>/ns`.
const NAMESPACES: [(&str, u64); 8] = [
    ("user", namespace::USER),
    ("mnt", namespace::MOUNT),
    ("pid", namespace::PID),
    ("net", namespace::NETWORK),
    ("ipc", namespace::IPC),
    ("uts", namespace::UTS),
    ("cgroup", namespace::CGROUP),
    ("time", namespace::TIME),
];

/// One more process for a container that was not made by [`Runtime`](crate::container::Runtime).
pub struct Entry<'a> {
    /// What it is.
    pub process: &'a Process,
    /// The container's section of its document.
    pub linux: Option<&'a Linux>,
    /// Facts about kernel and user.
    pub host: &'a Host,
    /// The container's folder.
    pub bundle: &'a Path,
    /// The container's first process.
    pub init: (Pid, &'a OwnedFd),
    /// Standard input, output and error, unless it has a terminal.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The container's cgroups.
    pub cgroup: Option<&'a Cgroup>,
}

/// Starts it. It dies with us.
///
/// # Errors
/// `Conflict` when the container has ended, `CommandNotFound`, `NotExecutable`, or what the process could not do.
pub fn enter(entry: &Entry<'_>) -> Result<Running> {
    let (pid, pidfd) = entry.init;
    let gone = |_| Error::new(Kind::Conflict, "the container has just ended");
    let namespaces = namespaces(pid).map_err(gone)?;
    let mut host = entry.host.clone();
    host.may_set_groups &= may_set_groups(pid);
    let setting = Setting { dies_with_launcher: true, ..Setting::plain(&host, entry.bundle, entry.bundle) };
    let plan = compile_exec(entry.process, entry.linux, &setting)?;
    Entering { plan: &plan, pidfd, namespaces, root: None, stdio: entry.stdio, cgroup: entry.cgroup }
        .start(&Agent::default())
}

/// The bits of those that are not ours already: a user namespace cannot be entered twice (setns(2)).
pub(crate) fn namespaces(pid: Pid) -> Result<u64, Errno> {
    let mut bits = 0;
    for (name, bit) in NAMESPACES {
        let id = |whose: &str| stat(format!("/proc/{whose}/ns/{name}")).map(|stat| (stat.st_dev, stat.st_ino));
        match (id(&pid.as_raw_nonzero().to_string()), id("self")) {
            (Ok(theirs), Ok(ours)) if theirs != ours => bits |= bit,
            // This kernel has no such kind.
            (Ok(_), _) => {}
            (Err(Errno::NOENT), Err(Errno::NOENT)) => {}
            (Err(errno), _) => return Err(errno),
        }
    }
    Ok(bits)
}

/// In the user namespace of a single id they may not (user_namespaces(7), `setgroups`).
pub(crate) fn may_set_groups(pid: Pid) -> bool {
    let path = CString::new(format!("/proc/{}/setgroups", pid.as_raw_nonzero())).expect("a number has no NUL");
    // A kernel without user namespaces has no such file.
    sys::read::small(&path).map_or(true, |text| text.trim() == "allow")
}

/// The seccomp agent, and what it is told; the process id is not known yet.
#[derive(Default)]
pub(crate) struct Agent {
    pub connection: Option<OwnedFd>,
    pub message: Option<oci::runtime::State>,
}

/// Everything that is needed to go in.
pub(crate) struct Entering<'a> {
    pub plan: &'a ProcessPlan,
    /// Of the container's init.
    pub pidfd: &'a OwnedFd,
    /// The bits of [`namespaces`].
    pub namespaces: u64,
    /// Where the container has its root, if that is not the root of its mount namespace.
    pub root: Option<&'a CStr>,
    /// Standard input, output and error, for a plan without a terminal.
    pub stdio: [BorrowedFd<'a>; 3],
    pub cgroup: Option<&'a Cgroup>,
}

impl Entering<'_> {
    pub(crate) fn start(&self, agent: &Agent) -> Result<Running> {
        let (report, child_report) =
            sys::socket::message_pair().map_err(std::io::Error::from).context(|| "can't make a socket")?;
        let (argv, env): (Vec<CString>, Vec<CString>) = (owned(&self.plan.argv), owned(&self.plan.env));
        let tables = ExecTables::new(&argv, &env);
        let mut told = sys::shared::Text::new().map_err(std::io::Error::from).context(|| "can't share memory")?;
        let host_proc = host_proc(self.plan.apparmor.is_some() || self.plan.selinux.is_some())?;
        let task_files = self.cgroup.map(Cgroup::task_files).transpose()?.unwrap_or_default();
        let payload = Payload {
            stdio: self.plan.terminal.is_none().then_some(self.stdio),
            report: child_report.as_fd(),
            tables: &tables,
            title: None,
            host_proc: host_proc.as_ref().map(AsFd::as_fd),
            listener: agent.connection.as_ref().map(|connection| (connection.as_fd(), &told)),
        };
        if let Some((initial, _)) = self.plan.affinity.as_ref().filter(|(initial, _)| !initial.is_empty()) {
            sys::schedule::set_affinity(initial)
                .map_err(std::io::Error::from)
                .context(|| "can't choose the processors of `process.execCPUAffinity.initial`")?;
        }
        let middle = self.clone_middle(&payload, &task_files, &report)?;
        let pid = self.accompany(middle, &report);
        drop(child_report);
        let pid = pid?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from);
        let pidfd = pidfd.context(|| "can't watch the new process")?;
        let started = self.prepare(pid, agent, &mut told).and_then(|()| {
            go(&report)?;
            let explain = |failure: Failure| failure.explain_process(self.plan);
            hear_out(&report, |failure| diagnosis::deepen(explain(failure), failure, self.plan, pid))
        });
        match started {
            Ok(console) => Ok(Running { pid, pidfd, console }),
            Err(error) => Err(reap(pid, error)),
        }
    }

    /// The child that goes in and makes the process. It starts in the container's v2 cgroup, with our rights.
    fn clone_middle(&self, payload: &Payload<'_>, task_files: &[OwnedFd], launchers: &OwnedFd) -> Result<Pid> {
        let what = Clone3 { cgroup: self.cgroup.and_then(Cgroup::v2_fd), ..Clone3::default() };
        let child = copy(what, || {
            // Our end of the conversation: if we are killed it must be over.
            sys::process::give_up(launchers.as_fd());
            let made = self.go_in(payload, task_files).and_then(|()| {
                let sibling = Clone3 { sibling: true, ..Clone3::default() };
                copy(sibling, || init::run_exec(self.plan, payload))
            });
            tell_pid(made, payload.report)
        });
        child.map(|child| child.pid).map_err(refused)
    }

    fn go_in(&self, payload: &Payload<'_>, task_files: &[OwnedFd]) -> Result<(), Errno> {
        // Before anybody inside can see us (CVE-2016-9962).
        sys::process::hide_memory()?;
        task_files.iter().try_for_each(|file| rustix::io::write(file, b"0").map(drop))?;
        self.let_go(payload)?;
        if self.namespaces != 0 {
            sys::process::enter_namespaces(self.pidfd, self.namespaces)?;
        }
        self.root.map_or(Ok(()), tree::enter)
    }

    /// Whoever inside may trace everybody finds nothing of the host's.
    fn let_go(&self, payload: &Payload<'_>) -> Result<(), Errno> {
        let agent = payload.listener.map(|(agent, _)| agent);
        let [stdin, stdout, stderr] = payload.stdio.map_or([None; 3], |stdio| stdio.map(Some));
        let kept = [Some(self.pidfd.as_fd()), Some(payload.report), payload.host_proc, agent, stdin, stdout, stderr];
        sys::process::close_all_but(init::first_own(self.plan), kept)
    }

    /// Waits until the child has made the process, and hears which it is.
    fn accompany(&self, middle: Pid, report: &OwnedFd) -> Result<Pid> {
        let status = rustix::io::retry_on_intr(|| waitpid(Some(middle), WaitOptions::empty()));
        match status.ok().flatten().and_then(|(_, status)| status.exit_status()) {
            Some(0) => {}
            Some(code) => return Err(refused(Errno::from_raw_os_error(code))),
            None => return Err(Error::new(Kind::Unavailable, "it was killed while it entered the container")),
        }
        let mut pid = [0; 4];
        sys::socket::receive(report, &mut pid, RecvFlags::DONTWAIT)
            .map_err(std::io::Error::from)
            .context(|| "can't hear from the container")?;
        Pid::from_raw(i32::from_ne_bytes(pid)).ok_or_else(|| Error::new(Kind::Internal, "no process was made"))
    }

    /// What only the host may do for it, before it goes on.
    fn prepare(&self, pid: Pid, agent: &Agent, told: &mut sys::shared::Text) -> Result<()> {
        grant(self.plan, pid)?;
        if let (Some(listener), Some(state)) = (&self.plan.listener, &agent.message) {
            let state = oci::runtime::State { pid: Some(pid.as_raw_nonzero().get()), ..state.clone() };
            let text = files::agent_message(listener, state)?;
            told.set(&text)
                .map_err(std::io::Error::from)
                .context(|| "can't write down the state for the seccomp agent")?;
        }
        Ok(())
    }
}

fn refused(errno: Errno) -> Error {
    let error = sys::kernel::error(errno).context("can't enter the container");
    match errno {
        // Its last process is on its way out: nobody can be born there any more.
        Errno::SRCH | Errno::NOMEM | Errno::INVAL => error.hint("is it about to end?"),
        _ => error,
    }
}
