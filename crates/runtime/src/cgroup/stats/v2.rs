//! Numbers of the v2 hierarchy.

use super::{BlkioEntry, Hugetlb, MemoryEntry, MemoryEvents, Psi, PsiData, Stats, list, number, optional, table, v1};
use crate::cgroup::dir::Dir;
use crate::cgroup::place::Place;
use error::Result;

pub(super) fn read(dir: &Dir, place: &Place, stats: &mut Stats) -> Result<()> {
    for controller in &place.controllers {
        match controller.as_str() {
            "cpu" => cpu(dir, stats)?,
            "cpuset" => {
                stats.cpuset.cpus = list(&optional(dir, "cpuset.cpus.effective")?);
                stats.cpuset.mems = list(&optional(dir, "cpuset.mems.effective")?);
            }
            "memory" => memory(dir, stats)?,
            "pids" => {
                stats.pids.current = number(dir, "pids.current")?;
                stats.pids.limit = Some(number(dir, "pids.max")?).filter(|limit| *limit != u64::MAX).unwrap_or(0);
            }
            "io" => io(dir, stats)?,
            "hugetlb" => hugetlb(dir, stats)?,
            _ => {}
        }
    }
    // Measured in every v2 cgroup, whatever its controllers.
    stats.cpu.psi = pressure(&optional(dir, "cpu.pressure")?);
    stats.memory.psi = pressure(&optional(dir, "memory.pressure")?);
    stats.blkio.psi = pressure(&optional(dir, "io.pressure")?);
    Ok(())
}

fn cpu(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let table = table(dir, "cpu.stat")?;
    let value = |key: &str| table.get(key).copied().unwrap_or(0);
    let (usage, throttling) = (&mut stats.cpu.usage, &mut stats.cpu.throttling);
    usage.total = value("usage_usec") * 1000;
    usage.user = value("user_usec") * 1000;
    usage.kernel = value("system_usec") * 1000;
    throttling.periods = value("nr_periods");
    throttling.throttled_periods = value("nr_throttled");
    throttling.throttled_time = value("throttled_usec") * 1000;
    Ok(())
}

/// v1's way of counting, which readers of this JSON expect: swap includes memory, and its greatest sum is unknown.
fn memory(dir: &Dir, stats: &mut Stats) -> Result<()> {
    let memory = &mut stats.memory;
    memory.raw = table(dir, "memory.stat")?;
    memory.cache = memory.raw.get("file").copied().unwrap_or(0);
    let events = table(dir, "memory.events")?;
    let event = |key: &str| events.get(key).copied().unwrap_or(0);
    memory.event_count = MemoryEvents {
        low: event("low"),
        high: event("high"),
        max: event("max"),
        oom: event("oom"),
        oom_group_kill: event("oom_group_kill"),
        oom_kill: event("oom_kill"),
    };
    let (usage, limit) = (number(dir, "memory.current")?, number(dir, "memory.max")?);
    memory.usage = MemoryEntry { limit, usage, max: number(dir, "memory.peak")?, failcnt: event("max") };
    let (swap, swap_limit) = (number(dir, "memory.swap.current")?, number(dir, "memory.swap.max")?);
    memory.swap = MemoryEntry { limit: swap_limit.saturating_add(limit), usage: swap + usage, max: 0, failcnt: 0 };
    Ok(())
}

/// Lines `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn io(dir: &Dir, stats: &mut Stats) -> Result<()> {
    for line in optional(dir, "io.stat")?.lines() {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.split_once(':'));
        let Some((Ok(major), Ok(minor))) = number.map(|(major, minor)| (major.parse(), minor.parse())) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let blkio = &mut stats.blkio;
            let (table, op) = match key {
                "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
                "rios" => (&mut blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut blkio.io_serviced_recursive, "Write"),
                // v1 has no place for what is discarded.
                _ => continue,
            };
            table.push(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().unwrap_or(0) });
        }
    }
    Ok(())
}

fn hugetlb(dir: &Dir, stats: &mut Stats) -> Result<()> {
    for size in v1::sizes(dir, ".current")? {
        let failcnt = table(dir, &format!("hugetlb.{size}.events"))?.get("max").copied().unwrap_or(0);
        let usage = number(dir, &format!("hugetlb.{size}.current"))?;
        stats.hugetlb.insert(size, Hugetlb { usage, max: 0, failcnt });
    }
    Ok(())
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`.
fn pressure(text: &str) -> Option<Psi> {
    let mut psi = Psi::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let data: &mut PsiData = match words.next() {
            Some("some") => &mut psi.some,
            Some("full") => &mut psi.full,
            _ => continue,
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "avg10" => data.avg10 = value.parse().ok()?,
                "avg60" => data.avg60 = value.parse().ok()?,
                "avg300" => data.avg300 = value.parse().ok()?,
                "total" => data.total = value.parse().ok()?,
                _ => {}
            }
        }
    }
    (!text.is_empty()).then_some(psi)
}
