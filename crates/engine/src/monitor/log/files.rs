//! A log in files, rotated by renaming.
//!
//! ```text
//! container.log      is being written (see crate::entry)
//! container.log.1    was before it; .2 before that …
//! ```
//! A file is made by its first entry. What can be read is whole entries: after a failure the file is cut behind the last
//! one. Who reads while files are renamed finds each of them by its inode.

use super::Stream;
use crate::entry::{self, Clock};
use crate::record::file;
use api::LogLimits;
use error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So much is gathered before it is written, if one read brings so much.
const WRITE_BYTES: usize = 256 * 1024;

pub(super) struct Files {
    path: PathBuf,
    limits: LogLimits,
    /// Goes into every entry; empty, or a JSON object.
    attributes: String,
    clock: Clock,
    file: Option<File>,
    /// Of that file.
    size: u64,
    /// Entries to be written at once.
    pending: Vec<u8>,
    /// Why something is missing.
    pub failed: Option<Error>,
}

impl Files {
    pub(super) fn new(dir: &Path, limits: LogLimits, tag: Option<&str>) -> Self {
        Self {
            path: dir.join(file::LOG),
            limits,
            attributes: tag.map_or(String::new(), |tag| serde_json::json!({ "tag": tag }).to_string()),
            clock: Clock::new(),
            file: None,
            size: 0,
            pending: Vec::new(),
            failed: None,
        }
    }

    /// What ends all entries of one read.
    pub(super) fn end(&mut self, stream: Stream) -> Vec<u8> {
        entry::end(stream, &self.attributes, self.clock.now())
    }

    /// Adds the first line as an entry; its length, if there is one.
    #[inline]
    pub(super) fn add_line(&mut self, bytes: &[u8], end: &[u8]) -> Option<usize> {
        let before = self.pending.len();
        entry::begin(&mut self.pending);
        match entry::escape_line(&mut self.pending, bytes) {
            Some(length) => {
                self.end_entry(end);
                Some(length)
            }
            None => {
                self.pending.truncate(before);
                None
            }
        }
    }

    /// Adds one entry.
    pub(super) fn add(&mut self, piece: &[u8], end: &[u8]) {
        entry::begin(&mut self.pending);
        entry::escape(&mut self.pending, piece);
        self.end_entry(end);
    }

    /// Ends it; what is much is written.
    #[inline]
    fn end_entry(&mut self, end: &[u8]) {
        self.pending.extend_from_slice(end);
        if self.pending.len() >= WRITE_BYTES || self.is_full() {
            self.write();
        }
    }

    /// Gives back the memory that only a busy payload needs.
    pub(super) fn rest(&mut self) {
        self.pending = Vec::new();
    }

    /// Writes what was added.
    pub(super) fn write(&mut self) {
        if !self.pending.is_empty()
            && let Err(cause) = self.try_write()
        {
            self.complain("write", cause);
        }
        self.pending.clear();
    }

    /// The first failure is the one to tell.
    fn complain(&mut self, what: &str, cause: io::Error) {
        let words = || Error::from(cause).context(format!("can't {what} the log `{}`", self.path.display()));
        self.failed.get_or_insert_with(words);
    }

    fn is_full(&self) -> bool {
        self.limits.max_bytes.is_some_and(|max| self.size + self.pending.len() as u64 >= max)
    }

    fn try_write(&mut self) -> io::Result<()> {
        self.open()?;
        if self.limits.max_bytes.is_some_and(|max| self.size >= max) {
            if let Err(cause) = self.rotate() {
                // Better a file that is too long than entries that are lost.
                self.complain("rotate", cause);
            }
            self.open()?;
        }
        self.append()
    }

    /// The file gets the next older name, and so do those before it; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| file::rotated(&self.path, number);
        let oldest = self.limits.max_files - 1;
        if oldest == 0 {
            std::fs::remove_file(&self.path)?;
            self.file = None;
            return Ok(());
        }
        // Not left to a rename over it: then ext4 would write each file to the disk at once (`auto_da_alloc`).
        match std::fs::remove_file(numbered(oldest)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        let is_taken = |number: &u32| numbered(*number).symlink_metadata().is_ok();
        let taken = (1..oldest).take_while(is_taken).last().unwrap_or(0);
        for number in (1..=taken).rev() {
            std::fs::rename(numbered(number), numbered(number + 1))?;
        }
        std::fs::rename(&self.path, numbered(1))?;
        self.file = None;
        Ok(())
    }

