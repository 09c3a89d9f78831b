//! `volume-subpath`: a folder or file in a volume is mounted, and whatever links the volume's users put there, it is one
//! of the volume.

use crate::record::Record;
use crate::spec::Content;
use error::{Error, Result, ResultExt};
use oci::runtime::{Mount, Spec};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// It is there when the container is made.
pub(super) fn check(data: &Path, subpath: &str) -> Result<Content> {
    open(data, subpath)?;
    Ok(Content::Host(data.join(subpath)))
}

/// Opens what is there when the container starts, and has the spec name what was opened: a path could be turned into a
/// link to somewhere else before it is mounted. The descriptors must live until then.
pub(crate) fn pin(spec: &mut Spec, record: &Record) -> Result<Vec<OwnedFd>> {
    let mut pinned = Vec::new();
    for volume in record.mounts.iter().filter(|volume| !volume.subpath.is_empty()) {
        let is_it = |mount: &&mut Mount| mount.kind == "bind" && mount.destination == volume.target;
        let Some(mount) = spec.mounts.iter_mut().find(is_it) else { continue };
        let Some(data) = data_of(&mount.source, &volume.subpath) else { continue };
        let opened = open(&data, &volume.subpath)?;
        mount.source = format!("/proc/self/fd/{}", opened.as_raw_fd());
        pinned.push(opened);
    }
    Ok(pinned)
}

fn data_of(source: &str, subpath: &str) -> Option<PathBuf> {
    let depth = Path::new(subpath).components().count();
    Path::new(source).ancestors().nth(depth).map(Path::to_owned)
}

fn open(data: &Path, subpath: &str) -> Result<OwnedFd> {
    let words = || format!("cannot access path {}", data.join(subpath).display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, data, flags, Mode::empty()).map_err(std::io::Error::from).context(words)?;
    match sys::inside::open(&folder, subpath, OFlags::PATH) {
        Ok(opened) => Ok(opened),
        Err(Errno::NOENT) => Err(Error::not_found("no such file or directory").context(words())),
        Err(errno) => Err(std::io::Error::from(errno)).context(words),
    }
}
