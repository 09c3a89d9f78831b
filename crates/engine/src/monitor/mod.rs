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
//! The client may die at any time; the payload dies with the monitor. SIGTERM orders the monitor to kill the payload, for
//! those who may signal the one and not the other: another process of a rootless user has a user namespace of its own.

mod log;
mod relay;
mod streams;

use crate::cgroups;
use crate::record::{self, Record, Status, file};
use crate::remove::Leftover;
use api::attach::FromMonitor;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::Spec;
use relay::Relay;
use runtime::{Event, Host, Launch};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::path::{Path, PathBuf};
use streams::{PayloadEnds, Streams};
use sys::signal::{Inbox, number};

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
    // All three only help people: who press Ctrl-C, unmount where the caller stood, or look at a process list.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = sys::process::set_name(c"isolazi:monitor");
    // It cannot fail with a signal that exists.
    let _ = sys::signal::notice_orders();
    let dir = PathBuf::from(dir);
    let Given { session, lock, root } = given;
    let mut relay = Relay::new(session);
    let (outcome, leftover) = supervise(&dir, root, &mut relay);
    // Free before the client hears of the end: what it does next may need the lock.
    drop(lock);
    let code = u8::from(outcome.is_err());
    relay.say_last(&outcome.map_or_else(FromMonitor::Failed, FromMonitor::Exited));
    // Nobody waits for this, nor hears of a failure: the next command that lists tries again.
    if let Some(leftover) = leftover {
        let _ = leftover.delete();
    }
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

/// From a container's folder to its exit code, and what is left to be deleted. What it takes it gives back, also when
/// the start fails.
fn supervise(dir: &Path, root: OwnedFd, relay: &mut Relay) -> (Result<u8>, Option<Leftover>) {
    let (record, host) = match prepare(dir) {
        Ok(prepared) => prepared,
        Err(error) => return (Err(error), None),
    };
    let outcome = run(dir, root, relay, &record, &host);
    let oom_killed = cgroups::oom_kills(dir, &record.id, &host) > 0;
    let cleaned = cgroups::remove(dir, &record.id, &host);
    let settled = if record.request.remove {
        crate::remove::discard(dir, &record, true).map(Some)
    } else {
        record::replace(&dir.join(file::STATUS), &last_status(&outcome, oom_killed)).map(|()| None)
    };
    // The first failure in time is the one to tell.
    match (outcome.and_then(|ended| cleaned.map(|()| ended.code)), settled) {
        (Ok(_), Err(error)) => (Err(error), None),
        (code, settled) => (code, settled.unwrap_or_default()),
    }
}

fn prepare(dir: &Path) -> Result<(Record, Host)> {
    let missing = || Error::new(Kind::Internal, format!("`{}` is missing", dir.join(file::RECORD).display()));
    let record = record::read(&dir.join(file::RECORD))?.ok_or_else(missing)?;
    Ok((record, Host::read()?))
}

/// How a payload ended.
struct Ended {
    started: String,
    code: u8,
    /// Why the log lacks something.
    log_failure: Option<Error>,
}

fn run(dir: &Path, root: OwnedFd, relay: &mut Relay, record: &Record, host: &Host) -> Result<Ended> {
    let mut spec: Spec = record::read(&dir.join(file::SPEC))?
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` has no {}", dir.display(), file::SPEC)))?;
    crate::joins::add(&mut spec, &record.request, dir)?;
    let wanted = cgroups::plan(&spec, &record.id, host)?;
    let plan = runtime::compile(&spec, &setting(dir, host, &wanted.places()))?;
    let mut log = log::Log::new(dir, record)?;
    let cgroup = wanted.make(dir, &record.id)?;
    let (streams, ends) = Streams::new(record.request.tty, record.request.interactive)?;
    let running = {
        let stdio = ends.as_ref().map(PayloadEnds::as_array);
        runtime::launch(
            &plan,
            Launch {
                root: root.as_fd(),
                stdio,
                cgroup: cgroup.v2_fd(),
                task_files: cgroup.task_files(),
                launchers: None,
                start: None,
                agent: None,
                hook_input: None,
                attend: &mut |event| match event {
                    Event::Born(pid, _) => cgroup.born(dir, pid),
                    Event::Mounted(_) => Ok(()),
                },
            },
        )?
    };
    // Our copies would keep the pipes open and the root mounted after the payload's end.
    cgroup.keep();
    drop((ends, root, plan, spec));
    let started = record::now();
    let status = Status {
        version: record::VERSION,
        started: started.clone(),
        pid: Some(running.pid.as_raw_nonzero().get().unsigned_abs()),
        ..Status::default()
    };
    let ended = record::replace(&dir.join(file::STATUS), &status).and_then(|()| {
        relay.say(&FromMonitor::Running);
        // After the launch, so that the payload has no handler of ours.
        let orders = Inbox::open(&[number::TERM]).map_err(sys::kernel::error).context(|| "can't catch signals")?;
        relay.run(streams.with_console(running.console)?, &mut log, (running.pid, &running.pidfd), &orders)
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

/// What the plan of a monitor's payload depends on besides its spec. A cgroup namespace of its own shows the container's
/// cgroup.
fn setting<'a>(dir: &'a Path, host: &'a Host, cgroups: &'a cgroups::Places) -> runtime::Setting<'a> {
    let (cgroups, stops_at_birth) = (cgroups.places.as_slice(), cgroups.around);
    runtime::Setting { dies_with_launcher: true, cgroups, stops_at_birth, ..runtime::Setting::plain(host, dir, dir) }
}

/// What is written down of an end, or of a start that failed.
fn last_status(outcome: &Result<Ended>, oom_killed: bool) -> Status {
    match outcome {
        Ok(ended) => Status {
            version: record::VERSION,
            started: ended.started.clone(),
            finished: record::now(),
            exit_code: Some(ended.code),
            error: ended.log_failure.as_ref().map_or(String::new(), Error::to_string),
            pid: None,
            oom_killed,
        },
        Err(error) => Status {
            version: record::VERSION,
            error: error.to_string(),
            oom_killed,
            // As Docker: 128 for a start that failed for any other reason than the command.
            exit_code: Some(match error.kind {
                Kind::CommandNotFound => 127,
                Kind::NotExecutable => 126,
                _ => 128,
            }),
            ..Status::default()
        },
    }
}
