//! `isolazi logs`: what a container wrote.

use crate::args::{is_on, one, rest, switch, text};
use crate::console::{Console, Stream};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::time::parse_point;
use crate::verbs::{Arity, Verb};
use api::{LogPart, LogStream, Logs};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

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
        switch("details", "Show extra details provided to logs"),
        switch("follow", "Follow log output").short('f'),
        text(
            "since",
            "string",
            "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
        switch("stderr", "Show only what went to standard error"),
        switch("stdout", "Show only what went to standard output"),
        text("tail", "string", "Number of lines to show from the end of the logs (default all)").short('n'),
        switch("timestamps", "Show timestamps").short('t'),
        text(
            "until",
            "string",
            "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)",
        ),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let request = Logs {
        container: rest(matches).remove(0),
        follow: is_on(matches, "follow"),
        tail: tail(one(matches, "tail"))?,
        since: point(matches, "since")?,
        until: point(matches, "until")?,
    };
    let (only_out, only_err) = (is_on(matches, "stdout"), is_on(matches, "stderr"));
    let shown = |stream| match stream {
        LogStream::Stdout => only_out || !only_err,
        LogStream::Stderr => only_err || !only_out,
    };
    let (timestamps, details) = (is_on(matches, "timestamps"), is_on(matches, "details"));
    let engine = door.engine(As::Caller)?;
    let console = &mut door.console;
    engine.logs(&request, &mut |part| {
        match part {
            LogPart::Entry { text, stream, time, attributes } if shown(stream) => {
                let stream = if stream == LogStream::Stdout { Stream::Out } else { Stream::Err };
                if timestamps {
                    console.say(stream, time);
                    console.say(stream, " ");
                }
                if details && !attributes.is_empty() {
                    console.say(stream, list(attributes));
                    console.say(stream, " ");
                }
                console.say(stream, text);
            }
            LogPart::Entry { .. } => {}
            LogPart::CaughtUp => console.flush(),
            LogPart::Damaged(bytes) => warn(console, &format!("passed over {bytes} damaged bytes of the log")),
            LogPart::Gap => warn(console, "the log was rotated faster than it was read: lines may be missing here"),
        }
        if console.is_broken() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(exit::SUCCESS) // a broken console is reported at the end
}

fn warn(console: &mut Console, text: &str) {
    console.tell(format!("Warning: {text}\n"));
}

/// `key=value,…`, as Docker shows what `--details` asks for.
fn list(attributes: &BTreeMap<String, String>) -> String {
    attributes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// A point in time given with `--since` or `--until`.
fn point(matches: &ArgMatches, flag: &str) -> Result<Option<String>> {
    let Some(text) = one(matches, flag) else { return Ok(None) };
    let zone = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
    parse_point(text, Timestamp::now(), &zone).map(|point| Some(format!("{point:.9}"))).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

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
