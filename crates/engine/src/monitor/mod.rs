//! The monitor: one small single-threaded process per container that starts the payload, holds its stdio, answers
//! clients, starts the payload again where its policy says so, and cleans up after it.
//!
//! It is a fresh process of the same binary, executed from a read-only mount that nobody can make writable again, so
//! that a payload which gets hold of `/proc/1/exe` cannot overwrite the program on the host (CVE-2019-5736).
//!
//! ```text
//! descriptor 0   the conversation with the client that started it (api::attach)
//! descriptor 1   the container's lock, held: it is free again when the monitor is gone, however it went
//! descriptor 2   the root file system, mounted nowhere
//!
//! clients ─► door ─► words ─┐
//! SIGTERM ──────────────────┼─► attend, until the payload has ended ─► again? ─┬─ no ─► settled: status or removal;
//! streams ─► relay ─► log   ┘        ▲                                         │        lock free; last words
//!                                    └──────────── launch ◄── wait ◄── yes ────┘
//! ```
//! Clients may die at any time; the payload dies with the monitor. SIGTERM is the order to end the payload as `stop`
//! would, for whoever ends a machine or a session; it is no user's stop.

mod checks;
mod client;
mod evidence;
mod exec;
mod farewell;
mod kernel_log;
mod launch;
mod log;
mod relay;
mod restart;
mod services;
mod stopping;
mod streams;
mod watch;
mod words;

use crate::cgroups;
use crate::death::{By, Death, Sent};
use crate::health::Health;
use crate::networks::{self, Connection};
use crate::record::{self, Record, Status, file};
use crate::remove::Leftover;
use api::Attach;
use api::attach::FromMonitor;
use checks::Checks;
use client::{Client, Role};
use error::{Error, Kind, Result, ResultExt};
use evidence::Deadline;
use log::Log;
use relay::{Relay, exit_code};
use restart::Restarts;
use runtime::{Host, Running};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{WaitOptions, waitpid};
use services::Services;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use streams::Streams;
use sys::memory::Program;
use sys::process::Child;
use sys::signal::{Inbox, number};
use watch::{READABLE, Seen, Watch, What};

/// How many clients are listened to at once; more wait to be let in.
const MOST_CLIENTS: usize = 256;

/// How many processes may be executed at once; each has an attendant.
const MOST_ATTENDANTS: usize = 1024;

/// How long nothing may happen until what only work needs is given back: after the start, and later on, since it costs
/// half a millisecond.
const REST_AFTER: Duration = Duration::from_secs(1);
const REST_AGAIN_AFTER: Duration = Duration::from_secs(10);

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
    let Given { session, lock, root } = given;
    let client = Client::new(session, Role::Attached(Attach::ALL));
    let (outcome, leftover, clients) = match Monitor::new(Path::new(dir)) {
        Ok(mut monitor) => {
            monitor.relay.clients.push(client);
            let outcome = monitor.live(root);
            let (outcome, leftover) = monitor.settle(outcome);
            (outcome, leftover, monitor.relay.clients)
        }
        Err(error) => (Err(error), None, vec![client]),
    };
    // Free before a client hears of the end: what it does next may need the lock.
    drop(lock);
    let code = u8::from(outcome.is_err());
    farewell::say(clients, outcome, leftover);
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

/// What becomes of the container when its payload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// What its policy says.
    Policy,
    /// Nothing more.
    End,
    /// It starts again at once.
    Start,
}

struct Monitor {
    dir: PathBuf,
    record: Record,
    host: Host,
    status: Status,
    relay: Relay,
    /// Where clients come in.
    door: OwnedFd,
    orders: Inbox,
    restarts: Restarts,
    after: After,
    /// When the payload, which was asked to end, is killed.
    kill_at: Option<Deadline>,
    /// The last signal that it got from us.
    sent: Option<Sent>,
    /// The payload's health checks.
    checks: Option<Checks>,
    /// Our children that stay with executed processes.
    attendants: Vec<Child>,
    /// Something happened since we last gave memory back.
    at_work: bool,
    rest_after: Duration,
    /// Its networks, and the ports that are its own.
    connection: Option<Connection>,
    /// Our children that serve its networks, while somebody wants something.
    services: Services,
    /// What to let go before the next wait, which may be long.
    program: Option<Program>,
}

