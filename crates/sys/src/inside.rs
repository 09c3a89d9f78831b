//! Paths of a tree that is somebody else's: `..` and links end at its root, magic links (`/proc/self/fd/…`) are refused
//! (openat2(2), kernel 5.6).

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::path::Arg;
use std::fs::File;

/// How often the kernel may answer "something was renamed meanwhile, try again" (openat2(2), `EAGAIN`).
const TRIES: usize = 128;

/// Opens it, marked close-on-exec.
pub fn open(root: impl AsFd, path: impl Arg + Copy, flags: OFlags) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut answer = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        answer = openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), how);
        if !matches!(answer, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    answer
}

/// Opens a regular file for reading; `None` where there is nothing. Looked at before it is opened for real: to open a
/// device may be an act (a tape rewinds, a watchdog starts), and a payload can put nodes where it could not open them.
///
/// # Errors
/// `InvalidInput` for what is no regular file.
pub fn open_regular(root: impl AsFd, path: impl Arg + Copy) -> std::io::Result<Option<File>> {
    let place = match open(root, path, OFlags::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        other => other?,
    };
    if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let opened = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(Some(rustix::fs::open(opened, flags, Mode::empty())?.into()))
}
