//! A new volume becomes what the image has at the same place.

use super::{DATA, FOLDER, Volumes};
use error::{Error, Result, ResultExt};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use sys::copy;

pub(super) const FILLING: &str = "_filling";
pub(super) const FILLED: &str = "_filled";
const CONTENT: &str = "content";

impl Volumes {
    /// Gives a volume that is still empty what the image has at `target`, and the metadata of that folder. Whatever
    /// links the image has on the way, they stay inside of it. `data` is what [`named`](Self::named) returned.
    pub(crate) fn fill(&self, image_root: BorrowedFd<'_>, target: &str, data: &Path) -> Result<()> {
        let words = || format!("can't copy `{target}` of the image into its volume");
        let Some(source) = open_in_root(image_root, target).context(words)? else { return Ok(()) };
        let volume_dir = data.parent().ok_or_else(|| Error::invalid("not a volume").context(words()))?;
        let (_lock, volume) = lock(volume_dir).context(words)?;
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
}

/// Two containers that start at once must not both fill a volume: whoever has this does it. It is no lock of `_data`,
/// which containers see and could hold.
pub(super) fn lock(volume: &Path) -> io::Result<(File, OwnedFd)> {
    let lock = File::options().write(true).create(true).truncate(false).open(volume.join(super::facts::FILE))?;
    lock.lock()?;
    Ok((lock, openat(CWD, volume, FOLDER, Mode::empty())?))
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
pub(super) fn finish(volume: BorrowedFd<'_>) -> io::Result<()> {
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
