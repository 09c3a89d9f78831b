//! What a container's cgroups hold it to: asked for by `run` and `create`, changed by `update`.

use crate::RestartPolicy;
use oci::runtime::DeviceRule;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Limits. What is `None`, empty or false is not limited. The numbers are as the user gave them, so that they can be
/// shown again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Memory and swap together, in bytes; -1 is any amount of swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// Bytes below which nothing is taken away while others have more than theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i64>,
    /// 0 to 100; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<i64>,
    /// Wait for memory rather than be killed; cgroup v1 only.
    #[serde(skip_serializing_if = "super::is_default")]
    pub oom_kill_disable: bool,
    /// Processors, in billionths of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<i64>,
    /// Weight, usually 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
    /// Microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<i64>,
    /// Microseconds of processor time a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// A list such as `0-3,7`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpuset_cpus: String,
    /// Memory nodes, a list such as `0-1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpuset_mems: String,
    /// The most processes and threads; 0 and -1 are any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_weight: Option<u16>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_bps: Vec<DeviceRate>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_bps: Vec<DeviceRate>,
    /// Operations a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_iops: Vec<DeviceRate>,
    /// Operations a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_iops: Vec<DeviceRate>,
    /// What may be opened and made besides the usual devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_rules: Vec<DeviceRule>,
}

/// How fast a disk may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// Its node on the host.
    pub path: PathBuf,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// Change a container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// What is `None` or empty stays as it is.
    pub limits: Limits,
    /// Another policy from now on.
    pub restart: Option<RestartPolicy>,
}

impl Limits {
    /// These limits with what `newer` says put in their place.
    #[must_use]
    pub fn changed_by(self, newer: &Self) -> Self {
        let list = |old: String, new: &String| if new.is_empty() { old } else { new.clone() };
        Self {
            memory: newer.memory.or(self.memory),
            memory_swap: newer.memory_swap.or(self.memory_swap),
            memory_reservation: newer.memory_reservation.or(self.memory_reservation),
            nano_cpus: newer.nano_cpus.or(self.nano_cpus),
            cpu_shares: newer.cpu_shares.or(self.cpu_shares),
            cpu_period: newer.cpu_period.or(self.cpu_period),
            cpu_quota: newer.cpu_quota.or(self.cpu_quota),
            cpuset_cpus: list(self.cpuset_cpus, &newer.cpuset_cpus),
            cpuset_mems: list(self.cpuset_mems, &newer.cpuset_mems),
            pids: newer.pids.or(self.pids),
            blkio_weight: newer.blkio_weight.or(self.blkio_weight),
            // Nobody changes these of a container that exists.
            memory_swappiness: self.memory_swappiness,
            oom_kill_disable: self.oom_kill_disable,
            read_bps: self.read_bps,
            write_bps: self.write_bps,
            read_iops: self.read_iops,
            write_iops: self.write_iops,
            device_rules: self.device_rules,
        }
    }
}
