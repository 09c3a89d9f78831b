//! Memory: v1 counts memory and swap together, v2 apart.
//!
//! <https://docs.kernel.org/admin-guide/cgroup-v1/memory.html>,
//! <https://docs.kernel.org/admin-guide/cgroup-v2.html#memory>

use super::{Current, Refusal, Section, Version, invalid};
use error::Result;
use oci::runtime::Memory;

pub(super) fn plan(section: &mut Section, memory: &Memory, current: &Current) -> Result<()> {
    let limits = [
        ("memory.limit", memory.limit),
        ("memory.reservation", memory.reservation),
        ("memory.swap", memory.swap),
        ("memory.kernel", memory.kernel),
        ("memory.kernelTCP", memory.kernel_tcp),
    ];
    if let Some((field, Some(value))) = limits.into_iter().find(|(_, value)| value.is_some_and(|value| value < -1)) {
        return Err(invalid(field, format_args!("{value} is neither a number of bytes nor -1")));
    }
    if memory.swappiness.is_some_and(|swappiness| swappiness > 100) {
        return Err(invalid("memory.swappiness", "more than 100"));
    }
    // 0 is how configurations made by Go programs say nothing.
    let [limit, reservation, swap, kernel, kernel_tcp] = limits.map(|(_, value)| value.filter(|value| *value != 0));
    let basis = limit.or(current.memory_limit);
    if let Some(swap) = swap.filter(|swap| *swap > 0) {
        match basis {
            None => return Err(invalid("memory.swap", "needs `memory.limit`, which is a part of it")),
            Some(limit) if limit > swap => {
                return Err(invalid("memory.swap", "is memory and swap together, and less than `memory.limit`"));
            }
            Some(_) => {}
        }
    }
    match section.version {
        Version::V1 => both(section, limit, swap, current),
        Version::V2 => apart(section, limit, swap, basis),
    }
    let soft = if section.version == Version::V1 { "memory.soft_limit_in_bytes" } else { "memory.low" };
    set(section, "memory.reservation", soft, reservation);
    for (field, file, value) in [
        ("memory.kernel", "memory.kmem.limit_in_bytes", kernel),
        ("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", kernel_tcp),
    ] {
        if value.is_some_and(|value| value > 0) {
            section.only_v1(field)?;
        }
        if section.version == Version::V1 {
            set(section, field, file, value);
        }
    }
    rest(section, memory)
}

/// v1: `memsw` must never be less than the limit, in between either.
fn both(section: &mut Section, limit: Option<i64>, swap: Option<i64>, current: &Current) {
    const SWAP: &str = "memory.memsw.limit_in_bytes";
    let set_limit = |section: &mut Section| set(section, "memory.limit", "memory.limit_in_bytes", limit);
    match swap {
        // Without limit means swap, too. Where swap isn't counted the file is missing.
        None if limit == Some(-1) => {
            section.set_or(Refusal::Harmless, "memory.limit", SWAP, -1);
            set_limit(section);
        }
        None => set_limit(section),
        Some(swap) if swap == -1 || current.memory_limit.is_some_and(|current| current < swap) => {
            set(section, "memory.swap", SWAP, Some(swap));
            set_limit(section);
        }
        Some(swap) => {
            set_limit(section);
            set(section, "memory.swap", SWAP, Some(swap));
        }
    }
}

/// v2: swap by itself. "No swap at all" is granted where there is no accounting of swap, as there then is no swap.
fn apart(section: &mut Section, limit: Option<i64>, swap: Option<i64>, basis: Option<i64>) {
    let alone = match (swap, basis) {
        (Some(-1), _) => Some(-1),
        (Some(swap), Some(-1)) => Some(swap),
        (Some(swap), Some(limit)) => Some(swap - limit),
        _ => None,
    };
    match alone {
        Some(-1) => section.set_or(Refusal::Harmless, "memory.swap", "memory.swap.max", "max"),
        Some(0) => section.set_or(Refusal::Optional, "memory.swap", "memory.swap.max", 0),
        Some(bytes) => section.set("memory.swap", "memory.swap.max", bytes),
        None => {}
    }
    set(section, "memory.limit", "memory.max", limit);
}

fn rest(section: &mut Section, memory: &Memory) -> Result<()> {
    if let Some(swappiness) = memory.swappiness {
        section.only_v1("memory.swappiness")?;
        section.set("memory.swappiness", "memory.swappiness", swappiness);
    }
    if memory.disable_oom_killer == Some(true) {
        section.only_v1("memory.disableOOMKiller")?;
        section.set("memory.disableOOMKiller", "memory.oom_control", 1);
    }
    // Version 2 always counts in the tree's way, and so does version 1 since kernel 5.11.
    if memory.use_hierarchy == Some(true) && section.version == Version::V1 {
        section.set("memory.useHierarchy", "memory.use_hierarchy", 1);
    }
    Ok(())
}

fn set(section: &mut Section, field: &str, file: &str, value: Option<i64>) {
    match (value, section.version) {
        (None, _) => {}
        (Some(-1), Version::V1) => section.set_or(Refusal::Harmless, field, file, -1),
        (Some(-1), Version::V2) => section.set_or(Refusal::Harmless, field, file, "max"),
        (Some(bytes), _) => section.set(field, file, bytes),
    }
}
