//! The cause, from what is known.

use super::words;
use crate::containers::Container;
use crate::death::{By, Death, OutOfMemory, Sent, filtered};
use api::{HealthStatus, State};
use oci::signals::Signal;

/// A sentence, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub text: String,
    pub hints: Vec<String>,
}

impl Cause {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hints: Vec::new() }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Why it is as it is. `last_words`: lines, the last one last.
pub(super) fn of(container: &Container, last_words: &[String]) -> Cause {
    let Container { status, state, record, .. } = container;
    let name = &record.name;
    let is_unhealthy = status.health.as_ref().is_some_and(|health| health.status == HealthStatus::Unhealthy);
    match state {
        State::Created | State::Exited if status.started.is_empty() && status.exit_code.is_some() => {
            let text = format!("it could not be started: {}", status.error);
            Cause { text, hints: status.hints.clone() }
        }
        State::Created => Cause::new("it was created and never started").hint(format!("`isolazi start {name}`")),
        State::Running if is_unhealthy => Cause::new("it runs, and its health checks fail"),
        State::Running => Cause::new("it runs"),
        State::Paused => Cause::new("it is paused: its processes are frozen").hint(format!("`isolazi unpause {name}`")),
        State::Dead if !status.error.is_empty() => {
            Cause::new(format!("its files are damaged: {}", status.error)).hint(format!("`isolazi rm -f {name}`"))
        }
        State::Dead => Cause::new("its monitor was killed, and its processes with it: how they ended is not known")
            .hint("the machine's log may tell (`dmesg`): a restart, or want of memory")
            .hint(format!("`isolazi start {name}`")),
        State::Restarting => {
            let ended = ended(container, last_words);
            Cause { text: format!("{}; it waits to be started again", ended.text), ..ended }
        }
        State::Exited => ended(container, last_words),
    }
}

fn ended(container: &Container, last_words: &[String]) -> Cause {
    let Container { status, record, .. } = container;
    let code = status.exit_code.unwrap_or_default();
    let death = status.death.clone().unwrap_or_default();
    if code == 0 && !status.error.is_empty() {
        return Cause::new(format!("it ended by itself with exit code 0, and {}", status.error));
    }
    if code == 0 {
        return Cause::new("it ended by itself with exit code 0");
    }
    if let Some(memory) = death.out_of_memory {
        return out_of_memory(memory, &record.name);
    }
    if death.was_filtered() {
        return Cause::new(filtered(death.call.as_deref()))
            .hint("`--security-opt seccomp=PROFILE` names another profile; the default one kills nobody");
    }
    if let Some(cause) = death.sent.and_then(|sent| sent_by_us(sent, &death, code)) {
        return cause;
    }
    if let Some(signal) = death.signal {
        return by_signal(signal, &record.name);
    }
    match words::read(last_words) {
        Some(cause) => cause,
        None => by_code(code, &record.name),
    }
}

fn out_of_memory(memory: OutOfMemory, name: &str) -> Cause {
    let cause = Cause::new(memory.words());
    match memory.limit {
        Some(limit) => {
            let more = (limit >> 20).max(1) * 2;
            cause.hint(format!(
                "`isolazi update --memory {more}m --memory-swap -1 {name}` allows it more, then start it"
            ))
        }
        None => cause.hint("`--memory` keeps one container from taking what others need"),
    }
}

