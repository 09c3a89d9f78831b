//! `why`: what ended a container, or keeps it from starting, in one sentence, with what is known of it and what can be
//! done.
//!
//! ```text
//! status.json (with what the monitor knew of the end) ─┐
//! what was asked                                       ├─► cause::of ─► a sentence and hints     pure
//! its last lines ─► words::read ───────────────────────┘
//! ```

mod cause;
mod ports;
mod words;

use crate::Engine;
use crate::containers::Container;
use crate::death::bytes;
use api::{LogPart, Logs, State, Why};
use cause::Cause;
use error::Result;
use oci::signals::Signal;
use std::ops::ControlFlow::Continue;

/// So many lines are looked at, and of each so many characters.
const LAST_LINES: u64 = 10;
const LONGEST_LINE: usize = 500;

impl Engine {
    /// Why the container is as it is; `None` when there is no such container.
    pub fn why(&self, wanted: &str) -> Result<Option<Why>> {
        let Some(container) = self.containers.find(&self.names, wanted)? else { return Ok(None) };
        let last_words = self.last_words(&container);
        let Cause { text, hints } = cause::of(&container, &last_words);
        let hints = hints.into_iter().chain(ports::taken(&container, &last_words)).collect();
        let Container { record, status, state, .. } = &container;
        Ok(Some(Why {
            id: record.id.clone(),
            name: record.name.clone(),
            state: state.name().to_owned(),
            exit_code: status.exit_code,
            cause: text,
            evidence: evidence(&container),
            last_words: if tells_by_words(&container) { last_words } else { Vec::new() },
            hints,
        }))
    }

    /// A log that cannot be read says nothing.
    fn last_words(&self, container: &Container) -> Vec<String> {
        let request = Logs { container: container.record.id.clone(), tail: Some(LAST_LINES), ..Logs::default() };
        let mut lines = Vec::new();
        let _ = self.logs(&request, &mut |part| {
            if let LogPart::Entry { text, time, .. } = part
                && time >= container.status.started.as_str()
            {
                lines.push(printable(text));
            }
            Continue(())
        });
        lines
    }
}

/// What somebody said who ended as he should explains nothing.
fn tells_by_words(container: &Container) -> bool {
    let ended = matches!(container.state, State::Exited | State::Restarting | State::Dead);
    ended && container.status.exit_code != Some(0)
}

/// A line as text, without what would change a terminal; not all of a long one.
fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]).into_owned();
    text.chars()
        .flat_map(|c| if c.is_control() && c != '\t' { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// What else is known, a line each.
fn evidence(container: &Container) -> Vec<String> {
    let Container { status, state, .. } = container;
    let mut lines = Vec::new();
    if matches!(state, State::Exited | State::Restarting)
        && let Some(code) = status.exit_code
    {
        let signal = code.checked_sub(128).and_then(|number| Signal::from_number(number.into()));
        let signal = signal.map_or_else(String::new, |signal| format!(" ({})", signal.name()));
        lines.push(format!("exit code {code}{signal}{}", times(&status.started, &status.finished)));
    }
    if state.is_alive() {
        lines.push(format!("running since {}", whole_seconds(&status.started)));
    }
    if let Some(memory) = status.death.as_ref().and_then(|death| death.out_of_memory) {
        let limit = memory.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}", bytes(limit)));
        let peak = memory.peak.map_or_else(String::new, |peak| format!(", at most {} used", bytes(peak)));
        lines.push(format!("memory: {limit}{peak}"));
    }
    if status.death.as_ref().is_some_and(|death| death.core_dumped) {
        lines.push("it left a core dump".to_owned());
    }
    if status.restart_count > 0 {
        lines.push(format!("restarts by its policy: {}", status.restart_count));
    }
    if let Some(result) = status.health.as_ref().and_then(|health| health.log.last()) {
        let said = printable(result.output.trim_end().as_bytes());
        lines.push(format!("its last health check ended with {}: {said}", result.exit_code));
    }
    lines
}

/// Without what nobody reads.
fn whole_seconds(time: &str) -> String {
    time.parse().map_or_else(|_| time.to_owned(), to_second)
}

fn to_second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `, 0.2 s after its start, at 2026-…`
fn times(started: &str, finished: &str) -> String {
    let parse = |time: &str| time.parse::<jiff::Timestamp>().ok();
    let (Some(start), Some(end)) = (parse(started), parse(finished)) else { return String::new() };
    let lived = end.duration_since(start);
    let lived = if lived.as_secs() < 100 {
        format!("{:.1} s", lived.as_secs_f64())
    } else if lived.as_mins() < 100 {
        format!("{} min", lived.as_mins())
    } else {
        format!("{} h", lived.as_hours())
    };
    format!(", {lived} after its start, at {}", to_second(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_fitting_units() {
        let start = "2026-01-02T03:04:05.5Z";
        for (end, text) in [
            ("2026-01-02T03:04:05.75Z", ", 0.2 s after its start, at 2026-01-02T03:04:05Z"),
            ("2026-01-02T03:14:05.5Z", ", 10 min after its start, at 2026-01-02T03:14:05Z"),
            ("2026-01-04T03:04:05.5Z", ", 48 h after its start, at 2026-01-04T03:04:05Z"),
            ("", ""),
        ] {
            assert_eq!(times(start, end), text);
        }
    }

    #[test]
    fn lines_cannot_change_a_terminal() {
        assert_eq!(printable(b"a\tb\x1b[2J\xff\r\n"), "a\tb\\u{1b}[2J\u{fffd}");
        assert_eq!(printable(&[b'x'; 1000]).len(), LONGEST_LINE);
    }
}
