//! `exec`: one more process in the container, and an attendant that stays with it.
//!
//! The attendant is a copy of the monitor, which is sound while the monitor has one thread. It takes the client's
//! connection over, goes into the container to make the process, and relays its streams as the monitor does for the
//! payload, without a log. So the monitor waits for nothing and nobody. The process dies with its attendant, and with the
//! payload; the attendant then tells its client how it ended.

use super::client::{Client, Role, Word};
use super::log::Stream;
use super::relay::{Relay, exit_code};
use super::streams::{PayloadEnds, Streams};
use super::watch::{READABLE, Watch, What};
use crate::events;
use crate::record::{self, Record, file};
use crate::{cgroups, create};
use api::attach::FromMonitor;
use api::{Attach, Exec};
use error::{Error, Kind, Result, ResultExt};
use oci::capabilities::Capability;
use oci::runtime::{ConsoleSize, Process, Spec};
use runtime::{Entry, Host, Running};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use std::path::Path;

/// The container, as its monitor knows it.
pub(super) struct Container<'a> {
    pub dir: &'a Path,
    pub record: &'a Record,
    pub host: &'a Host,
    pub payload: (Pid, &'a OwnedFd),
}

/// The attendant's whole life. `client`: a copy of the monitor's; its connection is ours alone from now on.
pub(super) fn attend(container: &Container<'_>, exec: &Exec, client: &OwnedFd) -> i32 {
    // All else that the monitor holds is none of our business: its lock above all, and what its clients wait for.
    let kept = [Some(client.as_fd()), Some(container.payload.1.as_fd())];
    let prepared = sys::process::reset_signals().and_then(|()| sys::process::close_all_but(3, kept));
    let _ = sys::process::set_name(c"isolazi:exec");
    let Ok(connection) = rustix::io::fcntl_dupfd_cloexec(client, 3) else { return 1 };
    let which = Attach { stdin: exec.stdin, ..Attach::ALL };
    let mut relay = Relay::new(vec![Client::new(connection, Role::Attached(which))], Streams::none(), true);
    sys::process::give_up(client.as_fd());
    let started = prepared
        .map_err(|errno| Error::from(std::io::Error::from(errno)))
        .and_then(|()| start(container, exec))
        .map_err(|error| if has_ended(container) { ended_meanwhile(container) } else { in_docker_s_code(error) });
    let ended = started.and_then(|(running, streams)| {
        relay.streams = streams;
        relay.tell_attached(&FromMonitor::Running);
        let action = format!("exec_start: {}", exec.command.join(" "));
        events::tell_in(container.dir, container.record, &action, &[]);
        run(&mut relay, &running, container)
    });
    if let Ok(code) = &ended {
        events::tell_in(container.dir, container.record, "exec_die", &[("exitCode", code.to_string())]);
    }
    super::farewell::say(relay.clients, ended, None);
    0
}

/// The same for a health check: what it says goes to `mouth`, and its exit code is ours.
pub(super) fn check(container: &Container<'_>, command: Vec<String>, mouth: BorrowedFd<'_>) -> i32 {
    let kept = [Some(mouth), Some(container.payload.1.as_fd())];
    let prepared = sys::process::reset_signals().and_then(|()| sys::process::close_all_but(3, kept));
    let _ = sys::process::set_name(c"isolazi:check");
    let exec = Exec { command, ..Exec::default() };
    let ended = prepared
        .map_err(|errno| Error::from(std::io::Error::from(errno)))
        .and_then(|()| enter(container, &exec, |null| [null, mouth, mouth]))
        .and_then(|running| {
            let waited = rustix::io::retry_on_intr(|| waitpid(Some(running.pid), WaitOptions::empty()));
            exit_code(waited.map_err(std::io::Error::from)?.map(|(_, status)| status))
        });
    match ended {
        Ok(code) => code.into(),
        Err(_) if has_ended(container) => super::checks::KILLED,
        Err(error) => {
            // If it does not fit it was said before.
            let _ = rustix::io::write(mouth, error.to_string().as_bytes());
            match error.kind {
                Kind::CommandNotFound => 127,
                // The container is about to end: as if it had been killed with it.
                Kind::Conflict | Kind::Unavailable => super::checks::KILLED,
                _ => 126,
            }
        }
    }
}

