//! The container's log: Docker's json-file lines, one for each line of output.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}
//! ```
//! The file is made by the first byte. When it cannot be written (a full disk) the payload runs on and its client hears
//! everything; the first failure is kept and told in the container's status. A line longer than [`LINE_BYTES`] becomes several entries, as Docker does it.

use api::LogEntry;
use error::{Error, Result, ResultExt};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// The longest piece of a line in one entry, in bytes.
const LINE_BYTES: usize = 16 * 1024;

/// Which stream a byte came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The log of one container.
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    /// The beginnings of lines that have not ended yet.
    partial: [Vec<u8>; 2],
    /// Entries of this round, written at once.
    pending: Vec<u8>,
    /// Why something is missing.
    failed: Option<Error>,
}

impl Log {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, partial: [Vec::new(), Vec::new()], pending: Vec::new(), failed: None }
    }

    /// Takes what a stream said; whole lines are written.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial[stream as usize].extend_from_slice(piece);
            while self.partial[stream as usize].len() > LINE_BYTES {
                let rest = self.partial[stream as usize].split_off(LINE_BYTES);
                self.end_line(stream);
                self.partial[stream as usize] = rest;
            }
            if piece.ends_with(b"\n") {
                self.end_line(stream);
            }
        }
        self.write();
    }

    /// Writes what has no line end and never will have; says why something is missing.
    pub(super) fn finish(mut self) -> Option<Error> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.partial[stream as usize].is_empty() {
                self.end_line(stream);
            }
        }
        self.write();
        self.failed
    }

    fn end_line(&mut self, stream: Stream) {
        let line = std::mem::take(&mut self.partial[stream as usize]);
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let log = String::from_utf8_lossy(&line).into_owned();
        let entry = LogEntry { log, stream: name.into(), time: crate::record::now() };
        serde_json::to_writer(&mut self.pending, &entry).expect("strings and a Vec can't fail");
        self.pending.push(b'\n');
    }

    fn write(&mut self) {
        if !self.pending.is_empty()
            && let Err(error) = self.try_write()
        {
            self.failed.get_or_insert(error);
        }
        self.pending.clear();
    }

    fn try_write(&mut self) -> Result<()> {
        let words = || format!("can't write the log `{}`", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().append(true).create(true).open(&self.path).context(words)?),
        };
        file.write_all(&self.pending).context(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_entries_whatever_the_chunks_and_long_ones_are_cut() {
        let path = std::env::temp_dir().join(format!("isolazi-log-{}", std::process::id()));
        let mut log = Log::new(path.clone());
        log.take(Stream::Stdout, b"one\ntw");
        log.take(Stream::Stderr, b"err\xff\n");
        log.take(Stream::Stdout, b"o\n");
        log.take(Stream::Stdout, &vec![b'x'; LINE_BYTES + 1]);
        assert_eq!(log.finish(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let entries: Vec<LogEntry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seen: Vec<(&str, usize, &str)> =
            entries.iter().map(|e| (e.stream.as_str(), e.log.len(), &e.log[..1])).collect();
        let expected = [
            ("stdout", 4, "o"),
            ("stderr", 7, "e"),
            ("stdout", 4, "t"),
            ("stdout", LINE_BYTES, "x"),
            ("stdout", 1, "x"),
        ];
        assert_eq!(seen, expected);
    }
}
