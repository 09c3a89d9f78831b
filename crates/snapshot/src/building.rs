//! A folder that others see only when it is complete: built as `tmp-<name>`, renamed to `<name>`.
//!
//! The builder holds a flock on the temporary folder, so that two processes do not do the same work, and so that what
//! a killed one left can be told from what is alive.

use error::{Result, ResultExt};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Prefix of folders that are being built.
pub(crate) const TMP: &str = "tmp-";

/// Prefix of folders that are being removed.
pub(crate) const TRASH: &str = "trash-";

/// A guard: dropped without [`Building::commit`], it removes what was built.
pub(crate) struct Building {
    parent: OwnedFd,
    tmp: String,
    name: String,
    dir: OwnedFd,
    committed: bool,
}

impl Building {
    /// Starts to build `parent/name`; waits if another process does the same. `None`: it exists (by now).
    pub(crate) fn begin(parent: &Path, name: &str) -> Result<Option<Self>> {
        Self::try_begin(parent, name).context(|| format!("can't prepare a folder in `{}`", parent.display()))
    }

    fn try_begin(parent_path: &Path, name: &str) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(parent_path)?;
        let parent = open_dir(CWD, parent_path)?;
        let tmp = format!("{TMP}{name}");
        loop {
            match rustix::fs::mkdirat(&parent, &tmp, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let Some(dir) = vanished(open_dir(&parent, &tmp))? else { continue };
            lock(&dir, FlockOperation::LockExclusive)?;
            // While we waited, the folder may have been finished and renamed, or removed.
            let ours = vanished(rustix::fs::statat(&parent, &tmp, AtFlags::SYMLINK_NOFOLLOW))?;
            let dir_stat = rustix::fs::fstat(&dir)?;
            let still_there = ours.is_some_and(|stat| (stat.st_dev, stat.st_ino) == (dir_stat.st_dev, dir_stat.st_ino));
            let exists = vanished(rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW))?.is_some();
            if !still_there && !exists {
                continue;
            }
            let building = Self { parent, tmp, name: name.to_owned(), dir, committed: !still_there };
            if exists {
                return Ok(None); // dropping removes the empty folder if it is ours
            }
            building.wipe()?;
            return Ok(Some(building));
        }
    }

    /// What a killed builder left.
    fn wipe(&self) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                use std::os::unix::ffi::OsStrExt;
                let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
                sys::remove::remove_tree(self.dir.as_fd(), name).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// The folder while it is built.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Makes it visible under its name, and sure to be complete even after a power failure.
    pub(crate) fn commit(mut self) -> Result<()> {
        self.try_commit().context(|| format!("can't commit `{}`", self.name))
    }

    fn try_commit(&mut self) -> io::Result<()> {
        // The name must not reach the disk before the files: that would be a layer with empty files after a crash.
        rustix::fs::syncfs(&self.dir)?;
        rustix::fs::renameat(&self.parent, &self.tmp, &self.parent, &self.name)?;
        self.committed = true;
        rustix::fs::fsync(&self.parent)?;
        Ok(())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.committed {
            // A failure here has its own cause reported already; what remains is swept later.
            let _ = sys::remove::remove_tree(self.parent.as_fd(), &self.tmp);
        }
    }
}

/// Removes what nobody builds or removes any more in `parent`; says how many folders that were.
pub(crate) fn sweep(parent: &Path) -> Result<usize> {
    try_sweep(parent).context(|| format!("can't sweep `{}`", parent.display()))
}

fn try_sweep(parent: &Path) -> Result<usize> {
    let mut swept = 0;
    let Some(parent_dir) = vanished(open_dir(CWD, parent))? else { return Ok(0) };
    for name in names(parent)? {
        if name.starts_with(TRASH) {
            sys::remove::remove_tree(parent_dir.as_fd(), &name)?;
            swept += 1;
        } else if name.starts_with(TMP) {
            let Some(dir) = vanished(open_dir(&parent_dir, name.as_str()))? else { continue };
            match lock(&dir, FlockOperation::NonBlockingLockExclusive) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => continue, // alive
                other => other?,
            }
            sys::remove::remove_tree(parent_dir.as_fd(), &name)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Removes `parent/name` so that nobody sees a half removed one. `false`: it did not exist.
pub(crate) fn remove(parent: &Path, name: &str) -> Result<bool> {
    try_remove(parent, name).context(|| format!("can't remove `{}`", parent.join(name).display()))
}

fn try_remove(parent: &Path, name: &str) -> Result<bool> {
    let Some(parent_dir) = vanished(open_dir(CWD, parent))? else { return Ok(false) };
    // Two removers at once would rename to the same name, and the second rename finds nothing to rename.
    let trash = PathBuf::from(format!("{TRASH}{name}-{}", std::process::id()));
    sys::remove::remove_tree(parent_dir.as_fd(), &trash)?;
    if vanished(rustix::fs::renameat(&parent_dir, name, &parent_dir, &trash))?.is_none() {
        return Ok(false);
    }
    sys::remove::remove_tree(parent_dir.as_fd(), &trash)?;
    Ok(true)
}

/// The entries of a folder that are UTF-8, as all of ours are; none if the folder does not exist.
pub(crate) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

fn open_dir(parent: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn lock(dir: &OwnedFd, operation: FlockOperation) -> io::Result<()> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::flock(dir, operation))?)
}

fn vanished<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
