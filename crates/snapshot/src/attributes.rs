//! Owner, mode, times and extended attributes of what was made, set only where they differ from what it got at birth.

use crate::entry::{Entry, Xattr};
use error::{Error, Kind, Result, ResultExt};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attributes that are not the image's to set: overlayfs's own marks, labels and measurements of this machine's
/// policy, and what other engines' drivers keep there.
const REFUSED: [&[u8]; 9] = [
    b"trusted.overlay.",
    b"user.overlay.",
    b"security.selinux",
    b"security.ima",
    b"security.evm",
    b"security.apparmor",
    b"system.nfs4_acl",
    b"user.fuseoverlayfs.",
    b"user.containers.",
];

/// What files get at birth in the unpacking thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birth {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The thread has no umask: modes are as asked for.
    pub(crate) exact_modes: bool,
}

/// What could not be had and is not worth failing for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Device nodes: they cannot be made in a user namespace, and containers get their own `/dev`.
    pub devices: u64,
    /// Extended attributes that the file system or the user namespace does not take.
    pub xattrs: u64,
}

impl Birth {
    /// Sets owner, mode and xattrs of an open file or folder; `mode` are the bits it should have.
    pub(crate) fn set_on_fd(&self, fd: BorrowedFd, entry: &Entry, mode: u32, skipped: &mut Skipped) -> Result<()> {
        if self.owner_differs(entry) {
            rustix::fs::fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
                .map_err(|errno| owner_refused(errno, entry))?;
        }
        // After the owner: changing that takes setuid bits and capabilities away.
        if !self.exact_modes || mode & 0o6000 != 0 {
            let words = || format!("can't set mode {mode:o}");
            rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(io::Error::from).context(words)?;
        }
        set_xattrs(&entry.xattrs, skipped, |xattr| {
            rustix::fs::fsetxattr(fd, xattr.name.as_c_str(), &xattr.value, XattrFlags::empty())
        })
    }

    /// The same for what cannot be opened: a symbolic link (which has no mode), a device, a fifo.
    pub(crate) fn set_at(&self, parent: BorrowedFd, name: &[u8], entry: &Entry, skipped: &mut Skipped) -> Result<()> {
        if self.owner_differs(entry) {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| owner_refused(errno, entry))?;
        }
        let is_link = matches!(entry.kind, crate::entry::Kind::Symlink { .. });
        if !is_link && (!self.exact_modes || entry.mode & 0o6000 != 0) {
            let words = || format!("can't set mode {:o}", entry.mode);
            // Follows links, but this is none: we have just made it.
            rustix::fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(io::Error::from)
                .context(words)?;
        }
        if !entry.xattrs.is_empty() {
            use rustix::fs::OFlags;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let path_fd = rustix::fs::openat(parent, name, flags, Mode::empty())
                .map_err(io::Error::from)
                .context(|| "can't open it for its extended attributes")?;
            let path = format!("/proc/self/fd/{}", path_fd.as_raw_fd());
            set_xattrs(&entry.xattrs, skipped, |xattr| {
                rustix::fs::setxattr(&path, xattr.name.as_c_str(), &xattr.value, XattrFlags::empty())
            })?;
        }
        rustix::fs::utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(io::Error::from)
            .context(|| "can't set its time")
    }

    fn owner_differs(&self, entry: &Entry) -> bool {
        (entry.uid, entry.gid) != (self.uid, self.gid)
    }
}

fn owner_refused(errno: Errno, entry: &Entry) -> Error {
    let words = format!("can't give it to user {} and group {}", entry.uid, entry.gid);
    let error = Error::from(io::Error::from(errno)).context(words);
    if errno != Errno::INVAL && errno != Errno::PERM {
        return error;
    }
    // A user namespace knows only the ids mapped into it.
    Error { kind: Kind::Denied, ..error }.hint(format!(
        "the user namespace has no such id: give yourself at least {} ids in /etc/subuid and /etc/subgid, and install \
         newuidmap (Debian: `apt install uidmap`)",
        entry.uid.max(entry.gid).saturating_add(1).max(65536)
    ))
}

fn set_xattrs(xattrs: &[Xattr], skipped: &mut Skipped, set: impl Fn(&Xattr) -> rustix::io::Result<()>) -> Result<()> {
    for xattr in xattrs {
        if REFUSED.iter().any(|refused| xattr.name.to_bytes().starts_with(refused)) {
            continue;
        }
        match set(xattr) {
            Ok(()) => {}
            // The file system has none of this sort, or the namespace may not: Docker and Podman go on too.
            Err(Errno::OPNOTSUPP | Errno::PERM) => skipped.xattrs += 1,
            Err(errno) => {
                let name = xattr.name.to_string_lossy();
                let words = || format!("can't set extended attribute `{name}` of {} bytes", xattr.value.len());
                return Err(io::Error::from(errno)).context(words);
            }
        }
    }
    Ok(())
}

/// Access and modification time alike: layers know only the latter.
pub(crate) fn times(mtime: Timespec) -> Timestamps {
    Timestamps { last_access: mtime, last_modification: mtime }
}

/// The times of another file.
pub(crate) fn times_of(stat: &Stat) -> Timestamps {
    times(Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0) })
}
