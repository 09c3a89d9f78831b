//! What a container changed: its upper folder compared with the layers below it.
//!
//! Two trees are compared, as Docker does it, and not marks listed: what overlayfs only copied up is no change, and of a
//! folder that was replaced by another of the same name each missing file is told.

use crate::flavour::Flavour;
use crate::merge::is_opaque;
use crate::name::{join, shown, split};
use crate::tree::{is_whiteout, stat};
use error::{Error, Result, ResultExt};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ffi::CString;
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
    let mut comparing = Comparing { flavour, omit, at: Vec::new(), found: BTreeMap::new() };
    comparing.walk(upper, lower).context(|| format!("can't compare `/{}` with the image", shown(&comparing.at)))?;
    Ok(comparing.settled())
}

struct Comparing<'a> {
    flavour: Flavour,
    omit: &'a HashSet<Vec<u8>>,
    /// Where we are; after a failure, where it was.
    at: Vec<u8>,
    found: BTreeMap<Vec<u8>, Change>,
}

/// A folder on the way.
struct Folder {
    upper: OwnedFd,
    /// The same folder below, if there is one.
    lower: Option<OwnedFd>,
    path: Vec<u8>,
    /// What of it has still to be compared.
    left: Vec<CString>,
}

impl Comparing<'_> {
    /// Not by recursion: a hostile tree is as deep as the stack is not.
    fn walk(&mut self, upper: BorrowedFd<'_>, lower: BorrowedFd<'_>) -> Result<()> {
        let (upper, lower) = (open_folder(upper, b".")?, open_folder(lower, b".")?);
        let mut way = vec![self.enter(upper, Some(lower), Vec::new())?];
        while let Some(here) = way.last_mut() {
            let Some(name) = here.left.pop() else {
                way.pop();
                continue;
            };
            self.at = join(&here.path, name.to_bytes());
            if self.omit.contains(&self.at) {
                continue;
            }
            let Some(folder) = self.entry(here, name.to_bytes())? else { continue };
            if way.len() == DEPTH {
                return Err(Error::invalid(format!("deeper than {DEPTH} folders")));
            }
            way.push(folder);
        }
        Ok(())
    }

    /// Tells what an opaque folder hides.
    fn enter(&mut self, upper: OwnedFd, lower: Option<OwnedFd>, path: Vec<u8>) -> Result<Folder> {
        let left = sys::copy::names(upper.as_fd())?;
        if let Some(lower) = lower.as_ref().filter(|_| is_opaque(upper.as_fd(), self.flavour)) {
            self.delete_all(lower, &path, &left)?;
        }
        Ok(Folder { upper, lower, path, left })
    }

    fn delete_all(&mut self, lower: &OwnedFd, path: &[u8], but: &[CString]) -> io::Result<()> {
        let but: HashSet<_> = but.iter().collect();
        let gone = sys::copy::names(lower.as_fd())?.into_iter().filter(|name| !but.contains(name));
        self.found.extend(gone.map(|name| (join(path, name.to_bytes()), Change::Deleted)));
        Ok(())
    }

    /// Compares what has one name. A folder that has to be walked is returned.
    fn entry(&mut self, here: &Folder, name: &[u8]) -> Result<Option<Folder>> {
        let path = self.at.clone();
        let Some(now) = stat(here.upper.as_fd(), name)? else { return Ok(None) }; // its owner is at work
        let before =
            here.lower.as_ref().map(|lower| Ok::<_, Error>((lower, stat(lower.as_fd(), name)?))).transpose()?;
        let before = before.and_then(|(lower, before)| Some((lower, before?)));
        if is_whiteout(&now) {
            self.found.extend(before.map(|_| (path, Change::Deleted)));
            return Ok(None);
        }
        match &before {
            None => {
                self.found.insert(path.clone(), Change::Added);
            }
            Some((lower, before)) => {
                let capabilities = || Ok::<_, Error>((capability(&here.upper, name)?, capability(lower, name)?));
                if differ(before, &now) || capabilities().map(|(now, before)| now != before)? {
                    self.found.insert(path.clone(), Change::Changed);
                }
            }
        }
        let was_folder = before.filter(|(_, stat)| is_folder(stat)).map(|(lower, _)| open_folder(lower.as_fd(), name));
        let was_folder = was_folder.transpose()?;
        if !is_folder(&now) {
            if let Some(folder) = was_folder {
                self.delete_all(&folder, &path, &[])?;
            }
            return Ok(None);
        }
        match open_folder(here.upper.as_fd(), name) {
            Ok(folder) => self.enter(folder, was_folder, path).map(Some),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// A folder in which something happened has changed, too.
    fn settled(mut self) -> Vec<(Vec<u8>, Change)> {
        for path in self.found.keys().cloned().collect::<Vec<_>>() {
            let mut above = split(&path).0;
            while !above.is_empty() {
                self.found.entry(above.to_vec()).or_insert(Change::Changed);
                above = split(above).0;
            }
        }
        self.found.into_iter().collect()
    }
}

/// Of folders, times and sizes say nothing.
fn differ(before: &Stat, now: &Stat) -> bool {
    let facts = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    facts(before) != facts(now) || !is_folder(now) && content(before) != content(now)
}

/// A file's own capabilities: to give it some changes neither its size nor its time.
fn capability(folder: &OwnedFd, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
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
