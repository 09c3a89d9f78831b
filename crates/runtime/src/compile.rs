//! From an OCI spec to a plan: every optional field is settled here, once, and nothing is touched.

use crate::Host;
use crate::options::{self, Options};
use crate::plan::{CapabilityPlan, FsStep, Plan, ProcessPlan, RootPlan, Source, Text};
use error::{Error, Kind, Result, ResultExt};
use oci::capabilities::Capability;
use oci::runtime::{Linux, Mount, NamespaceKind, Process, Rlimit, Spec};
use std::borrow::Cow;
use std::path::Path;
use sys::process::namespace;

/// Device nodes that every container has (config-linux.md, "Default Devices"), bound from the host: that works with
/// and without privilege, and the container's own `/dev` can forbid all other devices.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links that every container has (config-linux.md, "Default Devices").
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Where a command without a slash is looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Decides everything. `host_target` is an empty directory of the host; `host` is asked for nothing but facts.
///
/// # Errors
/// `Invalid` with the path of the field, `Unsupported` for what this version cannot honour.
pub fn compile(spec: &Spec, host: &Host, host_target: &Path) -> Result<Plan> {
    let process = spec.process.as_ref().ok_or_else(|| Error::invalid("config.json: `process` is missing"))?;
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    refuse_unsupported(spec, linux)?;
    let (namespaces, new_cgroup_namespace) = namespaces(linux)?;
    let optional = |name: &str, field: &str| match name {
        "" => Ok(None),
        _ if namespaces & namespace::UTS == 0 => {
            Err(Error::invalid(format!("config.json: `{field}` would be the host's: a uts namespace is missing")))
        }
        name => text(name, field).map(Some),
    };
    Ok(Plan {
        namespaces,
        new_cgroup_namespace,
        loopback: namespaces & namespace::NETWORK != 0,
        hostname: optional(&spec.hostname, "hostname")?,
        domainname: optional(&spec.domainname, "domainname")?,
        root: root(spec, linux, host_target)?,
        process: process_plan(process, linux, host)?,
    })
}

fn text(value: impl Into<Vec<u8>>, field: &str) -> Result<Text> {
    Text::new(value).ok_or_else(|| Error::invalid(format!("config.json: `{field}` has a NUL byte")))
}

