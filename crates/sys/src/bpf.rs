//! bpf(2) as far as cgroups need it: a program that decides who may use which device.
//!
//! <https://man7.org/linux/man-pages/man2/bpf.2.html>, linux/bpf.h. Needs `CAP_SYS_ADMIN` (or `CAP_BPF` and
//! `CAP_NET_ADMIN`) in the initial user namespace.

use crate::process::check;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The kernel's `struct bpf_insn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high ones (little-endian machines).
    registers: u8,
    /// Offset of a load, or how many instructions to jump over.
    pub offset: i16,
    /// Operand.
    pub immediate: i32,
}

impl Instruction {
    /// An instruction; registers are 0 to 10.
    pub const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        // The two are bit fields, which lie the other way round on big-endian machines.
        let registers = if cfg!(target_endian = "little") {
            source << 4 | (destination & 0xf)
        } else {
            destination << 4 | (source & 0xf)
        };
        Self { code, registers, offset, immediate }
    }
}

/// `code dst src offset immediate`, as goldens show it.
impl std::fmt::Display for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (high, low) = (self.registers >> 4, self.registers & 0xf);
        let (destination, source) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        write!(f, "{:02x} r{destination} r{source} {:+} {:#x}", self.code, self.offset, self.immediate)
    }
}

/// An attached program keeps what others have attached to the same cgroup (`BPF_F_ALLOW_MULTI`, Linux 4.15).
const ALLOW_MULTI: u32 = 1 << 1;
/// An attached program takes the place of another (`BPF_F_REPLACE`, Linux 5.6).
const REPLACE: u32 = 1 << 2;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;

/// The most programs that a query lists: the kernel's own limit for one cgroup (`BPF_CGROUP_MAX_PROGS`).
const MOST_PROGRAMS: usize = 64;

#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    // The kernel's structure ends at a multiple of eight, and there are no unnamed bytes in what it is given.
    padding: u32,
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15). It lives as long as a descriptor or an attachment.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn load_device_program(program: &[Instruction], name: &str) -> Result<OwnedFd, Errno> {
    let mut prog_name = [0; 16];
    // The last byte stays a NUL.
    for (to, from) in prog_name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let attributes = Load {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        insns: program.as_ptr() as u64,
        // It calls no function of the kernel, so that no licence is asked for.
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name,
    };
    // SAFETY: `attributes` says where `program` is and how long it is; `Instruction` has the layout of `bpf_insn`
    // (checked below). The kernel copies program, licence and attributes and writes nothing.
    let fd = check(unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size_of::<Load>()) })?;
    owned(fd)
}

/// Attaches `program` to a cgroup v2 directory beside what is attached there, or in the place of `replaced`.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn attach_device_program(
    cgroup: BorrowedFd,
    program: BorrowedFd,
    replaced: Option<BorrowedFd>,
) -> Result<(), Errno> {
    let mut attributes = attachment(cgroup, program);
    attributes.attach_flags = ALLOW_MULTI;
    if let Some(replaced) = replaced {
        attributes.attach_flags |= REPLACE;
        attributes.replace_bpf_fd = number(replaced);
    }
    // SAFETY: the kernel reads `attributes`, which has the layout of its `BPF_PROG_ATTACH` part, and writes nothing.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attributes, size_of::<Attach>()) }).map(drop)
}

/// Takes `program` off a cgroup.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn detach_device_program(cgroup: BorrowedFd, program: BorrowedFd) -> Result<(), Errno> {
    let attributes = attachment(cgroup, program);
    // SAFETY: as for attaching.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_DETACH, &raw const attributes, size_of::<Attach>()) }).map(drop)
}

/// The ids of the device programs attached to this very cgroup (not to those above), in their order.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn device_programs(cgroup: BorrowedFd) -> Result<Vec<u32>, Errno> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut attributes = Query {
        target_fd: number(cgroup),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: 64,
        padding: 0,
    };
    // SAFETY: the kernel writes at most `prog_cnt` ids into `ids`, which has that room, and flags and count into
    // `attributes`; both outlive the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut attributes, size_of::<Query>()) })?;
    Ok(ids.iter().take(attributes.prog_cnt as usize).copied().collect())
}

/// A descriptor of a loaded program, by its id.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn open_program(id: u32) -> Result<OwnedFd, Errno> {
    let attributes = [id, 0, 0]; // prog_id, next_id, open_flags
    // SAFETY: the kernel reads `attributes` and writes nothing.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_GET_FD_BY_ID, attributes.as_ptr(), size_of_val(&attributes))
    })?;
    owned(fd)
}

fn attachment(cgroup: BorrowedFd, program: BorrowedFd) -> Attach {
    Attach {
        target_fd: number(cgroup),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_TYPE_CGROUP_DEVICE,
        attach_flags: 0,
        replace_bpf_fd: 0,
    }
}

fn number(fd: BorrowedFd) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

#[allow(unsafe_code, reason = "a new descriptor gets its owner")]
fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(fd).map_err(|_| Errno::OVERFLOW)?;
    // SAFETY: both callers have it from a call that succeeded and gives a new descriptor, which the kernel makes
    // close-on-exec; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

const _: () = assert!(size_of::<Instruction>() == 8);
