//! Removing containers: a rename takes them out of the list at once, then what is left is deleted.

use crate::Engine;
use crate::containers::{Container, GONE, NEW, try_lock};
use crate::names::Names;
use crate::record::Record;
use crate::volumes::Volumes;
use api::{Remove, State};
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a killed container may take to be cleaned up by its monitor.
const KILL_WAIT: Duration = Duration::from_secs(10);

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
        // Each failure is told, none keeps the others from being tried.
        let removed: Vec<Result<()>> = self.names.iter().map(|name| self.volumes.remove(name)).collect();
        remove_dir(&self.dir)?;
        removed.into_iter().collect()
    }
}

/// Takes a container out of the list and gives its name back. The caller holds its lock. With `volumes` its anonymous
/// volumes go, too.
pub(crate) fn discard(dir: &Path, record: &Record, volumes: bool) -> Result<Leftover> {
    let (containers, data) = parents(dir)?;
    let gone = containers.join(format!("{GONE}{}", record.id));
    renameat(CWD, dir, CWD, &gone)
        .map_err(std::io::Error::from)
        .context(|| format!("can't remove the container's folder `{}`", dir.display()))?;
    Names::new(data).release(&record.name, &record.id)?;
    let names = if volumes { record.anonymous_volumes.clone() } else { Vec::new() };
    Ok(Leftover { dir: gone, volumes: Volumes::new(data), names })
}

/// `rm`.
pub(crate) fn remove(engine: &Engine, request: &Remove) -> Result<()> {
    let Some(container) = engine.containers.find(&engine.names, &request.container)? else {
        return Err(Error::not_found(format!("No such container: {}", request.container)));
    };
    let lock = take_lock(&container, request)?;
    clean_up(engine, &container)?;
    let Container { dir, record, .. } = container;
    let leftover = discard(&dir, &record, request.volumes || record.request.remove)?;
    drop(lock);
    leftover.delete()
}

/// The lock of a container that does not run, killed first if that was asked.
fn take_lock(container: &Container, request: &Remove) -> Result<File> {
    if let Some(lock) = try_lock(&container.dir)? {
        return Ok(lock);
    }
    // One that has ended keeps its lock for the moment that its monitor needs to clear up.
    if !request.force && container.state != State::Exited {
        let message = format!(
            "cannot remove container \"{}\": container is running: stop the container before removing or force remove",
            container.record.name
        );
        return Err(Error::new(Kind::Conflict, message));
    }
    if let (State::Running, Some(pid)) = (&container.state, container.status.pid) {
        kill(pid)?;
    }
    let deadline = SystemTime::now() + KILL_WAIT;
    loop {
        match try_lock(&container.dir) {
            Ok(Some(lock)) => return Ok(lock),
            // With `--rm` the monitor has removed everything itself.
            Err(error) if error.kind == Kind::NotFound => {
                return File::open("/dev/null").context(|| "can't open `/dev/null`");
            }
            Err(error) => return Err(error),
            Ok(None) if SystemTime::now() > deadline => {
                let message = format!("container \"{}\" does not end although it was killed", container.record.name);
                return Err(Error::new(Kind::Unavailable, message));
            }
            // The lock tells nobody when it is released; the monitor needs a few milliseconds.
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Kills the payload; the rest of its pid namespace goes with it.
fn kill(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::new(Kind::Internal, "the container's status has an impossible process id"))?;
    // Our child it is not: the number stays its own as long as its monitor, which we saw alive, has not waited for it.
    match pidfd_open(pid, PidfdFlags::empty())
        .and_then(|fd| rustix::process::pidfd_send_signal(fd, rustix::process::Signal::KILL))
    {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        // Another id of a rootless user's, in another of his user namespaces. Its monitor is the user himself.
        Err(rustix::io::Errno::PERM) => order_kill(pid),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't kill the container's payload"),
    }
}

/// Has the monitor kill its payload.
fn order_kill(payload: Pid) -> Result<()> {
    let words = || "can't order the container's monitor to kill its payload";
    let monitor = |payload: Pid| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", payload.as_raw_nonzero())).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        Pid::from_raw(parent.trim().parse().ok()?)
    };
    let Some(found) = monitor(payload) else { return Ok(()) }; // it has ended
    let monitor_fd = pidfd_open(found, PidfdFlags::empty()).map_err(std::io::Error::from).context(words)?;
    // Still the parent: then it was no other process that got the number in between.
    if monitor(payload) != Some(found) {
        return Ok(());
    }
    match rustix::process::pidfd_send_signal(monitor_fd, rustix::process::Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(words),
    }
}

/// What a killed monitor could not give back.
fn clean_up(engine: &Engine, container: &Container) -> Result<()> {
    match &engine.host()?.cgroup {
        Some(base) => runtime::cgroup::remove(base, &container.record.id),
        None => Ok(()),
    }
}

/// Gives back what killed processes left: cgroups and folders of dead `--rm` containers, drafts, half removed folders.
/// Cheap where there is nothing; called by the commands that list.
pub(crate) fn sweep(engine: &Engine) -> Result<()> {
    engine.names.sweep()?;
    for name in engine.containers.entries()? {
        let dir = engine.containers.dir.join(&name);
        if name.starts_with(GONE) || name.starts_with(NEW) && is_abandoned(&dir) {
            remove_dir(&dir)?;
        }
    }
    for container in engine.containers.list()? {
        if container.state != State::Dead {
            continue;
        }
        // Taken by somebody else: then it is theirs.
        let Some(_lock) = try_lock(&container.dir)? else { continue };
        clean_up(engine, &container)?;
        if container.record.request.remove {
            discard(&container.dir, &container.record, true)?.delete()?;
        }
    }
    Ok(())
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
fn parents(dir: &Path) -> Result<(&Path, &Path)> {
    let containers = dir.parent();
    let data = containers.and_then(Path::parent);
    containers
        .zip(data)
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` is no container's folder", dir.display())))
}
