//! The processes of a container, and what they use.
//!
//! Whoever has a cgroup is counted by it. What this machine's cgroups do not count (the v2 hierarchy beside v1 has no
//! controllers; an ordinary user may have no cgroup at all) is added up from `/proc`.

use crate::Engine;
use crate::cgroups;
use crate::containers::Container;
use crate::info;
use api::{Network, Usage};
use error::{Error, Kind, Result, ResultExt};
use runtime::cgroup::stats::{BlkioEntry, Stats};
use std::fs;
use std::io;

/// Clock ticks a second in `/proc` (sysconf(3), `_SC_CLK_TCK`): 100 on every architecture that we run on.
const NANOSECONDS_OF_TICK: u64 = 1_000_000_000 / 100;

impl Engine {
    /// Ids of all processes of a container that runs.
    pub fn processes(&self, wanted: &str) -> Result<Vec<i32>> {
        let container = self.containers.get(&self.names, wanted)?;
        if !container.state.is_alive() {
            let text = format!("container {} is not running", container.record.id);
            return Err(Error::new(Kind::Conflict, text));
        }
        self.pids(&container)
    }

    /// What a container uses; one that does not run uses nothing.
    pub fn usage(&self, wanted: &str) -> Result<Usage> {
        let container = self.containers.get(&self.names, wanted)?;
        let record = &container.record;
        let usage = Usage { id: record.id.clone(), name: record.name.clone(), ..Usage::default() };
        if !container.state.is_alive() {
            return Ok(usage);
        }
        let pids = self.pids(&container)?;
        let stats = match cgroups::find(&container.dir, &record.id, self.host()?)? {
            Some(paths) => match paths.stats() {
                // It has none, or ends at this moment.
                Err(error) if error.kind == Kind::NotFound => Stats::default(),
                stats => stats?,
            },
            None => Stats::default(),
        };
        let used: Vec<Used> = pids.iter().filter_map(|&pid| Used::read(pid)).collect();
        let has_own_network = record.request.network != Network::Host;
        let net_dev = container.status.pid.filter(|_| has_own_network);
        let net_dev = net_dev.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/net/dev")).ok());
        let (received, sent) = traffic(&net_dev.unwrap_or_default());
        Ok(Usage { is_running: true, received, sent, ..together(usage, &stats, &used, info::memory()?) })
    }

    fn pids(&self, container: &Container) -> Result<Vec<i32>> {
        let paths = cgroups::find(&container.dir, &container.record.id, self.host()?)?;
        let pids = paths.map(|paths| paths.processes()).transpose()?.unwrap_or_default();
        if !pids.is_empty() {
            return Ok(pids.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect());
        }
        let init = container.status.pid.and_then(|pid| i32::try_from(pid).ok());
        init.map_or_else(|| Ok(Vec::new()), family)
    }
}

/// All processes of a pid namespace that is not ours, by number: those that are in it (executed processes have parents
/// elsewhere), and descendants, which may be in one of their own. In our namespace only descendants are found.
fn family(init: i32) -> Result<Vec<i32>> {
    let words = || "can't list `/proc`";
    // A namespace that we may not see is nobody's.
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&init.to_string()).filter(|own| Some(own) != namespace("self").as_ref());
    let mut found = vec![init];
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context(words)? {
        let name = entry.context(words)?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // Those that have ended in the meantime have no parent.
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        parents.extend(Stat::parse(&String::from_utf8_lossy(&stat)).map(|stat| (pid, stat.parent)));
        if own.is_some() && pid != init && namespace(&pid.to_string()) == own {
            found.push(pid);
        }
    }
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|(pid, of)| *of == parent && !found.contains(pid));
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        next += 1;
    }
    found.sort_unstable();
    Ok(found)
}

/// The fields of `/proc/<pid>/stat` that count (proc_pid_stat(5)).
struct Stat {
    parent: i32,
    /// Its own processor time, and that of children it has waited for.
    ticks: u64,
}

impl Stat {
    /// The name stands between brackets and may hold any byte, brackets too; what follows the last one is numbers.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>());
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks: ticks.sum::<Result<u64, _>>().ok()? })
    }
}

/// What one process uses.
#[derive(Debug, Default, PartialEq, Eq)]
struct Used {
    cpu_ns: u64,
    /// What it has that is not a file's.
    memory: u64,
    threads: u64,
    read: u64,
    written: u64,
}

