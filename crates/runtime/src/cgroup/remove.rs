//! Takes cgroups away, with the processes and cgroups in them.

use super::kill::KILL;
use super::paths::{Paths, below};
use super::place::{Place, Version};
use error::{Error, Kind, Result, ResultExt};
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::io::Errno;
use std::path::Path;
use std::time::Duration;

/// How often an emptied cgroup is tried to be removed, a millisecond apart: its last task may still be on its way out.
const TRIES: u32 = 500;

impl Paths {
    /// Kills what is left in the cgroups and removes them, with all below. What is not there is removed already. One
    /// that can't be removed does not keep the others: every failure is told.
    pub fn remove(&self) -> Result<()> {
        let stopped = self.systemd_unit.as_ref().map_or(Ok(()), |unit| {
            // Left to systemd, they would first be asked to end. What can't be killed is told below.
            let _ = self.kill_all(KILL);
            unit.stop()
        });
        let paths: Vec<_> = self.places.iter().map(Place::path).collect();
        let mut busy: Vec<&Path> = Vec::new();
        let mut failures: Vec<Error> = stopped.err().into_iter().collect();
        for path in &paths {
            match rmdir(path) {
                Ok(()) => {}
                Err(Errno::BUSY) => busy.push(path),
                Err(errno) => failures.push(failure(path, errno)),
            }
        }
        if !busy.is_empty() {
            if let Err(error) = self.kill_all(KILL) {
                failures.push(error);
            }
            for path in busy {
                failures.extend(tree(path).err());
            }
        }
        together(failures)
    }
}

/// Removes the trees at these paths; kills the processes of each.
pub(super) fn all<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    together(paths.filter_map(|path| tree(path).err()).collect())
}

fn tree(path: &Path) -> Result<()> {
    for _ in 0..TRIES {
        match rmdir(path) {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY) => {}
            Err(errno) => return Err(failure(path, errno)),
        }
        // Processes first: who was moved here from elsewhere, or is in this hierarchy only.
        let here = Place { version: Version::V2, controllers: Vec::new(), mount: path.to_owned(), dir: "".into() };
        Paths { places: vec![here], systemd_unit: None }.kill_all(KILL)?;
        for dir in below(path)? {
            if dir == path {
                continue;
            }
            match rmdir(&dir) {
                // What cannot be removed yet is tried again in the next round.
                Ok(()) | Err(Errno::BUSY) => {}
                Err(errno) => return Err(failure(&dir, errno)),
            }
        }
        // Nothing tells of the moment when a killed task has left; it is a matter of microseconds.
        if matches!(rmdir(path), Err(Errno::BUSY)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let message = format!("can't remove the cgroup `{}`: processes stay in it", path.display());
    Err(Error::new(Kind::Conflict, message))
}

fn rmdir(path: &Path) -> Result<(), Errno> {
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn failure(path: &Path, errno: Errno) -> Error {
    let failed = Err::<(), _>(std::io::Error::from(errno));
    failed.context(|| format!("can't remove the cgroup `{}`", path.display())).expect_err("made as one")
}

/// One error of all, the first one's kind.
fn together(failures: Vec<Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    Err(failures.fold(first, |all, next| all.hint(format!("also: {next}"))))
}
