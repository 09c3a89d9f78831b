//! What clients want of the container, and what becomes of it.

use super::client::{Client, Role, Word};
use super::evidence::Deadline;
use super::stopping::{self, Manners, Way};
use super::watch::Seen;
use super::{After, MOST_ATTENDANTS, Monitor, exec};
use crate::cgroups;
use crate::death::{By, Sent};
use api::attach::FromMonitor;
use api::{Exec, HealthAction, Stop, Wish};
use error::{Error, Kind, Result, ResultExt};
use runtime::Running;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::time::{Duration, Instant};
use sys::signal::number;

impl Monitor {
    /// A word of the client at that place. `running`: there is a payload.
    pub(super) fn hear(&mut self, place: usize, word: Word, running: Option<&Running>) {
        let wish = match word {
            Word::Wish(wish) => wish,
            Word::Signal(number) => return running.map_or((), |running| self.send(running, number, By::Client)),
            // The relay sees to it.
            Word::Resize { .. } => return,
        };
        let answer = match (wish, running) {
            (Wish::Wait, _) => Ok(Answer::At(Role::Waiting)),
            (Wish::Stop(stop), _) => self.stop(place, &stop, running).map(|()| Answer::At(Role::Waiting)),
            (Wish::Restart(stop), _) => self.restart(place, &stop, running),
            (Wish::Attach(_), None) => {
                Err(self.conflict("You cannot attach to a restarting container, wait until it is running"))
            }
            (Wish::Attach(_), Some(_)) if self.status.paused => {
                Err(self.conflict("You cannot attach to a paused container, unpause it first"))
            }
            (Wish::Attach(which), Some(_)) => Ok(Answer::Attach(which)),
            (Wish::Signal(number), Some(running)) => self.signal(number, Some(running)),
            // Whoever kills it while it waits for its next start kills that.
            (Wish::Signal(number::KILL), None) => self.signal(number::KILL, None),
            (Wish::Pause, Some(_)) => self.pause(),
            (Wish::Resume, _) => self.resume(),
            (Wish::Hold, Some(_)) => self.pause().map(|_| Answer::Hold),
            (Wish::Root, Some(running)) => root_of(running).map(Answer::File),
            (Wish::Exec(exec), Some(running)) => self.exec(place, &exec, running),
            (_, None) => Err(self.conflict(&format!("container {} is not running", self.record.id))),
        };
        let client = &mut self.relay.clients[place];
        match answer {
            Ok(Answer::Done) => client.say_last(&FromMonitor::Done),
            Ok(Answer::At(role)) => client.role = role,
            Ok(Answer::Hold) => {
                client.role = Role::Holding;
                client.say(&FromMonitor::Done);
            }
            Ok(Answer::File(file)) => client.give_last(&file),
            Ok(Answer::Attach(which)) => {
                client.role = Role::Attached(which);
                client.say(&FromMonitor::Running);
            }
            Ok(Answer::ByAttendant) => client.gone = true,
            Err(error) => client.say_last(&FromMonitor::Failed(error)),
        }
    }

    /// From here on the client is the attendant's.
    fn exec(&mut self, place: usize, exec: &Exec, running: &Running) -> Result<Answer> {
        if self.status.paused {
            let text = format!("Container {} is paused, unpause the container before exec", self.record.name);
            return Err(self.conflict(&text));
        }
        if self.attendants.len() >= MOST_ATTENDANTS {
            let text = format!("container {} has {MOST_ATTENDANTS} executed processes already", self.record.name);
            return Err(Error::new(Kind::Unavailable, text));
        }
        let payload = (running.pid, &running.pidfd);
        let container = exec::Container { dir: &self.dir, record: &self.record, host: &self.host, payload };
        let client = self.relay.clients[place].socket();
        let attendant = runtime::attendant(|| exec::attend(&container, exec, client))?;
        self.attendants.push(attendant);
        Ok(Answer::ByAttendant)
    }

    fn conflict(&self, text: &str) -> Error {
        Error::new(Kind::Conflict, text)
    }

    /// A user's order to end, remembered before anything is done.
    fn stop(&mut self, place: usize, stop: &Stop, running: Option<&Running>) -> Result<()> {
        self.after = After::End;
        self.status.stopped_by_user = true;
        self.save()?;
        self.ask_to_end(place, stop, running);
        Ok(())
    }

    fn restart(&mut self, place: usize, stop: &Stop, running: Option<&Running>) -> Result<Answer> {
        self.after = After::Start;
        self.ask_to_end(place, stop, running);
        Ok(Answer::At(Role::Restarting))
    }

    fn ask_to_end(&mut self, place: usize, stop: &Stop, running: Option<&Running>) {
        let note = running.and_then(|running| self.end_payload(stop, By::Stop, running));
        if let Some(note) = note {
            self.relay.clients[place].say(&FromMonitor::Note(&note));
        }
    }

