//! `diff`: what a container changed.

use crate::Engine;
use crate::containers::Container;
use api::Change;
use error::{Result, ResultExt};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::MountAttrFlags;
use snapshot::Upper;
use std::collections::HashSet;

/// What every start of a container makes where its image has nothing, for something to be mounted on: Docker's list.
/// Deeper ones first.
const PLACES: [&str; 10] =
    ["dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/resolv.conf", "dev", "etc", "proc", "sys"];

impl Engine {
    /// What a container changed, by path, each with a slash at its beginning.
    pub fn changes(&self, wanted: &str) -> Result<Vec<(Change, Vec<u8>)>> {
        let container = self.containers.get(&self.names, wanted)?;
        let (upper, lower) = (upper(&container)?, lower(self, &container)?);
        let omit = stubs(&upper, &lower)?;
        let found = snapshot::changes(upper.as_fd(), lower.as_fd(), self.snapshots.flavour(), &omit)?;
        let told = |change| match change {
            snapshot::Change::Added => Change::Added,
            snapshot::Change::Changed => Change::Changed,
            snapshot::Change::Deleted => Change::Deleted,
        };
        Ok(found.into_iter().map(|(path, change)| (told(change), [b"/", &*path].concat())).collect())
    }
}

/// The folder of what the container changed.
pub(crate) fn upper(container: &Container) -> Result<OwnedFd> {
    let path = Upper::at(&container.dir).dir;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(CWD, &path, flags, Mode::empty()).map_err(std::io::Error::from);
    opened.context(|| format!("can't open `{}`", path.display()))
}

/// What its image shows.
pub(crate) fn lower(engine: &Engine, container: &Container) -> Result<OwnedFd> {
    let chain = engine.snapshots.chain(&container.record.layers)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    snapshot::mount(&chain, None, false, engine.snapshots.flavour(), attributes)
}

/// Paths that are no changes of the payload's.
pub(crate) fn stubs(upper: &OwnedFd, lower: &OwnedFd) -> Result<HashSet<Vec<u8>>> {
    snapshot::stubs(upper.as_fd(), lower.as_fd(), &PLACES)
}
