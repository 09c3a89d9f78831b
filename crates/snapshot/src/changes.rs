//! What a container changed: its upper folder compared with the layers below it.
//!
//! Two trees are compared, as Docker does it, and not marks listed: what overlayfs only copied up is no change, and of a
//! folder that was replaced by another of the same name each missing file is told.

use crate::flavour::Flavour;
use crate::merge::is_opaque;
use crate::name::{join, shown};
use crate::tree::{is_whiteout, stat};
use error::{Error, Result, ResultExt};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Folders in folders: each costs two descriptors, of the 1024 that a process has by default.
const DEPTH: usize = 256;

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was not there.
    Added,
    /// It is another, or something in it is.
    Changed,
    /// It is gone.
    Deleted,
}

/// All changes, by path (without a slash at the beginning), but for the paths of `omit`.
///
/// `lower` is the root of the layers below, mounted.
pub fn changes(
    upper: BorrowedFd<'_>,
    lower: BorrowedFd<'_>,
    flavour: Flavour,
    omit: &HashSet<Vec<u8>>,
) -> Result<Vec<(Vec<u8>, Change)>> {
    let mut comparing = Comparing { flavour, omit, at: Vec::new(), found: Vec::new() };
    let open = |fd| open_folder(fd, b".");
    let compared = open(upper).and_then(|upper| Ok((upper, open(lower)?))).map_err(Error::from);
    compared
        .and_then(|(upper, lower)| comparing.folder(&upper, Some(&lower), b"", 0))
        .context(|| format!("can't compare `/{}` with the image", shown(&comparing.at)))?;
    comparing.found.sort();
    Ok(comparing.found)
}

struct Comparing<'a> {
    flavour: Flavour,
    omit: &'a HashSet<Vec<u8>>,
    /// Where we are; after a failure, where it was.
    at: Vec<u8>,
    found: Vec<(Vec<u8>, Change)>,
}

impl Comparing<'_> {
    fn folder(&mut self, upper: &OwnedFd, lower: Option<&OwnedFd>, path: &[u8], depth: usize) -> Result<()> {
        if depth >= DEPTH {
            return Err(Error::invalid(format!("deeper than {DEPTH} folders")));
        }
        let names = sys::copy::names(upper.as_fd())?;
        if let Some(lower) = lower.filter(|_| is_opaque(upper.as_fd(), self.flavour)) {
            let kept: HashSet<_> = names.iter().collect();
            for gone in sys::copy::names(lower.as_fd())?.iter().filter(|name| !kept.contains(name)) {
                self.found.push((join(path, gone.to_bytes()), Change::Deleted));
            }
        }
        for name in names {
            let name = name.to_bytes();
            let inner = join(path, name);
            if self.omit.contains(&inner) {
                continue;
            }
            inner.clone_into(&mut self.at);
            let Some(now) = stat(upper.as_fd(), name)? else { continue }; // its owner is at work
            let before = match lower {
                Some(lower) => stat(lower.as_fd(), name)?,
                None => None,
            };
            self.entry((upper, &now), lower.zip(before.as_ref()), &inner, depth)?;
        }
        Ok(())
    }

    /// One name: the folder it is in and what it is, above and below.
    fn entry(
        &mut self,
        (upper, now): (&OwnedFd, &Stat),
        before: Option<(&OwnedFd, &Stat)>,
        path: &[u8],
        depth: usize,
    ) -> Result<()> {
        let name = crate::name::split(path).1;
        if is_whiteout(now) {
            self.found.extend(before.map(|_| (path.to_vec(), Change::Deleted)));
            return Ok(());
        }
        let was_folder = before.filter(|(_, stat)| is_folder(stat)).map(|(lower, _)| open_folder(lower.as_fd(), name));
        let was_folder = was_folder.transpose()?;
        let count = self.found.len();
        if is_folder(now) {
            match open_folder(upper.as_fd(), name) {
                Ok(folder) => self.folder(&folder, was_folder.as_ref(), path, depth + 1)?,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(cause) => return Err(cause.into()),
            }
        } else if let Some(folder) = &was_folder {
            for gone in sys::copy::names(folder.as_fd())? {
                self.found.push((join(path, gone.to_bytes()), Change::Deleted));
            }
        }
        match before {
            None => self.found.push((path.to_vec(), Change::Added)),
            Some((lower, before)) => {
                let changed = self.found.len() > count
                    || differ(before, now)
                    || capability(upper.as_fd(), name)? != capability(lower.as_fd(), name)?;
                self.found.extend(changed.then(|| (path.to_vec(), Change::Changed)));
            }
        }
        Ok(())
    }
}

/// Of folders, times and sizes say nothing.
fn differ(before: &Stat, now: &Stat) -> bool {
    let facts = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    facts(before) != facts(now) || !is_folder(now) && content(before) != content(now)
}

/// A file's own capabilities: to give it some changes neither its size nor its time.
fn capability(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    /// More than the kernel's newest form of them has, in bytes (`struct vfs_ns_cap_data`).
    const CAPABILITY_BYTES: usize = 64;
    let path = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat();
    let mut value = vec![0; CAPABILITY_BYTES];
    match rustix::fs::lgetxattr(path, c"security.capability", &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Which of these paths are no more than places where something was mounted: empty files and folders that the layers
/// below lack. Deeper paths first, so that a folder of such places is one, too.
pub fn stubs(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>, paths: &[&str]) -> Result<HashSet<Vec<u8>>> {
    let mut stubs = HashSet::new();
    for path in paths {
        if is_stub(upper, lower, path.as_bytes(), &stubs).context(|| format!("can't look at `/{path}`"))? {
            stubs.insert(path.as_bytes().to_vec());
        }
    }
    Ok(stubs)
}

fn is_stub(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>, path: &[u8], known: &HashSet<Vec<u8>>) -> io::Result<bool> {
    let Some(now) = look(upper, path)?.map(rustix::fs::fstat).transpose()? else { return Ok(false) };
    if look(lower, path)?.is_some() {
        return Ok(false);
    }
    if !is_folder(&now) {
        return Ok(FileType::from_raw_mode(now.st_mode) == FileType::RegularFile && now.st_size == 0);
    }
    let names = sys::copy::names(open_folder(upper, path)?.as_fd())?;
    Ok(names.iter().all(|name| known.contains(&join(path, name.to_bytes()))))
}

/// What is at a path that no link is part of.
fn look(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<Option<OwnedFd>> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
