//! Limits of a container become the `linux.resources` of its spec.

use super::Facts;
use api::{Create, DeviceRate, Limits};
use oci::runtime::{BlockDevice, BlockIo, Cpu, DeviceRule, Memory, Pids, Resources, Rlimit, ThrottleDevice};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What `--cpus` counts in, in microseconds: the kernel's default.
const PERIOD_US: i64 = 100_000;

/// Disks whose rate is limited, with their numbers.
pub(crate) type Disks = BTreeMap<PathBuf, BlockDevice>;

/// `None` when nothing is limited: then the container needs no cgroups but its own one.
pub(super) fn compile(request: &Create, facts: &Facts<'_>) -> Option<Resources> {
    let mut resources = of_limits(&request.limits, facts.disks);
    if super::rights::has_rules(request) {
        resources.devices = rules(request, facts);
    }
    (resources != Resources::default()).then_some(resources)
}

/// Also what `update` writes.
pub(crate) fn of_limits(limits: &Limits, disks: &Disks) -> Resources {
    Resources {
        memory: said(memory(limits)),
        cpu: said(cpu(limits)),
        pids: limits.pids.map(|most| Pids { limit: Some(if most == 0 { -1 } else { most }) }),
        block_io: said(BlockIo {
            weight: limits.blkio_weight,
            throttle_read_bps_device: rates(&limits.read_bps, disks),
            throttle_write_bps_device: rates(&limits.write_bps, disks),
            throttle_read_iops_device: rates(&limits.read_iops, disks),
            throttle_write_iops_device: rates(&limits.write_iops, disks),
            ..BlockIo::default()
        }),
        ..Resources::default()
    }
}

fn said<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn memory(limits: &Limits) -> Memory {
    let limit = limits.memory.filter(|bytes| *bytes != 0);
    // As much swap as memory, unless told otherwise (as Docker).
    let swap = limits.memory_swap.filter(|bytes| *bytes != 0).or_else(|| limit?.checked_mul(2));
    Memory {
        limit,
        swap,
        reservation: limits.memory_reservation.filter(|bytes| *bytes != 0),
        swappiness: limits.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
        disable_oom_killer: limits.oom_kill_disable.then_some(true),
        ..Memory::default()
    }
}

fn cpu(limits: &Limits) -> Cpu {
    let quota = limits.nano_cpus.map(|nano| nano.saturating_mul(PERIOD_US) / 1_000_000_000);
    Cpu {
        shares: limits.cpu_shares.and_then(|shares| u64::try_from(shares).ok()).filter(|shares| *shares != 0),
        quota: quota.or(limits.cpu_quota).filter(|quota| *quota != 0),
        period: quota.map(|_| PERIOD_US).or(limits.cpu_period).and_then(|period| u64::try_from(period).ok()),
        cpus: limits.cpuset_cpus.clone(),
        mems: limits.cpuset_mems.clone(),
        ..Cpu::default()
    }
}

fn rates(rates: &[DeviceRate], disks: &Disks) -> Vec<ThrottleDevice> {
    // Who asks has found each disk before.
    let known = |rate: &DeviceRate| Some(ThrottleDevice { device: *disks.get(&rate.path)?, rate: rate.rate });
    rates.iter().filter_map(known).collect()
}

/// Nothing but what is named. The runtime adds what every container has (`/dev/null` …).
fn rules(request: &Create, facts: &Facts<'_>) -> Vec<DeviceRule> {
    let nothing = DeviceRule { allow: false, access: "rwm".into(), ..DeviceRule::default() };
    let devices = facts.devices.iter().map(|device| DeviceRule {
        allow: true,
        kind: device.kind.into(),
        major: Some(device.number.0.into()),
        minor: Some(device.number.1.into()),
        access: device.access.clone(),
    });
    [nothing].into_iter().chain(devices).chain(request.limits.device_rules.iter().cloned()).collect()
}

/// `--ulimit`.
pub(super) fn rlimits(request: &Create) -> Vec<Rlimit> {
    // Without limit is the greatest number (`RLIM_INFINITY`).
    let number = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let rlimit = |limit: &api::Ulimit| Rlimit {
        kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
        hard: number(limit.hard),
        soft: number(limit.soft),
    };
    request.ulimits.iter().map(rlimit).collect()
}
