//! From an image's defaults and a user's wishes to an OCI spec: Docker's container, decided without touching anything.

pub(crate) mod limits;
mod mounts;
mod namespaces;
pub(crate) mod rights;

use crate::devices::Found;
use api::{Below, Create, Namespace};
use error::{Error, Result};
use limits::Disks;
use oci::ImageConfig;
use oci::runtime::{ConsoleSize, Device, Linux, Process, RawJson, Root, Spec, User};
use std::path::{Path, PathBuf};

/// What the image has no say in: facts about this container and this host.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// Name inside the UTS namespace.
    pub hostname: &'a str,
    /// The container's folder.
    pub bundle: &'a Path,
    /// Who runs the payload, resolved in the image.
    pub user: &'a crate::user::ResolvedUser,
    /// Volumes with their place on the host.
    pub volumes: &'a [Placed],
    /// Is a cgroup v2 hierarchy there to be shown?
    pub cgroup2: bool,
    /// Are we root only in a user namespace, where a new sysfs needs a new network namespace?
    pub user_namespace: bool,
    /// Is group 5 (tty) mapped?
    pub tty_group: bool,
    /// Devices that were asked for, found on the host.
    pub devices: &'a [Found],
    /// All that the host has, for a privileged container.
    pub host_devices: &'a [Device],
    /// Numbers of the disks whose rate is limited.
    pub disks: &'a Disks,
    /// Where its cgroups are to be, if it gets more than one.
    pub cgroups_path: &'a str,
}

/// A volume whose place on the host is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// What is mounted.
    pub content: Content,
    /// Absolute path inside.
    pub target: String,
    /// Refuse writing.
    pub read_only: bool,
    /// Empty is `rprivate`.
    pub propagation: String,
    /// What becomes of mounts below.
    pub below: Below,
}

/// What a volume shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// An absolute path on the host.
    Host(PathBuf),
    /// A file system in memory, with these options.
    Memory(Vec<String>),
}

/// What a payload finds when its image says nothing.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `root.path` says. The root is an overlay that exists only in the container's own mount namespace; another
/// runtime would have to mount it there first.
const ROOT_PATH: &str = "rootfs";

/// The command line: Entrypoint, then the arguments or Cmd. A new entrypoint drops the image's Cmd.
pub(crate) fn command(image: &ImageConfig, request: &Create) -> Result<Vec<String>> {
    let defaults = &image.config;
    let (mut command, keep_cmd) = match &request.entrypoint {
        Some(words) => (words.iter().filter(|word| !word.is_empty()).cloned().collect(), false),
        None => (defaults.entrypoint.clone(), true),
    };
    if !request.command.is_empty() {
        command.extend_from_slice(&request.command);
    } else if keep_cmd {
        command.extend_from_slice(&defaults.cmd);
    }
    if command.is_empty() {
        return Err(Error::invalid("no command specified").hint("the image names none: give one after the image"));
    }
    Ok(command)
}

/// The whole spec. `seccomp` is the section, if there is to be a filter.
pub(crate) fn build(
    image: &ImageConfig,
    request: &Create,
    facts: &Facts<'_>,
    seccomp: Option<RawJson>,
) -> Result<Spec> {
    let (masked_paths, readonly_paths) = rights::hidden(request);
    // A name would be given to all who share the namespace.
    let has_own_names = request.sharing.uts == Namespace::Private;
    Ok(Spec {
        process: Some(process(image, request, facts)?),
        root: Some(Root { path: ROOT_PATH.into(), readonly: request.read_only }),
        hostname: if has_own_names { facts.hostname.to_owned() } else { String::new() },
        domainname: request.domainname.clone().filter(|_| has_own_names).unwrap_or_default(),
        mounts: mounts::compile(request, facts),
        annotations: request.annotations.clone(),
        linux: Some(Linux {
            namespaces: namespaces::new(request),
            seccomp,
            masked_paths,
            readonly_paths,
            resources: limits::compile(request, facts),
            cgroups_path: facts.cgroups_path.to_owned(),
            devices: rights::devices(request, facts),
            sysctl: request.sysctls.clone(),
            ..Linux::default()
        }),
        ..Spec::default()
    })
}

fn process(image: &ImageConfig, request: &Create, facts: &Facts<'_>) -> Result<Process> {
    let workdir = request.workdir.as_deref().unwrap_or(&image.config.working_dir);
    let cwd = if workdir.is_empty() { "/" } else { workdir };
    if !cwd.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{cwd}' is invalid, it needs to be an absolute path"
        )));
    }
    let size = request.console_size.unwrap_or_default();
    Ok(Process {
        terminal: request.tty,
        console_size: request.tty.then(|| ConsoleSize { height: size.0.into(), width: size.1.into() }),
        user: User {
            uid: facts.user.uid,
            gid: facts.user.gid,
            additional_gids: facts.user.additional_gids.clone(),
            umask: None,
        },
        args: command(image, request)?,
        env: environment(image, request, facts),
        cwd: cwd.to_owned(),
        capabilities: Some(rights::capabilities(request, facts.user.uid)?),
        rlimits: limits::rlimits(request),
        no_new_privileges: request.rights.no_new_privileges,
        oom_score_adj: request.oom_score_adj,
        apparmor_profile: rights::apparmor(request),
        ..Process::default()
    })
}

/// In Docker's order: what we say, what the image says, what the user says; HOME unless somebody said it.
fn environment(image: &ImageConfig, request: &Create, facts: &Facts<'_>) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", facts.hostname)];
    if request.tty {
        env.push("TERM=xterm".into());
    }
    for entry in image.config.env.iter().chain(&request.env) {
        // Without a `=` the name is taken out.
        let (key, set) = entry.split_once('=').map_or((entry.as_str(), false), |(key, _)| (key, true));
        let same = |old: &String| old.split_once('=').is_some_and(|(name, _)| name == key);
        match (env.iter().position(same), set) {
            (Some(place), true) => entry.clone_into(&mut env[place]),
            (Some(place), false) => drop(env.remove(place)),
            (None, true) => env.push(entry.clone()),
            (None, false) => {}
        }
    }
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", facts.user.home));
    }
    env
}

#[cfg(test)]
mod tests;
