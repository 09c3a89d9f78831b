//! The root file system as the payload will see it.
//!
//! Its tree is built where the host has it, then becomes `/`; `paths` says how its paths are resolved meanwhile. What
//! comes from the host was opened in the launcher's mount namespace and travels as a detached mount.

use super::mounts::{file_system, of_container};
use super::paths::{make_dirs, make_file, make_link, make_node, make_plain_dirs, open};
use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::{Entry, FsStep, Plan, Propagation, Text};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, fchmod, fstat, fstatfs, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, mount_move, move_mount,
    open_tree, unmount,
};
use rustix::process::{PidfdFlags, chdir, chroot, fchdir, getpid, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use std::ffi::CStr;
use sys::mount::{attribute, new_mount_with, pivot_root_here, propagation, set_attributes};

/// A mount namespace that the document names takes the place of the launcher's.
pub(super) fn enter_mount_namespace(inherited: &Inherited<'_>) -> Done {
    let Some(namespace) = inherited.mount_namespace else { return Ok(()) };
    sys::process::enter_namespaces(namespace, sys::process::namespace::MOUNT).at(Stage::Root, 6)
}

/// A copy of the launcher's, whose mounts are the host's still.
pub(super) fn leave_mount_namespace() -> Done {
    sys::process::leave_namespaces(sys::process::namespace::MOUNT).at(Stage::Root, 9)
}

/// Attaches the root in our mount namespace, and makes it the working directory: that is what every path of the container
/// is resolved from until it is `/`.
pub(super) fn attach(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    let target = plan.root.host_target.c();
    // Nothing that happens here may reach the host, and nothing of the host may reach here later. Where its mounts are
    // ours, too, the launcher has seen to that, and the rest is not ours to change.
    let private = match plan.root.entry {
        Entry::Chroot => Ok(()),
        Entry::Pivot | Entry::Cover => mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE),
    };
    match private {
        Ok(()) => {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(inherited.root, c"", CWD, target, flags).at(Stage::Root, 1)?;
        }
        // `/` is no mount point: we are in a chroot.
        Err(Errno::INVAL) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let target = rustix::fs::open(target, flags, Mode::empty()).at(Stage::Root, 1)?;
            leave_chroot().at(Stage::Root, 0)?;
            mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).at(Stage::Root, 0)?;
            attach_to(inherited.root, &target).at(Stage::Root, 1)?;
        }
        Err(errno) => return Err(errno).at(Stage::Root, 0),
    }
    fchdir(inherited.root).at(Stage::Root, 2)
}

/// Makes the root, which is the working directory, the root of our mount namespace, or ours alone.
pub(super) fn switch(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    let pivoted = match plan.root.entry {
        Entry::Pivot => pivot_root_here(),
        Entry::Cover => Err(Errno::INVAL),
        Entry::Chroot => {
            chroot(c".").at(Stage::Root, 4)?;
            return chdir(c"/").at(Stage::Root, 5);
        }
    };
    match pivoted {
        // The old root is stacked on the new one at this point; detaching it leaves only ours.
        Ok(()) => unmount(c".", UnmountFlags::DETACH).at(Stage::Root, 4)?,
        // The initramfs cannot be pivoted away (pivot_root(2)): cover it, and enter what covers it. As it is the root of
        // the whole namespace, `..` from wherever one gets out of a chroot leads to what covers it, too.
        Err(Errno::INVAL) => {
            inherited.revealing.iter().try_for_each(|point| take_away(point)).at(Stage::Root, 8)?;
            mount_move(c".", c"/").at(Stage::Root, 3)?;
            chroot(c".").at(Stage::Root, 4)?;
        }
        Err(errno) => return Err(errno).at(Stage::Root, 3),
    }
    chdir(c"/").at(Stage::Root, 5)
}

/// The propagation that the plan says. The root could not be pivoted to while it was shared, nor anything below it be
/// made read-only while it cannot be bound.
pub(super) fn set_propagation(plan: &Plan) -> Done {
    let Propagation { kind, recursive } = plan.root.propagation;
    if kind == propagation::PRIVATE {
        return Ok(());
    }
    let root = open(c"/", OFlags::PATH | OFlags::DIRECTORY).at(Stage::Root, 7)?;
    set_attributes(&root, 0, 0, kind, recursive).at(Stage::Root, 7)
}

/// Unmounts what the host has there; where that is not ours to do (in a user namespace), covers it, which counts as much.
fn take_away(point: &CStr) -> Result<(), Errno> {
    match unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(_) => {
            let attributes = attribute::RDONLY | attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
            let empty = new_mount_with(c"tmpfs", std::iter::empty(), attributes)?;
            move_mount(&empty, c"", CWD, point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        }
    }
}

/// Goes to the root of our mount namespace, which is what joining one does (setns(2), with a pidfd since kernel 5.8).
/// In a chroot we could only stack the new root on a folder of the old tree, and a payload with CAP_SYS_CHROOT would
/// climb out of it.
fn leave_chroot() -> Result<(), Errno> {
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty())?;
    move_into_thread_name_spaces(ourselves.as_fd(), ThreadNameSpaceType::MOUNT)
}

