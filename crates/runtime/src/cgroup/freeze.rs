//! Stops all processes of a container without their notice, and lets them go on.
//!
//! v2: `cgroup.freeze` (Linux 5.2); frozen processes can be killed. v1: the controller `freezer`
//! (<https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html>). Where both are there v2's is used, and both
//! are looked at, as others may have used v1's.

use super::dir::Dir;
use super::paths::{Paths, below};
use error::{Error, Kind, Result, ResultExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::CString;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long processes may take to come to rest: one in a system call that nothing interrupts comes to none.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long threads are waited for whose cgroup says too early that it is frozen. What takes longer is no fork: who waits
/// for the end of a vfork(2) looks as if it moved, and cannot.
const REST: Duration = Duration::from_millis(100);

/// The way to freeze.
enum Freezer {
    V1(Dir),
    V2(Dir),
}

/// Is this cgroup frozen, by itself or by one above it? Hierarchies that cannot freeze have neither file.
pub(super) fn is_frozen(dir: &Dir) -> Result<bool> {
    for (file, line) in [("cgroup.events", "frozen 1"), ("freezer.state", "FROZEN")] {
        match dir.read(file) {
            Ok(text) if text.lines().any(|found| found == line) => return Ok(true),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(|| "can't see whether a cgroup is frozen"),
        }
    }
    Ok(false)
}

impl Paths {
    /// Freezes all processes and waits until they rest.
    pub fn freeze(&self) -> Result<()> {
        let words = || "can't freeze the container's processes";
        let rested = match self.freezers().context(words)?.into_iter().next() {
            Some(Freezer::V2(dir)) => freeze_v2(&dir),
            Some(Freezer::V1(dir)) => freeze_v1(&dir),
            None => {
                let message = "neither a cgroup v2 hierarchy nor v1's controller `freezer` is available";
                return Err(Error::new(Kind::Unsupported, message).context(words()));
            }
        };
        match rested {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.thaw()?;
                let message = format!("some did not come to rest within {} s", PATIENCE.as_secs());
                Err(Error::new(Kind::Conflict, message).context(words()))
            }
            Err(error) => {
                // Whatever has come to rest goes on; the failure is the one to tell.
                let _ = self.thaw();
                Err(error).context(words)
            }
        }
    }

    /// Lets them go on; also if they were not frozen.
    pub fn thaw(&self) -> Result<()> {
        for freezer in self.freezers().context(|| "can't thaw the container's processes")? {
            let written = match freezer {
                Freezer::V2(dir) => dir.write("cgroup.freeze", "0"),
                Freezer::V1(dir) => dir.write("freezer.state", "THAWED"),
            };
            written.map_err(std::io::Error::from).context(|| "can't thaw the container's processes")?;
        }
        Ok(())
    }

    /// Are they frozen, or about to be? A cgroup that is gone isn't.
    pub fn is_frozen(&self) -> Result<bool> {
        for freezer in self.freezers().context(|| "can't see whether the container is frozen")? {
            let frozen = match freezer {
                Freezer::V2(dir) => dir.text("cgroup.freeze")?.trim() == "1",
                Freezer::V1(dir) => dir.text("freezer.state")?.trim() != "THAWED",
            };
            if frozen {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets go what v1's freezer holds, here and in cgroups below, which a payload may have frozen itself: such processes
    /// do not die before.
    pub(super) fn release_killed(&self) -> Result<()> {
        let Some(place) = self.v1("freezer") else { return Ok(()) };
        for path in below(&place.path())? {
            match Dir::open(&path).and_then(|dir| dir.write("freezer.state", "THAWED")) {
                // Gone meanwhile.
                Ok(()) | Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => {
                    let failed = Err(std::io::Error::from(errno));
                    return failed.context(|| format!("can't thaw the cgroup `{}`", path.display()));
                }
            }
        }
        Ok(())
    }

    /// Those that are there, the better one first.
    fn freezers(&self) -> Result<Vec<Freezer>> {
        let mut found = Vec::new();
        if let Some(place) = self.v2() {
            match Dir::open(&place.path()).and_then(|dir| dir.read("cgroup.freeze").map(|_| dir)) {
                Ok(dir) => found.push(Freezer::V2(dir)),
                // Before Linux 5.2, or gone.
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            }
        }
        if let Some(place) = self.v1("freezer") {
            match Dir::open(&place.path()) {
                Ok(dir) => found.push(Freezer::V1(dir)),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            }
        }
        Ok(found)
    }
}

/// A cgroup that has both processes and cgroups below it says that it is frozen as soon as either are (kernel 6.18): so
/// each cgroup is asked, and the processes of those are looked at.
fn freeze_v2(dir: &Dir) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    dir.write("cgroup.freeze", "1").map_err(std::io::Error::from)?;
    let tree = below(&dir.path)?;
    for path in &tree {
        match wait_frozen(path, end) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // Gone meanwhile.
            Err(Errno::NOENT | Errno::NODEV) => {}
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
    }
    let end = Instant::now() + REST;
    let is_leaf = |path: &Path| !tree.iter().any(|other| other != path && other.starts_with(path));
    for path in tree.iter().filter(|path| !is_leaf(path)) {
        while has_moving(path) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(true)
}

/// `cgroup.events` tells by POLLPRI that it changed (cgroups(7), "cgroup v2 release notification").
fn wait_frozen(path: &Path, end: Instant) -> Result<bool, Errno> {
    let events = openat(CWD, path.join("cgroup.events"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    loop {
        let mut buffer = [0; 256];
        let count = rustix::io::pread(&events, &mut buffer, 0)?;
        if String::from_utf8_lossy(&buffer[..count]).contains("frozen 1") {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).map_err(|_| Errno::OVERFLOW)?;
        match poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Is a thread of this very cgroup still on its way through the kernel, where it may be making another? One that is gone
/// isn't, and neither is one of another pid namespace.
fn has_moving(path: &Path) -> bool {
    let threads = Dir::open(path).and_then(|dir| dir.read("cgroup.threads")).unwrap_or_default();
    threads.lines().any(|thread| {
        let stat = CString::new(format!("/proc/{thread}/stat")).ok().and_then(|path| sys::read::small(&path).ok());
        // The name, in parentheses, may have spaces and parentheses in it (proc_pid_stat(5)).
        stat.is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['R', 'D'])))
    })
}

/// Nothing tells; a task that was being moved or made while we wrote is only caught by writing again.
fn freeze_v1(dir: &Dir) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        dir.write("freezer.state", "FROZEN").map_err(std::io::Error::from)?;
        if dir.text("freezer.state")?.trim() == "FROZEN" {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
