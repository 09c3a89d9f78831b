//! Volumes: folders that outlive containers.
//!
//! ```text
//! <data>/volumes/<name>/            locked (shared) by who makes a container of it, alone by who removes it
//!                      /_data       what containers see
//!                      /volume.json when it was made, labels, options (volumes/facts.rs); locked by who fills the volume
//!                      /_filling    a copy of the image's folder under way; one that a kill left is thrown away
//!                      /_filled     a whole copy; it moves into `_data` entry by entry, and the next user goes on with it
//!                         /content  the entries; the folder around them has the metadata that `_data` shall have
//! <data>/volumes/.new-*             a volume being made, locked; one that a kill left goes a minute later
//! <data>/volumes/.removing-*        a volume on its way out; one that a kill left goes with the next `ps` or removal
//! ```
//! So a kill leaves a volume that was never filled, or one whose filling is completed before anybody sees it; and an
//! anonymous one whose container never came to be is one that nobody uses. `_data` itself is never replaced: it may be
//! mounted in a container that runs.

mod facts;
mod fill;
mod remove;
mod requests;
#[cfg(test)]
mod tests;
mod users;

pub(crate) use facts::Facts;
pub(crate) use remove::Outcome;
pub(crate) use users::Users;

use crate::names::random_hex;
use crate::{events, inspect};
use error::{Error, Result, ResultExt};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, openat, renameat_with};
use rustix::io::Errno;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const DATA: &str = "_data";
const NEW: &str = ".new-";

/// What a file name can have, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// All volumes.
#[derive(Debug, Clone)]
pub(crate) struct Volumes {
    dir: PathBuf,
    containers: PathBuf,
}

/// A volume that nobody removes while this value lives.
#[derive(Debug)]
pub(crate) struct Leased {
    /// Its name.
    pub name: String,
    /// Its content.
    pub data: PathBuf,
    /// What else is known of it.
    pub facts: Facts,
    _folder: OwnedFd,
}

impl Volumes {
    /// Of that data folder. Nothing is made before the first volume.
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join("volumes"), containers: data.join("containers") }
    }

    /// The volume of that name; if there is none, one with these facts is made.
    pub(crate) fn named(&self, name: &str, facts: impl Fn() -> Facts) -> Result<Leased> {
        check(name).map_err(|error| error.context(format!("create {name}")))?;
        let words = || format!("can't make volume `{name}`");
        loop {
            if let Some(found) = self.existing(name)? {
                return Ok(found);
            }
            if let Some(made) = self.make(name, facts()).context(words)? {
                return Ok(made);
            }
        }
    }

    /// A new volume without a name of its own: 64 digits.
    pub(crate) fn anonymous(&self, mut facts: Facts) -> Result<Leased> {
        facts.labels.insert(api::ANONYMOUS_LABEL.to_owned(), String::new());
        self.named(&random_hex()?, || facts.clone())
    }

    /// The volume of that name, if there is one.
    pub(crate) fn existing(&self, name: &str) -> Result<Option<Leased>> {
        if check(name).is_err() {
            return Ok(None);
        }
        let words = || format!("can't open volume `{name}`");
        let volume = self.dir.join(name);
        let Some(folder) = self.lease(&volume).context(words)? else { return Ok(None) };
        if volume.join(fill::FILLED).try_exists().context(words)? {
            let (_lock, folder) = fill::lock(&volume).context(words)?;
            fill::finish(folder.as_fd()).context(words)?;
        }
        let facts = Facts::read(&volume)?;
        Ok(Some(Leased { name: name.to_owned(), data: volume.join(DATA), facts, _folder: folder }))
    }

    /// All of them by name, with what is known of each. Nobody is kept from removing them.
    pub(crate) fn list(&self) -> Result<Vec<(String, Facts)>> {
        let words = || format!("can't list `{}`", self.dir.display());
        let entries = match fs::read_dir(&self.dir) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.context(words)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.context(words)?.file_name();
            if let Some(name) = name.to_str().filter(|name| check(name).is_ok()) {
                all.push((name.to_owned(), Facts::read(&self.dir.join(name))?));
            }
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }

    /// What is known of a volume, if there is one of that name.
    pub(crate) fn facts(&self, name: &str) -> Result<Option<Facts>> {
        let volume = self.dir.join(name);
        if !volume.try_exists().context(|| format!("can't look at volume `{name}`"))? {
            return Ok(None);
        }
        Facts::read(&volume).map(Some)
    }

    /// Where the content of a volume lies.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.join(name).join(DATA)
    }

    /// Bytes of its files.
    pub(crate) fn size(&self, name: &str) -> Result<u64> {
        inspect::bytes_below(self.data(name))
    }

    fn tell(&self, action: &str, name: &str) {
        if let Some(data) = self.dir.parent() {
            events::tell_of_volume(data, action, name);
        }
    }

    fn lease(&self, volume: &Path) -> io::Result<Option<OwnedFd>> {
        let folder = match openat(CWD, volume, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        rustix::io::retry_on_intr(|| flock(&folder, FlockOperation::LockShared))?;
        // It may have been removed while we waited.
        Ok(if is_at(&folder, volume)? { Some(folder) } else { None })
    }

    /// Whole and leased when it gets its name; `None` when another has it meanwhile.
    fn make(&self, name: &str, facts: Facts) -> Result<Option<Leased>> {
        let aside = self.dir.join(format!("{NEW}{}", random_hex()?));
        // What the image and its users put inside is guarded by the folder around it, not by `_data`'s own mode.
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        let made = self.make_aside(&aside, name, facts);
        if !matches!(made, Ok(Some(_))) {
            // The first failure is the one to tell; a leftover is swept later.
            let _ = fs::remove_dir_all(&aside);
        }
        made
    }

    fn make_aside(&self, aside: &Path, name: &str, facts: Facts) -> Result<Option<Leased>> {
        let folder = openat(CWD, aside, FOLDER, Mode::empty()).map_err(io::Error::from)?;
        flock(&folder, FlockOperation::LockShared).map_err(io::Error::from)?;
        let data = aside.join(DATA);
        DirBuilder::new().mode(0o755).create(&data)?;
        // Whatever the umask says: an image's user must be able to enter.
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755))?;
        facts.write(aside)?;
        match renameat_with(CWD, aside, CWD, self.dir.join(name), RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.tell("create", name);
                Ok(Some(Leased { name: name.to_owned(), data: self.data(name), facts, _folder: folder }))
            }
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(io::Error::from(errno).into()),
        }
    }
}

/// Docker's rule and Docker's words.
pub(crate) fn check(name: &str) -> Result<()> {
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

/// Does the path still mean this folder?
fn is_at(folder: &OwnedFd, path: &Path) -> io::Result<bool> {
    let ours = rustix::fs::fstat(folder)?;
    match rustix::fs::lstat(path) {
        Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
