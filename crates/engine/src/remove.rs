//! Removing containers: a rename takes them out of the list at once, then what is left is deleted.

use crate::containers::{Container, GONE, GONE_WITH_VOLUMES, NEW, is_locked, try_lock};
use crate::events;
use crate::names::Names;
use crate::record::{self, Record, Status, file};
use crate::volumes::Volumes;
use crate::{Engine, cgroups, networks, talk};
use api::{Remove, State, Wish};
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::signal::number;

/// How long a killed container may take to be cleaned up by its monitor.
const KILL_WAIT: Duration = Duration::from_secs(20);

/// How long a monitor may leave us without an answer until it is taken for hung.
const MONITOR_WAIT: Duration = Duration::from_secs(10);

/// A draft older than this whose lock is free was left by a killed process.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// What is left of a container that is gone: nobody finds it any more, but it takes room.
#[must_use = "it takes room until it is deleted"]
pub(crate) struct Leftover {
    dir: PathBuf,
    volumes: Volumes,
    names: Vec<String>,
}

impl Leftover {
    /// Deletes it. When the process is killed on the way, the next command that lists goes on.
    pub(crate) fn delete(self) -> Result<()> {
        // Each failure is told, none keeps the other from being tried.
        let removed = remove_volumes(&self.volumes, &self.names);
        remove_dir(&self.dir)?;
        removed
    }
}

/// Takes a container out of the list and gives its name back. The caller holds its lock. With `volumes` its anonymous
/// volumes go, too.
pub(crate) fn discard(dir: &Path, record: &Record, volumes: bool) -> Result<Leftover> {
    let (containers, data) = parents(dir)?;
    let prefix = if volumes { GONE_WITH_VOLUMES } else { GONE };
    let gone = containers.join(format!("{prefix}{}", record.id));
    renameat(CWD, dir, CWD, &gone)
        .map_err(std::io::Error::from)
        .context(|| format!("can't remove the container's folder `{}`", dir.display()))?;
    events::tell_of(data, record, "destroy", &[]);
    Names::new(data).release(&record.name, &record.id)?;
    let names = if volumes { record.anonymous_volumes.clone() } else { Vec::new() };
    Ok(Leftover { dir: gone, volumes: Volumes::new(data), names })
}

/// `rm`.
pub(crate) fn remove(engine: &Engine, request: &Remove) -> Result<()> {
    let Some(container) = engine.containers.find(&engine.names, &request.container)? else {
        return Err(Error::not_found(format!("No such container: {}", request.container)));
    };
    let Some(lock) = take_lock(engine, &container, request)? else {
        // With `--rm` its monitor has removed everything itself.
        return Ok(());
    };
    let volumes = request.volumes || container.record.request.remove;
    take_away(engine, &container, lock, volumes)
}

/// The last steps, for who has the lock.
pub(crate) fn take_away(engine: &Engine, container: &Container, lock: File, volumes: bool) -> Result<()> {
    clean_up(engine, container)?;
    let leftover = discard(&container.dir, &container.record, volumes)?;
    drop(lock);
    leftover.delete()
}

/// The lock of a container that does not run, killed first if that was asked. `None`: it has gone meanwhile.
fn take_lock(engine: &Engine, container: &Container, request: &Remove) -> Result<Option<File>> {
    let Container { dir, record, .. } = container;
    let deadline = Instant::now() + KILL_WAIT;
    let mut killed = false;
    loop {
        match try_lock(dir) {
            Ok(Some(lock)) => return Ok(Some(lock)),
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(None) => {}
        }
        // Looked at anew: it may just be starting. One that has ended keeps its lock for the moment that its monitor needs
        // to clear up, and who only looks at a lock has it no longer than that.
        let Some(now) = engine.containers.read(&record.id)? else { return Ok(None) };
        let state = match now.state {
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Created | State::Exited | State::Dead => "",
        };
        if !state.is_empty() && is_locked(dir)? {
            if !request.force {
                let message = format!(
                    "cannot remove container \"{}\": container is {state}: stop the container before removing or force remove",
                    record.name
                );
                return Err(Error::new(Kind::Conflict, message));
            }
            kill(dir, &now.status, &record.id)?;
            killed = true;
        }
        if Instant::now() > deadline {
            let text = if killed { "does not end although it was killed" } else { "is locked" };
            return Err(Error::new(Kind::Unavailable, format!("container \"{}\" {text}", record.name)));
        }
        // The lock tells nobody when it is released; the monitor needs a few milliseconds.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Has the payload killed by its monitor, which then does not start it again. A monitor that does not listen is killed
/// itself, and its payload with it.
fn kill(dir: &Path, status: &Status, id: &str) -> Result<()> {
    match talk::connect(dir, MONITOR_WAIT) {
        Ok(Some(socket)) => match talk::say(&socket, &Wish::Signal(number::KILL)) {
            Ok(()) => {
                // It hears of the end, or that there is no payload any more: the lock says what became of it.
                let _ = talk::answer(&socket, Some(MONITOR_WAIT), &mut |_| {});
                Ok(())
            }
            Err(error) => Err(error),
        },
        Ok(None) => Ok(()),
        Err(error) if error.kind == Kind::Unavailable => status.pid.map_or(Ok(()), |pid| kill_monitor(pid, id)),
        Err(error) => Err(error),
    }
}

/// Kills the parent of a payload, if it is the monitor of container `id`.
fn kill_monitor(payload: u32, id: &str) -> Result<()> {
    let words = || "can't kill the container's monitor";
    let Some(pid) = i32::try_from(payload).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let Some(found) = monitor(pid, id) else { return Ok(()) };
    let monitor_fd = match pidfd_open(found, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        other => other.map_err(std::io::Error::from).context(words)?,
    };
    // Still the parent: then it was no other process that got the number in between.
    if monitor(pid, id) != Some(found) {
        return Ok(());
    }
    match pidfd_send_signal(&monitor_fd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(words),
    }
}

/// The parent of a payload, if it is the monitor of the container `id`, whose folder is its last argument.
fn monitor(payload: Pid, id: &str) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", payload.as_raw_nonzero())).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    let parent = Pid::from_raw(parent.trim().parse().ok()?)?;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", parent.as_raw_nonzero())).ok()?;
    arguments.strip_suffix(b"\0")?.ends_with(format!("/{id}").as_bytes()).then_some(parent)
}