/// Every step, in order.
///
/// The host's tree is still there: in a user namespace the kernel grants a new proc or sysfs only while another one is
/// to be seen whole (mount_namespaces(7), "Restrictions on mount namespaces"), and hooks look for the container's tree
/// where the bundle has it. No path of the container leads to it: each is resolved by the kernel inside the root.
pub(super) fn build(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, (step, made)) in plan.root.steps.iter().zip(inherited.made).enumerate() {
        take(plan, step, made.take(), inherited).at(Stage::Step, index)?;
    }
    Ok(())
}

/// `made` is what was made for the step already.
fn take(plan: &Plan, step: &FsStep, made: Option<OwnedFd>, inherited: &Inherited<'_>) -> Result<(), Errno> {
    match step {
        FsStep::Mount { target, plain, mode_of_target, .. } => {
            let mount = made.map_or_else(|| file_system(step), Ok)?;
            if *mode_of_target {
                take_mode(&mount, target.c())?;
            }
            let place = if *plain { make_plain_dirs(target.c()) } else { make_dirs(target.c()) };
            attach_at(mount.as_fd(), &place?, target)
        }
        FsStep::Bind { source, target } => {
            let made = if made.is_some() { made } else { of_container(plan, *source)? };
            let source = made.as_ref().map_or_else(|| opened(inherited, *source), |made| Ok(made.as_fd()))?;
            let is_dir = FileType::from_raw_mode(fstat(source)?.st_mode).is_dir();
            let place = if is_dir { make_dirs(target.c()) } else { make_file(target.c()) };
            attach_at(source, &place?, target)
        }
        FsStep::Symlink { to, path } => make_link(to.c(), path.c()),
        FsStep::Node(node) => make_node(node),
        FsStep::Change { target, set, clear } => {
            set_attributes(open(target.c(), OFlags::PATH)?, *set, *clear, 0, false)
        }
    }
}

/// The top of a new mount gets the mode of what it will cover, if there is anything.
fn take_mode(mount: &OwnedFd, target: &CStr) -> Result<(), Errno> {
    let covered = match open(target, OFlags::PATH) {
        Err(Errno::NOENT) => return Ok(()),
        other => fstat(other?)?,
    };
    let top = openat(mount, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fchmod(&top, Mode::from_raw_mode(covered.st_mode))
}

/// A source that the launcher opened.
fn opened<'a>(inherited: &Inherited<'a>, source: usize) -> Result<BorrowedFd<'a>, Errno> {
    inherited.sources.get(source).and_then(|source| source.as_ref()).map(AsFd::as_fd).ok_or(Errno::INVAL)
}

/// Nothing is mounted over a file of `/proc` by way of a link: what the plan names below it is harmless, and no link can
/// stand there (CVE-2019-16884).
fn attach_at(mount: BorrowedFd<'_>, place: &OwnedFd, target: &Text) -> Result<(), Errno> {
    let is_named = matches!(target.c().to_bytes(), b"/proc" | [b'/', b'p', b'r', b'o', b'c', b'/', ..]);
    if !is_named && fstatfs(place)?.f_type == PROC_SUPER_MAGIC {
        return Err(Errno::ACCESS);
    }
    attach_to(mount, place)
}

/// Masked and read-only paths. `/dev/null` comes as a source, not from the container's tree, where it could be a
/// link to somewhere else (CVE-2025-31133).
pub(super) fn hide(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    for (index, path) in plan.root.readonly_paths.iter().enumerate() {
        ignore_absent(remount_readonly(path)).at(Stage::ReadonlyPath, index)?;
    }
    for (index, path) in plan.root.sealed.iter().enumerate() {
        let change = |place| set_attributes(place, attribute::RDONLY, 0, 0, false);
        open(path.c(), OFlags::PATH).and_then(change).at(Stage::Seal, index)?;
    }
    if plan.root.masked.is_empty() {
        return Ok(());
    }
    let attributes = attribute::RDONLY | attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
    let context = plan.root.label.iter().map(|label| (c"context", Some(label.c())));
    let empty = new_mount_with(c"tmpfs", context, attributes).at(Stage::Mask, 0)?;
    let null = opened(inherited, plan.root.null_source).at(Stage::Mask, 0)?;
    let mut dirs = Cover { mount: empty.as_fd(), attached: false };
    let mut files = Cover { mount: null, attached: false };
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
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(c"/", flags, Mode::empty()).at(Stage::ReadonlyRoot, 0)?;
    set_attributes(&root, attribute::RDONLY, 0, 0, false).at(Stage::ReadonlyRoot, 0)
}

fn attach_to(mount: BorrowedFd<'_>, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

pub(super) fn attach_file(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    attach_to(mount, &make_file(target)?)
}

fn remount_readonly(path: &Text) -> Result<(), Errno> {
    let place = open(path.c(), OFlags::PATH)?;
    let copy = clone_tree(&place, c"", true)?;
    set_attributes(&copy, attribute::RDONLY, 0, 0, true)?;
    attach_to(copy.as_fd(), &place)
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
        return attach_to(clone_tree(cover.mount, c"", false)?.as_fd(), &place);
    }
    attach_to(cover.mount, &place)?;
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