    /// Begins to end the payload; what a user should know of it.
    pub(super) fn end_payload(&mut self, stop: &Stop, by: By, running: &Running) -> Option<String> {
        let manners = Manners {
            signal: if self.record.stop_signal == 0 { number::TERM } else { self.record.stop_signal },
            timeout_s: self.record.request.stop_timeout_s,
        };
        let way = stopping::decide(stop, manners, |signal| stopping::notices(running.pid, signal));
        let kill = Sent { signal: number::KILL, by, asked: None, deaf: false };
        let (sent, note) = match way {
            Way::Kill => (kill, None),
            Way::KillDeaf(signal) => {
                let note = stopping::note(&self.record.name, signal);
                (Sent { asked: Some(signal), deaf: true, ..kill }, Some(note))
            }
            Way::Ask(signal, time) => {
                let sent = Sent { asked: Some(signal), ..kill };
                let at = time.and_then(|time: Duration| Instant::now().checked_add(time));
                self.kill_by(at.map(|at| Deadline { at, sent }));
                (Sent { signal, ..kill }, None)
            }
        };
        self.sent = Some(sent);
        signal(running, sent.signal);
        // What is frozen notices nothing. If it cannot be thawed it will be killed.
        if self.status.paused {
            let _ = self.resume();
        }
        note
    }

    /// Docker's rule: who kills, or sends the stop signal, does not want to see the payload started again.
    fn signal(&mut self, number: u8, running: Option<&Running>) -> Result<Answer> {
        if number == number::KILL || number == self.record.stop_signal {
            self.after = After::End;
            self.status.stopped_by_user = true;
            self.save()?;
        }
        if let Some(running) = running {
            self.send(running, number, By::Kill);
        }
        if number == number::KILL { Ok(Answer::At(Role::Waiting)) } else { Ok(Answer::Done) }
    }

    /// Goes on with health checks.
    pub(super) fn check(&mut self, seen: &Seen, running: &Running) {
        let Some(checks) = self.checks.as_mut().filter(|_| !self.status.paused) else { return };
        let health = self.status.health.get_or_insert_default();
        let before = health.status;
        let ended = checks.serve(seen, health);
        let payload = (running.pid, &running.pidfd);
        let container = exec::Container { dir: &self.dir, record: &self.record, host: &self.host, payload };
        let command = checks.plan().command();
        let begun = checks.begin_if_due(|mouth| runtime::attendant(|| exec::check(&container, command, mouth)));
        let failed = begun.err().map(|error| checks.fail(&error, health));
        let now = health.status;
        let Some(turned) = ended.or(failed) else { return };
        // A full disk is no reason to end anybody: the next result is written down again.
        let _ = self.save();
        if now != before {
            self.tell(&format!("health_status: {}", now.name()), &[]);
        }
        if !turned {
            return;
        }
        // Somebody has said already what becomes of it.
        let action =
            if self.after == After::Policy { self.record.request.health.on_failure } else { HealthAction::None };
        match action {
            HealthAction::None => {}
            // Its policy says what comes next.
            HealthAction::Kill => self.send(running, number::KILL, By::Health),
            HealthAction::Stop => {
                self.after = After::End;
                self.end_payload(&Stop::default(), By::Health, running);
            }
            HealthAction::Restart => {
                self.after = After::Start;
                self.end_payload(&Stop::default(), By::Health, running);
            }
        }
    }

    fn pause(&mut self) -> Result<Answer> {
        if self.status.paused {
            return Err(self.conflict(&format!("Container {} is already paused", self.record.id)));
        }
        let Some(cgroups) = cgroups::find(&self.dir, &self.record.id, &self.host)? else {
            let text = format!("can't pause container {}: it has no cgroup of its own", self.record.name);
            return Err(Error::new(Kind::Unsupported, text).hint("an ordinary user needs a delegated cgroup v2"));
        };
        cgroups.freeze()?;
        self.status.paused = true;
        self.save()?;
        Ok(Answer::Done)
    }

    /// Whoever froze the payload for as long as he is there may have gone.
    pub(super) fn let_go(&mut self) {
        let holds = |client: &Client| client.role == Role::Holding && client.gone;
        if self.status.paused && self.relay.clients.iter().any(holds) {
            // If it cannot be thawed `unpause` tries again, and says why.
            let _ = self.resume();
        }
    }

    fn resume(&mut self) -> Result<Answer> {
        if !self.status.paused {
            return Err(self.conflict(&format!("Container {} is not paused", self.record.id)));
        }
        if let Some(cgroups) = cgroups::find(&self.dir, &self.record.id, &self.host)? {
            cgroups.thaw()?;
        }
        self.status.paused = false;
        self.save()?;
        Ok(Answer::Done)
    }
}

/// What a client hears.
enum Answer {
    Done,
    /// Later, at that point.
    At(Role),
    Attach(api::Attach),
    /// By somebody else.
    ByAttendant,
    /// Done, until it leaves.
    Hold,
    /// Done, and here it is.
    File(OwnedFd),
}

/// What the payload sees as `/`. It is ours and not waited for, so its id is still its own.
fn root_of(running: &Running) -> Result<OwnedFd> {
    let path = format!("/proc/{}/root", running.pid.as_raw_nonzero());
    let opened = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    opened.map_err(std::io::Error::from).context(|| "can't open the payload's root")
}

/// Sends it. The payload may have ended meanwhile: then there is nothing to be signalled.
pub(super) fn signal(running: &Running, number: u8) {
    let _ = sys::process::signal(&running.pidfd, number);
}
