//! Entries are put into the tree, one by one, in the archive's order; the last one of a name wins.
//!
//! Whiteouts speak of lower layers only: they leave alone what this layer itself has under the name. But where a layer
//! puts a folder in the place of something else, the lower layers' folder of that name must stay hidden: it becomes
//! opaque.

use crate::archive::Archive;
use crate::attributes::{Birth, Skipped, times};
use crate::entry::{Entry, Kind};
use crate::name::{self, Asked, join, shown, split};
use crate::tree::{Before, Folder, Tree, c_name, is_whiteout, stat};
use error::{Error, Result, ResultExt};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tar_core::SparseEntry;

/// Puts entries into a tree.
pub(crate) struct Placer {
    pub(crate) tree: Tree,
    pub(crate) birth: Birth,
    pub(crate) skipped: Skipped,
    /// Bytes of regular files.
    pub(crate) size: u64,
}

impl Placer {
    /// Makes what the entry describes.
    pub(crate) fn place(&mut self, entry: &Entry, archive: &mut Archive) -> Result<()> {
        match name::read(&entry.path)? {
            Asked::Nothing => Ok(()),
            Asked::Whiteout(path) => self.whiteout(&path),
            Asked::Opaque(folder) => {
                let folder = self.tree.folder(&folder)?;
                self.tree.make_open_opaque(folder.fd.as_fd()).context(|| "can't mark a folder opaque")
            }
            Asked::Node(path) => self.node(&path, entry, archive),
        }
        .map_err(|error| error.context(format!("can't unpack `{}`", shown(&entry.path))))
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let (folder, name) = split(path);
        let parent = self.tree.folder(folder)?;
        let words = || "can't make a whiteout";
        // Allowed to everybody for the device 0:0 since Linux 5.8.
        match rustix::fs::mknodat(&parent.fd, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(io::Error::from(errno)).context(words),
        }
        let found = stat(parent.fd.as_fd(), name).context(words)?;
        if found.is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory) {
            self.tree.make_opaque(parent.fd.as_fd(), name).context(words)?;
        }
        Ok(())
    }

    fn node(&mut self, path: &[u8], entry: &Entry, archive: &mut Archive) -> Result<()> {
        let (folder, name) = split(path);
        if name.is_empty() {
            return match entry.kind {
                Kind::Dir => self.root(entry),
                _ => Err(Error::invalid("the layer's root must be a folder")),
            };
        }
        let parent = self.tree.folder(folder)?;
        match &entry.kind {
            Kind::Dir => self.folder(&parent, name, entry),
            Kind::File { size } => {
                let file = self.create_file(&parent, name, entry)?;
                copy(archive, &file, None)?;
                self.finish_file(&file, *size, entry)
            }
            Kind::Sparse { size, map } => {
                let file = self.create_file(&parent, name, entry)?;
                for piece in map {
                    copy(archive, &file, Some(*piece))?;
                }
                rustix::fs::ftruncate(&file, *size).map_err(io::Error::from).context(|| "can't set its size")?;
                self.finish_file(&file, *size, entry)
            }
            Kind::Symlink { target } => {
                self.make(&parent, name, || rustix::fs::symlinkat(target.as_c_str(), &parent.fd, name))?;
                self.birth.set_at(parent.fd.as_fd(), name, entry, &mut self.skipped)
            }
            Kind::Hardlink { target } => self.hardlink(&parent, name, target),
            Kind::Fifo => {
                let mode = Mode::from_raw_mode(entry.mode & 0o1777);
                self.make(&parent, name, || rustix::fs::mknodat(&parent.fd, name, FileType::Fifo, mode, 0))?;
                self.birth.set_at(parent.fd.as_fd(), name, entry, &mut self.skipped)
            }
            Kind::CharDevice { device } => self.device(&parent, name, FileType::CharacterDevice, *device, entry),
            Kind::BlockDevice { device } => self.device(&parent, name, FileType::BlockDevice, *device, entry),
        }
    }

    fn root(&mut self, entry: &Entry) -> Result<()> {
        let root = self.tree.root();
        let words = || "can't set the root's mode";
        rustix::fs::fchmod(&root.fd, Mode::from_raw_mode(entry.mode & 0o1777))
            .map_err(io::Error::from)
            .context(words)?;
        self.describe_folder(&root, entry)
    }

    fn folder(&mut self, parent: &Folder, name: &[u8], entry: &Entry) -> Result<()> {
        let mode = Mode::from_raw_mode(entry.mode & 0o1777);
        let path = join(&parent.path, name);
        let words = || "can't make the folder";
        match rustix::fs::mkdirat(&parent.fd, name, mode) {
            // Nearly all folders are new, root's and without xattrs.
            Ok(()) if self.birth.exact_modes && entry.xattrs.is_empty() => {
                if (entry.uid, entry.gid) != (self.birth.uid, self.birth.gid) {
                    let folder = open_folder(parent, name).context(words)?;
                    self.birth.set_on_fd(folder.as_fd(), entry, entry.mode & 0o1777, &mut self.skipped)?;
                }
                self.tree.remember(path, entry.mtime, entry.mode);
                return Ok(());
            }
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if self.tree.clear(parent, name, true)? == Before::Other {
                    rustix::fs::mkdirat(&parent.fd, name, mode).map_err(io::Error::from).context(words)?;
                    self.tree.make_opaque(parent.fd.as_fd(), name).context(words)?;
                }
            }
            Err(errno) => return Err(io::Error::from(errno)).context(words),
        }
        let folder = Folder { fd: open_folder(parent, name).context(words)?, path };
        rustix::fs::fchmod(&folder.fd, mode).map_err(io::Error::from).context(words)?;
        self.describe_folder(&folder, entry)
    }

    /// Of a folder that may have been there before, with another owner.
    fn describe_folder(&mut self, folder: &Folder, entry: &Entry) -> Result<()> {
        let anyone = Birth { uid: u32::MAX, gid: u32::MAX, ..self.birth };
        anyone.set_on_fd(folder.fd.as_fd(), entry, entry.mode & 0o1777, &mut self.skipped)?;
        self.tree.remember(folder.path.clone(), entry.mtime, entry.mode);
        Ok(())
    }

    fn create_file(&mut self, parent: &Folder, name: &[u8], entry: &Entry) -> Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(entry.mode & 0o1777);
        self.make(parent, name, || rustix::fs::openat(&parent.fd, name, flags, mode))
    }

    /// Extended attributes and setuid bits come after the content: writing takes them away.
    fn finish_file(&mut self, file: &OwnedFd, size: u64, entry: &Entry) -> Result<()> {
        self.size += size;
        self.birth.set_on_fd(file.as_fd(), entry, entry.mode, &mut self.skipped)?;
        rustix::fs::futimens(file, &times(entry.mtime)).map_err(io::Error::from).context(|| "can't set its time")
    }

    fn hardlink(&mut self, parent: &Folder, name: &[u8], target: &[u8]) -> Result<()> {
        let target = name::clean(target)?;
        let (folder, target_name) = split(&target);
        let missing = || {
            Error::invalid(format!("it is a hard link to `{}`, which this layer does not have", shown(&target)))
                .hint("the image is broken: a layer must hold the files that its hard links name")
        };
        if target_name.is_empty() {
            return Err(Error::invalid("it is a hard link to the root"));
        }
        // Looked for before the name is cleared, and never made.
        let target_parent = self.tree.find(folder)?.ok_or_else(missing)?;
        let words = || format!("can't link it to `{}`", shown(&target));
        let found = stat(target_parent.fd.as_fd(), target_name).context(words)?.ok_or_else(missing)?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(Error::invalid(format!("it is a hard link to the folder `{}`", shown(&target))));
        }
        if is_whiteout(&found) {
            return Err(missing());
        }
        if let Some(there) = stat(parent.fd.as_fd(), name).context(words)?
            && (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
        {
            return Ok(()); // a link to itself, or the same link again
        }
        let new_name = c_name(name);
        let target_name = c_name(target_name);
        self.make(parent, name, || {
            let target = target_name.as_c_str();
            rustix::fs::linkat(&target_parent.fd, target, &parent.fd, new_name.as_c_str(), AtFlags::empty())
        })
    }

    fn device(&mut self, parent: &Folder, name: &[u8], sort: FileType, device: u64, entry: &Entry) -> Result<()> {
        let mode = Mode::from_raw_mode(entry.mode & 0o1777);
        let words = || "can't make the device";
        let made = match rustix::fs::mknodat(&parent.fd, name, sort, mode, device) {
            Err(Errno::EXIST) => {
                self.tree.clear(parent, name, false)?;
                rustix::fs::mknodat(&parent.fd, name, sort, mode, device)
            }
            other => other,
        };
        match made {
            Ok(()) => self.birth.set_at(parent.fd.as_fd(), name, entry, &mut self.skipped),
            Err(Errno::PERM) => {
                self.skipped.devices += 1;
                Ok(())
            }
            Err(errno) => Err(io::Error::from(errno)).context(words),
        }
    }

    /// Tries to make something; what stands there already gives way.
    fn make<T>(&mut self, parent: &Folder, name: &[u8], make: impl Fn() -> rustix::io::Result<T>) -> Result<T> {
        let made = match make() {
            Err(Errno::EXIST) => {
                self.tree.clear(parent, name, false)?;
                make()
            }
            other => other,
        };
        made.map_err(io::Error::from).context(|| "can't make it")
    }
}

fn open_folder(parent: &Folder, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&parent.fd, name, flags, Mode::empty())?)
}

/// Writes the rest of the entry's content, or one piece of a sparse file to its place.
pub(crate) fn copy(archive: &mut Archive, file: &OwnedFd, piece: Option<SparseEntry>) -> Result<()> {
    let mut left = piece.map_or(u64::MAX, |piece| piece.length);
    let mut offset = piece.map_or(0, |piece| piece.offset);
    while left > 0 {
        let bytes = archive.content(left)?;
        if bytes.is_empty() {
            break;
        }
        write_all(file, bytes, offset, piece.is_some()).context(|| "can't write it")?;
        left -= bytes.len() as u64;
        offset += bytes.len() as u64;
    }
    Ok(())
}

fn write_all(file: &OwnedFd, mut bytes: &[u8], mut offset: u64, at_offset: bool) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| {
            if at_offset { rustix::io::pwrite(file, bytes, offset) } else { rustix::io::write(file, bytes) }
        })?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}
