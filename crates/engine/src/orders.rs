//! What a user wants of a container that runs: each is said to its monitor.

use crate::Engine;
use crate::containers::Container;
use crate::events;
use crate::record::{self, Record, file};
use crate::start::{self, Session};
use crate::talk::{self, Answer};
use api::{Attach, Exec, RestartPolicy, STOP_TIMEOUT_S, State, Stop, Wish};
use error::{Error, Kind, Result};
use rustix::fd::OwnedFd;
use std::time::Duration;
use sys::signal::number;

/// How long a monitor may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// The exit code of what was killed with its monitor: it was SIGKILL that ended it.
const KILLED: u8 = 137;

/// A conversation about streams.
#[derive(Debug)]
pub struct Attached {
    /// Its socket.
    pub session: Session,
    /// The payload has a terminal.
    pub tty: bool,
    /// The payload has a standard input that can be fed.
    pub interactive: bool,
}

/// What a container's payload has for streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// A terminal.
    pub tty: bool,
    /// A standard input that can be fed.
    pub interactive: bool,
}

impl Engine {
    /// What its payload has for streams, running or not.
    pub fn streams_of(&self, wanted: &str) -> Result<Streams> {
        let request = self.containers.get(&self.names, wanted)?.record.request;
        Ok(Streams { tty: request.tty, interactive: request.interactive })
    }

    /// Starts a container; `None` when it runs already. The session is attached to all that the container has.
    pub fn start(&self, wanted: &str) -> Result<Option<Attached>> {
        let Container { record, .. } = self.containers.get(&self.names, wanted)?;
        let session = start::start_again(self, &record.id)?;
        Ok(session.map(|session| attached(session, &record)))
    }

    /// The names of those that do not run and should when the machine has started, the oldest first: as Docker's daemon
    /// has it, those whose policy says `always`, and those with `unless-stopped` that no user had stopped.
    pub fn wanted_after_boot(&self) -> Result<Vec<String>> {
        let mut all = self.containers.list()?;
        all.reverse();
        let wanted = all.into_iter().filter(|Container { record, status, state, .. }| {
            let ran = matches!(state, State::Exited | State::Dead);
            ran && match record.request.restart {
                RestartPolicy::Always => true,
                RestartPolicy::UnlessStopped => !status.stopped_by_user,
                RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
            }
        });
        Ok(wanted.map(|container| container.record.name).collect())
    }

    /// Ends it and keeps it ended. One that does not run is as it should be.
    pub fn stop(&self, wanted: &str, stop: &Stop, note: &mut dyn FnMut(&str)) -> Result<()> {
        let container = self.containers.get(&self.names, wanted)?;
        let Some(socket) = self.reach(&container)? else { return Ok(()) };
        talk::say(&socket, &Wish::Stop(stop.clone()))?;
        talk::answer(&socket, time_to_end(&container.record, stop), note)?;
        self.tell_of(&container, "stop", &[]);
        Ok(())
    }

    /// Ends it if it runs, and starts it.
    pub fn restart(&self, wanted: &str, stop: &Stop, note: &mut dyn FnMut(&str)) -> Result<()> {
        let container = self.containers.get(&self.names, wanted)?;
        if let Some(socket) = self.reach(&container)? {
            talk::say(&socket, &Wish::Restart(stop.clone()))?;
            if talk::answer(&socket, time_to_end(&container.record, stop), note)? == Answer::Done {
                self.tell_of(&container, "restart", &[]);
                return Ok(());
            }
        }
        let Some(session) = start::start_again(self, &container.record.id)? else { return Ok(()) };
        talk::answer(&session.socket, None, note)?;
        self.tell_of(&container, "restart", &[]);
        talk::detach(&session.socket)
    }

    /// Sends its payload a signal, and with SIGKILL waits for its end.
    pub fn kill(&self, wanted: &str, signal: u8) -> Result<()> {
        let container = self.containers.get(&self.names, wanted)?;
        let id = &container.record.id;
        let idle =
            || Error::new(Kind::Conflict, format!("cannot kill container: {wanted}: container {id} is not running"));
        let socket = self.reach(&container)?.ok_or_else(idle)?;
        talk::say(&socket, &Wish::Signal(signal))?;
        match talk::answer(&socket, Some(PATIENCE), &mut |_| {})? {
            Answer::Nothing if signal != number::KILL => Err(idle()),
            _ => {
                self.tell_of(&container, "kill", &[("signal", signal.to_string())]);
                Ok(())
            }
        }
    }

    /// Freezes its processes.
    pub fn pause(&self, wanted: &str) -> Result<()> {
        self.order(wanted, &Wish::Pause, "pause")
    }

    /// Freezes its processes for as long as the conversation lasts.
    pub(crate) fn hold(&self, container: &Container) -> Result<OwnedFd> {
        let idle = || Error::new(Kind::Conflict, format!("container {} is not running", container.record.id));
        let socket = self.reach(container)?.ok_or_else(idle)?;
        talk::say(&socket, &Wish::Hold)?;
        match talk::answer(&socket, Some(PATIENCE), &mut |_| {})? {
            Answer::Done => {
                self.tell_of(container, "pause", &[]);
                Ok(socket)
            }
            Answer::Exited(_) | Answer::Nothing => Err(idle()),
        }
    }

