//! The document that `spec` writes: a start for people who write a `config.json` by hand.
//!
//! The same as runc's (`runc spec`, `runc spec --rootless`), for scripts change parts of it by name.

use crate::features::NEWEST_SPEC;
use oci::runtime::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Rlimit, Root, Spec,
};

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];

const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Destination, type and source, options.
const MOUNTS: [(&str, &str, &str, &[&str]); 7] = [
    ("/proc", "proc", "proc", &[]),
    ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
];

/// The document for a root.
pub fn example() -> Spec {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    Spec {
        oci_version: NEWEST_SPEC.into(),
        process: Some(process()),
        root: Some(Root { path: "rootfs".into(), readonly: true }),
        hostname: "isolazi".into(),
        mounts: MOUNTS.iter().map(|&(to, kind, source, options)| mount(to, kind, source, options)).collect(),
        linux: Some(Linux {
            resources: Some(Resources {
                devices: vec![DeviceRule { access: "rwm".into(), ..DeviceRule::default() }],
                ..Resources::default()
            }),
            namespaces: [Pid, Network, Ipc, Uts, Mount, Cgroup].map(namespace).to_vec(),
            masked_paths: MASKED.map(String::from).to_vec(),
            readonly_paths: READONLY.map(String::from).to_vec(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

/// The document for an ordinary user with these ids: a user namespace, the host's network, no limits.
pub fn rootless_example(uid: u32, gid: u32) -> Spec {
    let mut spec = example();
    for one in &mut spec.mounts {
        if one.destination == "/sys" {
            // A new one needs a network namespace of one's own.
            *one = mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
        // These ids have no names in a namespace of a single id.
        one.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
    }
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|one| one.kind != NamespaceKind::Network);
        linux.namespaces.push(namespace(NamespaceKind::User));
        linux.uid_mappings = vec![IdMapping { container_id: 0, host_id: uid, size: 1 }];
        linux.gid_mappings = vec![IdMapping { container_id: 0, host_id: gid, size: 1 }];
        linux.resources = None;
    }
    spec
}

fn process() -> Process {
    let capabilities = CAPABILITIES.map(String::from).to_vec();
    Process {
        terminal: true,
        args: vec!["sh".into()],
        env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(), "TERM=xterm".into()],
        cwd: "/".into(),
        capabilities: Some(Capabilities {
            bounding: capabilities.clone(),
            effective: capabilities.clone(),
            permitted: capabilities,
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".into(), hard: 1024, soft: 1024 }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.into(),
        source: source.into(),
        options: options.iter().map(|&option| option.into()).collect(),
        ..Mount::default()
    }
}

fn namespace(kind: NamespaceKind) -> Namespace {
    Namespace { kind, path: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both documents, so that a change is seen. `UPDATE_GOLDEN=1` writes them anew.
    #[test]
    fn the_documents_are_as_recorded() {
        let text = |spec| serde_json::to_string_pretty(&spec).unwrap() + "\n";
        testkit::golden("tests/golden/example.json", &text(example()));
        testkit::golden("tests/golden/example-rootless.json", &text(rootless_example(1000, 100)));
    }
}
