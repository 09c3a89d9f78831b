//! Mounts as descriptors: what rustix lacks of the mount API of kernels 5.2 to 5.12.

use crate::process::check;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
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
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn set_attributes(fd: impl AsFd, set: u64, clear: u64, propagation: u64, recursive: bool) -> Result<(), Errno> {
    let attr = MountAttr { set, clear, propagation, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `attr` is a valid mount_attr of the size given; the path is an empty C string.
    let ret = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
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
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = u32::try_from(attributes).map_err(|_| Errno::INVAL)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::from_bits_retain(attributes))
}
