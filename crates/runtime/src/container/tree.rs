//! Where a container without a mount namespace has its root file system: in its caller's, below the container's folder.
//!
//! ```text
//! <root>/<id>/tree    the folder, bound onto itself and private: what is mounted there is mounted nowhere else
//!    └ the root file system; the init attaches it, and what the document mounts hangs on it
//! ```
//! Nobody else can reach that folder, so its path alone says what to unmount, and two containers of one root file system
//! know nothing of each other. Hooks find the container's tree there, not where the bundle has it.

use super::folder::{Folder, file};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{NamespaceKind, Spec};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use sys::mount::{propagation, set_attributes};

/// Is the mount namespace of such a container its caller's?
pub(super) fn is_needed(spec: &Spec) -> bool {
    let namespaces = spec.linux.as_ref().map_or(&[][..], |linux| &linux.namespaces);
    namespaces.iter().all(|namespace| namespace.kind != NamespaceKind::Mount)
}

/// CRIU would take all mounts of the host for the container's.
pub(super) fn refuse(spec: &Spec, what: &str) -> Result<()> {
    if !is_needed(spec) {
        return Ok(());
    }
    let why = format!("a container without a mount namespace can't be {what}");
    Err(Error::new(Kind::Unsupported, format!("config.json: `linux.namespaces`: {why}")))
}

/// Makes the place; `state.json` must be there, so that somebody looks for it.
pub(super) fn make(folder: &Folder) -> Result<()> {
    let make = || {
        match mkdirat(&folder.dir, file::TREE, Mode::RWXU) {
            // A `create` or `delete` that was killed left it.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let place =
            open_tree(&folder.dir, file::TREE, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
        let there = open(folder)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&place, c"", &there, c"", flags)?;
        // Last: on a shared file system it has just become shared. Its copies elsewhere stay empty, and go with it.
        set_attributes(&place, 0, 0, propagation::PRIVATE, false)
    };
    make().map_err(sys::kernel::error).context(|| format!("can't mount `{}`", folder.path.join(file::TREE).display()))
}

/// Unmounts all of it and takes the place away; absent is fine.
pub(super) fn remove(folder: &Folder) -> Result<(), Errno> {
    loop {
        let top = match open(folder) {
            Err(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        // A bind mount that is shared with the host would take the host's own mounts below it along.
        match set_attributes(&top, 0, 0, propagation::PRIVATE, true) {
            Ok(()) => unmount(folder.path.join(file::TREE), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?,
            // Nothing is mounted there any more.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    // Copies that other mount namespaces made meanwhile go with the folder (rmdir(2) of a mount point of theirs, Linux 3.18).
    unlinkat(&folder.dir, file::TREE, AtFlags::REMOVEDIR)
}

fn open(folder: &Folder) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&folder.dir, file::TREE, flags, Mode::empty())
}

/// Where it is, for [`enter`].
pub(super) fn path(folder: &Folder) -> CString {
    CString::new(folder.path.join(file::TREE).into_os_string().into_vec()).expect("the folder was opened by its path")
}

/// Makes it the root of this process, which is in the container's mount namespace. The first process may have gone to
/// another root since, so its own is not asked. Allocates nothing.
pub(crate) fn enter(path: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::process::fchdir(rustix::fs::open(path, flags, Mode::empty())?)?;
    rustix::process::chroot(c".")
}
