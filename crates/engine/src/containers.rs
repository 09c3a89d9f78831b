//! The containers of one user: found by name, id or prefix; their state derived from facts.

use crate::inspect;
use crate::record::{self, Record, Status, file};
use api::{ContainerSummary, State};
use error::{Error, Kind, Result, ResultExt};
use oci::Platform;
use rustix::fs::{Access, access};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Folders of containers being made and being removed begin so.
pub(crate) const NEW: &str = "new-";
/// See [`NEW`].
pub(crate) const GONE: &str = "gone-";
/// Those whose anonymous volumes go, too.
pub(crate) const GONE_WITH_VOLUMES: &str = "gone-with-volumes-";

/// From how many containers on they are read by several threads, and by how many at most.
const MANY: usize = 64;
const MOST_READERS: usize = 4;

/// A container as it is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    /// Its folder.
    pub dir: PathBuf,
    /// What was asked.
    pub record: Record,
    /// What happened.
    pub status: Status,
    /// What follows from both and from the lock.
    pub state: State,
    /// It does not run, and its files name things that its monitor may not have given back.
    pub has_leftovers: bool,
}

/// The containers under one folder.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    /// `<data>/containers`
    pub dir: PathBuf,
}

impl Containers {
    /// Every container, newest first.
    pub(crate) fn list(&self) -> Result<Vec<Container>> {
        let mut all = self.read_all(&self.ids()?)?;
        all.sort_by(|a, b| b.record.created.cmp(&a.record.created));
        Ok(all)
    }

    /// Most of it is waiting for the kernel's answers about paths: many are read side by side.
    fn read_all(&self, ids: &[String]) -> Result<Vec<Container>> {
        // One that is being removed at this moment is none.
        let read = |ids: &[String]| -> Result<Vec<Container>> {
            ids.iter().filter_map(|id| self.read(id).transpose()).collect()
        };
        if ids.len() < MANY {
            return read(ids);
        }
        let readers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_READERS);
        std::thread::scope(|scope| {
            let parts = ids.chunks(ids.len().div_ceil(readers)).map(|part| scope.spawn(move || read(part)));
            let parts: Vec<_> = parts.collect();
            let mut all = Vec::with_capacity(ids.len());
            for part in parts {
                all.extend(part.join().map_err(|_| Error::new(Kind::Internal, "a reader of containers failed"))??);
            }
            Ok(all)
        })
    }

    /// Ids of all whole containers.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        Ok(self.entries()?.into_iter().filter(|name| is_id(name)).collect())
    }

    /// Names of everything in the folder; none when there is no folder yet.
    pub(crate) fn entries(&self) -> Result<Vec<String>> {
        let words = || format!("can't list `{}`", self.dir.display());
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(cause).context(words),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.context(words)?.file_name().into_string());
        }
        Ok(names)
    }

    /// The container with that name, id or unambiguous beginning of an id. A name beats a prefix.
    pub(crate) fn find(&self, names: &crate::names::Names, wanted: &str) -> Result<Option<Container>> {
        if let Some(id) = names.lookup(wanted)?
            && let Some(found) = self.read(&id)?
        {
            return Ok(Some(found));
        }
        if is_id(wanted) {
            return self.read(wanted);
        }
        if wanted.is_empty() || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut matching = self.ids()?.into_iter().filter(|id| id.starts_with(wanted));
        match (matching.next(), matching.next()) {
            (Some(id), None) => self.read(&id),
            (Some(_), Some(_)) => {
                Err(Error::new(Kind::Conflict, format!("multiple IDs found with provided prefix: {wanted}")))
            }
            _ => Ok(None),
        }
    }

    /// The same for who needs one.
    pub(crate) fn get(&self, names: &crate::names::Names, wanted: &str) -> Result<Container> {
        self.find(names, wanted)?.ok_or_else(|| Error::not_found(format!("No such container: {wanted}")))
    }

    /// The container with that whole id. One whose files are damaged is dead and in nobody's way.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Container>> {
        let dir = self.dir.join(id);
        let record = record::read::<Record>(&dir.join(file::RECORD))
            .and_then(|found| found.map(|record| record.checked(id)).transpose());
        let (record, bad_record) = match damage(record)? {
            Ok(None) => return Ok(None),
            Ok(Some(record)) => (record, None),
            Err(bad) => (Record::lost(id), Some(bad)),
        };
        // The lock is looked at first: a monitor writes its last status before it lets go.
        let locked = is_locked(&dir)?;
        let (mut status, bad_status) = match damage(record::read::<Status>(&dir.join(file::STATUS)))? {
            Ok(status) => (status.unwrap_or_default(), None),
            Err(bad) => (Status::default(), Some(bad)),
        };
        let damage = bad_record.or(bad_status);
        if let Some(damage) = &damage {
            status.error = damage.to_string();
        }
        let state = match (locked, &status) {
            (false, _) if damage.is_some() => State::Dead,
            (true, status) if status.restarting => State::Restarting,
            (true, status) if !status.finished.is_empty() => State::Exited, // its monitor is clearing up
            (true, status) if status.started.is_empty() => State::Created,
            (true, status) if status.paused => State::Paused,
            (true, _) => State::Running,
            (false, status) if !status.finished.is_empty() => State::Exited,
            (false, status) if !status.started.is_empty() => State::Dead,
            (false, _) => State::Created,
        };
        // One that is removed between two of these looks seems to have been created only.
        if state == State::Created && !dir.try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let is_there = |name: &str| access(dir.join(name), Access::EXISTS).is_ok();
        let has_leftovers =
            matches!(state, State::Created | State::Dead) && [file::NETWORK, file::CGROUPS].into_iter().any(is_there);
        Ok(Some(Container { dir, record, status, state, has_leftovers }))
    }
}

