//! The processes of a container as the host sees them, as `ps -ef` lists them.
//!
//! Read from `/proc` (proc_pid_stat(5)), so that no other program is needed; only who gives options of `ps` gets `ps`.

use crate::surroundings::user_name;
use error::{Error, Result, ResultExt};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::ffi::OsString;
use std::fs::{self, metadata};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// Clock ticks a second in `/proc` (sysconf(3), `_SC_CLK_TCK`): 100 on every architecture that we run on.
const TICKS: u64 = 100;
const TITLE: &str = "UID          PID    PPID  C STIME TTY          TIME CMD";

/// A title and a row for each process that is there, as `ps` gives them with these options.
pub(crate) fn listed(pids: &[i32], options: &[OsString]) -> Result<String> {
    if options.is_empty() || options == ["-ef"] { native(pids) } else { foreign(pids, options) }
}

fn native(pids: &[i32]) -> Result<String> {
    let uptime = fs::read_to_string("/proc/uptime").context(|| "can't read `/proc/uptime`")?;
    // Seconds with two digits after the point: ticks.
    let uptime_ticks = uptime.split(' ').next().and_then(|text| text.replace('.', "").parse().ok()).unwrap_or(0);
    let moment = Moment { now: Timestamp::now(), uptime_ticks, zone: TimeZone::system() };
    // Those that have ended in the meantime have no row.
    let rows = pids.iter().filter_map(|&pid| Process::read(pid)).map(|process| process.row(&moment));
    Ok([TITLE.to_owned()].into_iter().chain(rows).map(|row| row + "\n").collect())
}

/// When it is.
struct Moment {
    now: Timestamp,
    /// Since the machine's start.
    uptime_ticks: u64,
    zone: TimeZone,
}

/// What a row shows.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    user: String,
    command: String,
    stat: Stat,
}

/// The fields of `/proc/<pid>/stat` that count.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: i32,
    name: String,
    parent: i32,
    tty: u64,
    /// Processor time.
    used_ticks: u64,
    /// When it started, after the machine's start.
    start_ticks: u64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let folder = format!("/proc/{pid}");
        let uid = metadata(&folder).ok()?.uid();
        let stat = Stat::parse(&String::from_utf8_lossy(&fs::read(format!("{folder}/stat")).ok()?))?;
        let line = fs::read(format!("{folder}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(line.strip_suffix(b"\0").unwrap_or(&line)).replace('\0', " ");
        // Kernel threads and zombies have none.
        let command = if line.is_empty() { format!("[{}]", stat.name) } else { line };
        // A name is text of a payload: it must not draw on the terminal.
        let command = command.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        Some(Self { user: user_name(uid).unwrap_or_else(|| uid.to_string()), command, stat })
    }

    fn row(&self, moment: &Moment) -> String {
        let Stat { pid, parent, tty, used_ticks, start_ticks, .. } = self.stat;
        let lived = moment.uptime_ticks.saturating_sub(start_ticks);
        let percent = (used_ticks * 100).checked_div(lived).unwrap_or(0).min(99);
        let time = started(moment, lived / TICKS);
        let (user, used, command) = (short(&self.user), clock(used_ticks / TICKS), &self.command);
        format!("{user:8} {pid:7} {parent:7} {percent:2} {time:5} {:8} {used} {command}", terminal(tty))
    }
}

impl Stat {
    /// The name stands between brackets and may hold any byte, brackets too; what follows the last one is numbers.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            tty: number(7)?,
            used_ticks: number(14)?.saturating_add(number(15)?),
            start_ticks: number(22)?,
        })
    }
}

/// The time of today, or the day.
fn started(moment: &Moment, seconds_ago: u64) -> String {
    let ago = SignedDuration::from_secs(i64::try_from(seconds_ago).unwrap_or(0));
    let start = moment.now.checked_sub(ago).unwrap_or(moment.now).to_zoned_datetime(moment.zone.clone());
    let is_today = start.date() == moment.now.to_zoned_datetime(moment.zone.clone()).date();
    start.strftime(if is_today { "%H:%M" } else { "%b%d" }).to_string()
}

