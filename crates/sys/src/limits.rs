//! Resource limits, groups and descriptor numbers by plain value, as a plan holds them.

use crate::process::check;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Rlimit;

/// Sets a limit of this process by the number of its resource (getrlimit(2)); `None` is unlimited.
#[allow(unsafe_code, reason = "rustix takes an enum that lacks the resources of newer kernels")]
pub fn set(resource: u32, limit: Rlimit) -> Result<(), Errno> {
    let value = |limit: Option<u64>| limit.unwrap_or(libc::RLIM64_INFINITY);
    let limit = libc::rlimit64 { rlim_cur: value(limit.current), rlim_max: value(limit.maximum) };
    // SAFETY: `limit` is a valid rlimit64; pid 0 is this process; the old value is not wanted.
    let ret = unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, std::ptr::null::<u8>()) };
    check(ret).map(drop)
}

/// Sets a limit of another process, soft and hard, with the caller's rights (prlimit(2)).
#[allow(unsafe_code, reason = "rustix takes an enum that lacks the resources of newer kernels")]
pub fn set_of(pid: rustix::process::Pid, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: `limit` is a valid rlimit64; the old value is not wanted.
    let ret = unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, std::ptr::null::<u8>()) };
    check(ret).map(drop)
}

/// Sets the supplementary groups of this thread (setgroups(2)). Allocates nothing.
#[allow(unsafe_code, reason = "rustix wants its own type, which would have to be allocated")]
pub fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: pointer and length are those of one slice.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Puts a copy of `fd`, marked close-on-exec, at exactly `number`; what was there is closed.
#[allow(unsafe_code, reason = "choosing a number is what std's ownership of descriptors forbids")]
pub fn move_to(fd: BorrowedFd<'_>, number: u32) -> Result<OwnedFd, Errno> {
    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    if fd.as_raw_fd() != number {
        // SAFETY: the caller is an init that uses no other descriptor again; see `process::close_range`.
        check(unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) }.into())?;
    }
    // SAFETY: the number is open now, and the caller gives up all others.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets an exec keep the descriptor of this number, whatever it is.
#[allow(unsafe_code, reason = "a number that is nobody's in this program")]
pub fn keep_at_exec(number: u32) -> Result<(), Errno> {
    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    // SAFETY: only the flag of a descriptor changes; EBADF where there is none.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }.into()).map(drop)
}
