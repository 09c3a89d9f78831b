//! Copying a tree as it is: owners, modes, times, links, holes, attributes, special files.
//!
//! Everything is opened relative to its folder and never through a link, so a tree cannot lead out of itself.

use error::{Result, ResultExt};
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    linkat, mkdirat, mknodat, openat, readlinkat, seek, statat, symlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How deep folders may lie: two descriptors are open on each level, of the 1024 that a process has by default.
pub const MAX_DEPTH: usize = 256;

/// The kernel's own limit for an attribute and for the list of their names, in bytes (xattr(7)).
const MAX_XATTR_BYTES: usize = 64 << 10;

/// Attributes that belong to the content. Others are the file system's or the security module's own.
const XATTR_PREFIXES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.capability", b"system.posix_acl_"];
/// Overlayfs' notes to itself.
const XATTR_NOT: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Copies what is in `source` into the empty folder `target`. Returns the bytes of files that were copied.
pub fn tree(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<u64> {
    let mut copying = Copying { target, path: PathBuf::new(), links: HashMap::new(), bytes: 0 };
    copying.folder(source, target, 0).context(|| format!("can't copy `/{}`", copying.path.display()))?;
    Ok(copying.bytes)
}

/// Makes `target` look as `source` does from outside: owner, mode, attributes, times.
pub fn folder_metadata(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let stat = rustix::fs::fstat(source)?;
    metadata(source, target, c".", &stat)
}

/// Does an attribute of this name belong to the content?
pub fn is_content(name: &[u8]) -> bool {
    XATTR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !XATTR_NOT.iter().any(|prefix| name.starts_with(prefix))
}

/// The names in a folder, without `.` and `..`.
pub fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    Ok(names)
}

struct Copying<'a> {
    /// The top of the copy, which paths in `links` start from.
    target: BorrowedFd<'a>,
    /// Where we are; after a failure, where it was.
    path: PathBuf,
    /// By device and inode: the first copy of what has several names.
    links: HashMap<(u64, u64), PathBuf>,
    bytes: u64,
}

impl Copying<'_> {
    fn folder(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "folders lie too deep in each other"));
        }
        for name in names(from)? {
            self.path.push(OsStr::from_bytes(name.to_bytes()));
            self.entry(from, to, &name, depth)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let has_links = kind != FileType::Directory && stat.st_nlink > 1;
        if has_links && let Some(first) = self.links.get(&identity(&stat)) {
            return Ok(linkat(self.target, first, to, name, AtFlags::empty())?);
        }
        match kind {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = openat(from, name, flags, Mode::empty())?;
                let copy = openat(to, name, flags, Mode::empty())?;
                self.folder(inner.as_fd(), copy.as_fd(), depth + 1)?;
            }
            FileType::RegularFile => self.bytes += content(from, to, name, &stat)?,
            FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
            special => match mknodat(to, name, special, Mode::RUSR | Mode::WUSR, stat.st_rdev) {
                // Nobody makes devices in a user namespace, and none opens there if it were made.
                Err(Errno::PERM) if matches!(special, FileType::CharacterDevice | FileType::BlockDevice) => {
                    return Ok(());
                }
                other => other?,
            },
        }
        metadata(from, to, name, &stat)?;
        if has_links {
            self.links.insert(identity(&stat), self.path.clone());
        }
        Ok(())
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Copies a file's bytes: shared with the original where the file system can, else with its holes.
fn content(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<u64> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut source = File::from(openat(from, name, read, Mode::empty())?);
    let mut target = File::from(openat(to, name, write, Mode::RUSR | Mode::WUSR)?);
    let size = u64::try_from(stat.st_size).map_err(io::Error::other)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(size);
    }
    let (mut at, mut copied) = (0, 0);
    while at < size {
        let start = match seek(&source, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break, // only a hole is left
            other => other?,
        };
        let end = seek(&source, SeekFrom::Hole(start))?;
        source.seek(io::SeekFrom::Start(start))?;
        target.seek(io::SeekFrom::Start(start))?;
        // In the kernel (copy_file_range, sendfile) where it can.
        copied += io::copy(&mut (&source).take(end - start), &mut target)?;
        at = end;
    }
    target.set_len(size)?;
    Ok(copied)
}

/// In this order: a new owner clears setuid bits and capabilities, and each change touches the times.
fn metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        chmodat(to, name, Mode::from_raw_mode(stat.st_mode), AtFlags::empty())?;
    }
    xattrs(&at(from, name)?, &at(to, name)?)?;
    let times = Timestamps {
        last_access: timespec(stat.st_atime, stat.st_atime_nsec)?,
        last_modification: timespec(stat.st_mtime, stat.st_mtime_nsec)?,
    };
    Ok(utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn timespec(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<i64>) -> io::Result<Timespec> {
    let bad = || io::Error::from(Errno::OVERFLOW);
    Ok(Timespec { tv_sec: seconds.try_into().map_err(|_| bad())?, tv_nsec: nanoseconds.try_into().map_err(|_| bad())? })
}

/// The calls for attributes know no folder descriptors before Linux 6.13; this path means the same.
fn at(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<CString> {
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    Ok(CString::new(path)?)
}

fn xattrs(from: &CStr, to: &CStr) -> io::Result<()> {
    // Most files have none, which the size alone tells.
    match rustix::fs::llistxattr_query(from) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let (mut list, mut value) = (vec![0; MAX_XATTR_BYTES], vec![0; MAX_XATTR_BYTES]);
    let length = rustix::fs::llistxattr(from, &mut list[..])?;
    for name in list[..length].split(|byte| *byte == 0) {
        if !is_content(name) {
            continue;
        }
        let name = CString::new(name)?;
        let length = rustix::fs::lgetxattr(from, &name, &mut value[..])?;
        match rustix::fs::lsetxattr(to, &name, &value[..length], XattrFlags::empty()) {
            // The volume's file system has no such attributes; the content is whole without them.
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
