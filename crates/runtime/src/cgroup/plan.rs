//! Everything that will be made and written for a container's cgroups, decided from facts.

use super::devices;
use super::hierarchies::Hierarchies;
use super::limits::{self, Current, Write};
use super::paths::Paths;
use super::place::{self, Place, Version};
use super::systemd::{self, ScopePlan, Systemd};
use error::Result;
use oci::runtime::Resources;
use serde::{Deserialize, Serialize, Serializer};
use sys::bpf::Instruction;

/// Who makes the cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// We, through the file system.
    #[default]
    Cgroupfs,
    /// systemd, asked over D-Bus.
    Systemd(Systemd),
}

/// What [`make`](super::make) does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupPlan {
    /// The scope that systemd makes; absent: we make them, through the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopePlan>,
    /// One for each hierarchy, v2 last.
    pub groups: Vec<Group>,
}

/// A cgroup that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// v2: the controllers that the cgroups above are asked to pass down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// What is written into its files, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    /// v2: the program that decides about devices.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "show_program")]
    pub devices: Option<Vec<Instruction>>,
}

impl Group {
    /// Must this controller be there, or is it only asked for?
    pub(super) fn needs(&self, controller: &str) -> bool {
        self.writes.iter().any(|write| {
            let named =
                if write.controller == "unified" { write.file.split('.').next() } else { Some(write.controller) };
            named == Some(controller)
        })
    }
}

impl CgroupPlan {
    /// Where the cgroups will be.
    pub fn paths(&self) -> Paths {
        let places = self.groups.iter().map(|group| group.place.clone()).collect();
        Paths { places, systemd_unit: self.scope.as_ref().map(|scope| scope.unit.clone()) }
    }
}

/// Plans the cgroups of the container `id`.
///
/// # Errors
/// `Invalid` for values that have no meaning, `Unsupported` for a limit whose controller isn't there; both name the
/// field.
pub fn plan(
    hierarchies: &Hierarchies,
    cgroups_path: &str,
    id: &str,
    resources: &Resources,
    driver: Driver,
) -> Result<CgroupPlan> {
    hierarchies.some()?;
    let (mut scope, places) = match driver {
        Driver::Cgroupfs => (None, place::places(hierarchies, cgroups_path, id)?),
        Driver::Systemd(which) => {
            let (scope, place) = systemd::name(hierarchies, cgroups_path, id, &which)?;
            (Some(scope), vec![place])
        }
    };
    let writes = limits::writes(&places, resources, &Current::default())?;
    let controllers_in_v1 = places.iter().any(|place| place.version == Version::V1 && place.has_controllers());
    let devices_in_v1 = places.iter().any(|place| place.version == Version::V1 && place.has("devices"));
    let mut groups = Vec::new();
    for (place, writes) in places.into_iter().zip(writes) {
        let v2 = place.version == Version::V2;
        let mut group = Group { place, enable: Vec::new(), writes, devices: None };
        if v2 {
            // All of them where they are v2's, for the sake of counting; beside v1 the few that limit something.
            let wanted = |name: &&String| !controllers_in_v1 || group.needs(name);
            group.enable = group.place.controllers.iter().filter(wanted).cloned().collect();
            group.devices = if devices_in_v1 { None } else { devices::program(&resources.devices)? };
        }
        groups.push(group);
    }
    if let (Some(scope), Some(group)) = (&mut scope, groups.first()) {
        scope.limit(&group.writes, resources);
    }
    Ok(CgroupPlan { scope, groups })
}

/// An instruction as one number in the order of the kernel's structure: code, registers, offset, operand.
fn show_program<S: Serializer>(program: &Option<Vec<Instruction>>, serializer: S) -> Result<S::Ok, S::Error> {
    let show = |instruction: &Instruction| instruction.to_string();
    program.as_ref().map(|program| program.iter().map(show).collect::<Vec<_>>()).serialize(serializer)
}
