//! What a container has used: the numbers, and the JSON names, of `runc events --stats`.
//!
//! Field names, and which of them are left out when they are 0, are those of runc's `types.Stats`, as other programs
//! read them. What a hierarchy does not count is 0.

mod v1;
mod v2;

use super::dir::Dir;
use super::paths::Paths;
use super::place::{Place, Version};
use error::{Result, ResultExt};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Processors and memory nodes.
    pub cpuset: Cpuset,
    /// Memory.
    pub memory: Memory,
    /// Tasks.
    pub pids: Pids,
    /// Disks.
    pub blkio: Blkio,
    /// Huge pages by size (`2MB`).
    pub hugetlb: BTreeMap<String, Hugetlb>,
    /// Always empty here.
    pub intel_rdt: IntelRdt,
    /// Always `null` here: networks are not counted by cgroups.
    pub network_interfaces: Option<Vec<()>>,
}

/// Always empty here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelRdt {}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Used.
    pub usage: CpuUsage,
    /// Held back by the quota.
    pub throttling: Throttling,
    /// Pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// Nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    /// By processor (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// By processor, in the kernel (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// By processor, in programs (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
}

/// Held back by the quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Throttling {
    /// Periods gone by.
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    /// Those in which the quota ran out.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

/// Processors and memory nodes; all but the two lists is v1's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "named as the kernel's files")]
pub struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Of files.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    /// Memory.
    pub usage: MemoryEntry,
    /// Memory and swap together, on v2 too.
    pub swap: MemoryEntry,
    /// The kernel's for its processes (v1).
    pub kernel: MemoryEntry,
    /// The kernel's for TCP (v1).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// Pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
    /// `memory.events` (v2); of v1 what `memory.oom_control` counts.
    pub event_count: MemoryEvents,
}

/// Bytes, and how often the limit was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryEntry {
    /// The limit; the greatest number is "none".
    pub limit: u64,
    /// Now.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most so far.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// How often which limit had what consequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "named as in the kernel's file")]
pub struct MemoryEvents {
    #[serde(skip_serializing_if = "is_zero")]
    pub low: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub high: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub oom: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub oom_group_kill: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub oom_kill: u64,
}

/// Tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Now.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// The limit; 0 is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// Disks; v2 counts the first two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as the kernel's files")]
pub struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// One number of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Of the device.
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    /// Of the device.
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    /// `Read`, `Write` …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// Bytes, operations or nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hugetlb {
    /// Now.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most so far (v1).
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was met.
    pub failcnt: u64,
}

/// Pressure stall information (v2; <https://docs.kernel.org/accounting/psi.html>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Psi {
    /// Some task had to wait.
    pub some: PsiData,
    /// All had to.
    pub full: PsiData,
}

/// Shares of time in percent, and microseconds altogether.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "named as in the kernel's files")]
pub struct PsiData {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

impl Paths {
    /// Reads all numbers that the hierarchies have.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        for place in &self.places {
            let words = || format!("can't read what the cgroup `{}` has used", place.path().display());
            let dir = Dir::open(&place.path()).map_err(std::io::Error::from).context(words)?;
            match place.version {
                Version::V1 => v1::read(&dir, place, &mut stats).context(words)?,
                Version::V2 => v2::read(&dir, &self.v2_only(place), &mut stats).context(words)?,
            }
        }
        Ok(stats)
    }

    /// Beside v1 the v2 cgroup counts what v1 has no controllers for; processor time is counted in every cgroup.
    fn v2_only(&self, place: &Place) -> Place {
        let mut place = place.clone();
        if self.v1("cpuacct").is_none() && !place.has("cpu") {
            place.controllers.push("cpu".to_owned());
        }
        place
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A file that another kernel or configuration does not have is empty.
fn optional(dir: &Dir, file: &str) -> Result<String> {
    match dir.read(file) {
        Ok(text) => Ok(text),
        // EOPNOTSUPP: pressure that is not measured, swap that is not accounted.
        Err(Errno::NOENT | Errno::OPNOTSUPP) => Ok(String::new()),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| format!("can't read `{file}`")),
    }
}

/// A file of one number; 0 where it is missing, the greatest number for `max`.
fn number(dir: &Dir, file: &str) -> Result<u64> {
    let text = optional(dir, file)?;
    Ok(if text.trim() == "max" { u64::MAX } else { text.trim().parse().unwrap_or(0) })
}

/// A file of lines `key number`.
fn table(dir: &Dir, file: &str) -> Result<BTreeMap<String, u64>> {
    let text = optional(dir, file)?;
    let entry = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(entry).collect())
}

/// `0-2,5` as numbers.
fn list(text: &str) -> Vec<u16> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_runcs_names() {
        let expected = concat!(
            r#"{"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},"#,
            r#""cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"#,
            r#""memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},"#,
            r#""memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"#,
            r#""kernelTCP":{"limit":0,"failcnt":0},"event_count":{}},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"#,
            r#""network_interfaces":null}"#
        );
        assert_eq!(serde_json::to_string(&Stats::default()).unwrap(), expected);
    }

    #[test]
    fn lists_become_numbers() {
        for (text, expected) in [("\n", vec![]), ("0\n", vec![0]), ("0-2,5,7-8\n", vec![0, 1, 2, 5, 7, 8])] {
            assert_eq!(list(text), expected, "{text}");
        }
    }
}