/// Its monitor sent it the signal that ended it, or one after which it ended itself.
fn sent_by_us(sent: Sent, death: &Death, code: u8) -> Option<Cause> {
    let is_its_end = death.signal == Some(sent.signal) || code == 128_u8.saturating_add(sent.signal);
    let signal = name_of(sent.signal);
    let asked = sent.asked.map(name_of);
    let how = match (asked, is_its_end) {
        (Some(asked), true) if sent.deaf => format!("at once, because its process 1 does not notice {asked}"),
        (Some(asked), true) => format!("by {signal}, because {asked} did not end it in time"),
        (None, true) => format!("by {signal}"),
        // It handled the signal, and had a code of its own.
        (_, false) if death.signal.is_none() => format!("after {signal}, with exit code {code}"),
        (_, false) => return None,
    };
    Some(match sent.by {
        By::Stop => Cause::new(format!("it was stopped: it ended {how}")),
        By::Kill => Cause::new(format!("`isolazi kill`: it ended {how}")),
        By::Client => Cause::new(format!("a user who was attached ended it (Ctrl-C?): it ended {how}")),
        By::TimeLimit => Cause::new(format!("its time was over (`--timeout`): it ended {how}")),
        By::Health => Cause::new(format!("its health checks failed (`--health-on-failure`): it ended {how}")),
        By::Order => Cause::new(format!("its monitor was told to end it, as at a shutdown: it ended {how}")),
    })
}

/// A signal that its monitor knows nothing of.
fn by_signal(signal: u8, name: &str) -> Cause {
    let text = name_of(signal);
    match text.as_str() {
        "SIGSEGV" => Cause::new("it crashed: SIGSEGV, it used memory that it does not have"),
        "SIGBUS" => Cause::new("it crashed: SIGBUS, memory behind a file was gone, or /dev/shm is full")
            .hint("`--shm-size 1g` gives more shared memory"),
        "SIGILL" => Cause::new("it crashed: SIGILL, an instruction that this processor does not have")
            .hint("the image may be built for a newer processor"),
        "SIGFPE" => Cause::new("it crashed: SIGFPE, a division by zero or the like"),
        "SIGABRT" => Cause::new("it gave up: SIGABRT, it called abort(3)").hint(format!("`isolazi logs {name}`")),
        "SIGXCPU" => Cause::new("it used up its processor time (`--ulimit cpu=`)"),
        "SIGXFSZ" => Cause::new("it wrote a file larger than it may (`--ulimit fsize=`)"),
        "SIGPIPE" => Cause::new("it ended by SIGPIPE: nobody reads any more what it writes"),
        "SIGKILL" => Cause::new("somebody outside of isolazi sent it SIGKILL")
            .hint("the machine's log tells whether it was the kernel, for want of memory (`dmesg`)"),
        _ => Cause::new(format!("it ended by {text}, from itself or from somebody outside of isolazi")),
    }
}

fn by_code(code: u8, name: &str) -> Cause {
    let logs = format!("`isolazi logs {name}` tells what it said");
    match code {
        126 => Cause::new("a command that it called may not be executed (exit code 126 of a shell)").hint(logs),
        127 => Cause::new("a command that it called was not found (exit code 127 of a shell)").hint(logs),
        129..=192 => {
            let signal = name_of(code - 128);
            Cause::new(format!("a process of it ended by {signal}, and it said so by exit code {code}")).hint(logs)
        }
        _ => Cause::new(format!("it ended by itself with exit code {code}")).hint(logs),
    }
}