impl Used {
    fn read(pid: i32) -> Option<Self> {
        let text = |file: &str| -> io::Result<String> {
            Ok(String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/{file}"))?).into_owned())
        };
        // A file that we may not read counts nothing.
        Some(Self::from_texts(&text("stat").ok()?, &text("status").ok()?, &text("io").unwrap_or_default()))
    }

    fn from_texts(stat: &str, status: &str, io: &str) -> Self {
        let number = |text: &str, key: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let ticks = Stat::parse(stat).map_or(0, |stat| stat.ticks);
        Self {
            cpu_ns: ticks.saturating_mul(NANOSECONDS_OF_TICK),
            memory: (number(status, "RssAnon") + number(status, "RssShmem")) << 10,
            threads: number(status, "Threads"),
            read: number(io, "read_bytes"),
            written: number(io, "write_bytes"),
        }
    }
}

/// The cgroups' numbers, and where they have none, the processes'.
fn together(usage: Usage, stats: &Stats, used: &[Used], machine_bytes: u64) -> Usage {
    let or = |counted: u64, of: fn(&Used) -> u64| if counted > 0 { counted } else { used.iter().map(of).sum() };
    let moved = |op: &str| -> u64 {
        let of_op = |entry: &&BlkioEntry| entry.op.eq_ignore_ascii_case(op);
        stats.blkio.io_service_bytes_recursive.iter().filter(of_op).map(|entry| entry.value).sum()
    };
    let counts_disks = !stats.blkio.io_service_bytes_recursive.is_empty();
    let limit = match stats.memory.usage.limit {
        0 => machine_bytes,
        limit => limit.min(machine_bytes),
    };
    Usage {
        cpu_ns: or(stats.cpu.usage.total, |used| used.cpu_ns),
        memory: or(without_cache(stats), |used| used.memory),
        memory_limit: limit,
        read: if counts_disks { moved("read") } else { or(0, |used| used.read) },
        written: if counts_disks { moved("write") } else { or(0, |used| used.written) },
        pids: or(stats.pids.current, |used| used.threads),
        ..usage
    }
}

/// Memory that files could give back at once is none that is used (as Docker counts).
fn without_cache(stats: &Stats) -> u64 {
    let idle = ["total_inactive_file", "inactive_file"].iter().find_map(|key| stats.memory.raw.get(*key));
    let usage = stats.memory.usage.usage;
    idle.filter(|idle| **idle < usage).map_or(usage, |idle| usage - idle)
}

/// Bytes received and sent, of all interfaces but loopback (proc_pid_net(5)).
fn traffic(net_dev: &str) -> (u64, u64) {
    let interfaces = net_dev.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    let numbers = interfaces.map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect());
    numbers.fold((0, 0), |(received, sent), fields: Vec<u64>| {
        (received + fields.first().unwrap_or(&0), sent + fields.get(8).unwrap_or(&0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::cgroup::stats::{CpuUsage, MemoryEntry};

    #[test]
    fn a_process_tells_what_it_uses() {
        let stat = "42 (a) b ( c) S 7 42 42 34819 42 4194560 1 0 0 0 250 75 10 5 20 0 1 0 12345 4 5 6\n";
        let status = "Name:\ta\nRssAnon:\t     100 kB\nRssFile:\t    4000 kB\nRssShmem:\t       4 kB\nThreads:\t3\n";
        let io = "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n";
        let used = Used { cpu_ns: 3_400_000_000, memory: 104 << 10, threads: 3, read: 4096, written: 8192 };
        assert_eq!(Used::from_texts(stat, status, io), used);
        assert_eq!(Used::from_texts("", "", ""), Used::default());
        assert_eq!(Stat::parse(stat).unwrap().parent, 7);
    }

    #[test]
    fn cgroups_count_first_and_processes_what_they_do_not() {
        let used = [1, 2].map(|n| Used { cpu_ns: n, memory: 10 * n, threads: n, read: 100 * n, written: 1000 * n });
        let from_processes = together(Usage::default(), &Stats::default(), &used, 5000);
        let expected =
            Usage { cpu_ns: 3, memory: 30, memory_limit: 5000, read: 300, written: 3000, pids: 3, ..Usage::default() };
        assert_eq!(from_processes, expected);

        let entry = |op: &str, value| BlkioEntry { op: op.into(), value, ..BlkioEntry::default() };
        let mut stats = Stats::default();
        stats.cpu.usage = CpuUsage { total: 7, ..CpuUsage::default() };
        stats.memory.usage = MemoryEntry { limit: 4000, usage: 900, ..MemoryEntry::default() };
        stats.memory.raw = [("inactive_file".to_owned(), 200)].into();
        stats.pids.current = 9;
        stats.blkio.io_service_bytes_recursive = vec![entry("Read", 1), entry("Write", 2), entry("read", 4)];
        let expected =
            Usage { cpu_ns: 7, memory: 700, memory_limit: 4000, read: 5, written: 2, pids: 9, ..Usage::default() };
        assert_eq!(together(Usage::default(), &stats, &used, 5000), expected);
        stats.memory.usage.limit = u64::MAX;
        assert_eq!(together(Usage::default(), &stats, &used, 5000).memory_limit, 5000);
    }

    #[test]
    fn traffic_is_that_of_all_interfaces_but_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n\
                    eth0: 1000 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), (1005, 26));
        assert_eq!(traffic(""), (0, 0));
    }

    #[test]
    fn a_family_is_found_by_its_parents() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let own = std::process::id().cast_signed();
        let found = family(own).unwrap();
        assert!(found.contains(&own) && found.contains(&child.id().cast_signed()), "{found:?}");
        assert_eq!(family(child.id().cast_signed()).unwrap(), [child.id().cast_signed()]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
