//! An archive becomes files of a tree that is in use: a container's, or the caller's own.
//!
//! Unlike a layer's tree it has files already, may span several file systems, and its owner may be at work in it, with
//! ill will. So each name is found anew below the root by the kernel (openat2(2)), and a link leads nowhere else. A
//! folder stays what it is, and so does everything that is none: neither takes the other's place.

use crate::archive::Archive;
use crate::attributes::{Birth, Skipped, times};
use crate::entry::{Entry, Kind};
use crate::inflate::{self, Pieces};
use crate::limits::Limits;
use crate::name::{self, join, shown, split};
use crate::place::copy;
use error::{Error, Kind as ErrorKind, Result, ResultExt};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, StatxFlags, Timespec, Uid};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// It is the caller who wants all of it; the disk is the limit.
const NO_LIMITS: Limits = Limits { bytes: u64::MAX, entries: u64::MAX };

/// Where an archive goes.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Nothing leads out of it.
    pub root: BorrowedFd<'a>,
    /// The folder, by its path in the root, that names in the archive begin in.
    pub folder: &'a [u8],
    /// Links on the way are followed inside the root; else they are refused.
    pub follow_links: bool,
}

/// To whom files belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Whom the archive says, with all rights that it gives.
    Archived,
    /// Root, with all rights that the archive gives.
    Root,
    /// The caller. They get no rights of others: no setuid bits, no capabilities.
    Caller,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes of regular files.
    pub size: u64,
    /// What could not be had and was left out.
    pub skipped: Skipped,
}

/// Reads an archive (gzip, zstd or plain tar) to its end and makes what it says.
pub fn receive(content: &mut dyn Read, ground: Ground<'_>, owners: Owners) -> Result<Received> {
    let (feed, pieces) = inflate::channel();
    let (inflated, received) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("receive".into());
        let receiving = thread.spawn_scoped(scope, move || receive_all(ground, owners, &pieces));
        let receiving = receiving.context(|| "can't start a thread")?;
        let inflated = inflate::inflate(content, &feed, &NO_LIMITS, &|_| (), &mut |_| ());
        drop(feed); // an inflater that failed ends the other side too
        let received = receiving.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "unpacking panicked")));
        Ok::<_, Error>((inflated, received))
    })?;
    inflated?;
    received
}

/// Runs in a thread of its own, which it frees from the umask.
fn receive_all(ground: Ground<'_>, owners: Owners, pieces: &Pieces) -> Result<Received> {
    // Without, modes are set afterwards in any case.
    let _ = sys::umask::clear_for_this_thread();
    let mut receiver = Receiver { ground, owners, last: None, times: BTreeMap::new(), received: Received::default() };
    let mut archive = Archive::new(pieces);
    while let Some(mut entry) = archive.next()? {
        receiver.own(&mut entry);
        receiver.place(&entry, &mut archive).context(|| format!("can't unpack `{}`", shown(&entry.path)))?;
    }
    archive.drain()?;
    receiver.finish()
}

struct Receiver<'a> {
    ground: Ground<'a>,
    owners: Owners,
    /// The folder used last: archives go through a tree in order.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Of folders, set when nothing more is put into them.
    times: BTreeMap<Vec<u8>, Timespec>,
    received: Received,
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    is_folder: bool,
    is_file: bool,
    /// Something is mounted there.
    is_mounted: bool,
}