/// What fails then fails because of it: its namespaces, cgroups and files go one after the other.
fn has_ended(container: &Container<'_>) -> bool {
    let mut watch = Watch::default();
    watch.add(What::Payload, Some(container.payload.1.as_fd()), PollFlags::IN);
    watch.wait(Some(std::time::Duration::ZERO)).is_ok_and(|seen| seen.has(What::Payload, READABLE))
}

fn ended_meanwhile(container: &Container<'_>) -> Error {
    Error::new(Kind::Conflict, format!("container {} has just ended", container.record.id))
}

/// Docker's code for what could not be started is 126, whatever the reason; a container that is gone is another matter.
fn in_docker_s_code(error: Error) -> Error {
    match error.kind {
        Kind::CommandNotFound | Kind::Conflict | Kind::Unavailable => error,
        _ => Error { kind: Kind::NotExecutable, ..error },
    }
}

fn start(container: &Container<'_>, exec: &Exec) -> Result<(Running, Streams)> {
    let interactive = exec.stdin && !exec.detach;
    let (streams, ends) = Streams::new(exec.tty, interactive)?;
    // Whoever leaves at once reads nothing.
    let ends = ends.as_ref().filter(|_| !exec.detach);
    let mut running = enter(container, exec, |null| ends.map_or([null; 3], PayloadEnds::as_array))?;
    let streams = streams.with_console(running.console.take())?;
    Ok((running, streams))
}

/// Makes the process; `stdio` chooses its streams, which may be `/dev/null`.
fn enter<'a>(
    container: &Container<'_>,
    exec: &Exec,
    stdio: impl FnOnce(BorrowedFd<'a>) -> [BorrowedFd<'a>; 3],
) -> Result<Running> {
    let Container { dir, record, host, payload } = *container;
    // Its folder is being removed, then.
    let spec: Spec = record::read(&dir.join(file::SPEC))?.ok_or_else(|| ended_meanwhile(container))?;
    let process = spec.process.ok_or_else(|| Error::new(Kind::Internal, "the container has no process"))?;
    let user = exec.user.as_deref().map(|user| find_user(payload.0, user, record)).transpose()?;
    let process = process_of(process, exec, user, record, host);
    let mut linux = spec.linux.unwrap_or_default();
    if exec.privileged {
        linux.seccomp = None;
    }
    let cgroup = cgroups::find(dir, &record.id, host)?.map(|paths| paths.open()).transpose()?;
    // The monitor's own, and so ours.
    let stdio = stdio(rustix::stdio::stdin());
    let entry = Entry {
        process: &process,
        linux: Some(&linux),
        host,
        bundle: dir,
        init: payload,
        stdio,
        cgroup: cgroup.as_ref(),
    };
    runtime::enter(&entry)
}

/// Looked up in the container as it is now.
fn find_user(payload: Pid, user: &str, record: &Record) -> Result<crate::user::ResolvedUser> {
    let path = format!("/proc/{}/root", payload.as_raw_nonzero());
    let root = openat(CWD, &path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| "can't look into the container")?;
    create::resolve_user(&root, user, &record.request)
}

