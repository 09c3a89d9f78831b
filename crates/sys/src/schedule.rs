//! How a process is scheduled: processor, disk, memory nodes, and which machine it takes itself to run on.
//!
//! Everything is for the calling thread and allocates nothing.

use crate::process::check;
use rustix::io::Errno;

/// `struct sched_attr` of linux/sched/types.h, its first version (kernel 3.14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attributes {
    /// Bytes of this structure; [`set_attributes`] fills it in.
    pub size: u32,
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// -20 to 19, for the policies that share time.
    pub nice: i32,
    /// 1 to 99, for `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub deadline: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub period: u64,
}

/// sched_setattr(2).
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn set_attributes(attributes: Attributes) -> Result<(), Errno> {
    let size = u32::try_from(size_of::<Attributes>()).map_err(|_| Errno::INVAL)?;
    let attributes = Attributes { size, ..attributes };
    // SAFETY: the structure is live, and as large as its `size` says.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) }).map(drop)
}

/// Sets class and level for disks, joined as ioprio_set(2) wants them (`class << 13 | level`).
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn set_io_priority(priority: u32) -> Result<(), Errno> {
    const WHO_PROCESS: libc::c_int = 1;
    // SAFETY: the call takes plain numbers; 0 is the caller.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority) }).map(drop)
}

/// Runs on these processors only: bit n is processor n (sched_setaffinity(2)).
#[allow(unsafe_code, reason = "rustix has a set of fixed size")]
pub fn set_affinity(processors: &[u64]) -> Result<(), Errno> {
    // SAFETY: pointer and length are those of one slice; the kernel reads no more.
    let ret = unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(processors), processors.as_ptr()) };
    check(ret).map(drop)
}

/// personality(2).
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn set_personality(persona: u64) -> Result<(), Errno> {
    // SAFETY: the call takes a plain number.
    check(unsafe { libc::syscall(libc::SYS_personality, persona) }).map(drop)
}

/// From which memory nodes the process takes memory: bit n is node n (set_mempolicy(2)).
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<(), Errno> {
    // The kernel takes one bit less than it is told.
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let nodes = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the kernel reads as many bits as the slice has.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes, bits) }).map(drop)
}
