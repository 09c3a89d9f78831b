//! The root file system as the payload will see it.
//!
//! The root is switched first, so that every later path starts at the container's own `/` and cannot name a file of
//! the host; `paths` says how they are resolved. What comes from the host was opened before the clone and travels as a
//! detached mount.

use super::paths::{make_dirs, make_file, make_link, make_plain_dirs, open};
use super::{At, Done, Inherited};
use crate::failure::Stage;
use crate::plan::{FsStep, Plan, Text};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, mount_move, move_mount,
    open_tree, unmount,
};
use rustix::process::{PidfdFlags, chdir, chroot, fchdir, getpid, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use std::ffi::CStr;
use sys::mount::{attribute, new_mount, pivot_root_here, set_attributes};

/// How many file systems can be made before the root is switched. A spec has one proc and one sysfs; more than these
/// are made in their turn, which only a user namespace forbids.
const EARLY_MOUNTS: usize = 4;

/// File systems made before the root is switched, by their place among the steps of that kind.
pub(super) type Early = [Option<OwnedFd>; EARLY_MOUNTS];

/// Makes proc and sysfs while the host's are still to be seen: in a user namespace the kernel grants new ones only then
/// (mount_namespaces(7), "Restrictions on mount namespaces"). The host's tree must be gone before the first path of the
/// container is resolved: as long as it is stacked on the new root, any `..` that comes to the root leads to it.
pub(super) fn make_early(plan: &Plan) -> Done<Early> {
    let mut early = [const { None }; EARLY_MOUNTS];
    let mut places = early.iter_mut();
    for (index, step) in plan.root.steps.iter().enumerate() {
        if let FsStep::Mount { fstype, source, parameters, attributes, plain: true, .. } = step
            && let Some(place) = places.next()
        {
            *place = Some(mount(fstype, source.as_ref(), parameters, *attributes).at(Stage::Step, index)?);
        }
    }
    Ok(early)
}

/// Attaches the root in our own mount namespace and makes it `/`.
pub(super) fn switch(plan: &Plan, inherited: &Inherited<'_>) -> Done {
    let target = plan.root.host_target.c();
    // Nothing that happens here may reach the host, and nothing of the host may reach here later.
    match mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE) {
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
            attach(inherited.root, &target).at(Stage::Root, 1)?;
        }
        Err(errno) => return Err(errno).at(Stage::Root, 0),
    }
    fchdir(inherited.root).at(Stage::Root, 2)?;
    match pivot_root_here() {
        // The old root is stacked on the new one at this point; detaching it leaves only ours.
        Ok(()) => unmount(c".", UnmountFlags::DETACH).at(Stage::Root, 4)?,
        // The initramfs cannot be pivoted away (pivot_root(2)): cover it, and enter what covers it. As it is the root of
        // the whole namespace, `..` from wherever one gets out of a chroot leads to what covers it, too.
        Err(Errno::INVAL) => {
            mount_move(c".", c"/").at(Stage::Root, 3)?;
            chroot(c".").at(Stage::Root, 4)?;
        }
        Err(errno) => return Err(errno).at(Stage::Root, 3),
    }
    chdir(c"/").at(Stage::Root, 5)
}

/// Goes to the root of our mount namespace, which is what joining one does (setns(2), with a pidfd since kernel 5.8).
/// In a chroot we could only stack the new root on a folder of the old tree, and a payload with CAP_SYS_CHROOT would
/// climb out of it.
fn leave_chroot() -> Result<(), Errno> {
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty())?;
    move_into_thread_name_spaces(ourselves.as_fd(), ThreadNameSpaceType::MOUNT)
}

/// Every step, in order.
pub(super) fn build(plan: &Plan, inherited: &Inherited<'_>, early: Early) -> Done {
    let mut early = early.into_iter().flatten();
    for (index, step) in plan.root.steps.iter().enumerate() {
        let done = match step {
            FsStep::Mount { fstype, source, parameters, attributes, target, plain } => {
                let made = if *plain { early.next() } else { None };
                made.map_or_else(|| mount(fstype, source.as_ref(), parameters, *attributes), Ok).and_then(|mount| {
                    let target = if *plain { make_plain_dirs(target.c()) } else { make_dirs(target.c()) };
                    attach(mount.as_fd(), &target?)
                })
            }
            FsStep::Bind { source, target } => inherited.sources.get(*source).ok_or(Errno::INVAL).and_then(|source| {
                if FileType::from_raw_mode(fstat(source)?.st_mode).is_dir() {
                    attach_dir(source.as_fd(), target.c())
                } else {
                    attach_file(source.as_fd(), target.c())
                }
            }),
            FsStep::Symlink { to, path } => make_link(to.c(), path.c()),
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
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(c"/", flags, Mode::empty()).at(Stage::ReadonlyRoot, 0)?;
    set_attributes(&root, attribute::RDONLY, 0, 0, false).at(Stage::ReadonlyRoot, 0)
}

fn mount(
    fstype: &Text,
    source: Option<&Text>,
    parameters: &[(Text, Option<Text>)],
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(fstype.c(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    if let Some(source) = source {
        fsconfig_set_string(&context, c"source", source.c())?;
    }
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

fn attach(mount: BorrowedFd<'_>, target: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

fn attach_dir(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    attach(mount, &make_dirs(target)?)
}

pub(super) fn attach_file(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    attach(mount, &make_file(target)?)
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
