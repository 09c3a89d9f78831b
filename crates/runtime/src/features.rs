//! What this runtime understands, whatever the machine can do: the document of `features` (runtime-spec, `features.md`).
//!
//! All of it is known when the program is built. Names stand in the order in which other runtimes print them: by letters.

use oci::capabilities::Capability;
use serde::Serialize;

/// The oldest version of the specification whose documents are accepted.
pub const OLDEST_SPEC: &str = "1.0.0";
/// The newest one.
pub const NEWEST_SPEC: &str = "1.3.0";

type Names = &'static [&'static str];

/// The document.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// [`OLDEST_SPEC`].
    pub oci_version_min: &'static str,
    /// [`NEWEST_SPEC`].
    pub oci_version_max: &'static str,
    /// Points of a container's life at which programs are called.
    pub hooks: Names,
    /// Options of mounts that aren't the file system's.
    pub mount_options: Names,
    /// What only Linux has.
    pub linux: Linux,
    /// Annotations that change what the runtime does; with a dot at the end, all that begin so.
    pub potentially_unsafe_config_annotations: Names,
}

/// `features-linux.md`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// Kinds of namespaces.
    pub namespaces: Names,
    /// Capabilities by name.
    pub capabilities: Vec<&'static str>,
    /// Ways to limit.
    pub cgroup: Cgroup,
    /// Filters of system calls.
    pub seccomp: Seccomp,
    /// Profiles of AppArmor.
    pub apparmor: Enabled,
    /// Labels of SELinux.
    pub selinux: Enabled,
    /// set_mempolicy(2).
    pub memory_policy: MemoryPolicy,
    /// Intel Resource Director Technology.
    pub intel_rdt: IntelRdt,
    /// Beyond options.
    pub mount_extensions: MountExtensions,
    /// Devices of the network that move into a container.
    pub net_devices: Enabled,
}

/// Ways to limit.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cgroup {
    /// Controllers in hierarchies of their own.
    pub v1: bool,
    /// The one hierarchy.
    pub v2: bool,
    /// Through the system's systemd.
    pub systemd: bool,
    /// Through a user's systemd.
    pub systemd_user: bool,
    /// The RDMA controller.
    pub rdma: bool,
}

/// Filters of system calls.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// Are there any?
    pub enabled: bool,
    /// What a rule does.
    pub actions: Names,
    /// How a rule compares.
    pub operators: Names,
    /// Architectures.
    pub archs: Names,
    /// Flags of seccomp(2) that are understood.
    pub known_flags: Names,
    /// Flags of seccomp(2) that work.
    pub supported_flags: Names,
}

/// A thing that is there or not.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Enabled {
    /// Is it?
    pub enabled: bool,
}

/// set_mempolicy(2).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemoryPolicy {
    /// `MPOL_…`.
    pub modes: Names,
    /// `MPOL_F_…`.
    pub flags: Names,
}

/// Intel Resource Director Technology.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct IntelRdt {
    /// Is it understood?
    pub enabled: bool,
    /// Is the field of that name?
    pub schemata: bool,
    /// Is the field `enableMonitoring`?
    pub monitoring: bool,
}

/// Beyond options.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MountExtensions {
    /// Mounts with mapped ids.
    pub idmap: Enabled,
}

/// What this runtime understands.
pub fn features() -> Features {
    let yes = Enabled { enabled: true };
    Features {
        oci_version_min: OLDEST_SPEC,
        oci_version_max: NEWEST_SPEC,
        hooks: HOOKS,
        mount_options: MOUNT_OPTIONS,
        linux: Linux {
            namespaces: NAMESPACES,
            capabilities: Capability::all().map(Capability::name).collect(),
            cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
            seccomp: SECCOMP,
            apparmor: yes,
            selinux: yes,
            memory_policy: MemoryPolicy { modes: MEMORY_MODES, flags: MEMORY_FLAGS },
            intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
            mount_extensions: MountExtensions { idmap: yes },
            net_devices: yes,
        },
        potentially_unsafe_config_annotations: UNSAFE_ANNOTATIONS,
    }
}

