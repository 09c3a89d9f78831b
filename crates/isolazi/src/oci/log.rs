//! Failures: a line on standard error for whoever reads it, and one in the log file for the engine. Warnings: a line in
//! the log file if there is one, else on standard error, which is often the payload's.
//!
//! The lines of the file are those of logrus, which containerd and Podman parse:
//! `{"level":"error","msg":"…","time":"…"}`, or `time="…" level=error msg="…"`. Podman reads the file of a
//! command that failed as one JSON value, so nothing but the failure should stand there: a command warns once it has
//! succeeded.

use super::words::Words;
use crate::console::{self, Stream};
use error::{Error, Result, ResultExt};
use jiff::Timestamp;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// Where failures go.
#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<File>,
    /// Lines as JSON?
    json: bool,
}

impl Log {
    /// As `--log` and `--log-format` say. A file that can't be opened is a failure before anything is done.
    pub(super) fn open(globals: &Words) -> Result<Self> {
        let json = match globals.text("log-format")? {
            None | Some("" | "text") => false,
            Some("json") => true,
            Some(other) => {
                return Err(Error::invalid(format!("invalid log-format: `{other}` is neither text nor json")));
            }
        };
        let Some(path) = globals.text("log")?.filter(|path| !path.is_empty()) else {
            return Ok(Self { file: None, json });
        };
        if path.starts_with("journald:") || path.starts_with("syslog:") {
            return Err(Error::invalid(format!("option `--log`: `{path}` is no file, and only files are written")));
        }
        let path = path.strip_prefix("file:").unwrap_or(path);
        let file = File::options().append(true).create(true).mode(0o644).open(path);
        let file = file.context(|| format!("can't open the log file `{path}`"))?;
        Ok(Self { file: Some(file), json })
    }

    /// The failure that ends the command.
    pub(super) fn report(&mut self, error: &Error) {
        let now = Timestamp::now();
        match &mut self.file {
            Some(file) => {
                // Standard error below says the same; there is nobody else to tell.
                let _ = file.write_all(line("error", error, now, self.json).as_bytes());
                say(&format!("{error}\n"));
            }
            // Asked for without a file: engines then read standard error.
            None if self.json => say(&line("error", error, now, true)),
            None => say(&console::describe(error)),
        }
    }

    /// A failure after which the command goes on.
    pub(super) fn warn(&self, error: &Error) {
        match self.file.as_ref() {
            Some(mut file) => {
                // Nothing fails for it.
                let _ = file.write_all(line("warning", error, Timestamp::now(), self.json).as_bytes());
            }
            None => say(&format!("Warning: {error}\n")),
        }
    }
}

fn say(text: &str) {
    // There is nobody left to tell when standard error itself is broken.
    let _ = console::write_all(Stream::Err, text.as_bytes());
}

/// A line of the log.
fn line(level: &str, error: &Error, now: Timestamp, json: bool) -> String {
    let message = serde_json::Value::from(error.to_string());
    match json {
        true => format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{now:.0}\"}}\n"),
        false => format!("time=\"{now:.0}\" level={level} msg={message}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_engines_parse() {
        let error = Error::invalid("no \"x\"\nhere").context("can't").hint("not shown");
        let now: Timestamp = "2026-08-20T12:00:00.123Z".parse().unwrap();
        assert_eq!(
            line("error", &error, now, true),
            "{\"level\":\"error\",\"msg\":\"can't: no \\\"x\\\"\\\\nhere\",\"time\":\"2026-08-20T12:00:00Z\"}\n"
        );
        assert_eq!(
            line("warning", &error, now, false),
            "time=\"2026-08-20T12:00:00Z\" level=warning msg=\"can't: no \\\"x\\\"\\\\nhere\"\n"
        );
    }
}
