//! From an OCI spec to a plan: every optional field is settled here, once, and nothing is touched.

mod devices;
mod hooks;
pub(crate) use hooks::one as hook;
pub(crate) use namespaces::id_maps;
mod mounts;
pub(crate) use mounts::clean;
mod namespaces;
mod options;
mod process;
mod sysctl;

use crate::Host;
use crate::cgroup::Place;
use crate::plan::{Plan, ProcessPlan, Stops, Text, UserNamespace};
use crate::seccomp::Program;
use error::{Error, Kind, Result};
use oci::runtime::{Linux, Process, Spec};
use std::path::Path;
use sys::process::namespace;

/// What a plan depends on besides the document.
#[derive(Debug, Clone)]
pub struct Setting<'a> {
    /// Facts about kernel and user.
    pub host: &'a Host,
    /// Relative paths of the document start here.
    pub bundle: &'a Path,
    /// A directory of the host where the root is attached before it becomes `/`, in the container's mount namespace. If
    /// that is the launcher's, the launcher unmounts it in the end, and what is mounted there must not propagate.
    pub root_target: &'a Path,
    /// Where the host has the root file system, if that is known: what a document names below it may be what one of its
    /// own mounts brings.
    pub rootfs: Option<&'a Path>,
    /// The container's cgroup in each hierarchy, for mounts of type `cgroup`.
    pub cgroups: &'a [Place],
    /// The payload is killed when its launcher ends.
    pub dies_with_launcher: bool,
    /// The init stays as the payload's parent: it hands signals on and waits for orphans.
    pub reaper: bool,
    /// Enter the root by `pivot_root`; without it the host's tree stays covered in the mount namespace.
    pub pivot: bool,
    /// The payload gets a session keyring of its own.
    pub new_keyring: bool,
    /// How many descriptors after standard error the payload gets.
    pub kept_fds: u32,
    /// How many of these are sockets of sd_listen_fds(3).
    pub listen_fds: u32,
    /// A folder with a socket of sd_notify(3) that the payload shall see.
    pub notify_folder: Option<&'a Path>,
    /// The init stops at its birth until the launcher lets it go on.
    pub stops_at_birth: bool,
    /// The init stops before the payload until somebody says so.
    pub waits_for_start: bool,
    /// Home of the payload's user, for an environment without `HOME`.
    pub home: Option<&'a str>,
    /// What `linux.seccomp` was compiled to before, if that is known.
    pub seccomp: Option<&'a Program>,
}

impl<'a> Setting<'a> {
    /// Without anything special: nobody waits for the init, and it outlives its launcher.
    pub fn plain(host: &'a Host, bundle: &'a Path, root_target: &'a Path) -> Self {
        Self {
            host,
            bundle,
            root_target,
            rootfs: None,
            cgroups: &[],
            dies_with_launcher: false,
            reaper: false,
            pivot: true,
            new_keyring: true,
            kept_fds: 0,
            listen_fds: 0,
            notify_folder: None,
            stops_at_birth: false,
            waits_for_start: false,
            home: None,
            seccomp: None,
        }
    }
}

/// Decides everything.
///
/// # Errors
/// `Invalid` with the path of the field, `Unsupported` for what this machine cannot do.
pub fn compile(spec: &Spec, setting: &Setting<'_>) -> Result<Plan> {
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    let namespaces = namespaces::compile(linux)?;
    let named = |name: &str, field: &str| match name {
        "" => Ok(None),
        _ if !namespaces.has(namespace::UTS) => {
            Err(invalid(field, "it would be the host's: a uts namespace is missing"))
        }
        name => text(name, field).map(Some),
    };
    let hooks = &spec.hooks;
    let process = match &spec.process {
        Some(process) => process::compile(process, linux, setting)?,
        // Only a start needs one (config.md, "Process").
        None if setting.waits_for_start => process::nobody(linux, setting)?,
        None => return Err(Error::invalid("config.json: `process` is missing")),
    };
    let user = !matches!(namespaces.user, UserNamespace::Inherited);
    Ok(Plan {
        hostname: named(&spec.hostname, "hostname")?,
        domainname: named(&spec.domainname, "domainname")?,
        sysctls: sysctl::compile(linux, &namespaces)?,
        root: mounts::compile(spec, linux, &namespaces, setting)?,
        create_container_hooks: hooks::compile(&hooks.create_container, "hooks.createContainer")?,
        start_container_hooks: hooks::compile_start(&hooks.start_container, &process)?,
        stops: Stops {
            at_birth: user || setting.stops_at_birth,
            when_mounted: !(hooks.prestart.is_empty()
                && hooks.create_runtime.is_empty()
                && hooks.create_container.is_empty()),
            before_payload: setting.waits_for_start,
        },
        process,
        // A joined namespace has a loopback interface that somebody else cares for.
        loopback: namespaces.new & namespace::NETWORK != 0,
        namespaces: namespaces.new,
        joins: namespaces.joins,
        mount_namespace: namespaces.mount,
        user_namespace: namespaces.user,
        new_cgroup_namespace: namespaces.new_cgroup,
        time_offsets: namespaces.time_offsets,
    })
}

/// The plan of one more process in a container that runs; `linux` is the container's section.
///
/// # Errors
/// As [`compile`].
pub fn compile_exec(process: &Process, linux: Option<&Linux>, setting: &Setting<'_>) -> Result<ProcessPlan> {
    let none = Linux::default();
    let mut plan = process::compile(process, linux.unwrap_or(&none), setting)?;
    plan.affinity = process::affinity(process)?;
    Ok(plan)
}

fn invalid(field: &str, why: &str) -> Error {
    Error::invalid(format!("config.json: `{field}`: {why}"))
}

/// A field that would silently not hold is worse than an error, or than a warning where it need not hold.
fn unsupported(field: &str, why: &str) -> Error {
    Error::new(Kind::Unsupported, format!("config.json: `{field}`: {why}"))
}

fn text(value: impl Into<Vec<u8>>, field: &str) -> Result<Text> {
    Text::new(value).ok_or_else(|| Error::invalid(format!("config.json: `{field}` has a NUL byte")))
}

fn texts(values: &[String], field: &str) -> Result<Vec<Text>> {
    let text = |(index, value): (usize, &String)| text(value.as_str(), &format!("{field}[{index}]"));
    values.iter().enumerate().map(text).collect()
}

/// An absolute path of the container.
fn inside(path: &str, field: &str) -> Result<Text> {
    if path.starts_with('/') {
        text(path, field)
    } else {
        Err(invalid(field, &format!("`{path}` is not an absolute path")))
    }
}

fn insides(paths: &[String], field: &str) -> Result<Vec<Text>> {
    paths.iter().enumerate().map(|(index, path)| inside(path, &format!("{field}[{index}]"))).collect()
}
