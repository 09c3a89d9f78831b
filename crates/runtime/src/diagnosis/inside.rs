//! The files of a container as a process in it sees them.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxAttributes, StatxFlags, fstatvfs,
    open, openat2, readlinkat, statx,
};
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// How many names of a folder are read: an image may have folders of any size.
const MOST_NAMES: usize = 4096;

/// Its root, and whose ids are shown there.
pub(super) struct Inside {
    root: OwnedFd,
    users: Ids,
    groups: Ids,
}

/// What is at a path.
pub(super) struct Found {
    file: OwnedFd,
    pub kind: FileType,
    /// Permission bits.
    pub mode: u32,
    pub uid: Id,
    pub gid: Id,
    /// Something is mounted there.
    pub is_mounted: bool,
}

/// An id in the container's user namespace, and the host's if that is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    /// `None`: nobody in there.
    pub inside: Option<u32>,
    pub outside: Option<u32>,
}

impl Inside {
    /// `None` when the process is gone, or may not be looked at.
    pub(super) fn of(process: Pid) -> Option<Self> {
        let pid = process.as_raw_nonzero();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(format!("/proc/{pid}/root"), flags, Mode::empty()).ok()?;
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        // The map of one's own namespace leads to its parent's ids, that of another to one's own
        // (user_namespaces(7)).
        let is_ours = namespace("self") == namespace(&pid.to_string());
        let ids = |kind: &str| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/{kind}_map")).ok()?;
            Some(Ids { is_ours, ranges: ranges(&text) })
        };
        Some(Self { root, users: ids("uid")?, groups: ids("gid")? })
    }

    /// What the path leads to, through links.
    pub(super) fn find(&self, path: &Path) -> Result<Found, Errno> {
        self.look(self.open(path, OFlags::PATH)?)
    }

    /// Where the link at that path leads to, if it is one.
    pub(super) fn link(&self, path: &Path) -> Option<PathBuf> {
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = readlinkat(&link, c"", Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The names in a folder; of a large one only some.
    pub(super) fn names(&self, folder: &Path) -> Vec<OsString> {
        let Some(dir) = self.open(folder, OFlags::RDONLY | OFlags::DIRECTORY).ok().and_then(|fd| Dir::new(fd).ok())
        else {
            return Vec::new();
        };
        let names = dir.take(MOST_NAMES).map_while(Result::ok);
        let names = names.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
        let mut names: Vec<OsString> = names.filter(|name| name != "." && name != "..").collect();
        names.sort();
        names
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), how)
    }

    fn look(&self, file: OwnedFd) -> Result<Found, Errno> {
        let wanted = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::UID | StatxFlags::GID;
        let stat = statx(&file, c"", AtFlags::EMPTY_PATH, wanted)?;
        Ok(Found {
            file,
            kind: FileType::from_raw_mode(stat.stx_mode.into()),
            mode: u32::from(stat.stx_mode) & 0o7777,
            uid: self.users.show(stat.stx_uid),
            gid: self.groups.show(stat.stx_gid),
            is_mounted: stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }
}

impl Found {
    pub(super) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Lies on a mount from which nothing may be executed.
    pub(super) fn is_on_noexec(&self) -> bool {
        fstatvfs(&self.file).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::NOEXEC))
    }

    /// At most so many bytes of a plain file from there; none of anything else.
    pub(super) fn read(&self, offset: u64, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let length = if self.is_file() { self.fill(offset, &mut bytes).unwrap_or(0) } else { 0 };
        bytes.truncate(length);
        bytes
    }

    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, Errno> {
        // What is open for its path alone is opened once more, by what is open and not by its name.
        let path = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
        let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let mut length = 0;
        while length < bytes.len() {
            match rustix::io::pread(&file, &mut bytes[length..], offset + length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(length)
    }
}

/// A map of ids (user_namespaces(7)): first inside, first outside, how many.
struct Ids {
    /// It is our own user namespace: what we see is what they see.
    is_ours: bool,
    ranges: Vec<[u32; 3]>,
}

impl Ids {
    /// An id that stat(2) told us.
    fn show(&self, seen: u32) -> Id {
        let shifted = |from: usize, to: usize| {
            let range =
                self.ranges.iter().find(|range| (range[from]..range[from].saturating_add(range[2])).contains(&seen));
            range.map(|range| seen - range[from] + range[to])
        };
        let (inside, outside) = if self.is_ours { (Some(seen), shifted(0, 1)) } else { (shifted(1, 0), Some(seen)) };
        Id { inside, outside: outside.filter(|_| inside != outside) }
    }
}

fn ranges(text: &str) -> Vec<[u32; 3]> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    };
    text.lines().filter_map(line).collect()
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.inside, self.outside) {
            (Some(inside), Some(outside)) => write!(f, "{inside} (on the host {outside})"),
            (Some(inside), None) => write!(f, "{inside}"),
            (None, Some(outside)) => write!(f, "nobody of the container (on the host {outside})"),
            (None, None) => f.write_str("nobody of the container"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_on_both_sides() {
        let map = |is_ours, text| Ids { is_ours, ranges: ranges(text) };
        for (ids, seen, text) in [
            (map(true, "0 0 4294967295\n"), 7, "7"),
            (map(true, "0 1000 1\n1 100000 65536\n"), 0, "0 (on the host 1000)"),
            (map(true, "0 1000 1\n1 100000 65536\n"), 7, "7 (on the host 100006)"),
            (map(false, "0 100000 65536\n"), 100_007, "7 (on the host 100007)"),
            (map(false, "0 100000 65536\n"), 7, "nobody of the container (on the host 7)"),
            (map(false, "0 0 10\n"), 7, "7"),
            (map(true, "no numbers\n"), 7, "7"),
        ] {
            assert_eq!(ids.show(seen).to_string(), text);
        }
    }
}
