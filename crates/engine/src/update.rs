//! `update`: new limits for a container that exists, at once if it runs; and a new restart policy, which its monitor
//! reads when it comes to it.

use crate::Engine;
use crate::containers::Container;
use crate::record::{self, file};
use crate::spec::limits::of_limits;
use crate::{cgroups, devices, events, limits};
use api::{Limits, RestartPolicy, Update};
use error::{Error, Kind, Result};
use oci::runtime::{Resources, Spec};

/// The kernel first, then the record: who is killed in between has the old limits at the next start.
pub(crate) fn update(engine: &Engine, request: &Update) -> Result<()> {
    let found = engine.containers.get(&engine.names, &request.container)?;
    let _alone = record::alone(&found.dir)?;
    // Somebody else may have changed it until now.
    let mut container = engine.containers.get(&engine.names, &found.record.id)?;
    let id = found.record.id;
    let told = |error: Error| error.context(format!("Cannot update container {id}"));
    limits::check(&request.limits, limits::For::Update).map_err(told)?;
    conflicts(&container.record.request.limits, &request.limits).map_err(told)?;
    if container.record.request.remove && request.restart.is_some_and(|policy| policy != RestartPolicy::No) {
        let message = "Restart policy cannot be updated because AutoRemove is enabled for the container";
        return Err(told(Error::new(Kind::Conflict, message)));
    }
    if request.limits != Limits::default() {
        limit(engine, &mut container, &request.limits).map_err(told)?;
    }
    if let Some(policy) = request.restart {
        container.record.request.restart = policy;
    }
    record::replace(&container.dir.join(file::RECORD), &container.record).map_err(told)?;
    events::tell_of(&engine.paths.data, &container.record, "update", &[]);
    Ok(())
}

/// In the record that the caller writes down, in the spec, and in the kernel.
fn limit(engine: &Engine, container: &mut Container, newer: &Limits) -> Result<()> {
    let Container { dir, record, state, .. } = container;
    record.request.limits = std::mem::take(&mut record.request.limits).changed_by(newer);
    let missing = || Error::new(Kind::Internal, format!("`{}` is missing", dir.join(file::SPEC).display()));
    let mut spec: Spec = record::read(&dir.join(file::SPEC))?.ok_or_else(missing)?;
    let host = engine.host()?;
    let linux = spec.linux.get_or_insert_default();
    let devices = linux.resources.take().map(|resources| resources.devices).unwrap_or_default();
    let disks = devices::disks(&record.request.limits)?;
    linux.resources = Some(Resources { devices, ..of_limits(&record.request.limits, &disks) });
    if linux.cgroups_path.is_empty() {
        linux.cgroups_path = cgroups::path(record.request.cgroup_parent.as_deref(), &record.id, host);
    }
    if state.is_alive() {
        cgroups::change(&spec, dir, &record.id, host)?;
    } else {
        // What cannot hold is told now, too.
        cgroups::plan(&spec, &record.id, host)?;
    }
    record::replace(&dir.join(file::SPEC), &spec)
}

/// New limits beside old ones that stay, in Docker's words.
fn conflicts(old: &Limits, new: &Limits) -> Result<()> {
    let positive = |value: Option<i64>| value.filter(|value| *value > 0);
    if let (Some(memory), Some(swap), None) = (positive(new.memory), positive(old.memory_swap), new.memory_swap)
        && memory > swap
    {
        return Err(Error::new(
            Kind::Conflict,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    let clash = |what: &str, other: &str| {
        let message = format!("Conflicting options: {what} cannot be updated as {other} has already been set");
        Err(Error::new(Kind::Conflict, message))
    };
    match () {
        () if old.nano_cpus.is_some() && new.cpu_period.is_some() => clash("CPU Period", "NanoCPUs"),
        () if old.nano_cpus.is_some() && new.cpu_quota.is_some() => clash("CPU Quota", "NanoCPUs"),
        () if old.cpu_period.is_some() && new.nano_cpus.is_some() => clash("Nano CPUs", "CPU Period"),
        () if old.cpu_quota.is_some() && new.nano_cpus.is_some() => clash("Nano CPUs", "CPU Quota"),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_must_go_with_what_comes() {
        let none = Limits::default;
        let swap = Limits { memory: Some(64 << 20), memory_swap: Some(64 << 20), ..none() };
        let nano = Limits { nano_cpus: Some(1), ..none() };
        let quota = Limits { cpu_quota: Some(1000), ..none() };
        let period = Limits { cpu_period: Some(1000), ..none() };
        let more = Limits { memory: Some(65 << 20), ..none() };
        for (old, new, expected) in [
            (&none(), &more, "fine"),
            (
                &swap,
                &more,
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
            ),
            (&swap, &Limits { memory_swap: Some(-1), ..more.clone() }, "fine"),
            (&nano, &period, "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"),
            (&nano, &quota, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"),
            (&period, &nano, "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"),
            (&quota, &nano, "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"),
        ] {
            let said = conflicts(old, new).map_or_else(|error| error.to_string(), |()| "fine".to_owned());
            assert_eq!(said, expected);
        }
    }
}
