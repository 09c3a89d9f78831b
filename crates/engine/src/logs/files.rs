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
            (open.position, self.unread) = (0, 0..0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{self, Found};
    use crate::scratch::Folder;
    use rustix::fs::CWD;

    /// Files of a log: the newest first, as they are named; each holds these numbers, an entry each.
    fn written(files: &[std::ops::Range<u32>]) -> Folder {
        let folder = Folder::new();
        for (number, numbers) in files.iter().enumerate().filter(|(_, numbers)| !numbers.is_empty()) {
            let log = folder.join(file::LOG);
            let path = if number == 0 { log } else { file::rotated(&log, u32::try_from(number).unwrap()) };
            let entry = |n| format!("{{\"log\":\"{n}\",\"stream\":\"stdout\",\"time\":\"\"}}\n");
            std::fs::write(path, numbers.clone().map(entry).collect::<String>()).unwrap();
        }
        folder
    }

    fn opened(folder: &Folder) -> Files {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Files::open(openat(CWD, &**folder, flags, Mode::empty()).unwrap(), 3).unwrap()
    }

    /// The numbers that are left to be read, and whether a gap was told.
    fn numbers(files: &mut Files, follow: bool) -> (Vec<u32>, bool) {
        let (mut numbers, mut gap, mut text) = (Vec::new(), false, Vec::new());
        loop {
            match entry::next(files.bytes(), &mut text) {
                Found::Entry(_, length) => {
                    numbers.push(std::str::from_utf8(&text).unwrap().parse().unwrap());
                    files.pass(length);
                }
                Found::Damaged(_) => panic!("nothing is damaged"),
                Found::Partial => match files.read_more(follow).unwrap() {
                    Next::More => {}
                    Next::Gap => gap = true,
                    Next::Damaged(_) => panic!("nothing is damaged"),
                    Next::Nothing => return (numbers, gap),
                },
            }
        }
    }

    #[test]
    fn files_are_read_from_the_oldest_also_with_a_hole_between_them() {
        for files in [&[4..9, 2..4, 0..2][..], &[5..9, 0..0, 0..5], &[0..9, 0..0], &[0..0, 0..9]] {
            assert_eq!(numbers(&mut opened(&written(files)), false), ((0..9).collect(), false), "{files:?}");
        }
        assert_eq!(numbers(&mut opened(&written(&[])), true), (vec![], false));
    }

    #[test]
    fn the_last_entries_are_found_wherever_they_begin() {
        // More than a block in each.
        let folder = written(&[40_000..60_000, 20_000..40_000, 0..20_000]);
        for tail in [0, 1, 5_000, 5_700, 19_999, 20_000, 20_001, 40_000, 59_999, 60_000, 70_000] {
            let mut files = opened(&folder);
            files.skip_to_tail(tail).unwrap();
            let first = 60_000u64.saturating_sub(tail);
            assert!(numbers(&mut files, false).0.into_iter().map(u64::from).eq(first..60_000), "{tail}");
        }
    }

    #[test]
    fn a_follower_goes_on_in_what_came_next_and_knows_when_something_is_missing() {
        let folder = written(&[0..3, 0..0]);
        let log = folder.join(file::LOG);
        let mut files = opened(&folder);
        assert_eq!(numbers(&mut files, true), (vec![0, 1, 2], false));
        let rotate = |now: std::ops::Range<u32>| {
            let newer = written(&[now]);
            let _ = std::fs::rename(file::rotated(&log, 1), file::rotated(&log, 2));
            std::fs::rename(&log, file::rotated(&log, 1)).unwrap();
            std::fs::copy(newer.join(file::LOG), &log).unwrap();
        };
        rotate(3..5);
        rotate(5..6);
        assert_eq!(numbers(&mut files, true), (vec![3, 4, 5], false));
        (6..10).for_each(|number| rotate(number..number + 1));
        assert_eq!(numbers(&mut files, true), (vec![7, 8, 9], true));
    }
}
