//! The kernel made safe: system calls that rustix lacks, wrapped once, each with the argument why it is sound.
//!
//! The only room with `unsafe`. It knows no OCI words and no containers.
pub mod bpf;
pub mod copy;
pub mod ids;
pub mod inside;
pub mod kernel;
pub mod limits;
pub mod loopback;
pub mod memory;
pub mod mount;
pub mod netlink;
pub mod nss;
pub mod overlay;
pub mod process;
pub mod read;
pub mod remove;
pub mod schedule;
pub mod sealed;
pub mod seccomp;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod start;
pub mod umask;
pub mod usage;
