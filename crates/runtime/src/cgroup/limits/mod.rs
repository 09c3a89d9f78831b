//! `linux.resources` becomes writes into files of cgroups: pure, for a new cgroup and for one that lives.
//!
//! Each controller is at home in one hierarchy, v1 or v2, and that decides its files' names and units. A limit whose
//! controller is at home nowhere is an error; that nothing be limited is granted anyway.

mod cpu;
mod io;
mod memory;
mod other;

use super::devices;
use super::place::{Place, Version};
use error::{Error, Kind, Result};
use oci::runtime::Resources;
use serde::Serialize;

/// One write into a file of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// The controller whose file it is.
    pub controller: &'static str,
    /// The field of `linux.resources` that asks for it.
    pub field: String,
    /// The file's name.
    pub file: String,
    /// What is written.
    pub value: String,
    /// What a refusal means.
    #[serde(skip_serializing_if = "Refusal::is_error")]
    pub refusal: Refusal,
}

/// What it means when the kernel refuses a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The limit cannot be applied.
    Error,
    /// Nothing is limited by this value: neither file nor controller need be there.
    Harmless,
    /// The file says the same of newer kernels only, beside a write that all have.
    Optional,
    /// Two values that only fit together: once more after the other writes.
    Later,
    /// Where that file is not there, another file and value mean the same.
    Else(String, String),
    /// An own rule, which a cgroup above may forbid: then the payload goes without.
    MayBeDenied,
}

impl Refusal {
    fn is_error(&self) -> bool {
        *self == Self::Error
    }
}

/// What a living cgroup has already; the default is that of a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Current {
    /// Bytes; `None` is without limit.
    pub(super) memory_limit: Option<i64>,
    /// The first word of v2's `cpu.max`, or `None` for `max`.
    pub(super) cpu_quota: Option<i64>,
    /// The second word of v2's `cpu.max`, in microseconds.
    pub(super) cpu_period: Option<u64>,
}

/// The writes of one controller.
struct Section {
    controller: &'static str,
    version: Version,
    writes: Vec<Write>,
}

impl Section {
    fn set(&mut self, field: &str, file: &str, value: impl ToString) {
        self.set_or(Refusal::Error, field, file, value);
    }

    fn set_or(&mut self, refusal: Refusal, field: &str, file: &str, value: impl ToString) {
        let (field, file) = (format!("linux.resources.{field}"), file.to_owned());
        self.writes.push(Write { controller: self.controller, field, file, value: value.to_string(), refusal });
    }

    /// A field that only version 1 knows.
    fn only_v1(&self, field: &str) -> Result<()> {
        match self.version {
            Version::V1 => Ok(()),
            Version::V2 => {
                Err(unsupported(field, &format!("cgroup v2's controller `{}` has no such limit", self.controller)))
            }
        }
    }
}

/// For each place, in their order, what is to be written there.
pub(super) fn writes(places: &[Place], resources: &Resources, current: &Current) -> Result<Vec<Vec<Write>>> {
    let mut planned = Planned { places, writes: places.iter().map(|_| Vec::new()).collect() };
    planned.section(["memory"; 2], |section| match &resources.memory {
        Some(memory) => memory::plan(section, memory, current),
        None => Ok(()),
    })?;
    if let Some(cpu) = &resources.cpu {
        planned.section(["cpu"; 2], |section| cpu::time(section, cpu, current))?;
        planned.section(["cpuset"; 2], |section| {
            cpu::sets(section, cpu);
            Ok(())
        })?;
    }
    if let Some(pids) = &resources.pids {
        planned.section(["pids"; 2], |section| other::pids(section, *pids))?;
    }
    if let Some(block_io) = &resources.block_io {
        planned.section(["blkio", "io"], |section| io::plan(section, block_io))?;
    }
    planned.section(["hugetlb"; 2], |section| other::huge_pages(section, &resources.hugepage_limits))?;
    planned.section(["rdma"; 2], |section| other::rdma(section, &resources.rdma))?;
    if let Some(network) = &resources.network {
        planned.section(["net_cls", ""], |section| {
            other::class(section, network);
            Ok(())
        })?;
        planned.section(["net_prio", ""], |section| other::priorities(section, network))?;
    }
    // On v2 a program decides about devices.
    planned.section(["devices", ""], |section| match section.version {
        Version::V1 => devices::v1(&resources.devices, |own, file, value| {
            let refusal = if own { Refusal::MayBeDenied } else { Refusal::Error };
            section.set_or(refusal, "devices", file, value);
        }),
        Version::V2 => Ok(()),
    })?;
    planned.unified(&resources.unified)?;
    Ok(planned.writes)
}

struct Planned<'a> {
    places: &'a [Place],
    writes: Vec<Vec<Write>>,
}

impl Planned<'_> {
    /// Lets `plan` write for the controller called `[v1, v2]`, where it is at home.
    fn section(&mut self, names: [&'static str; 2], plan: impl FnOnce(&mut Section) -> Result<()>) -> Result<()> {
        let home = |version: Version, name: &str| {
            self.places.iter().position(|place| place.version == version && place.has(name))
        };
        let (home, version, controller) = match home(Version::V1, names[0]) {
            Some(home) => (Some(home), Version::V1, names[0]),
            None if names[1].is_empty() => (None, Version::V2, names[0]),
            // Words for a controller that isn't there are those of v2.
            None => (home(Version::V2, names[1]), Version::V2, names[1]),
        };
        let mut section = Section { controller, version, writes: Vec::new() };
        plan(&mut section)?;
        match home {
            Some(home) => self.writes[home].append(&mut section.writes),
            None => {
                let asked =
                    section.writes.iter().find(|write| !matches!(write.refusal, Refusal::Harmless | Refusal::Optional));
                if let Some(write) = asked {
                    return Err(absent(&write.field, controller));
                }
            }
        }
        Ok(())
    }

    fn unified(&mut self, unified: &std::collections::BTreeMap<String, String>) -> Result<()> {
        let home = self.places.iter().position(|place| place.version == Version::V2);
        for (file, value) in unified {
            let field = format!("linux.resources.unified[{file}]");
            let controller = other::unified_controller(file)?;
            let Some(home) = home else {
                return Err(unsupported(&field["linux.resources.".len()..], "there is no cgroup v2 hierarchy"));
            };
            if controller != "cgroup" && !self.places[home].has(controller) {
                return Err(absent(&field, controller));
            }
            // A file of several lines, such as `io.max`, takes one line at a time.
            for line in value.lines() {
                let (field, file, value) = (field.clone(), file.clone(), line.to_owned());
                self.writes[home].push(Write { controller: "unified", field, file, value, refusal: Refusal::Error });
            }
        }
        Ok(())
    }
}

fn absent(field: &str, controller: &str) -> Error {
    let field = field.strip_prefix("linux.resources.").unwrap_or(field);
    unsupported(field, &format!("the cgroup controller `{controller}` is not available"))
}

pub(super) fn unsupported(field: &str, why: &str) -> Error {
    Error::new(Kind::Unsupported, format!("config.json: `linux.resources.{field}` can't be applied: {why}"))
}

pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("config.json: `linux.resources.{field}`: {why}"))
}
