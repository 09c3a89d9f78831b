//! `isolazi logs`: what a container wrote.

use crate::args::{is_on, one, rest, switch, text};
use crate::console::Stream;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::time::parse_point;
use crate::verbs::{Arity, Verb};
use api::{LogEntry, Logs};
use clap::{Arg, ArgMatches};
use error::{Error, Kind, Result};
use jiff::Timestamp;

pub(crate) const VERB: Verb = Verb {
    name: "logs",
    long: Some(("container", &["logs"])),
    about: "Fetch the logs of a container",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("follow", "Follow log output").short('f'),
        text(
            "since",
            "string",
            "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
        text("tail", "string", "Number of lines to show from the end of the logs (default all)").short('n'),
        switch("timestamps", "Show timestamps").short('t'),
        text(
            "until",
            "string",
            "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
    ]
}

/// Which entries are shown, and how.
struct View {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    timestamps: bool,
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let follow = is_on(matches, "follow");
    let view = View {
        since: point(matches, "since")?,
        until: point(matches, "until")?,
        timestamps: is_on(matches, "timestamps"),
    };
    let request = Logs { container: rest(matches).remove(0), follow, tail: tail(one(matches, "tail"))? };
    let engine = door.engine(As::Caller)?;
    let console = &mut door.console;
    let mut done = false;
    let told = engine.logs(&request, &mut |entry| {
        match view.show(&entry) {
            Shown::Line(stream, text) => {
                match stream {
                    Stream::Out => console.out(&text),
                    Stream::Err => console.tell(&text),
                }
                if follow {
                    console.flush();
                }
            }
            Shown::Nothing => {}
            Shown::TooLate => done = true,
        }
        if done || console.is_broken() {
            // The way out of the loop; what it means is decided below.
            return Err(Error::new(Kind::Interrupted, "no more is wanted"));
        }
        Ok(())
    });
    match told {
        Err(_) if done || console.is_broken() => Ok(exit::SUCCESS), // a broken console is reported at the end
        other => other.map(|()| exit::SUCCESS),
    }
}

/// A point in time given with `--since` or `--until`.
fn point(matches: &ArgMatches, flag: &str) -> Result<Option<Timestamp>> {
    let Some(text) = one(matches, flag) else { return Ok(None) };
    let zone = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
    parse_point(text, Timestamp::now(), &zone).map(Some).ok_or_else(|| {
        Error::invalid(format!("invalid value for \"{flag}\": failed to parse value as time: \"{text}\""))
    })
}

/// `all`, or a number; negative ones are all, as in Docker.
fn tail(text: Option<&str>) -> Result<Option<u64>> {
    match text {
        None | Some("all" | "") => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(lines) => Ok(u64::try_from(lines).ok()),
            Err(_) => {
                Err(Error::invalid(format!("invalid value for \"tail\": expected a number or `all`: \"{text}\"")))
            }
        },
    }
}

#[derive(Debug, PartialEq)]
enum Shown {
    Line(Stream, Vec<u8>),
    Nothing,
    TooLate,
}

impl View {
    fn show(&self, entry: &LogEntry) -> Shown {
        if self.since.is_some() || self.until.is_some() {
            let time = entry.time.parse::<Timestamp>().ok();
            if time.zip(self.until).is_some_and(|(time, until)| time > until) {
                return Shown::TooLate;
            }
            if time.zip(self.since).is_some_and(|(time, since)| time < since) {
                return Shown::Nothing;
            }
        }
        let stream = if entry.stream == "stderr" { Stream::Err } else { Stream::Out };
        let stamp = if self.timestamps { format!("{} ", entry.time) } else { String::new() };
        Shown::Line(stream, [stamp.as_bytes(), entry.log.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_within_their_times() {
        let entry =
            |time: &str, stream: &str| LogEntry { log: "hi\n".into(), stream: stream.into(), time: time.into() };
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let view = View { since: time("2026-01-02T00:00:00Z"), until: time("2026-01-03T00:00:00Z"), timestamps: true };
        assert_eq!(view.show(&entry("2026-01-01T00:00:00Z", "stdout")), Shown::Nothing);
        assert_eq!(view.show(&entry("2026-01-04T00:00:00Z", "stdout")), Shown::TooLate);
        assert_eq!(
            view.show(&entry("2026-01-02T12:00:00.5Z", "stderr")),
            Shown::Line(Stream::Err, b"2026-01-02T12:00:00.5Z hi\n".to_vec())
        );
        let plain = View { since: None, until: None, timestamps: false };
        assert_eq!(plain.show(&entry("", "stdout")), Shown::Line(Stream::Out, b"hi\n".to_vec()));
    }

    #[test]
    fn tail_takes_numbers_and_all() {
        for (text, lines) in
            [(None, None), (Some("all"), None), (Some("-1"), None), (Some("0"), Some(0)), (Some("12"), Some(12))]
        {
            assert_eq!(tail(text).unwrap(), lines);
        }
        assert_eq!(
            tail(Some("x")).unwrap_err().to_string(),
            "invalid value for \"tail\": expected a number or `all`: \"x\""
        );
    }
}
