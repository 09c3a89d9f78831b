//! `events`: what a container uses, every few seconds, and each time that it runs out of memory. One JSON value a line.

use super::answers::json;
use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use crate::screen::time::span;
use error::{Error, Result, ResultExt};
use runtime::cgroup::stats::Stats;
use runtime::cgroup::{OomEvent, OomWatch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use serde::Serialize;
use std::time::{Duration, Instant};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// A line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Stats>,
}

/// `events ID`
pub(super) fn run(door: &mut Door, words: &Words) -> Result<u8> {
    let interval = words.text("interval")?.map_or(Ok(DEFAULT_INTERVAL), interval)?;
    let (runtime, id) = (door.runtime()?, words.id()?);
    if words.on("stats") {
        let stats = runtime.stats(id)?;
        say(door, &Line { kind: "stats", id, data: Some(stats) })?;
        return Ok(SUCCESS);
    }
    let mut watch = runtime.watch_oom(id)?;
    let mut next = Instant::now() + interval;
    while !door.console.is_broken() {
        if is_ready(&watch, next.saturating_duration_since(Instant::now()))? {
            let events = watch.read()?;
            for _ in events.iter().filter(|event| **event == OomEvent::Oom) {
                say(door, &Line { kind: "oom", id, data: None })?;
            }
            if events.contains(&OomEvent::Gone) {
                break;
            }
        }
        if Instant::now() < next {
            continue;
        }
        next += interval;
        match runtime.stats(id) {
            Ok(stats) => say(door, &Line { kind: "stats", id, data: Some(stats) })?,
            // It ended between two lines, which the watch is about to say.
            Err(_) if is_ready(&watch, Duration::ZERO)? => {}
            Err(error) => return Err(error),
        }
    }
    Ok(SUCCESS)
}

/// Has something happened, after that long at most?
fn is_ready(watch: &OomWatch, wait: Duration) -> Result<bool> {
    let wait = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    match poll(&mut [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN | PollFlags::PRI)], Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't wait for events"),
    }
}

/// At once: whoever reads waits for it.
fn say(door: &mut Door, line: &Line) -> Result<()> {
    let text = json(serde_json::to_string(line))?;
    door.console.line(&text);
    door.console.flush();
    Ok(())
}

/// `5s`, `1m30s`, `500ms`, as Go writes durations.
fn interval(text: &str) -> Result<Duration> {
    span(text)
        .filter(|span| !span.is_zero())
        .ok_or_else(|| Error::invalid(format!("option `--interval`: `{text}` is no time such as 5s or 1m30s")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_as_in_go() {
        assert_eq!(interval("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(interval("20ms").unwrap(), Duration::from_millis(20));
        for text in ["", "0s", "5", "-1s", "s", "5 s"] {
            let words = format!("option `--interval`: `{text}` is no time such as 5s or 1m30s");
            assert_eq!(interval(text).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn lines_are_those_that_containerd_reads() {
        let line = |kind, data| serde_json::to_string(&Line { kind, id: "x", data }).unwrap();
        assert_eq!(line("oom", None), r#"{"type":"oom","id":"x"}"#);
        assert!(line("stats", Some(Stats::default())).starts_with(r#"{"type":"stats","id":"x","data":{"#));
    }
}
