//! The layer's folders while it is unpacked: found by path, opened once, made if the archive forgot them.
//!
//! Everything happens through descriptors below the layer's root. Symbolic links of the layer itself are followed
//! inside that root only, as in a `chroot`: `bin -> usr/bin` and then `bin/x` writes `usr/bin/x`, and `a -> /etc` and
//! then `a/x` writes the layer's own `etc/x`.

use crate::flavour::Flavour;
use crate::name::{join, shown, split};
use error::{Error, Result, ResultExt};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Folders kept open. Archives go through a tree in order, so a few are enough; each costs a descriptor.
const OPEN_FOLDERS: usize = 32;

/// Mode of folders that have no entry of their own.
const IMPLIED_MODE: u32 = 0o755;

/// An open folder and its path without symbolic links.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) fd: OwnedFd,
    pub(crate) path: Vec<u8>,
}

/// What the folder's own entry said and what can only be done when nothing more is put into it.
#[derive(Debug, Clone, Copy)]
struct Last {
    mtime: Timespec,
    mode: u32,
}

/// The tree being made.
pub(crate) struct Tree {
    root: Rc<Folder>,
    pub(crate) flavour: Flavour,
    /// By the path they were asked for, the one used last at the end.
    open: Vec<(Vec<u8>, Rc<Folder>)>,
    /// All folders by their paths; `None` for those without an entry of their own.
    folders: BTreeMap<Vec<u8>, Option<Last>>,
}

/// What stood where something is to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    Folder,
    Other,
}

impl Tree {
    /// A tree in an empty folder.
    pub(crate) fn new(root: OwnedFd, flavour: Flavour) -> Self {
        let root = Rc::new(Folder { fd: root, path: Vec::new() });
        Self { root, flavour, open: Vec::new(), folders: BTreeMap::from([(Vec::new(), None)]) }
    }

    /// The root of the layer.
    pub(crate) fn root(&self) -> Rc<Folder> {
        Rc::clone(&self.root)
    }

    /// The folder at a clean path, made if there is none.
    pub(crate) fn folder(&mut self, path: &[u8]) -> Result<Rc<Folder>> {
        if path.is_empty() {
            return Ok(self.root());
        }
        if let Some(place) = self.open.iter().rposition(|(known, _)| known == path) {
            let found = self.open.remove(place);
            let folder = Rc::clone(&found.1);
            self.open.push(found);
            return Ok(folder);
        }
        let folder = match self.open_plain(path) {
            Ok(fd) => Rc::new(Folder { fd, path: path.to_vec() }),
            Err(Errno::LOOP | Errno::NOENT | Errno::NOTDIR) => self.walk(path)?,
            Err(errno) => return Err(io::Error::from(errno)).context(|| format!("can't open `{}`", shown(path))),
        };
        if self.open.len() == OPEN_FOLDERS {
            self.open.remove(0);
        }
        self.open.push((path.to_vec(), Rc::clone(&folder)));
        Ok(folder)
    }

