//! From a plan to a running payload: one `clone3`, then wait until it is executed or says why not.

use crate::failure::Failure;
use crate::init::{self, CONSOLE_MESSAGE, EXECUTING_MESSAGE, Inherited};
use crate::plan::{Plan, Text};
use crate::sources;
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::RecvFlags;
use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::CString;
use sys::process::{Clone3, ExecTables, clone3};

/// What a launch takes besides the plan.
pub struct Launch<'a> {
    /// The root file system, as a mount attached nowhere.
    pub root: BorrowedFd<'a>,
    /// Standard input, output and error; `None` when the plan wants a terminal.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// The cgroup (v2) it starts in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A payload that has been executed.
#[derive(Debug)]
pub struct Running {
    /// Its process id in our namespace.
    pub pid: Pid,
    /// Becomes readable when it ends.
    pub pidfd: OwnedFd,
    /// The controlling end of its terminal, when it has one.
    pub console: Option<OwnedFd>,
}

/// Starts the payload, which is killed when the calling thread ends. The caller must close its own descriptors of the
/// root afterwards, or the root's file system outlives the container; and it must not ignore SIGCHLD, or nobody could
/// wait for the payload.
///
/// # Errors
/// `CommandNotFound`, `NotExecutable`, or whatever the init could not do; the child is gone then.
#[allow(unsafe_code, reason = "clone3 makes a copy of this process")]
pub fn launch(plan: &Plan, with: &Launch<'_>) -> Result<Running> {
    let sources = sources::open(plan)?;
    let (report, child_report) =
        sys::socket::message_pair().map_err(std::io::Error::from).context(|| "can't make a socket")?;
    let argv: Vec<CString> = plan.process.argv.iter().map(owned).collect();
    let env: Vec<CString> = plan.process.env.iter().map(owned).collect();
    let tables = ExecTables::new(&argv, &env);
    let what = Clone3 { namespaces: plan.namespaces, cgroup: with.cgroup };
    // SAFETY: the child runs only the init, which allocates nothing, takes no lock and never returns.
    let child = unsafe { clone3(what) }.map_err(refused)?;
    let Some(child) = child else {
        let report = child_report.as_fd();
        init::run(plan, &Inherited { root: with.root, sources: &sources, stdio: with.stdio, report, tables: &tables })
    };
    drop(child_report);
    drop(sources);
    let error = match listen(&report) {
        Ok(Heard { failure: Some(failure), .. }) => failure.explain(plan),
        Ok(Heard { executing: true, console, .. }) => {
            return Ok(Running { pid: child.pid, pidfd: child.pidfd, console });
        }
        Ok(_) => Error::new(Kind::Unavailable, "the container's init was killed before it could start the command")
            .hint("did the machine or the container run out of memory?"),
        Err(error) => error,
    };
    Err(reap(child.pid, error))
}

fn owned(text: &Text) -> CString {
    text.c().to_owned()
}

/// What the init said.
#[derive(Default)]
struct Heard {
    console: Option<OwnedFd>,
    executing: bool,
    failure: Option<Failure>,
}

/// Listens until the init's end of the socket closes: by exec, or by its death.
fn listen(report: &OwnedFd) -> Result<Heard> {
    let mut heard = Heard::default();
    loop {
        let mut message = [0; 16];
        let received = sys::socket::receive(report, &mut message, RecvFlags::empty());
        let (length, fd) = received.map_err(std::io::Error::from).context(|| "can't hear from the container's init")?;
        match &message[..length] {
            [] => return Ok(heard),
            CONSOLE_MESSAGE => heard.console = fd,
            EXECUTING_MESSAGE => heard.executing = true,
            bytes => heard.failure = Failure::decode(bytes),
        }
    }
}

/// The child has said that it ends, or is killed when it has not.
fn reap(pid: Pid, error: Error) -> Error {
    // It may be gone already; the wait below tells.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    error
}

fn refused(errno: rustix::io::Errno) -> Error {
    let error = sys::kernel::error(errno).context("can't make the container's namespaces (clone3)");
    match errno {
        rustix::io::Errno::PERM => error.hint("this needs root, or user namespaces for ordinary users"),
        rustix::io::Errno::NOSPC | rustix::io::Errno::USERS => {
            error.hint("a limit of /proc/sys/user/max_*_namespaces is reached")
        }
        _ => error,
    }
}