/// The payload's process, changed to what is wanted.
fn process_of(
    payload: Process,
    exec: &Exec,
    user: Option<crate::user::ResolvedUser>,
    record: &Record,
    host: &Host,
) -> Process {
    let mut process = Process {
        args: exec.command.clone(),
        terminal: exec.tty,
        console_size: exec
            .console_size
            .map(|(rows, columns)| ConsoleSize { height: rows.into(), width: columns.into() }),
        ..payload
    };
    if let Some(workdir) = &exec.workdir {
        process.cwd.clone_from(workdir);
    }
    if exec.tty && !has(&process.env, "TERM") {
        process.env.push("TERM=xterm".to_owned());
    }
    if let Some(user) = user {
        // What nobody said was made up for the payload's user: it is the last that we added to its environment.
        let was_said = has(&record.request.env, "HOME")
            || process.env.iter().rev().skip(1).any(|entry| entry.starts_with("HOME="));
        if !was_said {
            set(&mut process.env, &format!("HOME={}", user.home));
        }
        process.user.uid = user.uid;
        process.user.gid = user.gid;
        process.user.additional_gids = user.additional_gids;
        process.user.umask = None;
    }
    for entry in &exec.env {
        set(&mut process.env, entry);
    }
    let sets = process.capabilities.get_or_insert_default();
    if exec.privileged {
        let all = Capability::all().filter(|capability| capability.bit() <= host.last_capability);
        sets.bounding = all.map(|capability| capability.name().to_owned()).collect();
    }
    // As at the start: root has what may be had, others only what a program of root's gives them.
    let own = if process.user.uid == 0 { sets.bounding.clone() } else { Vec::new() };
    (sets.effective, sets.permitted) = (own.clone(), own);
    sets.ambient.clear();
    sets.inheritable.clear();
    process
}

fn has(env: &[String], name: &str) -> bool {
    env.iter().any(|entry| entry.split_once('=').is_some_and(|(key, _)| key == name))
}

/// One entry over those of the same name; without a `=` it takes them out.
fn set(env: &mut Vec<String>, entry: &str) {
    let (key, is_set) = entry.split_once('=').map_or((entry, false), |(key, _)| (key, true));
    env.retain(|old| old.split_once('=').is_none_or(|(name, _)| name != key));
    if is_set {
        env.push(entry.to_owned());
    }
}

/// Relays until the process has ended; its exit code.
fn run(relay: &mut Relay, running: &Running, container: &Container<'_>) -> Result<u8> {
    let mut nobody = |_: Stream, _: &[u8]| {};
    let mut is_over = false;
    loop {
        let mut watch = Watch::default();
        watch.add(What::Child(0), Some(running.pidfd.as_fd()), PollFlags::IN);
        watch.add(What::Payload, (!is_over).then_some(container.payload.1.as_fd()), PollFlags::IN);
        relay.watch(&mut watch);
        let due = relay.deadline().map(|due| due.saturating_duration_since(std::time::Instant::now()));
        let seen = watch.wait(due)?;
        let mut words = Vec::new();
        relay.serve(&seen, &container.record.name, &mut nobody, &mut words);
        for (_, word) in words {
            if let Word::Signal(number) = word {
                super::words::signal(running, number);
            }
        }
        relay.forget_gone();
        if seen.has(What::Payload, READABLE) {
            // In a pid namespace of its own it dies with the payload; not in the host's.
            is_over = true;
            let _ = rustix::process::pidfd_send_signal(&running.pidfd, Signal::KILL);
        }
        if seen.has(What::Child(0), READABLE) {
            let waited = rustix::io::retry_on_intr(|| waitpid(Some(running.pid), WaitOptions::empty()));
            let waited = waited.map_err(std::io::Error::from).context(|| "can't wait for the process")?;
            relay.finish(&mut nobody);
            return exit_code(waited.map(|(_, status)| status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_entries_of_an_environment_win_and_bare_names_go() {
        let mut env = ["PATH=/bin", "A=1", "AB=2"].map(str::to_owned).to_vec();
        for entry in ["A=3", "B=", "PATH", "NONE"] {
            set(&mut env, entry);
        }
        assert_eq!(env, ["AB=2", "A=3", "B="]);
        assert!(has(&env, "B") && !has(&env, "PATH") && !has(&env, "A=3"));
    }
}