/// A field that would silently not hold is worse than an error.
fn refuse_unsupported(spec: &Spec, linux: &Linux) -> Result<()> {
    let process = spec.process.as_ref();
    let asked = [
        ("hooks", spec.hooks != oci::runtime::Hooks::default()),
        ("linux.uidMappings", !linux.uid_mappings.is_empty()),
        ("linux.gidMappings", !linux.gid_mappings.is_empty()),
        ("linux.cgroupsPath", !linux.cgroups_path.is_empty()),
        ("linux.sysctl", !linux.sysctl.is_empty()),
        ("linux.devices", !linux.devices.is_empty()),
        ("linux.resources", linux.resources.is_some()),
        ("linux.rootfsPropagation", !matches!(linux.rootfs_propagation.as_str(), "" | "private" | "rprivate")),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
        ("linux.personality", linux.personality.is_some()),
        ("linux.timeOffsets", !linux.time_offsets.is_empty()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.netDevices", !linux.net_devices.is_empty()),
        ("linux.memoryPolicy", linux.memory_policy.is_some()),
        ("process.scheduler", process.is_some_and(|p| p.scheduler.is_some())),
        ("process.ioPriority", process.is_some_and(|p| p.io_priority.is_some())),
        ("process.apparmorProfile", process.is_some_and(|p| !p.apparmor_profile.is_empty())),
        ("process.selinuxLabel", process.is_some_and(|p| !p.selinux_label.is_empty())),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((field, _)) => Err(Error::new(Kind::Unsupported, format!("config.json: `{field}` is not supported"))),
        None => Ok(()),
    }
}

fn namespaces(linux: &Linux) -> Result<(u64, bool)> {
    let (mut bits, mut cgroup) = (0, false);
    for (index, wanted) in linux.namespaces.iter().enumerate() {
        if !wanted.path.is_empty() {
            let message = format!("config.json: `linux.namespaces[{index}].path` is not supported");
            return Err(Error::new(Kind::Unsupported, message));
        }
        bits |= match wanted.kind {
            NamespaceKind::Mount => namespace::MOUNT,
            NamespaceKind::Pid => namespace::PID,
            NamespaceKind::Uts => namespace::UTS,
            NamespaceKind::Ipc => namespace::IPC,
            NamespaceKind::Network => namespace::NETWORK,
            NamespaceKind::Cgroup => {
                cgroup = true;
                0
            }
            NamespaceKind::User | NamespaceKind::Time => {
                let message = format!("config.json: `linux.namespaces[{index}]`: this kind is not supported");
                return Err(Error::new(Kind::Unsupported, message));
            }
        };
    }
    if bits & namespace::MOUNT == 0 {
        return Err(Error::invalid("config.json: `linux.namespaces` must have a mount namespace"));
    }
    Ok((bits, cgroup))
}

fn root(spec: &Spec, linux: &Linux, host_target: &Path) -> Result<RootPlan> {
    let mut sources = Vec::new();
    let mut steps = Vec::new();
    for (index, mount) in spec.mounts.iter().enumerate() {
        steps.push(mount_step(mount, index, &mut sources)?);
    }
    // Whoever shows the host's whole /dev gets it as it is.
    let is_dev = |target: &Text| Path::new(&*target.lossy()) == Path::new("/dev");
    if !steps.iter().any(|step| matches!(step, FsStep::Bind { target, .. } if is_dev(target))) {
        for name in DEVICES {
            let path = text(format!("/dev/{name}"), "devices")?;
            steps.push(FsStep::Bind { source: add_device(&mut sources, path.clone()), target: path });
        }
        for (to, path) in LINKS {
            steps.push(FsStep::Symlink { to: text(to, "links")?, path: text(path, "links")? });
        }
    }
    let null_source = add_device(&mut sources, text("/dev/null", "devices")?);
    let paths = |paths: &[String], field: &str| {
        let inside = |(index, path): (usize, &String)| inside(path, &format!("{field}[{index}]"));
        paths.iter().enumerate().map(inside).collect::<Result<Vec<_>>>()
    };
    let host_target = std::os::unix::ffi::OsStrExt::as_bytes(host_target.as_os_str());
    Ok(RootPlan {
        host_target: text(host_target, "root.path")?,
        sources,
        null_source,
        steps,
        masked: paths(&linux.masked_paths, "linux.maskedPaths")?,
        readonly_paths: paths(&linux.readonly_paths, "linux.readonlyPaths")?,
        readonly: spec.root.as_ref().is_some_and(|root| root.readonly),
    })
}

fn add_device(sources: &mut Vec<Source>, host_path: Text) -> usize {
    let propagation = options::PRIVATE;
    sources.push(Source { host_path, recursive: false, attributes: (0, 0), attributes_recursive: false, propagation });
    sources.len() - 1
}

/// An absolute path of the container.
fn inside(path: &str, field: &str) -> Result<Text> {
    if path.starts_with('/') {
        text(path, field)
    } else {
        Err(Error::invalid(format!("config.json: `{field}`: `{path}` is not an absolute path")))
    }
}

fn mount_step(mount: &Mount, index: usize, sources: &mut Vec<Source>) -> Result<FsStep> {
    let field = |name: &str| format!("mounts[{index}].{name}");
    let target = inside(&mount.destination, &field("destination"))?;
    let parsed = options::parse(&mount.options, &field("options"))?;
    if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
        return Err(Error::new(Kind::Unsupported, format!("config.json: `{}` is not supported", field("uidMappings"))));
    }
    if parsed.bind || mount.kind == "bind" {
        let Options { recursive, set, clear, attributes_recursive, propagation, parameters, .. } = parsed;
        if let Some((key, _)) = parameters.first() {
            let message = format!("config.json: `{}`: a bind mount has no option `{}`", field("options"), key.lossy());
            return Err(Error::invalid(message));
        }
        let host_path = inside(&mount.source, &field("source"))?;
        sources.push(Source { host_path, recursive, attributes: (set, clear), attributes_recursive, propagation });
        return Ok(FsStep::Bind { source: sources.len() - 1, target });
    }
    if mount.kind.is_empty() {
        return Err(Error::invalid(format!("config.json: `{}` is missing", field("type"))));
    }
    if parsed.propagation != options::PRIVATE {
        let message = format!("config.json: `{}`: only a bind mount can be shared or a slave", field("options"));
        return Err(Error::new(Kind::Unsupported, message));
    }
    let fstype = if mount.kind == "cgroup" { "cgroup2" } else { &mount.kind };
    Ok(FsStep::Mount {
        fstype: text(fstype, &field("type"))?,
        source: if mount.source.is_empty() { None } else { Some(text(&*mount.source, &field("source"))?) },
        parameters: parsed.parameters,
        attributes: parsed.set,
        target,
        plain: matches!(fstype, "proc" | "sysfs"),
    })
}

