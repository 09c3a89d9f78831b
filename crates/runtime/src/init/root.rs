//! The root file system as the payload will see it.
//!
//! The root is switched first, so that every later path starts at the container's own `/` and cannot name a file of
//! the host; targets are resolved without magic links (`/proc/self/fd/…`), the one way that would be left. What comes
//! from the host was opened before the clone and travels as a detached mount.

use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::{FsStep, Plan, Text};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, mknodat, openat2, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, mount_move, move_mount,
    open_tree, unmount,
};
use rustix::process::{chdir, chroot, fchdir};
use std::ffi::CStr;
use sys::mount::{attribute, new_mount, pivot_root_here, set_attributes};

/// Longest path that a step may name (`PATH_MAX` of linux/limits.h).
const PATH_MAX: usize = 4096;

/// Attaches the root in our own mount namespace and makes it `/`.
pub(super) fn switch(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    // Nothing that happens here may reach the host, and nothing of the host may reach here later.
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).at(Stage::Root, 0)?;
    let target = plan.root.host_target.c();
    move_mount(inherited.root, c"", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).at(Stage::Root, 1)?;
    fchdir(inherited.root).at(Stage::Root, 2)?;
    match pivot_root_here() {
        // The old root is stacked on the new one at this point; detaching it leaves only ours.
        Ok(()) => unmount(c".", UnmountFlags::DETACH).at(Stage::Root, 4)?,
        // pivot_root(2) refuses when `/` is no mount point or the initramfs: cover `/` and enter what covers it.
        Err(Errno::INVAL) => {
            mount_move(c".", c"/").at(Stage::Root, 3)?;
            chroot(c".").at(Stage::Root, 4)?;
        }
        Err(errno) => return Err(errno).at(Stage::Root, 3),
    }
    chdir(c"/").at(Stage::Root, 5)
}

/// Every step, in order.
pub(super) fn build(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, step) in plan.root.steps.iter().enumerate() {
        let done = match step {
            FsStep::Mount { fstype, parameters, attributes, target } => {
                mount(fstype, parameters, *attributes).and_then(|mount| attach_dir(mount.as_fd(), target.c()))
            }
            FsStep::Bind { source, target } => inherited.sources.get(*source).ok_or(Errno::INVAL).and_then(|source| {
                if FileType::from_raw_mode(fstat(source)?.st_mode).is_dir() {
                    attach_dir(source.as_fd(), target.c())
                } else {
                    attach_file(source.as_fd(), target.c())
                }
            }),
            FsStep::Symlink { to, path } => symlink(to.c(), path.c()),
        };
        done.at(Stage::Step, index)?;
    }
    Ok(())
}

/// Masked and read-only paths. `/dev/null` comes as a source, not from the container's tree, where it could be a
/// link to somewhere else (CVE-2025-31133).
pub(super) fn hide(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, path) in plan.root.readonly_paths.iter().enumerate() {
        ignore_absent(remount_readonly(path)).at(Stage::ReadonlyPath, index)?;
    }
    if plan.root.masked.is_empty() {
        return Ok(());
    }
    let attributes = attribute::RDONLY | attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
    let empty = new_mount(c"tmpfs", attributes).at(Stage::Mask, 0)?;
    let null = inherited.sources.get(plan.root.null_source).ok_or(Errno::INVAL).at(Stage::Mask, 0)?;
    let mut dirs = Cover { mount: empty.as_fd(), attached: false };
    let mut files = Cover { mount: null.as_fd(), attached: false };
    for (index, path) in plan.root.masked.iter().enumerate() {
        ignore_absent(mask(path, &mut dirs, &mut files)).at(Stage::Mask, index)?;
    }
    Ok(())
}

/// The root becomes read-only when the plan says so: after everything that had to be made in it.
pub(super) fn seal(plan: &Plan) -> Done {
    if !plan.root.readonly {
        return Ok(());
    }
    let root = open(c"/", OFlags::PATH | OFlags::DIRECTORY).at(Stage::ReadonlyRoot, 0)?;
    set_attributes(&root, attribute::RDONLY, 0, 0, false).at(Stage::ReadonlyRoot, 0)
}

fn mount(fstype: &Text, parameters: &[(Text, Option<Text>)], attributes: u64) -> Result<OwnedFd, Errno> {
    if parameters.is_empty() {
        return new_mount(fstype.c(), attributes);
    }
    let context = fsopen(fstype.c(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in parameters {
        match value {
            Some(value) => fsconfig_set_string(&context, key.c(), value.c())?,
            None => fsconfig_set_flag(&context, key.c())?,
        }
    }
    fsconfig_create(&context)?;
    let attributes = u32::try_from(attributes).map_err(|_| Errno::INVAL)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attributes))
}

