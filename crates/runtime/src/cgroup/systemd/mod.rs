//! The systemd driver: a container's cgroup is a scope, a unit around processes that somebody else started.
//!
//! ```text
//! cgroupsPath ─ name ─► unit, slice ─┐
//! writes ─ properties ─► MemoryMax … ┼─► ScopePlan ─ start(pid) ─► StartTransientUnit ─► JobRemoved `done`
//! rules ─ devices ─► DeviceAllow …  ─┘   pure        update ─► SetUnitProperties     stop ─► StopUnit
//! ```
//! A scope cannot be empty: it is made around the init, which waits meanwhile. What systemd has no property for is
//! written into the scope's files afterwards; it is delegated to us (`Delegate`).

mod bus;
mod devices;
mod message;
mod name;
mod properties;

pub use bus::Systemd;

use super::limits::Write;
use super::place::{Place, Version};
use super::{Hierarchies, Hierarchy};
use bus::Connection;
use error::{Error, Kind, Result, ResultExt};
use message::Writer;
use oci::runtime::{DeviceRule, Resources};
use properties::{Property, Value};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A scope that systemd knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name, with `.scope`.
    pub name: String,
    /// The systemd whose it is.
    pub systemd: Systemd,
}

/// A scope that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopePlan {
    /// Who will make it.
    pub unit: Unit,
    /// In which slice.
    pub slice: String,
    /// What `systemctl status` shows.
    pub description: String,
    /// The limits, in systemd's words.
    #[serde(serialize_with = "show")]
    properties: Vec<Property>,
}

fn show<S: serde::Serializer>(properties: &[Property], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(properties.iter().map(|property| format!("{} {:?}", property.name, property.value)))
}

/// Names the scope, and says where its cgroup will be.
pub(super) fn name(hierarchies: &Hierarchies, path: &str, id: &str, which: &Systemd) -> Result<(ScopePlan, Place)> {
    let v2 = only_v2(hierarchies)?;
    let default_slice = if which.user.is_some() { "user.slice" } else { "system.slice" };
    let name = name::parse(path, id, default_slice)?;
    let above = which.user.map(|uid| format!("user.slice/user-{uid}.slice/user@{uid}.service"));
    let dir = Path::new(above.as_deref().unwrap_or("")).join(&name.dir);
    let place = Place { version: Version::V2, controllers: v2.controllers.clone(), mount: v2.mount.clone(), dir };
    let scope = ScopePlan {
        unit: Unit { name: name.unit, systemd: which.clone() },
        slice: name.slice,
        description: format!("isolazi container {id}"),
        properties: Vec::new(),
    };
    Ok((scope, place))
}

/// systemd keeps v1 controllers to itself in ways of its own; nobody who has them lacks the other driver.
fn only_v2(hierarchies: &Hierarchies) -> Result<&Hierarchy> {
    let lone = |hierarchy: &&Hierarchy| !hierarchy.controllers.is_empty();
    hierarchies.v2.as_ref().filter(lone).ok_or_else(|| {
        let message = "can't make a cgroup by systemd: this needs cgroup v2 with its controllers at `/sys/fs/cgroup`";
        Error::new(Kind::Unsupported, message).hint("use the cgroup driver `cgroupfs`")
    })
}

impl ScopePlan {
    /// Adds the limits.
    pub(super) fn limit(&mut self, writes: &[Write], resources: &Resources) {
        self.properties = properties::of_writes(writes, None);
        self.properties.extend(devices::properties(&resources.devices));
    }

    /// Makes the scope around a process, which is in it when this returns.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a unit of that name; what systemd says, if it refuses a property.
    pub(super) fn start(&self, pid: Pid) -> Result<()> {
        let unit = &self.unit;
        let words = || format!("can't make the systemd unit `{}`", unit.name);
        let mut systemd = unit.systemd.connect().context(words)?;
        let job = systemd.manager("StartTransientUnit", "ssa(sv)a(sa(sv))", self.request(pid)).context(words)?;
        finish(&mut systemd, &job).context(words)
    }