fn name_of(signal: u8) -> String {
    match Signal::from_number(signal.into()) {
        Some(signal) => signal.name(),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, Status};

    fn container(state: State, status: Status) -> Container {
        let record = Record { name: "web".into(), ..Record::lost(&"0".repeat(64)) };
        Container { dir: "/nowhere".into(), record, status, state, has_leftovers: false }
    }

    fn exited(code: u8, death: Option<Death>) -> String {
        let status =
            Status { started: "x".into(), finished: "y".into(), exit_code: Some(code), death, ..Status::default() };
        of(&container(State::Exited, status), &[]).text
    }

    fn sent(signal: u8, by: By, asked: Option<u8>, deaf: bool) -> Option<Sent> {
        Some(Sent { signal, by, asked, deaf })
    }

    #[test]
    fn ends_are_explained_by_their_evidence() {
        let by = |signal: u8, sent: Option<Sent>| Some(Death { signal: Some(signal), sent, ..Death::default() });
        let itself = |sent: Option<Sent>| Some(Death { sent, ..Death::default() });
        let memory = |limit| {
            let out_of_memory = Some(OutOfMemory { kills: 1, limit, peak: None });
            Some(Death { signal: Some(9), out_of_memory, ..Death::default() })
        };
        let killed = |call: Option<&str>| Some(Death { call: call.map(str::to_owned), ..by(31, None).unwrap() });
        for (code, death, expected) in [
            (0, None, "it ended by itself with exit code 0"),
            (3, itself(None), "it ended by itself with exit code 3"),
            (127, itself(None), "a command that it called was not found (exit code 127 of a shell)"),
            (139, itself(None), "a process of it ended by SIGSEGV, and it said so by exit code 139"),
            (137, memory(Some(64 << 20)), "out of memory: the limit is 64 MiB, and the kernel killed a process"),
            (137, memory(None), "out of memory: the machine had no more, and the kernel killed a process"),
            (159, killed(Some("ptrace")), "the seccomp profile kills whoever calls `ptrace`"),
            (159, killed(None), "the seccomp profile kills whoever makes such a system call"),
            (159, by(31, sent(31, By::Kill, None, false)), "`isolazi kill`: it ended by SIGSYS"),
            (137, by(9, None), "somebody outside of isolazi sent it SIGKILL"),
            (139, by(11, None), "it crashed: SIGSEGV, it used memory that it does not have"),
            (143, by(15, sent(15, By::Stop, None, false)), "it was stopped: it ended by SIGTERM"),
            (143, itself(sent(15, By::Stop, None, false)), "it was stopped: it ended by SIGTERM"),
            (7, itself(sent(15, By::Stop, None, false)), "it was stopped: it ended after SIGTERM, with exit code 7"),
            (
                137,
                by(9, sent(9, By::Stop, Some(15), true)),
                "it was stopped: it ended at once, because its process 1 does not notice SIGTERM",
            ),
            (
                137,
                by(9, sent(9, By::Stop, Some(15), false)),
                "it was stopped: it ended by SIGKILL, because SIGTERM did not end it in time",
            ),
            (137, by(9, sent(9, By::TimeLimit, None, false)), "its time was over (`--timeout`): it ended by SIGKILL"),
            (
                137,
                by(9, sent(9, By::Health, None, false)),
                "its health checks failed (`--health-on-failure`): it ended by SIGKILL",
            ),
            (
                130,
                by(2, sent(2, By::Client, None, false)),
                "a user who was attached ended it (Ctrl-C?): it ended by SIGINT",
            ),
            // Another signal than ours.
            (139, by(11, sent(10, By::Kill, None, false)), "it crashed: SIGSEGV, it used memory that it does not have"),
        ] {
            assert_eq!(exited(code, death.clone()), expected, "{code} {death:?}");
        }
    }

    #[test]
    fn every_state_has_its_reason() {
        let started = Status { started: "x".into(), ..Status::default() };
        let failed = Status {
            exit_code: Some(127),
            error: "exec: \"x\": no".into(),
            hints: vec!["there is `y`".into()],
            ..Status::default()
        };
        let again = Status { exit_code: Some(1), restarting: true, ..started.clone() };
        for (state, status, text, hints) in [
            (State::Created, Status::default(), "it was created and never started", &["`isolazi start web`"][..]),
            (State::Created, failed, "it could not be started: exec: \"x\": no", &["there is `y`"]),
            (State::Running, started.clone(), "it runs", &[]),
            (State::Paused, started.clone(), "it is paused: its processes are frozen", &["`isolazi unpause web`"]),
            (
                State::Restarting,
                again,
                "it ended by itself with exit code 1; it waits to be started again",
                &["`isolazi logs web` tells what it said"],
            ),
            (
                State::Dead,
                Status { error: "x".into(), ..started.clone() },
                "its files are damaged: x",
                &["`isolazi rm -f web`"],
            ),
            (
                State::Dead,
                started,
                "its monitor was killed, and its processes with it: how they ended is not known",
                &["the machine's log may tell (`dmesg`): a restart, or want of memory", "`isolazi start web`"],
            ),
        ] {
            let found = of(&container(state, status), &[]);
            assert_eq!(
                (found.text.as_str(), &found.hints[..]),
                (text, &hints.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()[..])
            );
        }
    }
}
