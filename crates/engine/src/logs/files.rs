//! The files of a log, read one after the other while they may be rotated (monitor/log/files.rs draws them).
//!
//! A file is known by its inode: its name changes, and what is open stays readable when it has none any more. Files are
//! opened from the newest to the oldest, so that a rotation meanwhile shows one of them twice rather than none.

use crate::record::file;
use error::{Result, ResultExt};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// So much is read at a time.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// The longest line of another program's log that may be an entry; what is longer is damage.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

pub(super) struct Files {
    dir: OwnedFd,
    /// Oldest first; the first one is being read.
    pub(super) open: VecDeque<Open>,
    /// How many there can be.
    max_files: u32,
    buffer: Vec<u8>,
    /// What of the buffer has been read from the file and not been passed yet.
    unread: std::ops::Range<usize>,
    /// Bytes of a line that is too long, so far.
    overlong: usize,
}

/// A file.
pub(super) struct Open {
    pub file: File,
    /// Where to read on.
    pub position: u64,
    /// Where to end when nothing is followed: who writes fast would keep us for ever.
    pub end: u64,
    /// Device and inode.
    id: (u64, u64),
}

/// What came of reading more.
pub(super) enum Next {
    /// There is more to be looked at.
    More,
    /// There is more, but not what should have come next.
    Gap,
    /// So many bytes at the end of a file were no entry.
    Damaged(usize),
    /// That was all, so far.
    Nothing,
}

impl Files {
    /// Those that are there.
    pub(super) fn open(dir: OwnedFd, max_files: u32) -> Result<Self> {
        let open = newer(&dir, None).map(|(open, _)| open).context(|| "can't open the container's log")?;
        Ok(Self { dir, open: open.into(), max_files, buffer: Vec::new(), unread: 0..0, overlong: 0 })
    }

    /// Leaves out files that were written to the last time before then.
    pub(super) fn skip_older(&mut self, since: Option<&str>) -> Result<()> {
        let Some(since) = since.and_then(|since| since.parse::<jiff::Timestamp>().ok()) else { return Ok(()) };
        while self.open.len() > 1 {
            let written = self.open[0].file.metadata().context(|| "can't look at the container's log")?.mtime();
            // Its time may be a little older than that of its last entry.
            if written + 1 >= since.as_second() {
                break;
            }
            self.open.pop_front();
        }
        Ok(())
    }

    /// What has been read and not been passed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// So much of it is done with.
    pub(super) fn pass(&mut self, length: usize) {
        self.unread.start += length;
    }

    /// What is left when nothing more will come.
    pub(super) fn rest(&mut self) -> Option<usize> {
        let rest = self.unread.len() + std::mem::take(&mut self.overlong);
        self.unread = 0..0;
        (rest > 0).then_some(rest)
    }

    /// Reads on, in the next file if need be.
    pub(super) fn read_more(&mut self, follow: bool) -> Result<Next> {
        let words = || "can't read the container's log";
        // At each step, not only at the end: while this is read, the next ones may go.
        let gap = follow && self.open.len() <= 1 && self.find_newer().context(words)?;
        if gap {
            return Ok(Next::Gap);
        }
        if self.fill(follow).context(words)? {
            return Ok(Next::More);
        }
        if self.open.len() <= 1 {
            return Ok(Next::Nothing);
        }
        self.open.pop_front();
        Ok(self.rest().map_or(Next::More, Next::Damaged))
    }

    /// Adds the files that have come after the newest one; whether some may have come and gone.
    fn find_newer(&mut self) -> io::Result<bool> {
        let newest = self.open.back().map(|open| open.id);
        let (found, is_next) = newer(&self.dir, newest)?;
        let gap = newest.is_some() && !found.is_empty() && !is_next;
        self.open.extend(found);
        // Where there is never an older file, nobody can tell.
        Ok(gap && self.max_files > 1)
    }

    /// Reads a block of the first file; whether there was any.
    fn fill(&mut self, follow: bool) -> io::Result<bool> {
        let Some(open) = self.open.front_mut() else { return Ok(false) };
        if self.unread.len() > MAX_LINE_BYTES {
            // Passed over: its end is damage, too.
            self.overlong += self.unread.len();
            self.unread = 0..0;
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        self.buffer.resize(self.unread.end + READ_BYTES, 0);
        let mut room = READ_BYTES;
        if !follow {
            room = room.min(usize::try_from(open.end.saturating_sub(open.position)).unwrap_or(usize::MAX));
        }
        let length = loop {
            match open.file.read_at(&mut self.buffer[self.unread.end..][..room], open.position) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        open.position += length as u64;
        self.unread.end += length;
        if length == 0 && follow && open.file.metadata()?.len() < open.position {
            // Somebody emptied it, as people do when disks are full.
            open.position = 0;
            return Ok(true);
        }
        Ok(length > 0)
    }
}

/// The files that are newer than a known one, oldest first, and whether the known one was found before them.
fn newer(dir: &OwnedFd, known: Option<(u64, u64)>) -> io::Result<(Vec<Open>, bool)> {
    let mut found: Vec<Open> = Vec::new();
    let mut missing = 0;
    let mut number = 0;
    // While files are renamed one name may be free.
    while missing < 2 {
        let name = if number == 0 { file::LOG.into() } else { file::rotated(Path::new(file::LOG), number) };
        number += 1;
        let file = match openat(dir, &name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => {
                missing += 1;
                continue;
            }
            Err(errno) => return Err(errno.into()),
        };
        missing = 0;
        let meta = file.metadata()?;
        let id = (meta.dev(), meta.ino());
        if known == Some(id) {
            found.reverse();
            return Ok((found, true));
        }
        if found.last().is_none_or(|newer| newer.id != id) {
            found.push(Open { file, position: 0, end: meta.len(), id });
        }
    }
    found.reverse();
    Ok((found, false))
}