    /// Lets them go on.
    pub fn resume(&self, wanted: &str) -> Result<()> {
        let container = self.containers.get(&self.names, wanted)?;
        if container.state != State::Paused {
            return Err(Error::new(Kind::Conflict, format!("Container {} is not paused", container.record.id)));
        }
        self.order(wanted, &Wish::Resume, "unpause")
    }

    /// Waits until it does not run, and will not by itself: its exit code.
    pub fn wait(&self, wanted: &str) -> Result<u8> {
        let id = self.containers.get(&self.names, wanted)?.record.id;
        loop {
            let gone = || Error::not_found(format!("No such container: {wanted}"));
            let container = self.containers.read(&id)?.ok_or_else(gone)?;
            match container.state {
                State::Created | State::Exited => return Ok(container.status.exit_code.unwrap_or_default()),
                State::Dead => return Ok(KILLED),
                State::Running | State::Paused | State::Restarting => {}
            }
            let Some(socket) = talk::connect(&container.dir, PATIENCE)? else { continue };
            talk::say(&socket, &Wish::Wait)?;
            if let Answer::Exited(code) = talk::answer(&socket, None, &mut |_| {})? {
                return Ok(code);
            }
        }
    }

    /// Takes part in its streams.
    pub fn attach(&self, wanted: &str, which: Attach) -> Result<Attached> {
        let container = self.containers.get(&self.names, wanted)?;
        let which = Attach { stdin: which.stdin && container.record.request.interactive, ..which };
        let idle = || Error::new(Kind::Conflict, "You cannot attach to a stopped container, start it first");
        let socket = self.reach(&container)?.ok_or_else(idle)?;
        talk::say(&socket, &Wish::Attach(which))?;
        self.tell_of(&container, "attach", &[]);
        Ok(attached(Session { socket }, &container.record))
    }

    /// Starts one more process in it. The first word of the conversation says whether it runs.
    pub fn exec(&self, wanted: &str, exec: Exec) -> Result<Session> {
        let container = self.containers.get(&self.names, wanted)?;
        let id = &container.record.id;
        let idle = || Error::new(Kind::Conflict, format!("container {id} is not running"));
        if container.state == State::Paused {
            let text = format!("Container {wanted} is paused, unpause the container before exec");
            return Err(Error::new(Kind::Conflict, text));
        }
        let socket = self.reach(&container)?.ok_or_else(idle)?;
        talk::say(&socket, &Wish::Exec(Box::new(exec)))?;
        Ok(Session { socket })
    }

    /// Gives it another name.
    pub fn rename(&self, wanted: &str, new: &str) -> Result<()> {
        let Container { dir, record, .. } = self.containers.get(&self.names, wanted)?;
        if new.strip_prefix('/').unwrap_or(new) == record.name {
            return Err(Error::new(Kind::Conflict, "Renaming a container with the same name as its current name"));
        }
        self.names.rename(&record.name, new, &record.id, |name| {
            let _alone = record::alone(&dir)?;
            // Somebody else may have changed it until now.
            let now = self.containers.get(&self.names, &record.id)?.record;
            let renamed = Record { name: name.to_owned(), ..now };
            record::replace(&dir.join(file::RECORD), &renamed)?;
            events::tell_of(&self.paths.data, &renamed, "rename", &[("oldName", format!("/{}", record.name))]);
            Ok(())
        })
    }

    fn tell_of(&self, container: &Container, action: &str, more: &[(&str, String)]) {
        events::tell_of(&self.paths.data, &container.record, action, more);
    }

    /// `action`: how the event is called.
    fn order(&self, wanted: &str, wish: &Wish, action: &str) -> Result<()> {
        let container = self.containers.get(&self.names, wanted)?;
        let idle = || Error::new(Kind::Conflict, format!("container {} is not running", container.record.id));
        let socket = self.reach(&container)?.ok_or_else(idle)?;
        talk::say(&socket, wish)?;
        match talk::answer(&socket, Some(PATIENCE), &mut |_| {})? {
            Answer::Done => {
                self.tell_of(&container, action, &[]);
                Ok(())
            }
            Answer::Exited(_) | Answer::Nothing => Err(idle()),
        }
    }

    /// A conversation with its monitor; `None` if it does not run.
    fn reach(&self, container: &Container) -> Result<Option<OwnedFd>> {
        match container.state {
            State::Created | State::Exited | State::Dead => Ok(None),
            State::Running | State::Paused | State::Restarting => talk::connect(&container.dir, PATIENCE),
        }
    }
}

fn attached(session: Session, record: &Record) -> Attached {
    Attached { session, tty: record.request.tty, interactive: record.request.interactive }
}

/// How long an end may take, until the monitor must be hung.
fn time_to_end(record: &Record, stop: &Stop) -> Option<Duration> {
    let given = stop.timeout_s.or(record.request.stop_timeout_s).unwrap_or(STOP_TIMEOUT_S);
    u64::try_from(given).ok().map(|given| Duration::from_secs(given).saturating_add(PATIENCE))
}
