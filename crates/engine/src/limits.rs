//! What of limits is refused, in Docker's words: values that are absurd or contradict each other, and those that this
//! machine has too little for.

use api::Limits;
use error::{Error, Result, ResultExt};

/// The least memory that a container may have, in bytes (Docker's): less starts no program.
const LEAST_MEMORY: i64 = 6 << 20;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// A container that is made.
    Create,
    /// One that exists, whose limits change one by one.
    Update,
}

/// Checks what was asked for; looks at the machine only for what needs it.
pub(crate) fn check(limits: &Limits, purpose: For) -> Result<()> {
    if *limits == Limits::default() {
        return Ok(());
    }
    memory(limits, purpose)?;
    time(limits)?;
    if let Some(nano) = limits.nano_cpus {
        let cpus = std::thread::available_parallelism().context(|| "can't count the processors")?.get();
        let most = i64::try_from(cpus).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        if nano < 0 || nano > most {
            let message = format!("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
            return Err(Error::invalid(message));
        }
    }
    let sets = [
        (&limits.cpuset_cpus, "/sys/devices/system/cpu/online", "cpus", "CPUs"),
        (&limits.cpuset_mems, "/sys/devices/system/node/online", "mems", "memory nodes"),
    ];
    for (asked, file, name, what) in sets {
        if !asked.is_empty() {
            // A kernel without nodes has the one.
            let online = std::fs::read_to_string(file).unwrap_or_else(|_| "0".to_owned());
            set(asked, online.trim(), name, what)?;
        }
    }
    if limits.blkio_weight.is_some_and(|weight| weight != 0 && !(10..=1000).contains(&weight)) {
        return Err(Error::invalid("Range of blkio weight is from 10 to 1000"));
    }
    Ok(())
}

fn memory(limits: &Limits, purpose: For) -> Result<()> {
    let positive = |value: Option<i64>| value.filter(|bytes| *bytes > 0);
    let (memory, swap) = (positive(limits.memory), positive(limits.memory_swap));
    let reservation = positive(limits.memory_reservation);
    if memory.is_some_and(|bytes| bytes < LEAST_MEMORY) {
        return Err(Error::invalid("Minimum memory limit allowed is 6MB"));
    }
    if let (Some(memory), Some(swap)) = (memory, swap)
        && swap < memory
    {
        return Err(Error::invalid("Minimum memoryswap limit should be larger than memory limit, see usage"));
    }
    if purpose == For::Create && memory.is_none() && swap.is_some() {
        let message = "You should always set the Memory limit when using Memoryswap limit, see usage";
        return Err(Error::invalid(message));
    }
    if let Some(value) = limits.memory_swappiness.filter(|value| !(0..=100).contains(value)) {
        return Err(Error::invalid(format!("Invalid value: {value}, valid memory swappiness range is 0-100")));
    }
    if reservation.is_some_and(|bytes| bytes < LEAST_MEMORY) {
        return Err(Error::invalid("Minimum memory reservation allowed is 6MB"));
    }
    if let (Some(memory), Some(reservation)) = (memory, reservation)
        && memory < reservation
    {
        let message = "Minimum memory limit can not be less than memory reservation limit, see usage";
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn time(limits: &Limits) -> Result<()> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let (period, quota) = (set(limits.cpu_period), set(limits.cpu_quota));
    if limits.nano_cpus.is_some() {
        for (value, name) in [(period, "Period"), (quota, "Quota")] {
            if value.is_some() {
                let message = format!("Conflicting options: Nano CPUs and CPU {name} cannot both be set");
                return Err(Error::invalid(message));
            }
        }
    }
    if period.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        let message = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
        return Err(Error::invalid(message));
    }
    if quota.is_some_and(|quota| (1..1000).contains(&quota)) {
        return Err(Error::invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)"));
    }
    if let Some(shares) = limits.cpu_shares.filter(|shares| *shares < 0) {
        return Err(Error::invalid(format!("invalid CPU shares ({shares}): value must be a positive integer")));
    }
    Ok(())
}

/// Is every number of `asked` among those of `online`?
fn set(asked: &str, online: &str, name: &str, what: &str) -> Result<()> {
    let bad = || Error::invalid(format!("Invalid value {asked} for cpuset {name}"));
    let ranges = |list: &str| -> Option<Vec<(u32, u32)>> { list.split(',').map(range).collect() };
    let (asked_ranges, there) = (ranges(asked).ok_or_else(bad)?, ranges(online).unwrap_or_default());
    // A range of the one is inside a range of the other: the kernel joins neighbours when it writes them down.
    let is_there = |(first, last): &(u32, u32)| there.iter().any(|(low, high)| low <= first && last <= high);
    if asked_ranges.iter().all(is_there) {
        return Ok(());
    }
    let message = format!("Requested {what} are not available - requested {asked}, available: {online}");
    Err(Error::invalid(message))
}

/// `3` or `0-3`.
fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(limits: Limits) -> String {
        check(&limits, For::Create).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn absurd_limits_are_refused_in_dockers_words() {
        let none = Limits::default;
        let mib = |count: i64| Some(count << 20);
        let memory = |memory, memory_swap| Limits { memory, memory_swap, ..none() };
        let reserved = |memory, memory_reservation| Limits { memory, memory_reservation, ..none() };
        let period = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
        for (limits, expected) in [
            (none(), "fine"),
            (memory(mib(6), None), "fine"),
            (memory(mib(5), None), "Minimum memory limit allowed is 6MB"),
            (memory(mib(64), mib(64)), "fine"),
            (memory(mib(64), Some(-1)), "fine"),
            (memory(mib(64), mib(32)), "Minimum memoryswap limit should be larger than memory limit, see usage"),
            (memory(None, mib(64)), "You should always set the Memory limit when using Memoryswap limit, see usage"),
            (reserved(None, mib(5)), "Minimum memory reservation allowed is 6MB"),
            (
                reserved(mib(64), mib(65)),
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (
                Limits { memory_swappiness: Some(101), ..none() },
                "Invalid value: 101, valid memory swappiness range is 0-100",
            ),
            (
                Limits { nano_cpus: Some(1), cpu_period: Some(1000), ..none() },
                "Conflicting options: Nano CPUs and CPU Period cannot both be set",
            ),
            (
                Limits { nano_cpus: Some(1), cpu_quota: Some(1000), ..none() },
                "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
            ),
            (Limits { cpu_period: Some(999), ..none() }, period),
            (Limits { cpu_period: Some(1_000_001), ..none() }, period),
            (Limits { cpu_quota: Some(999), ..none() }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
            (Limits { cpu_quota: Some(-1), ..none() }, "fine"),
            (Limits { cpu_shares: Some(-5), ..none() }, "invalid CPU shares (-5): value must be a positive integer"),
            (Limits { blkio_weight: Some(9), ..none() }, "Range of blkio weight is from 10 to 1000"),
            (Limits { cpuset_cpus: "x".into(), ..none() }, "Invalid value x for cpuset cpus"),
            (Limits { cpuset_mems: "3-1".into(), ..none() }, "Invalid value 3-1 for cpuset mems"),
        ] {
            assert_eq!(said(limits.clone()), expected, "{limits:?}");
        }
        let cpus = std::thread::available_parallelism().unwrap();
        let words = format!("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
        assert_eq!(said(Limits { nano_cpus: Some(i64::MAX), ..none() }), words);
    }

    #[test]
    fn a_list_of_processors_must_lie_in_what_is_there() {
        for (asked, online, fine) in [
            ("0", "0-1", true),
            ("0-1", "0-1", true),
            ("1,0", "0-1", true),
            ("2", "0-1", false),
            ("0-2", "0-1,3", false),
        ] {
            assert_eq!(set(asked, online, "cpus", "CPUs").is_ok(), fine, "{asked} of {online}");
        }
        let error = set("0,7", "0-1", "cpus", "CPUs").unwrap_err().to_string();
        assert_eq!(error, "Requested CPUs are not available - requested 0,7, available: 0-1");
    }

    #[test]
    fn an_update_may_change_swap_alone() {
        let limits = Limits { memory_swap: Some(64 << 20), ..Limits::default() };
        assert!(check(&limits, For::Update).is_ok() && check(&limits, For::Create).is_err());
    }
}
