//! Mounts as descriptors: what rustix lacks of the mount API of kernels 5.2 to 5.12.

use crate::process::check;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::CStr;

/// `MOUNT_ATTR_*` bits (mount_setattr(2), fsmount(2)).
pub mod attribute {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Ignore set-user-ID bits.
    pub const NOSUID: u64 = 0x2;
    /// No access to devices.
    pub const NODEV: u64 = 0x4;
    /// No execution.
    pub const NOEXEC: u64 = 0x8;
    /// Never update access times.
    pub const NOATIME: u64 = 0x10;
    /// Always update access times.
    pub const STRICTATIME: u64 = 0x20;
    /// All that says when access times are updated; to change one of them the whole must be cleared.
    pub const ATIME: u64 = 0x70;
    /// Never update access times of directories.
    pub const NODIRATIME: u64 = 0x80;
    /// Follow no symbolic links (kernel 5.14).
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
    /// Show ids mapped by a user namespace (kernel 5.12).
    pub const IDMAP: u64 = 0x10_0000;
}

/// `MS_*` propagation types (mount(2)).
pub mod propagation {
    /// Like private, and it cannot be bound elsewhere.
    pub const UNBINDABLE: u64 = 1 << 17;
    /// Mounts made here are seen nowhere else.
    pub const PRIVATE: u64 = 1 << 18;
    /// Mounts of the peers are seen here.
    pub const SLAVE: u64 = 1 << 19;
    /// Mounts made here are seen by the peers.
    pub const SHARED: u64 = 1 << 20;
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes the attributes of a mount, and with `recursive` of all below it (mount_setattr(2), kernel 5.12).
/// `propagation` is a `MS_*` propagation type or 0.
///
/// # Errors
/// `EINVAL` when `fd` is not the root of a mount, `EPERM` when an attribute is locked by an outer user namespace.
pub fn set_attributes(fd: impl AsFd, set: u64, clear: u64, propagation: u64, recursive: bool) -> Result<(), Errno> {
    change(fd.as_fd(), &MountAttr { set, clear, propagation, userns_fd: 0 }, recursive)
}

/// Shows the ids of files as `user_namespace` maps them (mount_setattr(2), `MOUNT_ATTR_IDMAP`). The mount must not be
/// attached anywhere yet.
///
/// # Errors
/// `EINVAL` when the file system cannot, or is mapped already.
pub fn map_ids(fd: impl AsFd, user_namespace: impl AsFd, recursive: bool) -> Result<(), Errno> {
    let userns_fd = u64::from(user_namespace.as_fd().as_raw_fd().unsigned_abs());
    change(fd.as_fd(), &MountAttr { set: attribute::IDMAP, clear: 0, propagation: 0, userns_fd }, recursive)
}

#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
fn change(fd: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let fd = fd.as_raw_fd();
    // SAFETY: `attr` is a live mount_attr of the size given; the path is an empty C string.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    check(ret).map(drop)
}

/// pivot_root(".", "."): the working directory becomes the root and the old root is stacked on it (pivot_root(2)).
#[allow(unsafe_code, reason = "rustix has it only for two different paths")]
pub fn pivot_root_here() -> Result<(), Errno> {
    // SAFETY: both arguments are C strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) }).map(drop)
}

/// A new file system with default parameters, mounted nowhere yet: `proc`, `sysfs`, `mqueue` …
pub fn new_mount(fstype: &CStr, attributes: u64) -> Result<OwnedFd, Errno> {
    new_mount_with(fstype, std::iter::empty(), attributes)
}

/// A new file system, mounted nowhere yet (fsopen(2), kernel 5.2). Parameters have a value or not; `attributes` are
/// `MOUNT_ATTR_*`. Allocates nothing.
///
/// # Errors
/// `EINVAL` for a parameter that the file system does not know, and for one of 256 bytes or more.
pub fn new_mount_with<'a>(
    fstype: &CStr,
    parameters: impl Iterator<Item = (&'a CStr, Option<&'a CStr>)>,
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
        fsopen,
    };
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in parameters {
        match value {
            Some(value) => fsconfig_set_string(&context, key, value)?,
            None => fsconfig_set_flag(&context, key)?,
        }
    }
    fsconfig_create(&context)?;
    let attributes = u32::try_from(attributes).map_err(|_| Errno::INVAL)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attributes))
}
