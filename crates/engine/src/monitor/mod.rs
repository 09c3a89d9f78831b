//! The monitor: one small single-threaded process per container that starts the payload, holds its stdio, sees its
//! end and cleans up after it.
//!
//! It is a fresh process of the same binary, executed from a read-only mount that nobody can make writable again, so
//! that a payload which gets hold of `/proc/1/exe` cannot overwrite the program on the host (CVE-2019-5736).
//!
//! ```text
//! descriptor 0   the conversation with the client that started it (api::attach)
//! descriptor 1   the container's lock, held: it is free again when the monitor is gone, however it went
//! descriptor 2   the root file system, mounted nowhere
//! ```
//! The client may die at any time; the payload dies with the monitor.

mod log;
mod relay;
mod streams;

use crate::record::{self, Record, Status, file};
use api::attach::FromMonitor;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::Spec;
use relay::Relay;
use runtime::{Host, Launch};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::path::{Path, PathBuf};
use streams::{PayloadEnds, Streams};

/// What the client handed over.
struct Given {
    session: OwnedFd,
    lock: OwnedFd,
    root: OwnedFd,
}

/// The monitor's whole life; the result is its exit code, which nobody reads. `arguments`: the container's folder.
pub fn main(arguments: &[std::ffi::OsString]) -> u8 {
    let [dir] = arguments else { return 2 };
    let Ok(given) = take_descriptors() else { return 2 };
    // Both only help people who look at a process list or press Ctrl-C: nothing depends on them.
    let _ = rustix::process::setsid();
    let _ = sys::process::set_name(c"isolazi:monitor");
    let dir = PathBuf::from(dir);
    let Given { session, lock, root } = given;
    let mut relay = Relay::new(session);
    let code = match supervise(&dir, root, &mut relay) {
        Ok(code) => {
            relay.say_last(&FromMonitor::Exited(code));
            0
        }
        Err(error) => {
            relay.say_last(&FromMonitor::Failed(error));
            1
        }
    };
    // Held until here: whoever sees it free sees a container whose end is written down.
    drop(lock);
    code
}

/// Takes 0, 1 and 2 for ourselves and puts `/dev/null` in their place.
fn take_descriptors() -> Result<Given> {
    let copy = |fd: rustix::fd::BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(std::io::Error::from);
    let given = Given {
        session: copy(rustix::stdio::stdin())?,
        lock: copy(rustix::stdio::stdout())?,
        root: copy(rustix::stdio::stderr())?,
    };
    let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(std::io::Error::from)?;
    rustix::stdio::dup2_stdin(&null).map_err(std::io::Error::from)?;
    rustix::stdio::dup2_stdout(&null).map_err(std::io::Error::from)?;
    rustix::stdio::dup2_stderr(&null).map_err(std::io::Error::from)?;
    Ok(given)
}

/// From a container's folder to its exit code. What it takes it gives back, also when the start fails.
fn supervise(dir: &Path, root: OwnedFd, relay: &mut Relay) -> Result<u8> {
    let damaged = |name: &str| Error::new(Kind::Internal, format!("`{}` is missing", dir.join(name).display()));
    let record: Record = record::read(&dir.join(file::RECORD))?.ok_or_else(|| damaged(file::RECORD))?;
    let host = Host::read()?;
    let outcome = run(dir, root, relay, &record, &host);
    let cleaned = match &host.cgroup {
        Some(base) => runtime::cgroup::remove(base, &record.id),
        None => Ok(()),
    };
    let (code, written) = match &outcome {
        Ok(ended) => (Ok(ended.code), settle(dir, &record, ended)),
        Err(error) => (Err(error.clone()), fail(dir, &record, error)),
    };
    let code = code?;
    cleaned?;
    written?;
    Ok(code)
}

/// How a payload ended.
struct Ended {
    started: String,
    code: u8,
    /// Why the log lacks something.
    log_failure: Option<Error>,
}

fn run(dir: &Path, root: OwnedFd, relay: &mut Relay, record: &Record, host: &Host) -> Result<Ended> {
    let spec: Spec = record::read(&dir.join(file::SPEC))?
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` has no {}", dir.display(), file::SPEC)))?;
    let plan = runtime::compile(&spec, host, &dir.join(file::ROOTFS))?;
    let cgroup = host.cgroup.as_deref().map(|base| runtime::cgroup::create(base, &record.id)).transpose()?;
    let (streams, ends) = Streams::new(record.request.tty, record.request.interactive)?;
    let running = {
        let stdio = ends.as_ref().map(PayloadEnds::as_array);
        let launch = Launch { root: root.as_fd(), stdio, cgroup: cgroup.as_ref().map(AsFd::as_fd) };
        runtime::launch(&plan, &launch)?
    };
    // Our copies would keep the pipes open and the root mounted after the payload's end.
    drop((ends, root, cgroup, plan, spec));
    let started = record::now();
    let status = Status {
        version: record::VERSION,
        started: started.clone(),
        pid: Some(running.pid.as_raw_nonzero().get().unsigned_abs()),
        ..Status::default()
    };
    let mut log = log::Log::new(dir.join(file::LOG));
    let ended = record::replace(&dir.join(file::STATUS), &status).and_then(|()| {
        relay.say(&FromMonitor::Running);
        relay.run(streams.with_console(running.console)?, &mut log, running.pid, &running.pidfd)
    });
    match ended {
        Ok(code) => Ok(Ended { started, code, log_failure: log.finish() }),
        Err(error) => {
            // A payload that nobody watches must not run on. It may have ended already.
            let _ = rustix::process::kill_process(running.pid, rustix::process::Signal::KILL);
            Err(error)
        }
    }
}

/// After the end: remove the container if that was wished, else write down how it ended.
fn settle(dir: &Path, record: &Record, ended: &Ended) -> Result<()> {
    if record.request.remove {
        return crate::remove::discard(dir, record);
    }
    let status = Status {
        version: record::VERSION,
        started: ended.started.clone(),
        finished: record::now(),
        exit_code: Some(ended.code),
        error: ended.log_failure.as_ref().map_or(String::new(), Error::to_string),
        ..Status::default()
    };
    record::replace(&dir.join(file::STATUS), &status)
}

/// A start that failed leaves a created container that says why, or none at all.
fn fail(dir: &Path, record: &Record, error: &Error) -> Result<()> {
    if record.request.remove {
        return crate::remove::discard(dir, record);
    }
    let code = match error.kind {
        Kind::CommandNotFound => 127,
        Kind::NotExecutable => 126,
        _ => 128,
    };
    let status =
        Status { version: record::VERSION, error: error.to_string(), exit_code: Some(code), ..Status::default() };
    record::replace(&dir.join(file::STATUS), &status).context(|| "can't record the failed start")
}