impl Container {
    /// As lists show it.
    pub(crate) fn summary(self) -> ContainerSummary {
        let health = self.status.health.filter(|_| self.state.is_alive()).map(|health| health.status.name().to_owned());
        ContainerSummary {
            id: self.record.id,
            name: self.record.name,
            image: self.record.request.image,
            image_id: self.record.image_id.to_string(),
            command: self.record.command,
            created: self.record.created,
            pid: self.status.pid.filter(|_| self.state.is_alive()),
            started: self.status.started,
            finished: self.status.finished,
            state: self.state,
            exit_code: self.status.exit_code,
            health: health.unwrap_or_default(),
            error: self.status.error,
            labels: self.record.request.labels,
            network: inspect::networks(&self.record.request.network),
            platform: self.record.request.platform.unwrap_or_else(Platform::of_this_machine).to_string(),
            ..ContainerSummary::default()
        }
    }
}

/// Sets damage apart from failures to read.
fn damage<T>(read: Result<T>) -> Result<std::result::Result<T, Error>> {
    match read {
        Err(error) if error.kind != Kind::Invalid => Err(error),
        other => Ok(other),
    }
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Does somebody hold the container's lock: a maker, a monitor, a remover? Never waits, and is seen by none who asks
/// the same: they share the lock for that moment.
pub(crate) fn is_locked(dir: &Path) -> Result<bool> {
    match try_lock_as(dir, File::try_lock_shared) {
        Ok(taken) => Ok(taken.is_none()),
        Err(error) if error.kind == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the container's lock; `None` when somebody holds it or looks at it. Released when dropped.
pub(crate) fn try_lock(dir: &Path) -> Result<Option<File>> {
    try_lock_as(dir, File::try_lock)
}

fn try_lock_as(dir: &Path, how: impl FnOnce(&File) -> std::result::Result<(), TryLockError>) -> Result<Option<File>> {
    let path = dir.join(file::LOCK);
    let lock = File::open(&path).context(|| format!("can't open `{}`", path.display()))?;
    match how(&lock) {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause).context(|| format!("can't lock `{}`", path.display())),
    }
}