fn process_plan(process: &Process, linux: &Linux, host: &Host) -> Result<ProcessPlan> {
    let (candidates, searched) = candidates(process)?;
    let (filter, seccomp_flags) = match &linux.seccomp {
        Some(section) => {
            let program = crate::seccomp::compile_section(section.text())?;
            if program.listener.is_some() {
                let message = "config.json: `linux.seccomp.listenerPath` is not supported";
                return Err(Error::new(Kind::Unsupported, message));
            }
            (program.instructions, program.flags)
        }
        None => (Cow::Borrowed(&[][..]), 0),
    };
    let strings = |values: &[String], field: &str| {
        let text = |(index, value): (usize, &String)| text(value.as_str(), &format!("{field}[{index}]"));
        values.iter().enumerate().map(text).collect::<Result<_>>()
    };
    let user = &process.user;
    Ok(ProcessPlan {
        terminal: process.terminal.then(|| {
            let size = process.console_size.unwrap_or_default();
            (u16::try_from(size.height).unwrap_or(0), u16::try_from(size.width).unwrap_or(0))
        }),
        uid: id(user.uid, "process.user.uid")?,
        gid: id(user.gid, "process.user.gid")?,
        groups: host.may_set_groups.then(|| groups(&user.additional_gids)).transpose()?,
        umask: user.umask.unwrap_or(0o022),
        rlimits: rlimits(&process.rlimits)?,
        oom_score_adj: process.oom_score_adj,
        capabilities: capabilities(process, host)?,
        no_new_privileges: process.no_new_privileges,
        seccomp: filter,
        seccomp_flags,
        cwd: inside(&process.cwd, "process.cwd")?,
        candidates,
        searched,
        argv: strings(&process.args, "process.args")?,
        env: strings(&process.env, "process.env")?,
    })
}

/// What `execvp` would try: the name itself when it has a slash, else each folder of the payload's own PATH.
fn candidates(process: &Process) -> Result<(Vec<Text>, bool)> {
    let Some(name) = process.args.first().filter(|name| !name.is_empty()) else {
        return Err(Error::invalid("config.json: `process.args` names no program"));
    };
    if name.contains('/') {
        return Ok((vec![text(name.as_str(), "process.args[0]")?], false));
    }
    let path = process.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let candidate = |dir: &str| {
        // An empty entry is the working directory (environ(7)).
        let dir = if dir.is_empty() { "." } else { dir };
        text(format!("{dir}/{name}"), "process.args[0]")
    };
    Ok((path.split(':').map(candidate).collect::<Result<_>>()?, true))
}

/// The kernel takes −1 for "as it is" (setresuid(2)): such a payload would stay root.
fn id(id: u32, field: &str) -> Result<u32> {
    if id == u32::MAX { Err(Error::invalid(format!("config.json: `{field}`: {id} is no id"))) } else { Ok(id) }
}

fn groups(ids: &[u32]) -> Result<Vec<u32>> {
    let group = |(index, gid): (usize, &u32)| id(*gid, &format!("process.user.additionalGids[{index}]"));
    ids.iter().enumerate().map(group).collect()
}

fn rlimits(limits: &[Rlimit]) -> Result<Vec<(u32, u64, u64)>> {
    let mut plan: Vec<(u32, u64, u64)> = Vec::with_capacity(limits.len());
    for (index, limit) in limits.iter().enumerate() {
        let bad = |why: &str| Err(Error::invalid(format!("config.json: `process.rlimits[{index}]`: {why}")));
        let Some(number) = crate::rlimits::number(&limit.kind) else {
            return bad(&format!("unknown limit `{}`", limit.kind));
        };
        if limit.soft > limit.hard {
            return bad(&format!("the soft limit {} is above the hard limit {}", limit.soft, limit.hard));
        }
        if plan.iter().any(|(other, ..)| *other == number) {
            return bad(&format!("`{}` is given twice", limit.kind));
        }
        plan.push((number, limit.soft, limit.hard));
    }
    Ok(plan)
}

fn capabilities(process: &Process, host: &Host) -> Result<CapabilityPlan> {
    let last = host.last_capability;
    let Some(sets) = &process.capabilities else { return Ok(CapabilityPlan { last, ..CapabilityPlan::default() }) };
    let bits = |names: &[String], set: &str| -> Result<u64> {
        let mut bits = 0;
        for (index, name) in names.iter().enumerate() {
            let field = || format!("config.json: `process.capabilities.{set}[{index}]`");
            let number = Capability::parse(name).context(field)?.bit();
            // A capability that this kernel does not know cannot be given; runc leaves it out, too.
            if number <= last {
                bits |= 1 << number;
            }
        }
        Ok(bits)
    };
    let permitted = bits(&sets.permitted, "permitted")?;
    let inheritable = bits(&sets.inheritable, "inheritable")?;
    Ok(CapabilityPlan {
        bounding: bits(&sets.bounding, "bounding")?,
        // What the kernel would refuse is left out: a start should not fail for it (config.md, `capabilities`).
        effective: bits(&sets.effective, "effective")? & permitted,
        permitted,
        inheritable,
        ambient: bits(&sets.ambient, "ambient")? & permitted & inheritable,
        last,
    })
}