    /// Opens the file unless it is open; an earlier run may have begun it.
    fn open(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let (file, size) = open(&self.path)?;
            (self.file, self.size) = (Some(file), size);
        }
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut written = 0;
        while written < self.pending.len() {
            match file.write(&self.pending[written..]) {
                Ok(length) => written += length,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    let whole = entry::rfind(&self.pending[..written], b'\n').map_or(0, |end| end + 1);
                    // It fails when the file's system is broken altogether; then the reader passes over the rest.
                    let _ = file.set_len(self.size + whole as u64);
                    self.size += whole as u64;
                    return Err(cause);
                }
            }
        }
        self.size += written as u64;
        Ok(())
    }
}

/// Opens a file to append to it; its size. One that does not end with a whole entry was being written when its monitor
/// was killed: the next entry begins a line of its own.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    let mut size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last != *b"\n" {
        file.write_all(b"\n")?;
        size += 1;
    }
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    fn said(path: &Path) -> String {
        let bytes = std::fs::read(path).unwrap();
        let (mut said, mut text, mut at) = (Vec::new(), Vec::new(), 0);
        while at < bytes.len() {
            match entry::next(&bytes[at..], &mut text) {
                entry::Found::Entry(_, length) => (said.extend(&text), at += length).1,
                entry::Found::Damaged(length) => (said.extend(b"?"), at += length).1,
                entry::Found::Partial => unreachable!("the file ends with a line"),
            }
        }
        String::from_utf8(said).unwrap()
    }

    #[test]
    fn files_are_rotated_when_they_are_full_and_the_oldest_goes() {
        let entry_bytes = r#"{"log":"0\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}"#.len() as u64 + 1;
        for (max_files, expected) in
            [(1, &["9"][..]), (2, &["9", "678"]), (3, &["9", "678", "345"]), (9, &["9", "678", "345", "012"])]
        {
            let scratch = Folder::new();
            let limits = LogLimits { max_bytes: Some(2 * entry_bytes + 1), max_files };
            let mut files = Files::new(&scratch, limits, None);
            let end = files.end(Stream::Stdout);
            (0..10).for_each(|number| files.add(format!("{number}\n").as_bytes(), &end));
            files.write();
            assert_eq!(files.failed, None);
            let path = scratch.join(file::LOG);
            let names = [path.clone()].into_iter().chain((1..).map(|number| file::rotated(&path, number)));
            let seen: Vec<String> =
                names.take_while(|name| name.is_file()).map(|name| said(&name).replace('\n', "")).collect();
            assert_eq!(seen, expected, "{max_files} files");
            assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), expected.len());
        }
    }

    #[test]
    fn a_file_that_an_earlier_run_filled_is_rotated_by_the_next() {
        let scratch = Folder::new();
        for run in 0..5 {
            let mut files = Files::new(&scratch, LogLimits { max_bytes: Some(1), max_files: 3 }, None);
            let end = files.end(Stream::Stdout);
            files.add(format!("{run}").as_bytes(), &end);
            files.write();
        }
        let path = scratch.join(file::LOG);
        let files = [path.clone(), file::rotated(&path, 1), file::rotated(&path, 2)];
        assert_eq!(files.map(|path| said(&path)), ["4", "3", "2"]);
    }

    #[test]
    fn a_log_goes_on_where_it_ended_also_after_half_an_entry() {
        let scratch = Folder::new();
        let path = scratch.join(file::LOG);
        for (before, expected) in [("", "a\n"), ("{\"log\":\"tor", "?a\n"), ("\n", "?a\n")] {
            std::fs::write(&path, before).unwrap();
            let mut files = Files::new(&scratch, LogLimits { max_bytes: None, max_files: 1 }, Some("t\"ag"));
            let end = files.end(Stream::Stderr);
            files.add(b"a\n", &end);
            files.write();
            assert_eq!((said(&path).as_str(), files.failed), (expected, None));
        }
        assert!(std::fs::read_to_string(&path).unwrap().contains(r#""stderr","attrs":{"tag":"t\"ag"},"time""#));
    }
}
