//! New limits for cgroups that live (`update`).

use super::dir::Dir;
use super::limits::{self, Current, Refusal, Write};
use super::paths::Paths;
use super::place::Version;
use super::plan::Group;
use super::{apply, devices, enable};
use error::{Error, Kind, Result};
use oci::runtime::Resources;

impl Paths {
    /// Applies what `resources` names and leaves the rest as it is. Device rules, if there are any, replace the old ones.
    ///
    /// # Errors
    /// As for [`plan`](super::plan) before anything is changed; then what the kernel refuses, with the field.
    pub fn update(&self, resources: &Resources) -> Result<()> {
        let current = self.current()?;
        let planned = limits::writes(&self.places, resources, &current)?;
        self.check_memory(resources)?;
        let program = if self.v1("devices").is_some() { None } else { devices::program(&resources.devices)? };
        let cgroup = self.open()?;
        if let (Some(unit), [writes]) = (&self.systemd_unit, planned.as_slice()) {
            unit.update(writes, current.cpu_period, &resources.devices)?;
        }
        for ((place, dir), writes) in self.places.iter().zip(&cgroup.dirs).zip(planned) {
            let v2 = place.version == Version::V2;
            let writes = if place.has("devices") && !v2 { gently(dir, writes)? } else { writes };
            let mut group = Group { place: place.clone(), enable: Vec::new(), writes, devices: None };
            if v2 {
                group.enable = place.controllers.iter().filter(|name| group.needs(name)).cloned().collect();
                enable::controllers(&group, dir)?;
            }
            apply::writes(dir, &group.writes)?;
            if let (true, Some(program)) = (v2, &program) {
                apply::devices(dir, program)?;
            }
        }
        Ok(())
    }

    /// What the order and the sums of new limits depend on.
    fn current(&self) -> Result<Current> {
        let mut current = Current::default();
        if let Some((version, dir)) = self.home("memory", "memory")? {
            let file = if version == Version::V1 { "memory.limit_in_bytes" } else { "memory.max" };
            // The kernel's "without limit" is `max`, or in v1 the greatest number of whole pages.
            current.memory_limit = number(&dir, file)?.filter(|bytes| *bytes < i64::MAX >> 1);
        }
        if let Some((Version::V2, dir)) = self.home("cpu", "cpu")? {
            current.cpu_quota = number(&dir, "cpu.max")?;
            let period = |text: String| text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
            current.cpu_period = dir.read("cpu.max").ok().and_then(period);
        }
        Ok(current)
    }

    /// v2 kills rather than refuses when the new limit is below what is in use.
    fn check_memory(&self, resources: &Resources) -> Result<()> {
        let Some(memory) = resources.memory.as_ref().filter(|memory| memory.check_before_update == Some(true)) else {
            return Ok(());
        };
        let Some(limit) = memory.limit.filter(|limit| *limit > 0) else { return Ok(()) };
        let Some((version, dir)) = self.home("memory", "memory")? else { return Ok(()) };
        let file = if version == Version::V1 { "memory.usage_in_bytes" } else { "memory.current" };
        match number(&dir, file)? {
            Some(usage) if usage > limit => {
                let message =
                    format!("can't apply `linux.resources.memory.limit`: {usage} bytes are in use, more than {limit}");
                Err(Error::new(Kind::Conflict, message))
            }
            _ => Ok(()),
        }
    }
}

/// The first word of a file; `None` if it is no number, or if the controller has not reached this cgroup.
fn number(dir: &Dir, file: &str) -> Result<Option<i64>> {
    match dir.read(file) {
        Ok(text) => Ok(text.split_whitespace().next().and_then(|word| word.parse().ok())),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(_) => dir.text(file).map(|_| None),
    }
}

/// v1's device list of a living container: what stays allowed is never denied in between, so "deny all" is left out and
/// what is allowed too much is denied at the end.
fn gently(dir: &Dir, mut writes: Vec<Write>) -> Result<Vec<Write>> {
    let denies_all = |write: &Write| write.file == "devices.deny" && write.value == "a";
    let Some(first) = writes.first().filter(|write| denies_all(write)).cloned() else { return Ok(writes) };
    let list = dir.text("devices.list")?;
    if list.starts_with('a') {
        return Ok(writes);
    }
    writes.remove(0);
    for line in list.lines() {
        let Some((device, letters)) = line.rsplit_once(' ') else { continue };
        let stays = |letter: &char| {
            writes.iter().any(|write| {
                let wanted = write.value.rsplit_once(' ');
                write.file == "devices.allow" && wanted.is_some_and(|(one, all)| one == device && all.contains(*letter))
            })
        };
        let surplus: String = letters.chars().filter(|letter| !stays(letter)).collect();
        if !surplus.is_empty() {
            let value = format!("{device} {surplus}");
            writes.push(Write { value, refusal: Refusal::Error, ..first.clone() });
        }
    }
    Ok(writes)
}
