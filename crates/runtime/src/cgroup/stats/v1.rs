//! Numbers of v1's controllers.

use super::{BlkioEntry, Hugetlb, MemoryEntry, Stats, list, number, optional, table};
use crate::cgroup::dir::Dir;
use crate::cgroup::place::Place;
use error::Result;

/// `cpuacct.stat` counts in hundredths of a second on every architecture (USER_HZ).
const NANOSECONDS_IN_TICK: u64 = 10_000_000;

pub(super) fn read(dir: &Dir, place: &Place, stats: &mut Stats) -> Result<()> {
    for controller in &place.controllers {
        match controller.as_str() {
            "cpu" => throttling(dir, stats)?,
            "cpuacct" => usage(dir, stats)?,
            "cpuset" => cpuset(dir, stats)?,
            "memory" => memory(dir, stats)?,
            "pids" => {
                stats.pids.current = number(dir, "pids.current")?;
                stats.pids.limit = Some(number(dir, "pids.max")?).filter(|limit| *limit != u64::MAX).unwrap_or(0);
            }
            "blkio" => blkio(dir, stats)?,
            "hugetlb" => hugetlb(dir, stats)?,
            _ => {}
        }
    }
    Ok(())
}

fn throttling(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let table = table(dir, "cpu.stat")?;
    let value = |key: &str| table.get(key).copied().unwrap_or(0);
    let throttling = &mut stats.cpu.throttling;
    throttling.periods = value("nr_periods");
    throttling.throttled_periods = value("nr_throttled");
    throttling.throttled_time = value("throttled_time");
    Ok(())
}

fn usage(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let ticks = table(dir, "cpuacct.stat")?;
    let time = |key: &str| ticks.get(key).copied().unwrap_or(0) * NANOSECONDS_IN_TICK;
    let usage = &mut stats.cpu.usage;
    (usage.user, usage.kernel) = (time("user"), time("system"));
    usage.total = number(dir, "cpuacct.usage")?;
    let percpu = optional(dir, "cpuacct.usage_percpu")?;
    usage.percpu = percpu.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // A head, and then for each processor: number, user, system.
    for line in optional(dir, "cpuacct.usage_all")?.lines().skip(1) {
        let words: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let [_, user, kernel] = words.as_slice() {
            usage.percpu_user.push(*user);
            usage.percpu_kernel.push(*kernel);
        }
    }
    Ok(())
}

fn cpuset(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let set = &mut stats.cpuset;
    set.cpus = list(&optional(dir, "cpuset.cpus")?);
    set.mems = list(&optional(dir, "cpuset.mems")?);
    for (field, file) in [
        (&mut set.cpu_exclusive, "cpuset.cpu_exclusive"),
        (&mut set.mem_hardwall, "cpuset.mem_hardwall"),
        (&mut set.mem_exclusive, "cpuset.mem_exclusive"),
        (&mut set.memory_migrate, "cpuset.memory_migrate"),
        (&mut set.memory_spread_page, "cpuset.memory_spread_page"),
        (&mut set.memory_spread_slab, "cpuset.memory_spread_slab"),
        (&mut set.memory_pressure, "cpuset.memory_pressure"),
        (&mut set.sched_load_balance, "cpuset.sched_load_balance"),
    ] {
        *field = number(dir, file)?;
    }
    set.sched_relax_domain_level = optional(dir, "cpuset.sched_relax_domain_level")?.trim().parse().unwrap_or(0);
    Ok(())
}

fn memory(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let entry = |name: &str| -> Result<MemoryEntry> {
        Ok(MemoryEntry {
            limit: number(dir, &format!("{name}.limit_in_bytes"))?,
            usage: number(dir, &format!("{name}.usage_in_bytes"))?,
            max: number(dir, &format!("{name}.max_usage_in_bytes"))?,
            failcnt: number(dir, &format!("{name}.failcnt"))?,
        })
    };
    let memory = &mut stats.memory;
    memory.raw = table(dir, "memory.stat")?;
    memory.cache = memory.raw.get("cache").copied().unwrap_or(0);
    memory.usage = entry("memory")?;
    memory.swap = entry("memory.memsw")?;
    memory.kernel = entry("memory.kmem")?;
    memory.kernel_tcp = entry("memory.kmem.tcp")?;
    memory.event_count.oom_kill = table(dir, "memory.oom_control")?.get("oom_kill").copied().unwrap_or(0);
    Ok(())
}

/// The schedulers' files say more than the throttle's, and are empty while they are not in charge.
fn blkio(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let blkio = &mut stats.blkio;
    for scheduler in ["blkio", "blkio.bfq"] {
        blkio.io_serviced_recursive = entries(dir, &format!("{scheduler}.io_serviced_recursive"))?;
        if blkio.io_serviced_recursive.is_empty() {
            continue;
        }
        for (field, file) in [
            (&mut blkio.io_service_bytes_recursive, "io_service_bytes_recursive"),
            (&mut blkio.io_queued_recursive, "io_queued_recursive"),
            (&mut blkio.io_service_time_recursive, "io_service_time_recursive"),
            (&mut blkio.io_wait_time_recursive, "io_wait_time_recursive"),
            (&mut blkio.io_merged_recursive, "io_merged_recursive"),
            (&mut blkio.io_time_recursive, "time_recursive"),
            (&mut blkio.sectors_recursive, "sectors_recursive"),
        ] {
            *field = entries(dir, &format!("{scheduler}.{file}"))?;
        }
        return Ok(());
    }
    blkio.io_service_bytes_recursive = entries(dir, "blkio.throttle.io_service_bytes_recursive")?;
    blkio.io_serviced_recursive = entries(dir, "blkio.throttle.io_serviced_recursive")?;
    Ok(())
}

/// Lines `8:0 Read 12` or `8:0 12`; the sums at the end (`Total 12`) have no device.
fn entries(dir: &Dir, file: &str) -> Result<Vec<BlkioEntry>> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = words.next()?.split_once(':')?;
        let (first, second) = (words.next()?, words.next());
        let (op, value) = second.map_or(("", first), |value| (first, value));
        let (major, minor, value) = (major.parse().ok()?, minor.parse().ok()?, value.parse().ok()?);
        Some(BlkioEntry { major, minor, op: op.to_owned(), value })
    };
    Ok(optional(dir, file)?.lines().filter_map(entry).collect())
}

fn hugetlb(dir: &Dir, stats: &mut Stats) -> Result<()> {
    for size in sizes(dir, ".usage_in_bytes")? {
        let value = |file: &str| number(dir, &format!("hugetlb.{size}.{file}"));
        let (usage, max, failcnt) = (value("usage_in_bytes")?, value("max_usage_in_bytes")?, value("failcnt")?);
        stats.hugetlb.insert(size, Hugetlb { usage, max, failcnt });
    }
    Ok(())
}

/// The page sizes for which there is a file `hugetlb.<size><end>`.
pub(super) fn sizes(dir: &Dir, end: &str) -> Result<Vec<String>> {
    let mut sizes = Vec::new();
    for name in dir.names()? {
        let size = name.strip_prefix("hugetlb.").and_then(|name| name.strip_suffix(end));
        sizes.extend(size.filter(|size| !size.contains('.')).map(str::to_owned));
    }
    Ok(sizes)
}