    fn request(&self, pid: Pid) -> Writer {
        let text = |name, text: &str| Property::new(name, Value::Text(text.to_owned()));
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        let mut all = vec![
            text("Description", &self.description),
            text("Slice", &self.slice),
            Property::new("PIDs", Value::Pids(vec![pid])),
            Property::new("Delegate", Value::Bool(true)),
            // Otherwise it would be stopped first when the machine is shut down, before who uses the container.
            Property::new("DefaultDependencies", Value::Bool(false)),
            // A scope that failed (out of memory) is forgotten as any other is: its name is free.
            text("CollectMode", "inactive-or-failed"),
        ];
        let accounting = ["MemoryAccounting", "CPUAccounting", "TasksAccounting", "IOAccounting"];
        all.extend(accounting.map(|name| Property::new(name, Value::Bool(true))));
        all.extend(self.properties.iter().cloned());
        let mut body = Writer::default();
        body.text(&self.unit.name);
        body.text("fail");
        properties::write(&mut body, &all);
        // No units besides.
        body.array(8, |_| {});
        body
    }
}

impl Unit {
    /// Tells systemd new limits. `period_us` is the period that a quota without one is counted in.
    pub(super) fn update(&self, writes: &[Write], period_us: Option<u64>, rules: &[DeviceRule]) -> Result<()> {
        let mut new = properties::of_writes(writes, period_us);
        new.extend(devices::properties(rules));
        if new.is_empty() {
            return Ok(());
        }
        let mut body = Writer::default();
        body.text(&self.name);
        // Until the next boot: the scope does not live longer.
        body.bool(true);
        properties::write(&mut body, &new);
        let words = || format!("can't change the systemd unit `{}`", self.name);
        self.systemd
            .connect()
            .and_then(|mut systemd| systemd.manager("SetUnitProperties", "sba(sv)", body))
            .context(words)?;
        Ok(())
    }

    /// Stops the scope and waits until systemd has forgotten it. One that is not known is gone already.
    pub(super) fn stop(&self) -> Result<()> {
        let words = || format!("can't stop the systemd unit `{}`", self.name);
        let mut systemd = self.systemd.connect().context(words)?;
        let mut body = Writer::default();
        body.text(&self.name);
        body.text("replace");
        match systemd.manager("StopUnit", "ss", body) {
            Ok(job) => finish(&mut systemd, &job).context(words)?,
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            Err(error) => return Err(error.context(words())),
        }
        let mut body = Writer::default();
        body.text(&self.name);
        match systemd.manager("ResetFailedUnit", "s", body) {
            Err(error) if error.kind != Kind::NotFound => Err(error.context(words())),
            _ => Ok(()),
        }
    }
}

fn finish(systemd: &mut Connection, job: &[String]) -> Result<()> {
    let job = job.first().ok_or_else(|| Error::new(Kind::Internal, "systemd names no job"))?;
    match systemd.wait_for_job(job)?.as_str() {
        "done" => Ok(()),
        result => Err(Error::new(Kind::Unavailable, format!("systemd's job ended with `{result}`"))),
    }
}

/// The cgroup that a process is in now, below the mount of `place`: it has to be the unit's. (A signal on a bus may be
/// anybody's, and what is in the cgroup may be killed soon.)
pub(super) fn dir_of(pid: Pid, place: &Place, unit: &Unit) -> Result<PathBuf> {
    let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(&path).context(|| format!("can't read `{path}`"))?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    if Path::new(own).file_name() != Some(unit.name.as_ref()) {
        let message =
            format!("systemd has made the unit `{}`, but process {} is in `/{own}`", unit.name, pid.as_raw_nonzero());
        return Err(Error::new(Kind::Internal, message));
    }
    // Where only a part of the hierarchy is mounted, the part may be cut off; then the planned place is the right one.
    let seen = place.mount.join(own).join("cgroup.procs").try_exists().unwrap_or(false);
    Ok(if seen { PathBuf::from(own) } else { place.dir.clone() })
}