/// Opens a path of the container: `..` and links end at its root, magic links are refused.
pub(super) fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        // EAGAIN: something was renamed while `..` was being resolved (openat2(2)).
        match openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn attach(mount: BorrowedFd<'_>, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

fn attach_dir(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    attach(mount, &make_dirs(target)?)
}

pub(super) fn attach_file(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    let file = match open(target, OFlags::PATH) {
        Err(Errno::NOENT) => {
            let (parent, name) = make_parent(target)?;
            match mknodat(&parent, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0) {
                Ok(()) | Err(Errno::EXIST) => open(target, OFlags::PATH)?,
                Err(errno) => return Err(errno),
            }
        }
        other => other?,
    };
    attach(mount, &file)
}

fn symlink(to: &CStr, path: &CStr) -> Result<(), Errno> {
    let (parent, name) = make_parent(path)?;
    match symlinkat(to, &parent, name) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// The directory that holds the last name of `path`, made when absent, and that name.
fn make_parent(path: &CStr) -> Result<(OwnedFd, &CStr), Errno> {
    let bytes = path.to_bytes_with_nul();
    let slash = path.to_bytes().iter().rposition(|b| *b == b'/').ok_or(Errno::INVAL)?;
    let name = CStr::from_bytes_with_nul(&bytes[slash + 1..]).map_err(|_| Errno::INVAL)?;
    let mut buffer = [0; PATH_MAX];
    let parent = prefix(&mut buffer, &bytes[..slash.max(1)])?;
    Ok((make_dirs(parent)?, name))
}

/// Opens a directory; makes it and its parents when they are absent.
pub(super) fn make_dirs(path: &CStr) -> Result<OwnedFd, Errno> {
    let whole = OFlags::PATH | OFlags::DIRECTORY;
    match open(path, whole) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let bytes = path.to_bytes();
    let mut dir = open(c"/", whole)?;
    let mut buffer = [0; PATH_MAX];
    let mut end = 0;
    while end < bytes.len() {
        let start = end + 1; // paths begin with `/`, and so does each round
        end = bytes[start.min(bytes.len())..].iter().position(|b| *b == b'/').map_or(bytes.len(), |n| start + n);
        if start >= end {
            continue;
        }
        let mut name = [0; 256];
        match mkdirat(&dir, prefix(&mut name, &bytes[start..end])?, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        // By the whole prefix, so that a link among the parents is resolved inside the root.
        dir = open(prefix(&mut buffer, &bytes[..end])?, whole)?;
    }
    Ok(dir)
}

fn prefix<'a>(buffer: &'a mut [u8], bytes: &[u8]) -> Result<&'a CStr, Errno> {
    buffer.get_mut(..bytes.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(bytes);
    *buffer.get_mut(bytes.len()).ok_or(Errno::NAMETOOLONG)? = 0;
    CStr::from_bytes_with_nul(&buffer[..=bytes.len()]).map_err(|_| Errno::INVAL)
}

fn remount_readonly(path: &Text) -> Result<(), Errno> {
    let place = open(path.c(), OFlags::PATH)?;
    let copy = clone_tree(&place, c"", true)?;
    set_attributes(&copy, attribute::RDONLY, 0, 0, true)?;
    attach(copy.as_fd(), &place)
}

/// What covers masked paths. Its first use attaches the mount itself and later ones copies of it: before kernel 6.15
/// only an attached mount can be copied.
struct Cover<'a> {
    mount: BorrowedFd<'a>,
    attached: bool,
}

fn mask<'a>(path: &Text, dirs: &mut Cover<'a>, files: &mut Cover<'a>) -> Result<(), Errno> {
    let place = open(path.c(), OFlags::PATH)?;
    let is_dir = FileType::from_raw_mode(fstat(&place)?.st_mode).is_dir();
    let cover = if is_dir { dirs } else { files };
    if cover.attached {
        return attach(clone_tree(cover.mount, c"", false)?.as_fd(), &place);
    }
    attach(cover.mount, &place)?;
    cover.attached = true;
    Ok(())
}

/// A copy of a mount, attached nowhere.
pub(super) fn clone_tree(of: impl AsFd, path: &CStr, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(of, path, flags)
}

fn ignore_absent(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        other => other,
    }
}