const HOOKS: Names = &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

const NAMESPACES: Names = &["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

/// `config.md`, "Linux mount options", and the ones that runtimes have added.
#[rustfmt::skip]
const MOUNT_OPTIONS: Names = &[
    "acl", "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "idmap", "iversion", "lazytime",
    "loud", "mand", "noacl", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand",
    "norelatime", "nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime",
    "relatime", "remount", "rexec", "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnorelatime",
    "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave",
    "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent", "slave", "strictatime", "suid",
    "symfollow", "sync", "tmpcopyup", "unbindable",
];

#[rustfmt::skip]
const SECCOMP: Seccomp = Seccomp {
    enabled: true,
    actions: &[
        "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
    ],
    operators: &[
        "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
    ],
    archs: &[
        "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS",
        "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
        "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
        "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64",
    ],
    known_flags: SECCOMP_FLAGS,
    supported_flags: SECCOMP_FLAGS,
};

const SECCOMP_FLAGS: Names = &[
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

const MEMORY_MODES: Names = &[
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

const MEMORY_FLAGS: Names = &["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

const UNSAFE_ANNOTATIONS: Names = &["bundle", "org.criu.config", "org.systemd.property."];

#[cfg(test)]
mod tests {
    use super::*;
    use oci::runtime::seccomp::{Action, Arch, FilterFlag, Op};
    use oci::runtime::{Hooks, NamespaceKind};

    /// Does a document's type read each of the names?
    #[track_caller]
    fn all_are_read<T: serde::de::DeserializeOwned>(names: Names) {
        for name in names {
            let read: Result<T, _> = serde_json::from_str(&format!("\"{name}\""));
            assert!(read.is_ok(), "{name}: {:?}", read.err());
        }
    }

    #[test]
    fn what_is_named_is_read() {
        all_are_read::<NamespaceKind>(NAMESPACES);
        all_are_read::<Action>(SECCOMP.actions);
        all_are_read::<Op>(SECCOMP.operators);
        all_are_read::<Arch>(SECCOMP.archs);
        all_are_read::<FilterFlag>(SECCOMP.known_flags);
        for hook in HOOKS {
            let hooks: Hooks = serde_json::from_str(&format!(r#"{{"{hook}":[{{"path":"/x"}}]}}"#)).unwrap();
            assert_ne!(hooks, Hooks::default(), "{hook}");
        }
    }

    #[test]
    fn the_document_has_the_fields_of_the_specification() {
        let text = serde_json::to_string(&features()).unwrap();
        for part in [
            r#"{"ociVersionMin":"1.0.0","ociVersionMax":"1.3.0","hooks":["prestart","#,
            r#""mountOptions":["acl","#,
            r#""linux":{"namespaces":["cgroup","ipc","mount","network","pid","time","user","uts"],"capabilities":["CAP_CHOWN","#,
            r#""cgroup":{"v1":true,"v2":true,"systemd":true,"systemdUser":true,"rdma":true}"#,
            r#""seccomp":{"enabled":true,"actions":["SCMP_ACT_ALLOW","#,
            r#""knownFlags":["SECCOMP_FILTER_FLAG_LOG","#,
            r#""supportedFlags":["SECCOMP_FILTER_FLAG_LOG","#,
            r#""apparmor":{"enabled":true},"selinux":{"enabled":true},"memoryPolicy":{"modes":["MPOL_DEFAULT","#,
            r#""intelRdt":{"enabled":true,"schemata":true,"monitoring":true}"#,
            r#""mountExtensions":{"idmap":{"enabled":true}},"netDevices":{"enabled":true}}"#,
            r#""potentiallyUnsafeConfigAnnotations":["bundle","org.criu.config","org.systemd.property."]}"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
