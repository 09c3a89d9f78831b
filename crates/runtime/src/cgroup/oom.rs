//! Notice of the kernel killing for want of memory.
//!
//! v1: an eventfd registered with `memory.oom_control` (cgroups/memory.rst, section 9). v2: inotify on `memory.events`,
//! and on `cgroup.events`, which tells when the last process is gone.

use super::dir::Dir;
use super::paths::Paths;
use super::place::Version;
use error::{Error, Kind, Result, ResultExt};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, inotify, openat};
use rustix::io::Errno;

/// What an [`OomWatch`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomEvent {
    /// Memory ran out; v2: something was killed for it.
    Oom,
    /// The cgroup is gone, or v2: no process is in it any more. Nothing will follow.
    Gone,
}

/// A descriptor that becomes readable when there is something to [`read`](Self::read).
#[derive(Debug)]
pub struct OomWatch {
    fd: OwnedFd,
    dir: Dir,
    version: Version,
    kills: u64,
    /// v1: the registration lasts as long as this file of its.
    _control: Option<OwnedFd>,
}

impl Paths {
    /// Begins to watch.
    pub fn watch_oom(&self) -> Result<OomWatch> {
        let words = || "can't watch for want of memory";
        let Some((version, dir)) = self.home("memory", "memory")? else {
            let message = "the cgroup controller `memory` is not available";
            return Err(Error::new(Kind::Unsupported, message).context(words()));
        };
        let watched = match version {
            Version::V1 => register(&dir).map(|(fd, control)| (fd, Some(control))),
            Version::V2 => watch(&dir).map(|fd| (fd, None)),
        };
        let (fd, control) = watched.map_err(std::io::Error::from).context(words)?;
        let kills = kills(&dir, version)?;
        Ok(OomWatch { fd, dir, version, kills, _control: control })
    }

    /// How many processes the kernel has killed for want of memory in the cgroup (v1: Linux 4.13, v2: and below).
    pub fn oom_kill_count(&self) -> Result<u64> {
        match self.home("memory", "memory")? {
            Some((version, dir)) => kills(&dir, version),
            None => Ok(0),
        }
    }
}

/// Bytes of a cgroup's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// The limit, if it has one.
    pub limit: Option<u64>,
    /// The most so far (v2: Linux 5.19).
    pub peak: Option<u64>,
}

impl Paths {
    /// How much memory it may have, and how much it had at most. What cannot be read is not known.
    pub fn memory_use(&self) -> MemoryUse {
        let Ok(Some((version, dir))) = self.home("memory", "memory") else { return MemoryUse::default() };
        let (limit, peak) = match version {
            Version::V1 => ("memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            Version::V2 => ("memory.max", "memory.peak"),
        };
        let number = |file| dir.read(file).ok()?.trim().parse().ok();
        // v1's word for "none" is the greatest number of whole pages.
        MemoryUse { limit: number(limit).filter(|limit| *limit < u64::MAX >> 2), peak: number(peak) }
    }
}

impl OomWatch {
    /// What happened since the last call; does not wait. A descriptor may also be readable for nothing.
    pub fn read(&mut self) -> Result<Vec<OomEvent>> {
        let mut told = false;
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(_) => told = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(std::io::Error::from(errno)).context(|| "can't read of want of memory"),
            }
        }
        if !told {
            return Ok(Vec::new());
        }
        // v1 also tells when the cgroup is removed.
        let Ok(events) = self.dir.read(count_file(self.version)) else { return Ok(vec![OomEvent::Gone]) };
        if self.version == Version::V1 {
            return Ok(vec![OomEvent::Oom]);
        }
        let mut seen = Vec::new();
        let kills = count(&events);
        if kills > self.kills {
            self.kills = kills;
            seen.push(OomEvent::Oom);
        }
        if !self.dir.read("cgroup.events").is_ok_and(|text| text.contains("populated 1")) {
            seen.push(OomEvent::Gone);
        }
        Ok(seen)
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn register(dir: &Dir) -> Result<(OwnedFd, OwnedFd), Errno> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = openat(dir.as_fd(), "memory.oom_control", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    dir.write("cgroup.event_control", &format!("{} {}", event.as_raw_fd(), control.as_raw_fd()))?;
    Ok((event, control))
}

fn watch(dir: &Dir) -> Result<OwnedFd, Errno> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    for file in ["memory.events", "cgroup.events"] {
        inotify::add_watch(&fd, dir.path.join(file), inotify::WatchFlags::MODIFY)?;
    }
    Ok(fd)
}

fn count_file(version: Version) -> &'static str {
    if version == Version::V1 { "memory.oom_control" } else { "memory.events" }
}

fn kills(dir: &Dir, version: Version) -> Result<u64> {
    dir.text(count_file(version)).map(|text| count(&text))
}

pub(super) fn count(text: &str) -> u64 {
    // A kernel before 4.13 does not count.
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}