impl Monitor {
    fn new(dir: &Path) -> Result<Self> {
        let missing = || Error::new(Kind::Internal, format!("`{}` is missing", dir.join(file::RECORD).display()));
        let record: Record = record::read(&dir.join(file::RECORD))?.ok_or_else(missing)?;
        let folder = openat(CWD, dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let door = folder.and_then(|folder| sys::socket::listen(folder.as_fd(), file::SOCKET));
        let door = door.map_err(std::io::Error::from).context(|| format!("can't listen in `{}`", dir.display()))?;
        let orders = Inbox::open(&[number::TERM]).map_err(sys::kernel::error).context(|| "can't catch signals")?;
        Ok(Self {
            dir: dir.to_owned(),
            host: Host::read()?,
            // Of the last time, in case that this start fails.
            status: record::read(&dir.join(file::STATUS)).ok().flatten().unwrap_or_default(),
            relay: Relay::new(Vec::new(), Streams::none(), record.request.stdin_once),
            record,
            door,
            orders,
            restarts: Restarts::default(),
            after: After::Policy,
            kill_at: None,
            sent: None,
            checks: None,
            attendants: Vec::new(),
            at_work: true,
            rest_after: REST_AFTER,
            connection: None,
            services: Services::default(),
            program: None,
        })
    }

    /// Runs the payload, and again as long as somebody or its policy wants that: its last exit code.
    fn live(&mut self, root: OwnedFd) -> Result<u8> {
        let mut root = Some(root);
        loop {
            let begin = Instant::now();
            let outcome = self.run(root.take());
            let (out_of_memory, cleaned) = cgroups::end(&self.dir, &self.record.id, &self.host);
            let cleaned = cleaned.and(self.disconnect());
            self.status.oom_killed = out_of_memory.is_some();
            if out_of_memory.is_some() {
                self.status.death.get_or_insert_default().out_of_memory = out_of_memory;
                self.tell("oom", &[]);
            }
            // The first failure in time is the one to tell.
            let code = outcome.and_then(|code| cleaned.map(|()| code))?;
            if let Some(note) = self.status.death.as_ref().filter(|_| code != 0).and_then(Death::note) {
                self.relay.tell_attached(&FromMonitor::Note(&note));
            }
            let Some(delay) = self.next(code, begin.elapsed()) else { return Ok(code) };
            self.status.restarting = true;
            self.status.restart_count = self.restarts.count;
            self.save()?;
            self.tell_end(code);
            for client in self.relay.clients.iter_mut().filter(|client| matches!(client.role, Role::Attached(_))) {
                client.say_last(&FromMonitor::Exited(code));
            }
            self.wait_to_start(Instant::now() + delay)?;
            self.status.restarting = false;
            if self.after == After::End {
                return Ok(code);
            }
        }
    }

    /// Gives back ports and addresses.
    fn disconnect(&mut self) -> Result<()> {
        self.services.end();
        self.connection.take().map_or(Ok(()), |_| networks::disconnect(&self.dir, &self.record.id))
    }

    /// After how long the payload starts again, if it does.
    fn next(&mut self, code: u8, ran: Duration) -> Option<Duration> {
        match self.after {
            After::End => None,
            After::Start => {
                self.restarts = Restarts::default();
                Some(Duration::ZERO)
            }
            After::Policy => {
                // It may have been changed meanwhile.
                let record = record::read::<Record>(&self.dir.join(file::RECORD)).ok().flatten();
                let policy = record.map_or(self.record.request.restart, |record| record.request.restart);
                self.restarts.next(policy, code, ran)
            }
        }
    }

    /// Runs the payload once; its exit code.
    fn run(&mut self, root: Option<OwnedFd>) -> Result<u8> {
        (self.after, self.kill_at, self.sent) = (After::Policy, None, None);
        let root = match root {
            Some(root) => root,
            None => crate::create::mount_again(&self.dir, &self.record)?,
        };
        let mut log = Log::new(&self.dir, &self.record)?;
        self.connection = Connection::begin(&self.dir, &self.record)?;
        let (running, streams) = launch::launch(&self.dir, &self.record, &self.host, root, self.connection.as_ref())?;
        self.relay.streams = streams;
        self.status = Status {
            version: record::VERSION,
            started: record::now(),
            pid: Some(running.pid.as_raw_nonzero().get().unsigned_abs()),
            restart_count: self.restarts.count,
            health: self.record.health.is_some().then(Health::default),
            ..Status::default()
        };
        self.checks = self.record.health.clone().map(Checks::new);
        let ended = self.save().and_then(|()| {
            self.tell("start", &[]);
            self.relay.tell_attached(&FromMonitor::Running);
            for client in self.relay.clients.iter_mut().filter(|client| client.role == Role::Restarting) {
                client.say_last(&FromMonitor::Done);
            }
            let limit = self.record.request.time_limit_s.map(Duration::from_secs);
            let at = limit.and_then(|limit| Instant::now().checked_add(limit));
            let sent = Sent { signal: number::KILL, by: By::TimeLimit, asked: None, deaf: false };
            self.kill_at = at.map(|at| Deadline { at, sent });
            self.attend(&running, &mut log)
        });
        if let Some(checks) = self.checks.take() {
            checks.end();
        }
        match ended {
            Ok(code) => {
                self.status = Status {
                    finished: record::now(),
                    exit_code: Some(code),
                    pid: None,
                    paused: false,
                    error: log.finish().as_ref().map_or_else(String::new, Error::to_string),
                    ..std::mem::take(&mut self.status)
                };
                Ok(code)
            }
            // A payload that nobody watches must not run on.
            Err(error) => Err(kill(&running, error)),
        }
    }

    /// Does what clients, signals and streams want until the payload has ended and all it said is with the log.
    fn attend(&mut self, running: &Running, log: &mut Log) -> Result<u8> {
        loop {
            let seen = self.wait(Some(running), self.kill_at.map(|deadline| deadline.at))?;
            if !self.at_work {
                log.rest();
                self.program = Some(sys::memory::give_back());
            }
            while self.orders.next().is_some() {
                self.end_payload(&api::Stop::default(), By::Order, running);
                self.after = After::End;
            }
            self.serve(&seen, Some(running), &mut |stream, bytes| log.take(stream, bytes));
            self.check(&seen, running);
            self.services.serve(&seen, self.connection.as_ref(), &self.dir, &self.record);
            self.kill_if_due(running);
            if seen.has(What::Payload, READABLE) {
                let waited = rustix::io::retry_on_intr(|| waitpid(Some(running.pid), WaitOptions::empty()));
                let waited = waited.map_err(std::io::Error::from).context(|| "can't wait for the payload")?;
                self.relay.finish(&mut |stream, bytes| log.take(stream, bytes));
                let status = waited.map(|(_, status)| status);
                self.status.death = self.death(running, status);
                return exit_code(status);
            }
        }
    }

    /// Without a payload: until then, or until somebody changes his mind.
    fn wait_to_start(&mut self, until: Instant) -> Result<()> {
        while Instant::now() < until && self.after == After::Policy {
            let seen = self.wait(None, Some(until))?;
            if self.orders.next().is_some() {
                self.after = After::End;
            }
            self.serve(&seen, None, &mut |_, _| {});
        }
        Ok(())
    }

    /// Waits until something happens or is due.
    fn wait(&mut self, running: Option<&Running>, due: Option<Instant>) -> Result<Seen> {
        let mut watch = Watch::default();
        watch.add(What::Orders, Some(self.orders.as_fd()), PollFlags::IN);
        let lets_in = self.relay.clients.len() < MOST_CLIENTS;
        watch.add(What::Door, Some(self.door.as_fd()).filter(|_| lets_in), PollFlags::IN);
        watch.add(What::Payload, running.map(|running| running.pidfd.as_fd()), PollFlags::IN);
        for (place, attendant) in self.attendants.iter().enumerate() {
            watch.add(What::Child(place), Some(attendant.pidfd.as_fd()), PollFlags::IN);
        }
        self.services.watch(self.connection.as_ref(), &mut watch);
        self.relay.watch(&mut watch);
        // What is paused is not looked at.
        let checks = self.checks.as_ref().filter(|_| !self.status.paused);
        if let Some(checks) = checks {
            checks.watch(&mut watch);
        }
        let due =
            [due, self.relay.deadline(), checks.and_then(Checks::due), self.services.due()].into_iter().flatten().min();
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        let rest = self.at_work.then_some(self.rest_after);
        let seen = watch.rest(due.into_iter().chain(rest).min(), self.program.take())?;
        if !seen.is_empty() {
            self.at_work = true;
        } else if self.at_work && due.is_none_or(|due| due > self.rest_after) {
            (self.at_work, self.rest_after) = (false, REST_AGAIN_AFTER);
            self.relay.rest();
        }
        Ok(seen)
    }

    /// Everything about clients and streams.
    fn serve(&mut self, seen: &Seen, running: Option<&Running>, ear: relay::Ear<'_>) {
        if seen.has(What::Door, READABLE) {
            // One that gave up meanwhile; or we have no descriptors left, and then it has to try again.
            if let Ok(socket) = sys::socket::accept(self.door.as_fd()) {
                self.relay.clients.push(Client::new(socket, Role::New));
            }
        }
        let mut words = Vec::new();
        self.relay.serve(seen, &self.record.name, ear, &mut words);
        for (place, word) in words {
            self.hear(place, word, running);
        }
        self.let_go();
        self.relay.forget_gone();
        let mut place = 0..;
        self.attendants.retain(|attendant| {
            let ended = place.next().is_some_and(|place| seen.has(What::Child(place), READABLE));
            if ended {
                // It is our child and has ended: nothing can fail.
                let _ = rustix::io::retry_on_intr(|| waitpid(Some(attendant.pid), WaitOptions::empty()));
            }
            !ended
        });
    }

    /// Writes down that this happened to the container.
    fn tell(&self, action: &str, more: &[(&str, String)]) {
        crate::events::tell_in(&self.dir, &self.record, action, more);
    }

    fn tell_end(&self, code: u8) {
        // It may have another name by now.
        let record = record::read(&self.dir.join(file::RECORD)).ok().flatten();
        let record = record.as_ref().unwrap_or(&self.record);
        crate::events::tell_in(&self.dir, record, "die", &[("exitCode", code.to_string())]);
    }

    /// Writes down how it is.
    fn save(&self) -> Result<()> {
        record::replace(&self.dir.join(file::STATUS), &self.status)
    }

    /// The last status, or with `--rm` the removal, of which the rest is left to be deleted.
    fn settle(&mut self, outcome: Result<u8>) -> (Result<u8>, Option<Leftover>) {
        if let Err(error) = &outcome {
            self.status = failed(error, &self.status);
        }
        let code = outcome.as_ref().ok().copied();
        let settled = if self.record.request.remove {
            code.into_iter().for_each(|code| self.tell_end(code));
            // It may have another name by now.
            let record = record::read(&self.dir.join(file::RECORD)).ok().flatten();
            crate::remove::discard(&self.dir, record.as_ref().unwrap_or(&self.record), true).map(Some)
        } else {
            let saved = self.save().map(|()| None);
            // Whoever hears of the end may look at the status.
            code.into_iter().for_each(|code| self.tell_end(code));
            saved
        };
        match (outcome, settled) {
            (Ok(_), Err(error)) => (Err(error), None),
            (outcome, settled) => (outcome, settled.unwrap_or_default()),
        }
    }
}

/// What is written down of a start that failed, or of a monitor that could not go on.
fn failed(error: &Error, before: &Status) -> Status {
    // What ran once has ended, whatever became of it since.
    let finished = if before.started.is_empty() { String::new() } else { record::now() };
    Status {
        version: record::VERSION,
        started: before.started.clone(),
        finished,
        error: error.to_string(),
        hints: error.hints.clone(),
        oom_killed: before.oom_killed,
        restart_count: before.restart_count,
        // As Docker: 128 for a start that failed for any other reason than the command.
        exit_code: Some(match error.kind {
            Kind::CommandNotFound => 127,
            Kind::NotExecutable => 126,
            _ => 128,
        }),
        ..Status::default()
    }
}

/// Ends a payload for that reason.
fn kill(running: &Running, error: Error) -> Error {
    // It may have ended, and been waited for, already.
    let _ = rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(running.pid), WaitOptions::empty()));
    error
}
