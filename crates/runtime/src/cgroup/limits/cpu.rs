//! Processor time, and on which processors and memory nodes.
//!
//! <https://docs.kernel.org/scheduler/sched-bwc.html>, <https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu>

use super::{Current, Refusal, Section, Version, invalid};
use error::Result;
use oci::runtime::Cpu;

pub(super) fn time(section: &mut Section, cpu: &Cpu, current: &Current) -> Result<()> {
    // 0 is how configurations made by Go programs say nothing.
    let shares = cpu.shares.filter(|shares| *shares != 0);
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let period = cpu.period.filter(|period| *period != 0);
    if quota.is_some_and(|quota| quota < -1) {
        return Err(invalid("cpu.quota", "is neither a number of microseconds nor -1"));
    }
    // While a cgroup is idle it takes no weight, and while it gets one it must not be idle.
    if cpu.idle == Some(0) {
        section.set_or(Refusal::Harmless, "cpu.idle", "cpu.idle", 0);
    }
    match section.version {
        Version::V1 => {
            if let Some(shares) = shares {
                // The kernel would take the nearest allowed value and not tell.
                if !(2..=262_144).contains(&shares) {
                    return Err(invalid("cpu.shares", format_args!("{shares} is not between 2 and 262144")));
                }
                section.set("cpu.shares", "cpu.shares", shares);
            }
            // Period and burst must fit the quota, the old or the new one.
            if let Some(period) = period {
                section.set_or(Refusal::Later, "cpu.period", "cpu.cfs_period_us", period);
            }
            burst(section, cpu.burst, "cpu.cfs_burst_us");
            match quota {
                Some(-1) => section.set_or(Refusal::Harmless, "cpu.quota", "cpu.cfs_quota_us", -1),
                Some(quota) => section.set("cpu.quota", "cpu.cfs_quota_us", quota),
                None => {}
            }
        }
        Version::V2 => {
            if let Some(shares) = shares {
                section.set("cpu.shares", "cpu.weight", weight(shares));
            }
            burst(section, cpu.burst, "cpu.max.burst");
            maximum(section, quota, period, current);
        }
    }
    if let Some(idle) = cpu.idle.filter(|idle| *idle != 0) {
        section.set("cpu.idle", "cpu.idle", idle);
    }
    realtime(section, cpu)
}

fn burst(section: &mut Section, burst: Option<u64>, file: &str) {
    match burst {
        Some(0) => section.set_or(Refusal::Harmless, "cpu.burst", file, 0),
        Some(burst) => section.set_or(Refusal::Later, "cpu.burst", file, burst),
        None => {}
    }
}

/// `cpu.max` holds both; a single number leaves the period as it is.
fn maximum(section: &mut Section, quota: Option<i64>, period: Option<u64>, current: &Current) {
    let words = |quota: i64| if quota == -1 { "max".to_owned() } else { quota.to_string() };
    match (quota, period) {
        (None, None) => {}
        (Some(-1), None) => section.set_or(Refusal::Harmless, "cpu.quota", "cpu.max", "max"),
        (Some(quota), None) => section.set("cpu.quota", "cpu.max", quota),
        (Some(quota), Some(period)) => section.set("cpu.quota", "cpu.max", format!("{} {period}", words(quota))),
        (None, Some(period)) => {
            section.set("cpu.period", "cpu.max", format!("{} {period}", words(current.cpu_quota.unwrap_or(-1))));
        }
    }
}

fn realtime(section: &mut Section, cpu: &Cpu) -> Result<()> {
    if let Some(period) = cpu.realtime_period.filter(|period| *period != 0) {
        section.only_v1("cpu.realtimePeriod")?;
        section.set_or(Refusal::Later, "cpu.realtimePeriod", "cpu.rt_period_us", period);
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|runtime| *runtime != 0) {
        section.only_v1("cpu.realtimeRuntime")?;
        section.set("cpu.realtimeRuntime", "cpu.rt_runtime_us", runtime);
    }
    Ok(())
}

pub(super) fn sets(section: &mut Section, cpu: &Cpu) {
    for (field, list) in [("cpu.cpus", &cpu.cpus), ("cpu.mems", &cpu.mems)] {
        if !list.is_empty() {
            section.set(field, if field == "cpu.cpus" { "cpuset.cpus" } else { "cpuset.mems" }, list);
        }
    }
}

/// v1's shares (2 to 262144, usually 1024) as v2's weight (1 to 10000, usually 100).
///
/// The curve that runc, crun and systemd's users agreed on in 2025: a parabola in the exponent that meets the least, the
/// usual and the greatest value. The straight line used before gave the usual container a weight of 39.
fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        // Exact at the one value that nearly everybody has, whatever this machine's logarithm rounds to.
        1024 => 100,
        _ => {
            let shares = u32::try_from(shares).map_or(f64::MAX, f64::from);
            let log = shares.log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            let weight = 10f64.powf(exponent).ceil();
            (1..=10_000_u32).find(|candidate| f64::from(*candidate) >= weight).map_or(10_000, u64::from)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares_become_weights_as_elsewhere() {
        let table = [(0, 1), (2, 1), (3, 2), (10, 4), (512, 59), (1000, 99), (1024, 100), (1025, 101), (2048, 174)];
        for (shares, weight) in table.into_iter().chain([(8192, 532), (262_143, 10_000), (u64::MAX, 10_000)]) {
            assert_eq!(super::weight(shares), weight, "{shares}");
        }
    }
}
