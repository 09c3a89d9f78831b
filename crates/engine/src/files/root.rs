//! A container's tree as a descriptor.
//!
//! Of one that runs, its monitor gives it: what the payload itself sees as `/`, volumes and all. Of others it is mounted
//! once more, in a mount namespace of our own that ends with us: read-only and beside whoever else uses it, or to be
//! written, and then under the container's lock.

use crate::containers::Container;
use crate::create::mount_again;
use crate::record::{self, file};
use crate::{Engine, start, talk};
use api::{State, Wish};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Mount, Spec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree};
use snapshot::Upper;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long a monitor may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is wanted of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Reading,
    Writing,
}

/// The tree; one that does not run is not started while this value lives and the tree is for writing.
pub(super) struct Root {
    pub fd: OwnedFd,
    _lock: Option<File>,
}

/// Opens a container's tree. Single-threaded, since it may leave for another mount namespace.
pub(super) fn open(engine: &Engine, container: &Container, purpose: For) -> Result<Root> {
    // It may start or end between our look and what we do; then we look again.
    let mut container = container.clone();
    loop {
        let id = container.record.id.clone();
        match container.state {
            State::Running | State::Paused => {
                if let Some(fd) = of_payload(&container.dir)? {
                    return Ok(Root { fd, _lock: None });
                }
            }
            State::Restarting => {
                let text = format!("Container {id} is restarting, wait until the container is running");
                return Err(Error::new(Kind::Conflict, text));
            }
            // Whose volumes have no places yet gets them first, as by its first start.
            State::Exited | State::Dead if purpose == For::Reading => return mounted(engine, &container, None),
            State::Created | State::Exited | State::Dead => {
                if let Some((lock, container)) = start::lock(engine, &id)? {
                    return mounted(engine, &container, Some(lock));
                }
            }
        }
        container = engine.containers.read(&id)?.ok_or_else(|| Error::not_found(format!("No such container: {id}")))?;
    }
}

/// What the payload sees; `None` when it has just ended.
fn of_payload(dir: &Path) -> Result<Option<OwnedFd>> {
    let Some(socket) = talk::connect(dir, PATIENCE)? else { return Ok(None) };
    talk::say(&socket, &Wish::Root)?;
    talk::descriptor(&socket, PATIENCE)
}

fn mounted(engine: &Engine, container: &Container, lock: Option<File>) -> Result<Root> {
    let Container { dir, record, .. } = container;
    if record.layers.is_empty() && record.created.is_empty() {
        let text = format!("container {} is damaged: it can only be removed", record.id);
        return Err(Error::new(Kind::Conflict, text));
    }
    let spec: Spec = record::read(&dir.join(file::SPEC))?.unwrap_or_default();
    let fd = match lock {
        Some(_) => mount_again(dir, record)?,
        None => view(engine, container)?,
    };
    let words = || format!("can't mount the files of container {}", record.name);
    attach(&fd, &dir.join("work")).context(words)?;
    for mount in spec.mounts.iter().filter(|mount| is_bind(mount)) {
        show(mount, fd.as_fd(), lock.is_some()).context(words)?;
    }
    Ok(Root { fd, _lock: lock })
}

/// The tree without anything that is mounted in it, to be read only.
pub(super) fn view(engine: &Engine, container: &Container) -> Result<OwnedFd> {
    let chain = engine.snapshots.chain(&container.record.layers)?;
    snapshot::view(&chain, &Upper::at(&container.dir), engine.snapshots.flavour())
}

/// Only what is attached somewhere can have mounts in it. Nobody else sees that place in a namespace of our own, and we
/// have no other use for it.
fn attach(root: &OwnedFd, place: &Path) -> std::io::Result<()> {
    sys::process::leave_namespaces(sys::process::namespace::MOUNT)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(move_mount(root, c"", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

fn is_bind(mount: &Mount) -> bool {
    // Devices and views of the kernel are no files of a container.
    mount.kind == "bind" && !["/dev", "/proc", "/sys"].iter().any(|view| Path::new(&mount.source).starts_with(view))
}

/// A bind or a volume, where the payload would see it.
fn show(mount: &Mount, root: BorrowedFd<'_>, may_make: bool) -> Result<()> {
    let words = || format!("can't show `{}` at `{}`", mount.source, mount.destination);
    let has = |option: &str| mount.options.iter().any(|known| known == option);
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if has("rbind") {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let source = open_tree(CWD, &mount.source, flags).map_err(std::io::Error::from).context(words)?;
    if has("ro") {
        let read_only = sys::mount::set_attributes(&source, sys::mount::attribute::RDONLY, 0, 0, false);
        read_only.map_err(std::io::Error::from).context(words)?;
    }
    let target = match sys::inside::open(root, mount.destination.as_str(), OFlags::PATH) {
        Err(Errno::NOENT) if may_make => make_place(root, Path::new(&mount.destination), &source),
        Err(Errno::NOENT) => return Ok(()),
        other => other,
    };
    let target = target.map_err(std::io::Error::from).context(words)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&source, c"", &target, c"", flags).map_err(std::io::Error::from).context(words)
}

/// What its first start would make: a folder for a folder, an empty file for anything else.
fn make_place(root: BorrowedFd<'_>, path: &Path, source: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    if FileType::from_raw_mode(fstat(source)?.st_mode) == FileType::Directory {
        return make_folder(root, path);
    }
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::NOENT) };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    openat(make_folder(root, above)?, name, flags, Mode::from_raw_mode(0o755))?;
    sys::inside::open(root, path, OFlags::PATH)
}

fn make_folder(root: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    match sys::inside::open(root, path, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::NOENT) };
    mkdirat(make_folder(root, above)?, name, Mode::from_raw_mode(0o755))?;
    sys::inside::open(root, path, OFlags::PATH | OFlags::DIRECTORY)
}