    /// The folder at a clean path if it exists, through links inside the root; nothing is made.
    pub(crate) fn find(&self, path: &[u8]) -> Result<Option<Rc<Folder>>> {
        if let Some((_, folder)) = self.open.iter().rev().find(|(known, _)| known == path) {
            return Ok(Some(Rc::clone(folder)));
        }
        if path.is_empty() {
            return Ok(Some(self.root()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        match rustix::fs::openat2(&self.root.fd, path, flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(Some(Rc::new(Folder { fd, path: path.to_vec() }))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(io::Error::from(errno)).context(|| format!("can't open `{}`", shown(path))),
        }
    }

    /// Opens a path that has no symbolic link in it.
    fn open_plain(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(&self.root.fd, path, flags, Mode::empty(), resolve)
    }

    /// Goes name by name, follows links inside the root, makes what is missing.
    fn walk(&mut self, path: &[u8]) -> Result<Rc<Folder>> {
        let mut here = self.root();
        let mut ahead: Vec<Vec<u8>> = path.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name.is_empty() || name == b"." {
                continue;
            }
            if name == b".." {
                here = self.known(split(&here.path.clone()).0)?;
                continue;
            }
            let next = join(&here.path, &name);
            let words = || format!("can't enter `{}`", shown(&next));
            match stat(here.fd.as_fd(), &name).context(words)? {
                None => self.make_implied(&here, &name, Before::Nothing).context(words)?,
                Some(found) if is_whiteout(&found) => {
                    rustix::fs::unlinkat(&here.fd, &*name, AtFlags::empty()).map_err(io::Error::from).context(words)?;
                    self.make_implied(&here, &name, Before::Other).context(words)?;
                }
                Some(found) => match FileType::from_raw_mode(found.st_mode) {
                    FileType::Directory => {}
                    FileType::Symlink => {
                        links += 1;
                        if links > crate::limits::SYMLINKS {
                            return Err(Error::invalid(format!("too many symbolic links in `{}`", shown(path))));
                        }
                        let target = rustix::fs::readlinkat(&here.fd, &*name, Vec::new());
                        let target = target.map_err(io::Error::from).context(words)?.into_bytes();
                        if target.first() == Some(&b'/') {
                            here = self.root();
                        }
                        ahead.extend(target.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec));
                        continue;
                    }
                    _ => return Err(Error::invalid(format!("`{}` in the layer is not a folder", shown(&next)))),
                },
            }
            here = self.known(&next)?;
        }
        Ok(here)
    }

    /// A folder that exists, by a path without links.
    fn known(&self, path: &[u8]) -> Result<Rc<Folder>> {
        if path.is_empty() {
            return Ok(self.root());
        }
        let fd = self.open_plain(path).map_err(io::Error::from).context(|| format!("can't open `{}`", shown(path)))?;
        Ok(Rc::new(Folder { fd, path: path.to_vec() }))
    }

    fn make_implied(&mut self, parent: &Folder, name: &[u8], before: Before) -> io::Result<()> {
        rustix::fs::mkdirat(&parent.fd, name, Mode::from_raw_mode(IMPLIED_MODE))?;
        self.folders.insert(join(&parent.path, name), None);
        if before == Before::Other {
            self.make_opaque(parent.fd.as_fd(), name)?;
        }
        Ok(())
    }

    /// Hides what lower layers have in this folder.
    pub(crate) fn make_opaque(&self, parent: BorrowedFd, name: &[u8]) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        self.make_open_opaque(folder.as_fd())
    }

    /// The same for an open folder.
    pub(crate) fn make_open_opaque(&self, folder: BorrowedFd) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(folder, self.flavour.opaque(), b"y", XattrFlags::empty())?)
    }

    /// Remembers what a folder's own entry said. Setgid waits for the end: files made meanwhile would inherit the
    /// group.
    pub(crate) fn remember(&mut self, path: Vec<u8>, mtime: Timespec, mode: u32) {
        self.folders.insert(path, Some(Last { mtime, mode }));
    }

    /// Takes away what stands at `name`; with `keep_folder`, a folder stays.
    pub(crate) fn clear(&mut self, parent: &Folder, name: &[u8], keep_folder: bool) -> Result<Before> {
        let path = join(&parent.path, name);
        let words = || format!("can't replace `{}`", shown(&path));
        let Some(found) = stat(parent.fd.as_fd(), name).context(words)? else { return Ok(Before::Nothing) };
        let file_type = FileType::from_raw_mode(found.st_mode);
        if file_type == FileType::Directory {
            if !keep_folder {
                use std::os::unix::ffi::OsStrExt;
                self.open.clear(); // some may lie in it, or lead through it
                self.folders.retain(|known, _| !is_below(known, &path));
                sys::remove::remove_tree(parent.fd.as_fd(), std::ffi::OsStr::from_bytes(name))?;
            }
            return Ok(Before::Folder);
        }
        if file_type == FileType::Symlink {
            self.open.clear(); // some may lead through it
        }
        rustix::fs::unlinkat(&parent.fd, name, AtFlags::empty()).map_err(io::Error::from).context(words)?;
        Ok(Before::Other)
    }

    /// Sets what had to wait, and returns the paths of the folders without an entry of their own.
    pub(crate) fn finish(self) -> Result<Vec<Vec<u8>>> {
        let mut implied = Vec::new();
        for (path, last) in &self.folders {
            let words = || format!("can't finish `{}`", shown(path));
            let opened;
            let fd = if path.is_empty() {
                self.root.fd.as_fd()
            } else {
                opened = self.open_plain(path).map_err(io::Error::from).context(words)?;
                opened.as_fd()
            };
            finish_folder(fd, *last).context(words)?;
            if last.is_none() {
                implied.push(path.clone());
            }
        }
        Ok(implied)
    }
}

fn finish_folder(fd: BorrowedFd, last: Option<Last>) -> io::Result<()> {
    // A folder that nobody described is as old as anything: the same layer always becomes the same tree.
    let epoch = Timespec { tv_sec: 0, tv_nsec: 0 };
    let last = last.unwrap_or(Last { mtime: epoch, mode: IMPLIED_MODE });
    // Mkdir takes no setuid bit, and setgid had to wait.
    if last.mode & 0o6000 != 0 {
        rustix::fs::fchmod(fd, Mode::from_raw_mode(last.mode))?;
    }
    Ok(rustix::fs::futimens(fd, &crate::attributes::times(last.mtime))?)
}

fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// What stands at `name`, links not followed; `None`: nothing.
pub(crate) fn stat(parent: BorrowedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Overlayfs's sign for "gone": a character device 0:0.
pub(crate) fn is_whiteout(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice && found.st_rdev == 0
}

/// A name as the kernel takes it.
pub(crate) fn c_name(name: &[u8]) -> CString {
    CString::new(name).expect("clean names hold no zero byte")
}
