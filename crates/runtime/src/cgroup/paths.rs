//! Where a container's cgroups are: what its state remembers, and what everything later begins with.

use super::dir::Dir;
use super::make::Cgroup;
use super::place::{Place, Version};
use super::systemd::Unit;
use error::{Result, ResultExt};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The cgroups of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// One in each hierarchy, v2 last.
    pub places: Vec<Place>,
    /// The unit that systemd knows it by, where systemd made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd_unit: Option<Unit>,
}

impl Paths {
    /// Opens them, so that another process can join (`exec`).
    pub fn open(&self) -> Result<Cgroup> {
        let dirs = self.places.iter().map(|place| open(&place.path())).collect::<Result<_>>()?;
        Ok(Cgroup { paths: self.clone(), dirs, made: Vec::new() })
    }

    /// The same for a cgroup below them, which must be there in each hierarchy.
    ///
    /// # Errors
    /// `Invalid` for a name that leads elsewhere.
    pub fn open_below(&self, name: &str) -> Result<Cgroup> {
        let below = Path::new(name.trim_start_matches('/'));
        if !below.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            return Err(error::Error::invalid(format!("`{name}` does not name a cgroup below the container's")));
        }
        let mut paths = self.clone();
        for place in &mut paths.places {
            place.dir.push(below);
        }
        paths.open()
    }

    /// All processes in the cgroup and in those below it that are in our pid namespace.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        let mut pids = Vec::new();
        if let Some(place) = self.tree() {
            collect(&place.path(), &mut pids)?;
        }
        pids.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        pids.dedup();
        Ok(pids)
    }

    /// The place whose tree is looked at for processes. A process is in every hierarchy, so that one of them will do.
    fn tree(&self) -> Option<&Place> {
        self.v2().or_else(|| self.v1("freezer")).or(self.places.first())
    }

    pub(super) fn v2(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.version == Version::V2)
    }

    pub(super) fn v1(&self, controller: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.version == Version::V1 && place.has(controller))
    }

    /// The opened home of a controller, by its name in each version.
    pub(super) fn home(&self, v1: &str, v2: &str) -> Result<Option<(Version, Dir)>> {
        let place = self.v1(v1).or_else(|| self.v2().filter(|place| place.has(v2)));
        place.map(|place| Ok((place.version, open(&place.path())?))).transpose()
    }
}

fn open(path: &Path) -> Result<Dir> {
    Dir::open(path).map_err(std::io::Error::from).context(|| format!("can't open the cgroup `{}`", path.display()))
}

/// A cgroup that is gone has no processes.
fn collect(path: &Path, pids: &mut Vec<Pid>) -> Result<()> {
    for dir in below(path)? {
        let text = match Dir::open(&dir).and_then(|dir| dir.read("cgroup.procs")) {
            Ok(text) => text,
            // Gone meanwhile; or threaded, and then its processes are listed by a cgroup above.
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => continue,
            Err(errno) => {
                let words = || format!("can't list the processes of the cgroup `{}`", dir.display());
                return Err(std::io::Error::from(errno)).context(words);
            }
        };
        // A process of another pid namespace is a 0 here and no business of ours.
        pids.extend(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)));
    }
    Ok(())
}

/// A cgroup and all below it, the deepest first.
pub(super) fn below(path: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        let words = || format!("can't list the cgroup `{}`", dir.display());
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(cause) if is_gone(&cause) => continue,
            Err(cause) => return Err(cause).context(words),
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))) {
                Ok((path, true)) => waiting.push(path),
                Ok((_, false)) => {}
                Err(cause) if is_gone(&cause) => {}
                Err(cause) => return Err(cause).context(words),
            }
        }
        found.push(dir);
    }
    // Each stands behind the one above it.
    found.reverse();
    Ok(found)
}

fn is_gone(cause: &std::io::Error) -> bool {
    matches!(cause.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::NOENT | Errno::NODEV))
}