/// A name that does not fit is cut, as `ps` does.
fn short(name: &str) -> String {
    if name.chars().count() <= 8 { name.to_owned() } else { name.chars().take(7).chain(['+']).collect() }
}

/// `00:00:03`, `1-02:00:00`.
fn clock(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days}-") } else { String::new() };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// `pts/3`, `tty1`, by the device number as the kernel packs it (makedev in linux/kdev_t.h).
fn terminal(device: u64) -> String {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match major {
        136..144 => format!("pts/{}", minor + (major - 136) * (1 << 20)),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        5 if minor == 1 => "console".into(),
        _ => "?".into(),
    }
}

/// What `ps` itself says with these options of the container's processes.
fn foreign(pids: &[i32], options: &[OsString]) -> Result<String> {
    let output = Command::new("ps").args(options).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context(|| "can't run `ps`")?;
    if !output.status.success() {
        return Err(Error::invalid(format!("`ps` failed: {}", output.status)));
    }
    filter(&String::from_utf8_lossy(&output.stdout), pids)
}

/// The title, and the rows whose column `PID` has one of these.
fn filter(text: &str, pids: &[i32]) -> Result<String> {
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let column = title.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Error::invalid("couldn't find PID field in ps output"))?;
    let is_ours = |line: &&str| {
        line.split_whitespace().nth(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid| pids.contains(&pid))
    };
    Ok([title].into_iter().chain(lines.filter(is_ours)).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_name_is() {
        let text = "42 (a) b ( c) S 7 42 42 34819 42 4194560 1 0 0 0 250 75 0 0 20 0 1 0 12345 4 5 6\n";
        let stat =
            Stat { pid: 42, name: "a) b ( c".into(), parent: 7, tty: 34819, used_ticks: 325, start_ticks: 12345 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("42 (x) S 7"), None);
    }

    #[test]
    fn rows_are_those_of_ps() {
        let moment =
            Moment { now: "2026-08-20T12:00:00Z".parse().unwrap(), uptime_ticks: 10_000_000, zone: TimeZone::UTC };
        let row = |user: &str, tty, used_ticks, start_ticks| {
            let stat = Stat { pid: 42, name: "x".into(), parent: 7, tty, used_ticks, start_ticks };
            Process { user: user.into(), command: "sleep 1".into(), stat }.row(&moment)
        };
        let title = "UID          PID    PPID  C STIME TTY          TIME CMD";
        assert_eq!(title, TITLE);
        assert_eq!(row("root", 0, 325, 9_990_000), "root          42       7  3 11:58 ?        00:00:03 sleep 1");
        assert_eq!(row("longername", 34819, 0, 0), "longern+      42       7  0 Aug19 pts/3    00:00:00 sleep 1");
        assert_eq!(row("me", 1025, 9_400_000, 0), "me            42       7 94 Aug19 tty1     1-02:06:40 sleep 1");
    }

    #[test]
    fn our_own_row_says_who_we_are() {
        let pid = std::process::id().cast_signed();
        let text = native(&[pid, i32::MAX]).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!((rows.len(), rows[0]), (2, TITLE));
        let cells: Vec<&str> = rows[1].split_whitespace().collect();
        assert_eq!(cells[1], pid.to_string());
        assert!(rows[1].contains("isolazi"), "{}", rows[1]);
    }

    #[test]
    fn rows_of_others_are_left_out() {
        let text = "USER   PID CMD\nroot     1 init\nroot   10 1 x\nme     2\n";
        assert_eq!(filter(text, &[10, 2]).unwrap(), "USER   PID CMD\nroot   10 1 x\nme     2\n");
        assert_eq!(filter("A B\n1 2\n", &[1]).unwrap_err().to_string(), "couldn't find PID field in ps output");
    }
}
