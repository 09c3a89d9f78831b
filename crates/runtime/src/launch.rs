//! From a plan to a running payload: one `clone3`, then wait until it is executed or says why not.

use crate::failure::Failure;
use crate::init::{self, CONSOLE_MESSAGE, Inherited};
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

/// Starts the payload. The caller must be single-threaded, and must close its own descriptors of the root afterwards,
/// or the root's file system outlives the container.
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
    match listen(&report) {
        Ok((console, None)) => Ok(Running { pid: child.pid, pidfd: child.pidfd, console }),
        Ok((_, Some(failure))) => Err(reap(child.pid, failure.explain(plan))),
        Err(error) => Err(reap(child.pid, error)),
    }
}

fn owned(text: &Text) -> CString {
    text.c().to_owned()
}

/// What the init says until its end of the socket closes: by exec, or by its death.
fn listen(report: &OwnedFd) -> Result<(Option<OwnedFd>, Option<Failure>)> {
    let (mut console, mut failure) = (None, None);
    loop {
        let mut message = [0; 16];
        let received = sys::socket::receive(report, &mut message, RecvFlags::empty());
        let (length, fd) = received.map_err(std::io::Error::from).context(|| "can't hear from the container's init")?;
        match &message[..length] {
            [] => return Ok((console, failure)),
            CONSOLE_MESSAGE => console = fd,
            bytes => failure = Failure::decode(bytes),
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
    let error = Error::from(std::io::Error::from(errno)).context("can't make the container's namespaces (clone3)");
    match errno {
        rustix::io::Errno::PERM => error.hint("this needs root, or user namespaces for ordinary users"),
        rustix::io::Errno::NOSYS => Error::new(Kind::Unsupported, "this kernel is too old: clone3 came with 5.3"),
        rustix::io::Errno::NOSPC | rustix::io::Errno::USERS => {
            error.hint("a limit of /proc/sys/user/max_*_namespaces is reached")
        }
        _ => error,
    }
}
