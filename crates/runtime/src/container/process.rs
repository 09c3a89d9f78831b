//! Processes by id, and whether they are still the same.

use error::{Error, Kind, Result, ResultExt};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::CString;

/// The kernel's flag of a process that is on its way out (linux/sched.h, `PF_EXITING`; proc_pid_stat(5), `flags`).
const EXITING: u64 = 0x4;

/// When a process began, in clock ticks after boot (proc_pid_stat(5)); `None` when it has ended, waited for or not.
pub(super) fn start_time(pid: i32) -> Result<Option<u64>> {
    let path = CString::new(format!("/proc/{pid}/stat")).expect("a number has no NUL");
    let stat = match sys::read::small(&path) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
        Err(errno) => {
            return Err(std::io::Error::from(errno)).context(|| format!("can't read `/proc/{pid}/stat`"));
        }
    };
    // The name, in parentheses, may have spaces and parentheses in it; after it come state (3), flags (9), start time (22).
    let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    let state = fields.next().unwrap_or_default();
    let mut number = |skipped| fields.nth(skipped).and_then(|field| field.parse::<u64>().ok());
    let (flags, start) = (number(5), number(12));
    match (state, start) {
        ("Z" | "X" | "x", _) => Ok(None),
        _ if flags.is_some_and(|flags| flags & EXITING != 0) && is_bare(pid) => Ok(None),
        (_, Some(start)) => Ok(Some(start)),
        (_, None) => Err(Error::new(Kind::Internal, format!("`/proc/{pid}/stat` is not what proc(5) says"))),
    }
}

/// Has it given up its memory, its files, and last its namespaces? The first process of a pid namespace can be nothing
/// but that for long: it ends when all others have been waited for, also an `exec` by whoever called for it
/// (pid_namespaces(7)).
fn is_bare(pid: i32) -> bool {
    matches!(rustix::fs::stat(format!("/proc/{pid}/ns/mnt")), Err(Errno::NOENT))
}

/// The process, if it is still the one that began then.
pub(super) fn open(pid: i32, began: u64) -> Result<Option<(Pid, OwnedFd)>> {
    let Some(raw) = Pid::from_raw(pid) else { return Ok(None) };
    let fd = match pidfd_open(raw, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(Errno::SRCH) => return Ok(None),
        Err(errno) => return Err(std::io::Error::from(errno)).context(|| format!("can't open process {pid}")),
    };
    // Looked at while it is held: it cannot become another one any more.
    Ok(start_time(pid)?.filter(|start| *start == began).map(|_| (raw, fd)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_found_and_others_are_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let began = start_time(pid).unwrap().unwrap();
        assert!(open(pid, began).unwrap().is_some());
        assert!(open(pid, began + 1).unwrap().is_none());
        assert!(start_time(i32::MAX).unwrap().is_none());
    }

    #[test]
    fn a_process_that_nobody_waited_for_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let gone = || start_time(pid).unwrap().is_none();
        while !gone() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