/// What a killed monitor could not give back.
pub(crate) fn clean_up(engine: &Engine, container: &Container) -> Result<()> {
    networks::disconnect(&container.dir, &container.record.id)?;
    cgroups::remove(&container.dir, &container.record.id, engine.host()?)
}

/// Gives back what killed processes left: cgroups and folders of dead `--rm` containers, drafts, half removed folders and
/// volumes.
/// Cheap where there is nothing; called by the commands that list, and gives them the containers that stay: each is
/// read once.
pub(crate) fn sweep(engine: &Engine) -> Result<Vec<Container>> {
    engine.volumes.sweep()?;
    for name in engine.containers.entries()? {
        let dir = engine.containers.dir.join(&name);
        if name.starts_with(GONE_WITH_VOLUMES) {
            remove_volumes(&engine.volumes, &volumes_of(&dir))?;
        }
        if name.starts_with(GONE) || name.starts_with(NEW) && is_abandoned(&dir) {
            remove_dir(&dir)?;
        }
    }
    let mut stay = Vec::new();
    let with_cgroup = cgroups::ids(engine.host()?);
    for container in engine.containers.list()? {
        if tidy(engine, &container, &with_cgroup)? {
            stay.push(container);
        }
    }
    let known: HashSet<&str> = stay.iter().map(|container| container.record.name.as_str()).collect();
    engine.names.sweep(&known)?;
    Ok(stay)
}

/// What a killed process left of one container; does the container stay?
fn tidy(engine: &Engine, container: &Container, with_cgroup: &HashSet<String>) -> Result<bool> {
    // One whose monitor was killed while it started looks like one that was never started, and may have a cgroup.
    if !matches!(container.state, State::Dead | State::Created) {
        return Ok(true);
    }
    let goes = container.state == State::Dead && container.record.request.remove;
    // Most were never started, and have nothing: a list of a thousand should not lock a thousand.
    if !goes && !container.has_leftovers && !with_cgroup.contains(&container.record.id) {
        return Ok(true);
    }
    let _lock = match try_lock(&container.dir) {
        Ok(Some(lock)) => lock,
        // Taken by somebody else: then it is theirs.
        Ok(None) => return Ok(true),
        Err(error) if error.kind == Kind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    clean_up(engine, container)?;
    if goes {
        discard(&container.dir, &container.record, true)?.delete()?;
    }
    Ok(!goes)
}

/// The anonymous volumes of a container that is half removed. Who removed it began with them and ends with the record, so
/// one that has no record any more has none.
fn volumes_of(dir: &Path) -> Vec<String> {
    let record = record::read::<Record>(&dir.join(file::RECORD)).unwrap_or_default();
    record.map_or(Vec::new(), |record| record.anonymous_volumes)
}

/// Those that somebody else uses, too, stay. Somebody may be removing the same: whoever comes second finds nothing.
fn remove_volumes(volumes: &Volumes, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    volumes.take(names, false)?;
    volumes.sweep()
}

fn is_abandoned(dir: &Path) -> bool {
    let age = std::fs::metadata(dir).and_then(|meta| meta.modified()).map(|time| time.elapsed());
    let old = matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER);
    old && !matches!(try_lock(dir), Ok(None))
}

/// Removes a folder and all in it; one that is not there is success.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    let (parent, _) = parents(dir)?;
    let words = || format!("can't remove `{}`", dir.display());
    let name = dir.file_name().ok_or_else(|| Error::new(Kind::Internal, words()))?;
    let parent = openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(words)?;
    sys::remove::remove_tree(parent.as_fd(), name).context(words)
}

/// `<data>/containers` and `<data>` of a container's folder.
pub(crate) fn parents(dir: &Path) -> Result<(&Path, &Path)> {
    let containers = dir.parent();
    let data = containers.and_then(Path::parent);
    containers
        .zip(data)
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` is no container's folder", dir.display())))
}
