//! Opens what a plan shows of the host: each source becomes a mount of its own that is attached nowhere yet.
//!
//! It is done in the launcher's mount namespace: there the host's mounts are, and those that share with them. The launcher
//! does it before the clone, or the init, at its turn among the other mounts (`init/mounts.rs`).

use crate::plan::{Content, IdMaps, Plan, Source, SourceIdMap, Text};
use crate::user_namespace;
use error::{Error, Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

/// One descriptor for each of `plan.root.sources`, in their order; `None` for those that the init opens. `root` is the
/// container's root file system.
pub(crate) fn open(plan: &Plan, root: BorrowedFd<'_>) -> Result<Vec<Option<OwnedFd>>> {
    let mut mapper = Mapper::default();
    let mut sources = Vec::with_capacity(plan.root.sources.len());
    for (index, source) in plan.root.sources.iter().enumerate() {
        if is_for_the_init(plan, index, source) {
            sources.push(None);
            continue;
        }
        let mount = match &source.content {
            Content::Host { path, recursive, nofollow } => {
                open_host(path, *recursive, *nofollow).map_err(|errno| not_opened(source, errno))?
            }
            Content::CopyUp { path, parameters } => copy_up(root, path, parameters)
                .context(|| format!("can't copy `{}` of the root file system into a tmpfs", path.lossy()))?,
            Content::Inside { .. } => return Err(not_opened(source, Errno::INVAL)),
        };
        prepare(&mount, source).map_err(|errno| not_prepared(source, sys::kernel::error(errno)))?;
        if let Some(id_map) = &source.id_map {
            mapper.map(&mount, id_map).map_err(|error| not_prepared(source, error))?;
        }
        sources.push(Some(mount));
    }
    Ok(sources)
}

/// What covers masks is needed at no step, and a map of ids needs a process to carry it.
fn is_for_the_init(plan: &Plan, index: usize, source: &Source) -> bool {
    match source.content {
        Content::Host { .. } => {
            plan.mounts_before_leaving() && index != plan.root.null_source && source.id_map.is_none()
        }
        Content::Inside { .. } => true,
        Content::CopyUp { .. } => false,
    }
}

pub(crate) fn not_opened(source: &Source, errno: Errno) -> Error {
    sys::kernel::error(errno).context(format!("can't open `{}` to mount it", source.name()))
}

pub(crate) fn not_prepared(source: &Source, cause: Error) -> Error {
    cause.context(format!("can't prepare the mount of `{}`", source.name()))
}

impl Source {
    /// For error texts.
    pub(crate) fn name(&self) -> std::borrow::Cow<'_, str> {
        match &self.content {
            Content::Host { path, .. } | Content::Inside { path, .. } | Content::CopyUp { path, .. } => path.lossy(),
        }
    }
}

/// Allocates nothing.
pub(crate) fn open_host(path: &Text, recursive: bool, nofollow: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if nofollow {
        flags |= OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    }
    match open_tree(CWD, path.c(), flags) {
        // What the kernel says of a mount of another namespace.
        Err(Errno::INVAL) => crate::elsewhere::open(path).unwrap_or(Err(Errno::INVAL)),
        other => other,
    }
}

/// Gives it the source's attributes and propagation. Allocates nothing.
pub(crate) fn prepare(mount: &OwnedFd, source: &Source) -> Result<(), Errno> {
    let change = |(set, clear): (u64, u64), recursive| {
        if set | clear == 0 { Ok(()) } else { sys::mount::set_attributes(mount, set, clear, 0, recursive) }
    };
    change(source.attributes_below, true)?;
    change(source.attributes, false)?;
    for propagation in &source.propagations {
        sys::mount::set_attributes(mount, 0, 0, propagation.kind, propagation.recursive)?;
    }
    Ok(())
}

/// User namespaces that carry the maps of id-mapped mounts; mounts with equal maps share one.
#[derive(Default)]
struct Mapper {
    namespaces: Vec<(IdMaps, OwnedFd)>,
}

impl Mapper {
    fn map(&mut self, mount: &OwnedFd, id_map: &SourceIdMap) -> Result<()> {
        if !self.namespaces.iter().any(|(maps, _)| *maps == id_map.maps) {
            self.namespaces.push((id_map.maps.clone(), user_namespace::make(&id_map.maps)?));
        }
        let namespace = self.namespaces.iter().find(|(maps, _)| *maps == id_map.maps).map(|(_, fd)| fd.as_fd());
        let namespace = namespace.expect("it was found or added");
        let mapped = sys::mount::map_ids(mount, namespace, id_map.recursive).map_err(sys::kernel::error);
        mapped.map_err(|error| error.hint("the file system must allow id-mapped mounts"))
    }
}

/// What podman and runc call `tmpcopyup`.
fn copy_up(root: BorrowedFd<'_>, path: &Text, parameters: &[(Text, Option<Text>)]) -> Result<OwnedFd> {
    let tmpfs = sys::mount::new_mount_with(
        c"tmpfs",
        parameters.iter().map(|(key, value)| (key.c(), value.as_ref().map(Text::c))),
        0,
    )
    .map_err(sys::kernel::error)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match sys::inside::open(root, path.c(), flags) {
        Ok(original) => {
            let copy = rustix::fs::openat(&tmpfs, c".", flags, Mode::empty()).map_err(std::io::Error::from)?;
            sys::copy::tree(original.as_fd(), copy.as_fd())?;
            // What the parameters say of the top stays as it is.
            if !parameters.iter().any(|(key, _)| key.c().to_bytes() == b"mode") {
                sys::copy::folder_metadata(original.as_fd(), copy.as_fd())?;
            }
        }
        // Nothing to copy: the target is made later.
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(std::io::Error::from(errno).into()),
    }
    Ok(tmpfs)
}
