//! The kernel's log: the only place that tells for which system call a seccomp filter killed a process.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// The longest record (`PRINTKRB_RECORD_MAX` and its head).
const RECORD: usize = 8192;
/// More than the log of any machine holds.
const MOST_RECORDS: usize = 1 << 20;
/// The kernel writes the record by a thread of its own: perhaps after the end is known.
const PATIENCE: Duration = Duration::from_millis(200);

/// The call, by name where that is known: `None` when the log cannot be read or does not tell.
pub(super) fn killing_call(pid: i32) -> Option<String> {
    let log = open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; RECORD];
    let mut last = None;
    for _ in 0..MOST_RECORDS {
        match rustix::io::read(&log, &mut buffer) {
            Ok(length) => {
                let record = String::from_utf8_lossy(&buffer[..length]);
                // A process id comes again: the last one is meant.
                last = call_of(&record, pid).or(last);
            }
            // The oldest were overwritten meanwhile.
            Err(Errno::PIPE | Errno::INTR) => {}
            Err(Errno::AGAIN) if last.is_none() && wait(&log, deadline) => {}
            Err(_) => break,
        }
    }
    last
}

fn wait(log: &OwnedFd, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(left) = Timespec::try_from(left) else { return false };
    poll(&mut [PollFd::new(log, PollFlags::IN)], Some(&left)).is_ok_and(|ready| ready > 0)
}

/// `… audit: type=1326 … pid=7 … sig=31 arch=c000003e syscall=140 …` (linux/audit.h, `AUDIT_SECCOMP`).
fn call_of(record: &str, pid: i32) -> Option<String> {
    if !record.contains("type=1326 ") {
        return None;
    }
    let field = |name: &str| record.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    if field("pid")?.parse() != Ok(pid) || field("sig")? != "31" {
        return None;
    }
    let number: u32 = field("syscall")?.parse().ok()?;
    let audit = u32::from_str_radix(field("arch")?, 16).ok()?;
    Some(runtime::seccomp::call_name(audit, number).map_or_else(|| format!("number {number}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_record_of_a_process_is_found() {
        let record = |pid: u32, sig: u32, call: u32| {
            format!(
                "5,1234,4124509401,-;audit: type=1326 audit(1795692496.831:22): auid=4294967295 uid=5 gid=5 ses=4294967295 \
                 pid={pid} comm=\"pid=7\" exe=\"/bin/call\" sig={sig} arch=c000003e syscall={call} compat=0 ip=0x4318a9 \
                 code=0x80000000\n"
            )
        };
        assert_eq!(call_of(&record(7, 31, 140), 7).as_deref(), Some("getpriority"));
        assert_eq!(call_of(&record(7, 31, 9999), 7).as_deref(), Some("number 9999"));
        assert_eq!(call_of(&record(8, 31, 140), 7), None);
        assert_eq!(call_of(&record(7, 0, 140), 7), None);
        assert_eq!(call_of("6,1,2,-;audit: type=1400 pid=7 sig=31 arch=c000003e syscall=1", 7), None);
        assert_eq!(call_of("", 7), None);
    }
}
