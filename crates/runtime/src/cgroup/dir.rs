//! The directory of a cgroup, opened: its files are read and written through it.

use error::{Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The most that is read of one file, in bytes. The kernel's longest (a list of all processes) is far below.
const MOST_BYTES: usize = 64 << 20;

/// A directory and its name, which is for messages only.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    pub(super) path: PathBuf,
}

impl Dir {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let fd = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// All of a file.
    pub(super) fn read(&self, file: &str) -> Result<String, Errno> {
        let fd = openat(&self.fd, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match rustix::io::read(&fd, &mut buffer)? {
                0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
                count if text.len() + count > MOST_BYTES => return Err(Errno::FBIG),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Writes `value` with one call, as the kernel wants it.
    pub(super) fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        rustix::io::write(self.open_file(file)?, value.as_bytes()).map(drop)
    }

    /// A file that is written more than once, each time with one call and from its beginning, whatever the offset.
    pub(super) fn open_file(&self, file: &str) -> Result<OwnedFd, Errno> {
        openat(&self.fd, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// The names of what is in it.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let words = || format!("can't list the cgroup `{}`", self.path.display());
        let entries = std::fs::read_dir(&self.path).context(words)?;
        let names: std::io::Result<_> =
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect();
        names.context(words)
    }

    /// [`read`](Self::read) with an error for people.
    pub(super) fn text(&self, file: &str) -> Result<String> {
        self.read(file)
            .map_err(std::io::Error::from)
            .context(|| format!("can't read `{}`", self.path.join(file).display()))
    }
}

/// Makes a cgroup and those above it that are missing; notes in `made` what was made, from the top down.
pub(super) fn make(mount: &Path, path: &Path, made: &mut Vec<PathBuf>) -> Result<(), Errno> {
    match mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            made.push(path.to_owned());
            Ok(())
        }
        Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => match path.parent() {
            Some(above) if above != mount => {
                make(mount, above, made)?;
                make(above, path, made)
            }
            _ => Err(Errno::NOENT),
        },
        Err(errno) => Err(errno),
    }
}
