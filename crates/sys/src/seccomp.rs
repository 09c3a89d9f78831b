//! Loads a seccomp filter: a classic BPF program that decides on every later system call of this thread.
//!
//! <https://man7.org/linux/man-pages/man2/seccomp.2.html>

use crate::process::check;
use rustix::io::Errno;
use std::os::fd::{FromRawFd, OwnedFd};

/// The kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip when a condition holds.
    pub jt: u8,
    /// How many instructions to skip when it doesn't.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Flags of a load; values of `SECCOMP_FILTER_FLAG_…`.
pub mod flag {
    /// For all threads of the process.
    pub const TSYNC: u32 = 1;
    /// Everything but "allow" goes to the audit log (Linux 4.14).
    pub const LOG: u32 = 1 << 1;
    /// Leaves speculative store bypass on (Linux 4.17).
    pub const SPEC_ALLOW: u32 = 1 << 2;
    /// Returns a descriptor that tells of calls (Linux 5.0).
    pub const NEW_LISTENER: u32 = 1 << 3;
    /// With a listener and `TSYNC`: failure is `ESRCH` (Linux 5.7).
    pub const TSYNC_ESRCH: u32 = 1 << 4;
    /// Only a deadly signal interrupts a wait for the listener (Linux 5.19).
    pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;
}

/// Loads `program` for this thread and all that it starts. Needs `no_new_privs` or CAP_SYS_ADMIN.
///
/// Gives the listener's descriptor if `flags` asks for one; the kernel makes it close-on-exec. Allocates nothing.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn load(program: &[Instruction], flags: u32) -> Result<Option<OwnedFd>, Errno> {
    let Ok(len) = libc::c_ushort::try_from(program.len()) else { return Err(Errno::INVAL) };
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `filter` says where `program` is and how long; `Instruction` has the layout of `sock_filter` (checked
    // below). The kernel copies it and writes nothing. A bad program is refused with EINVAL.
    let result =
        check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) })?;
    if flags & flag::NEW_LISTENER == 0 {
        // With TSYNC alone a positive result is the thread that couldn't follow.
        return if result == 0 { Ok(None) } else { Err(Errno::SRCH) };
    }
    let fd = i32::try_from(result).map_err(|_| Errno::OVERFLOW)?;
    // SAFETY: with NEW_LISTENER a success is a new descriptor that nobody else has.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

const _: () = {
    assert!(size_of::<Instruction>() == size_of::<libc::sock_filter>());
    assert!(align_of::<Instruction>() == align_of::<libc::sock_filter>());
    assert!(std::mem::offset_of!(Instruction, jt) == std::mem::offset_of!(libc::sock_filter, jt));
    assert!(std::mem::offset_of!(Instruction, k) == std::mem::offset_of!(libc::sock_filter, k));
};