impl Receiver<'_> {
    /// Makes an entry the property of whom it is to belong to.
    fn own(&self, entry: &mut Entry) {
        match self.owners {
            Owners::Archived => {}
            Owners::Root => (entry.uid, entry.gid) = (0, 0),
            Owners::Caller => {
                entry.mode &= 0o1777;
                entry.xattrs.retain(|xattr| xattr.name.to_bytes().starts_with(b"user."));
            }
        }
    }

    /// What files have before something is set: nothing that can be relied on, but that the caller's are the caller's.
    fn birth(&self, entry: &Entry) -> Birth {
        let (uid, gid) = match self.owners {
            Owners::Caller => (entry.uid, entry.gid),
            Owners::Archived | Owners::Root => (u32::MAX, u32::MAX),
        };
        Birth { uid, gid, exact_modes: false }
    }

    fn place(&mut self, entry: &Entry, archive: &mut Archive<'_>) -> Result<()> {
        let path = name::clean(&entry.path)?;
        let (folder, name) = split(&path);
        // The folder itself stays as it is.
        if name.is_empty() {
            return Ok(());
        }
        let parent = self.folder(folder)?;
        let is_folder = matches!(entry.kind, Kind::Dir);
        if let Some(before) = look(parent.as_fd(), name)? {
            let (there, comes) =
                if before.is_folder { ("directory", "non-directory") } else { ("non-directory", "directory") };
            if before.is_folder != is_folder {
                let text = format!("cannot overwrite {there} \"/{}\" with {comes}", shown(&self.full(&path)));
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            let is_file = before.is_file && matches!(entry.kind, Kind::File { .. } | Kind::Sparse { .. });
            if before.is_mounted && is_file {
                // To take it away would unmount it from under the container.
                return self.file(overwrite(parent.as_fd(), name)?, entry, archive);
            }
            if !is_folder {
                clear(parent.as_fd(), name, before.is_mounted)?;
            }
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        match &entry.kind {
            Kind::Dir => {
                match rustix::fs::mkdirat(&*parent, name, mode) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(made(errno)),
                }
                self.describe(parent.as_fd(), name, entry)?;
                self.times.insert(path, entry.mtime);
                return Ok(());
            }
            Kind::File { .. } | Kind::Sparse { .. } => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&*parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(made)?;
                return self.file(file, entry, archive);
            }
            Kind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_c_str(), &*parent, name).map_err(made)?;
                return self.birth(entry).set_at(parent.as_fd(), name, entry, &mut self.received.skipped);
            }
            Kind::Hardlink { target } => return self.hard_link(parent.as_fd(), name, target),
            Kind::Fifo => rustix::fs::mknodat(&*parent, name, FileType::Fifo, mode, 0).map_err(made)?,
            // A container's would be the host's own.
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } if self.owners == Owners::Caller => {
                self.received.skipped.devices += 1;
                return Ok(());
            }
            Kind::CharDevice { device } | Kind::BlockDevice { device } => {
                let is_char = matches!(entry.kind, Kind::CharDevice { .. });
                let sort = if is_char { FileType::CharacterDevice } else { FileType::BlockDevice };
                match rustix::fs::mknodat(&*parent, name, sort, mode, *device) {
                    Ok(()) => {}
                    Err(Errno::PERM) => {
                        self.received.skipped.devices += 1;
                        return Ok(());
                    }
                    Err(errno) => return Err(made(errno)),
                }
            }
        }
        self.special(parent.as_fd(), name, entry)
    }

    /// Owner and mode of a fifo or a device. By what is opened and not by its name, where a link may stand by now, and a
    /// mode would be given to what that link means on the host.
    fn special(&self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let special =
            rustix::fs::openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let special = special.map_err(made)?;
        let file_type = FileType::from_raw_mode(rustix::fs::fstat(&special).map_err(made)?.st_mode);
        if !matches!(file_type, FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice) {
            return Err(Error::new(ErrorKind::Conflict, "somebody else has put something in its place"));
        }
        if self.owners != Owners::Caller {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            rustix::fs::chownat(&special, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(made)?;
        }
        let path = format!("/proc/self/fd/{}", special.as_raw_fd());
        rustix::fs::chmod(&path, Mode::from_raw_mode(entry.mode)).map_err(made)?;
        let set = rustix::fs::utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(io::Error::from).context(|| "can't set its time")
    }

    /// Owner, mode and attributes of a folder, whether it was there or not.
    fn describe(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(made)?;
        self.birth(entry).set_on_fd(folder.as_fd(), entry, entry.mode, &mut self.received.skipped)
    }

    /// Attributes and setuid bits come after the content: writing takes them away.
    fn file(&mut self, file: OwnedFd, entry: &Entry, archive: &mut Archive<'_>) -> Result<()> {
        match &entry.kind {
            Kind::Sparse { size, map } => {
                for piece in map {
                    copy(archive, &file, Some(*piece))?;
                }
                rustix::fs::ftruncate(&file, *size).map_err(io::Error::from).context(|| "can't set its size")?;
                self.received.size += size;
            }
            Kind::File { size } => {
                copy(archive, &file, None)?;
                self.received.size += size;
            }
            _ => {}
        }
        self.birth(entry).set_on_fd(file.as_fd(), entry, entry.mode, &mut self.received.skipped)?;
        rustix::fs::futimens(&file, &times(entry.mtime)).map_err(io::Error::from).context(|| "can't set its time")
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> Result<()> {
        let target = name::clean(target)?;
        let (folder, target_name) = split(&target);
        let words = || format!("can't link it to `{}`", shown(&target));
        if target_name.is_empty() {
            return Err(Error::invalid("it is a hard link to a folder"));
        }
        let from = self.open(folder).map_err(io::Error::from).context(words)?;
        rustix::fs::linkat(&from, target_name, parent, name, AtFlags::empty()).map_err(io::Error::from).context(words)
    }

    /// The folder at a clean path below the ground's, made if there is none.
    fn folder(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>> {
        if let Some((known, folder)) = &self.last
            && known == path
        {
            return Ok(Rc::clone(folder));
        }
        let opened = match self.open(path) {
            Err(Errno::NOENT) if !path.is_empty() => {
                let (above, name) = split(path);
                let parent = self.folder(above)?;
                match rustix::fs::mkdirat(&*parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => self.open(path),
                    Err(errno) => Err(errno),
                }
            }
            other => other,
        };
        let words = || format!("can't open `/{}`", shown(&self.full(path)));
        let folder = Rc::new(opened.map_err(io::Error::from).context(words)?);
        self.last = Some((path.to_vec(), Rc::clone(&folder)));
        Ok(folder)
    }

    fn open(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let full = self.full(path);
        let full = if full.is_empty() { b"." } else { full.as_slice() };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        if self.ground.follow_links {
            return sys::inside::open(self.ground.root, full, flags);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(self.ground.root, full, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    fn full(&self, path: &[u8]) -> Vec<u8> {
        if path.is_empty() { self.ground.folder.to_vec() } else { join(self.ground.folder, path) }
    }

    /// Sets what had to wait. A folder that is gone meanwhile needs no time.
    fn finish(self) -> Result<Received> {
        for (path, mtime) in self.times.iter().rev() {
            let (folder, name) = split(path);
            let Ok(parent) = self.open(folder) else { continue };
            match rustix::fs::utimensat(&parent, name, &times(*mtime), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Err(io::Error::from(errno)).context(|| format!("can't set the time of `{}`", shown(path)));
                }
            }
        }
        Ok(self.received)
    }
}

fn made(errno: Errno) -> Error {
    Error::from(io::Error::from(errno)).context("can't make it")
}

fn look(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Before>> {
    let words = || "can't look at what is there";
    let found = match rustix::fs::statx(parent, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(io::Error::from).context(words)?,
    };
    let file_type = FileType::from_raw_mode(found.stx_mode.into());
    Ok(Some(Before {
        is_folder: file_type == FileType::Directory,
        is_file: file_type == FileType::RegularFile,
        is_mounted: found.stx_attributes.contains(rustix::fs::StatxAttributes::MOUNT_ROOT),
    }))
}

fn overwrite(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(io::Error::from).context(|| "can't write it")
}

fn clear(parent: BorrowedFd<'_>, name: &[u8], is_mounted: bool) -> Result<()> {
    let removed = if is_mounted { Err(Errno::BUSY) } else { rustix::fs::unlinkat(parent, name, AtFlags::empty()) };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io::Error::from(errno)).context(|| "can't replace what is there"),
    }
}
