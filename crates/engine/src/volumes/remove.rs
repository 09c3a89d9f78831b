//! Removing volumes that nobody uses.
//!
//! A container that is being made holds a lease of each volume it will use, a shared lock of the volume's folder, from
//! before it looks into it until it is in the list. A remover takes the same lock for itself, never waiting, and then
//! looks who uses the volume: whoever had a lease before is in the list by now, and whoever comes after finds the
//! folder gone, and makes the volume anew.

use super::{FOLDER, NEW, Volumes, check};
use error::{Error, Kind, Result, ResultExt};
use rustix::fs::{CWD, FlockOperation, Mode, flock, openat, renameat};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A volume on its way out.
const REMOVING: &str = ".removing-";

/// A volume that was to be made so long ago, and whose lock is free, was left by a killed process.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// How many volumes are locked at once: each takes a descriptor, of the 1024 that a process has by default.
const MOST_AT_ONCE: usize = 256;

/// What became of a volume that was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is out of the list; so many bytes of content will be given back, if that was asked.
    Gone(u64),
    /// There is none.
    Missing,
    /// These containers use it; none: one that is being made.
    Used(Vec<String>),
}

impl Volumes {
    /// Removes a volume with its content.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a container uses it.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let missing = || Error::not_found(format!("get {name}: no such volume"));
        check(name).map_err(|_| missing())?;
        match self.take(&[name.to_owned()], false)?.remove(0) {
            Outcome::Gone(_) => self.sweep(),
            Outcome::Missing => Err(missing()),
            Outcome::Used(users) => {
                let who = if users.is_empty() { "a container that is being made".to_owned() } else { users.join(", ") };
                Err(Error::new(Kind::Conflict, format!("remove {name}: volume is in use - [{who}]")))
            }
        }
    }

    /// Takes those out of the list that nobody uses. [`sweep`](Self::sweep) deletes them. With `measure` their sizes are
    /// told.
    pub(crate) fn take(&self, names: &[String], measure: bool) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(names.len());
        for names in names.chunks(MOST_AT_ONCE) {
            let locked: Vec<Lock> =
                names.iter().map(|name| self.lock_alone(name)).collect::<io::Result<_>>().context(words)?;
            // Asked once for all: none of them can get a new user now.
            let users = self.users()?;
            for (name, lock) in names.iter().zip(locked) {
                outcomes.push(match lock {
                    Lock::Missing => Outcome::Missing,
                    Lock::Leased => Outcome::Used(Vec::new()),
                    Lock::Ours(_) => match users.of(name) {
                        of if !of.is_empty() => Outcome::Used(of),
                        _ => self.set_aside(name, measure)?,
                    },
                });
            }
        }
        Ok(outcomes)
    }

    /// Deletes what is on its way out, and what a killed process began to make.
    pub(crate) fn sweep(&self) -> Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.context(words)?,
        };
        let folder = openat(CWD, &self.dir, FOLDER, Mode::empty()).map_err(io::Error::from).context(words)?;
        for entry in entries {
            let name = entry.context(words)?.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(REMOVING.as_bytes())
                || bytes.starts_with(NEW.as_bytes()) && is_abandoned(&self.dir.join(&name))
            {
                sys::remove::remove_tree(folder.as_fd(), &name)?;
            }
        }
        Ok(())
    }

    fn lock_alone(&self, name: &str) -> io::Result<Lock> {
        let path = self.dir.join(name);
        let folder = match openat(CWD, &path, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Lock::Missing),
            other => other?,
        };
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            // Another remover has it gone by now: only what has the name is the volume.
            Ok(()) if super::is_at(&folder, &path)? => Ok(Lock::Ours(folder)),
            Ok(()) => Ok(Lock::Missing),
            Err(Errno::WOULDBLOCK) => Ok(Lock::Leased),
            Err(errno) => Err(errno.into()),
        }
    }

    fn set_aside(&self, name: &str, measure: bool) -> Result<Outcome> {
        let bytes = if measure { self.size(name)? } else { 0 };
        let aside = self.dir.join(format!("{REMOVING}{}", crate::names::random_hex()?));
        renameat(CWD, self.dir.join(name), CWD, aside)
            .map_err(io::Error::from)
            .context(|| format!("can't remove volume `{name}`"))?;
        self.tell("destroy", name);
        Ok(Outcome::Gone(bytes))
    }
}

fn words() -> &'static str {
    "can't remove volumes"
}

enum Lock {
    /// While this lives.
    Ours(#[expect(dead_code, reason = "it is held, not looked at")] OwnedFd),
    Leased,
    Missing,
}

fn is_abandoned(dir: &Path) -> bool {
    let age = fs::metadata(dir).and_then(|meta| meta.modified()).map(|time| time.elapsed());
    let is_free = || {
        let folder = openat(CWD, dir, FOLDER, Mode::empty());
        folder.is_ok_and(|folder| flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok())
    };
    matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER) && is_free()
}
