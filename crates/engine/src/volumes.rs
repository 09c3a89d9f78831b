//! Volumes: folders that outlive containers.
//!
//! ```text
//! <data>/volumes/<name>/_data      what containers see
//!                      /_filling   a copy of the image's folder under way; one that a kill left is thrown away
//!                      /_filled    a whole copy; it moves into `_data` entry by entry, and the next user goes on with it
//!                         /content the entries; the folder around them has the metadata that `_data` shall have
//! <data>/volumes/.removing-*       a volume on its way out; one that a kill left goes with the next removal
//! ```
//! So a kill leaves a volume that was never filled, or one whose filling is completed before anybody sees it. `_data`
//! itself is never replaced: it may be mounted in a container that runs.

use crate::names::random_hex;
use error::{Error, Result, ResultExt};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, flock, openat, openat2};
use rustix::io::Errno;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use sys::copy;

const DATA: &str = "_data";
const FILLING: &str = "_filling";
const FILLED: &str = "_filled";
const CONTENT: &str = "content";
const REMOVING: &str = ".removing-";

/// What a file name can have, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// All volumes.
#[derive(Debug, Clone)]
pub(crate) struct Volumes {
    dir: PathBuf,
}

impl Volumes {
    /// Of that data folder. Nothing is made before the first volume.
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join("volumes") }
    }

    /// The content of the volume of that name, which is made if there is none.
    pub(crate) fn named(&self, name: &str) -> Result<PathBuf> {
        check(name).map_err(|error| error.context(format!("create {name}")))?;
        self.open(name).context(|| format!("can't make volume `{name}`"))
    }

    /// A new volume without a name of its own: 64 digits, and its content.
    pub(crate) fn anonymous(&self) -> Result<(String, PathBuf)> {
        let name = random_hex()?;
        let data = self.named(&name)?;
        Ok((name, data))
    }

    fn open(&self, name: &str) -> io::Result<PathBuf> {
        let volume = self.dir.join(name);
        let data = volume.join(DATA);
        // What the image and its users put inside is guarded by the folder around it, not by `_data`'s own mode.
        DirBuilder::new().recursive(true).mode(0o700).create(&volume)?;
        match DirBuilder::new().mode(0o755).create(&data) {
            // Whatever the umask says: an image's user must be able to enter.
            Ok(()) => fs::set_permissions(&data, fs::Permissions::from_mode(0o755))?,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
        if volume.join(FILLED).try_exists()? {
            finish(lock(&volume)?.as_fd())?;
        }
        Ok(data)
    }

    /// Gives a volume that is still empty what the image has at `target`, and the metadata of that folder. Whatever
    /// links the image has on the way, they stay inside of it. `data` is what [`named`](Self::named) returned.
    pub(crate) fn fill(&self, image_root: BorrowedFd<'_>, target: &str, data: &Path) -> Result<()> {
        let words = || format!("can't copy `{target}` of the image into its volume");
        let Some(source) = open_in_root(image_root, target).context(words)? else { return Ok(()) };
        let volume_dir = data.parent().ok_or_else(|| Error::invalid("not a volume").context(words()))?;
        let volume = lock(volume_dir).context(words)?;
        finish(volume.as_fd()).context(words)?;
        if !is_empty(volume.as_fd()).context(words)? {
            return Ok(());
        }
        sys::remove::remove_tree(volume.as_fd(), FILLING)?;
        if let Err(error) = fill_aside(source.as_fd(), volume.as_fd()) {
            // The failure is the one to tell; a leftover goes with the next try.
            let _ = sys::remove::remove_tree(volume.as_fd(), FILLING);
            return Err(error.context(words()));
        }
        finish(volume.as_fd()).context(words)
    }

    /// Removes a volume with its content.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let words = || format!("can't remove volume `{name}`");
        let missing = || Error::not_found(format!("get {name}: no such volume"));
        check(name).map_err(|_| missing())?;
        let folder = match openat(CWD, &self.dir, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => return Err(missing()),
            other => other.map_err(io::Error::from).context(words)?,
        };
        let aside = format!("{REMOVING}{}", random_hex()?);
        match rustix::fs::renameat(&folder, name, &folder, &aside) {
            Err(Errno::NOENT) => return Err(missing()),
            other => other.map_err(io::Error::from).context(words)?,
        }
        for entry in fs::read_dir(&self.dir).context(words)? {
            let name = entry.context(words)?.file_name();
            if name.as_encoded_bytes().starts_with(REMOVING.as_bytes()) {
                sys::remove::remove_tree(folder.as_fd(), &name)?;
            }
        }
        Ok(())
    }
}

/// Docker's rule and Docker's words.
fn check(name: &str) -> Result<()> {
    if name.len() == 1 {
        return Err(Error::invalid("volume name is too short, names should be at least two alphanumeric characters"));
    }
    let is_valid = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_valid {
        return Err(Error::invalid(format!(
            "\"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute path"
        )));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::invalid(format!("volume name has {} characters, more than {MAX_NAME_BYTES}", name.len())));
    }
    Ok(())
}

/// The volume's folder, locked until dropped: two containers that start at once must not both fill it.
fn lock(volume: &Path) -> io::Result<OwnedFd> {
    let folder = openat(CWD, volume, FOLDER, Mode::empty())?;
    rustix::io::retry_on_intr(|| flock(&folder, FlockOperation::LockExclusive))?;
    Ok(folder)
}

/// The image's folder at `target`, or nothing if there is none.
fn open_in_root(root: BorrowedFd<'_>, target: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(root, target, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn is_empty(volume: BorrowedFd<'_>) -> io::Result<bool> {
    let data = openat(volume, DATA, FOLDER, Mode::empty())?;
    Ok(copy::names(data.as_fd())?.is_empty())
}

/// Copies into `_filling` and, when all is there and on the disk, calls it `_filled`.
fn fill_aside(source: BorrowedFd<'_>, volume: BorrowedFd<'_>) -> Result<()> {
    let words = || "can't prepare the volume";
    let make = |parent, name| {
        rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
        openat(parent, name, FOLDER, Mode::empty()).map_err(io::Error::from)
    };
    let aside = make(volume, FILLING).context(words)?;
    let copied_bytes = copy::tree(source, make(aside.as_fd(), CONTENT).context(words)?.as_fd())?;
    copy::folder_metadata(source, aside.as_fd()).context(words)?;
    if copied_bytes > 0 {
        // A volume that looks filled after a power loss, with empty files, would never be filled again.
        rustix::fs::syncfs(&aside).map_err(io::Error::from).context(words)?;
    }
    rustix::fs::renameat(volume, FILLING, volume, FILLED).map_err(io::Error::from).context(words)
}

/// Moves what `_filled` holds into `_data`, also what a killed process left of it.
fn finish(volume: BorrowedFd<'_>) -> io::Result<()> {
    let filled = match openat(volume, FILLED, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let content = openat(&filled, CONTENT, FOLDER, Mode::empty())?;
    let data = openat(volume, DATA, FOLDER, Mode::empty())?;
    for name in copy::names(content.as_fd())? {
        match rustix::fs::renameat_with(&content, &name, &data, &name, RenameFlags::NOREPLACE) {
            // A container that runs made it meanwhile: what somebody wrote is worth more than the image's default.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    copy::folder_metadata(filled.as_fd(), data.as_fd())?;
    sys::remove::remove_tree(volume, FILLED).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
