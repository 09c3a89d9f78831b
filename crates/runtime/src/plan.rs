//! The plan: everything the init will do, decided before the clone.
//!
//! Plain owned data with no choice left open, printable as JSON, so that a plan is a golden-file test without a
//! kernel. Paths are as seen inside the container unless they say `host`.

use error::Error;
use oci::runtime::IdMapping;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fmt;
use sys::process::namespace;

/// A string without NUL, ready for the kernel.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(CString);

impl Text {
    /// `None` when there is a NUL inside.
    pub fn new(text: impl Into<Vec<u8>>) -> Option<Self> {
        CString::new(text).ok().map(Self)
    }

    /// For a system call.
    pub fn c(&self) -> &CStr {
        &self.0
    }

    /// For people.
    pub fn lossy(&self) -> Cow<'_, str> {
        self.0.to_string_lossy()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.lossy())
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// `CLONE_NEW*` bits of the one clone.
    pub namespaces: u64,
    /// Existing namespaces that the launcher enters before the clone, and leaves after it.
    pub joins: Vec<Join>,
    /// An existing mount namespace, entered by the init itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_namespace: Option<Text>,
    /// Whose ids count inside.
    pub user_namespace: UserNamespace,
    /// Leave the cgroup namespace of the launcher; done by the init, after it is in its cgroup.
    pub new_cgroup_namespace: bool,
    /// A new time namespace with these lines for `/proc/self/timens_offsets` (time_namespaces(7)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_offsets: Option<Text>,
    /// Bring the loopback interface of a new network namespace up.
    pub loopback: bool,
    /// In the new UTS namespace.
    pub hostname: Option<Text>,
    /// In the new UTS namespace.
    pub domainname: Option<Text>,
    /// Kernel parameters of the new namespaces: file below `/proc/sys`, value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<(Text, Text)>,
    /// The tree the payload sees.
    pub root: RootPlan,
    /// Called by the init, in the container's namespaces, before the root is switched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_container_hooks: Vec<HookPlan>,
    /// Called by the init right before the payload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_container_hooks: Vec<HookPlan>,
    /// Where the init stops for its launcher.
    pub stops: Stops,
    /// The payload.
    pub process: ProcessPlan,
}

impl Plan {
    /// Does the init make its mounts before it leaves the launcher's mount namespace? Root of a new user namespace may
    /// not, and who enters a mount namespace has left already.
    pub(crate) fn mounts_before_leaving(&self) -> bool {
        self.namespaces & namespace::MOUNT != 0 && self.user_namespace == UserNamespace::Inherited
    }

    /// What of the document does not hold, where it says that this is no reason to fail.
    pub fn warnings(&self) -> impl Iterator<Item = &Error> {
        self.root.warnings.iter().chain(&self.process.warnings)
    }
}

/// An existing namespace to enter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Join {
    /// One `CLONE_NEW*` bit.
    pub kind: u64,
    /// A file such as `/proc/7/ns/net`.
    pub host_path: Text,
}

/// Whose ids count inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum UserNamespace {
    /// The launcher's.
    Inherited,
    /// A new one with these maps; the init becomes its root.
    New(IdMaps),
    /// An existing one; the init becomes its root.
    Joined(Text),
}

/// Ranges of user and group ids, as `uid_map` and `gid_map` take them (user_namespaces(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdMapping>,
    /// Group ids.
    pub gids: Vec<IdMapping>,
}

/// Where the init stops until its launcher lets it go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stops {
    /// First of all: the launcher maps ids, fills cgroups, writes down the process id.
    pub at_birth: bool,
    /// When everything is mounted and the root not yet switched: the launcher calls hooks.
    pub when_mounted: bool,
    /// Right before the payload, until somebody connects to its socket and says so.
    pub before_payload: bool,
}

/// A hook: a program with a limited time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookPlan {
    /// Absolute path.
    pub path: Text,
    /// Arguments with the program's name first.
    pub argv: Vec<Text>,
    /// `NAME=value`.
    pub env: Vec<Text>,
    /// Seconds; `None` is for ever.
    pub timeout_s: Option<u32>,
}

/// The tree the payload sees as `/`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RootPlan {
    /// A directory of the host where the root is attached before it becomes `/`.
    pub host_target: Text,
    /// What of the host becomes visible, named by its place here.
    pub sources: Vec<Source>,
    /// Place in `sources` of the `/dev/null` that covers masked files.
    pub null_source: usize,
    /// In this order.
    pub steps: Vec<FsStep>,
    /// How it becomes `/`.
    pub entry: Entry,
    /// Propagation of the root once it is `/`.
    pub propagation: Propagation,
    /// Covered, so that nobody reads them; those absent are skipped.
    pub masked: Vec<Text>,
    /// SELinux context of the file systems that cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    /// Made read-only; those absent are skipped.
    pub readonly_paths: Vec<Text>,
    /// Mounts that become read-only once all that lies in them is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<Text>,
    /// The root itself becomes read-only, last.
    pub readonly: bool,
    /// What is passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Error>,
}

/// How a root becomes `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Entry {
    /// `pivot_root`: the old root goes.
    Pivot,
    /// It covers the old root, which stays in the mount namespace (`--no-pivot`).
    Cover,
    /// `chroot`: the mount namespace is the launcher's, whose root stays what it is.
    Chroot,
}

/// A propagation type of mount(2), alone or for all mounts below, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Propagation {
    /// `MS_PRIVATE` and the like.
    pub kind: u64,
    /// Also for what lies below.
    pub recursive: bool,
}

/// A piece of the host's tree to be shown inside, or something made like it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// What it is.
    pub content: Content,
    /// `MOUNT_ATTR_*` to set and to clear.
    pub attributes: (u64, u64),
    /// `MOUNT_ATTR_*` to set and to clear there and for everything below it.
    pub attributes_below: (u64, u64),
    /// One after the other.
    pub propagations: Vec<Propagation>,
    /// Ids of files are shown mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_map: Option<SourceIdMap>,
}

/// Where a source comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Content {
    /// A file or directory of the host.
    Host {
        /// Where it is.
        path: Text,
        /// With the mounts below it.
        recursive: bool,
        /// A link at its end is an error.
        nofollow: bool,
    },
    /// A file or directory of what the steps before have mounted.
    Inside {
        /// Where it is, seen from the root.
        path: Text,
        /// With the mounts below it.
        recursive: bool,
        /// A link at its end is an error.
        nofollow: bool,
    },
    /// A new tmpfs with a copy of what a directory of the root file system has.
    CopyUp {
        /// The directory, seen from the root.
        path: Text,
        /// Parameters of the tmpfs.
        parameters: Vec<(Text, Option<Text>)>,
    },
}

/// How an id-mapped mount maps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceIdMap {
    /// From ids of the file system to ids of the mount.
    pub maps: IdMaps,
    /// Also the mounts below.
    pub recursive: bool,
}

/// One action on the root file system. Targets are resolved inside the root, without magic links.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum FsStep {
    /// A new file system.
    Mount {
        /// `proc`, `tmpfs` …
        fstype: Text,
        /// What `/proc/mounts` names it after; for some file systems the device.
        source: Option<Text>,
        /// Parameters of the file system, with or without a value.
        parameters: Vec<(Text, Option<Text>)>,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
        /// One after the other.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        propagations: Vec<Propagation>,
        /// Directory; made when absent.
        target: Text,
        /// The target must be where its name says: no links on the way. What is masked later lies below it, and a link
        /// into a shared folder could be moved away in between (CVE-2019-19921, CVE-2023-27561).
        plain: bool,
        /// Its top gets the mode of a target that is there already.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        mode_of_target: bool,
    },
    /// A source; the target is made a directory or a file as the source is.
    Bind {
        /// Place in [`RootPlan::sources`].
        source: usize,
        /// Made when absent.
        target: Text,
    },
    /// A symbolic link; one that exists is left.
    Symlink {
        /// What it says.
        to: Text,
        /// Where it is.
        path: Text,
    },
    /// A device node, a pipe; one that exists and is the same is left.
    Node(Node),
    /// The mount at `target` gets other attributes.
    Change {
        /// A mount of an earlier step.
        target: Text,
        /// `MOUNT_ATTR_*` to set.
        set: u64,
        /// `MOUNT_ATTR_*` to clear.
        clear: u64,
    },
}

/// A device node or named pipe to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Where.
    pub path: Text,
    /// What.
    pub kind: NodeKind,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Kinds of nodes (mknod(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NodeKind {
    /// A device of characters.
    Character,
    /// A device of blocks.
    Block,
    /// A named pipe.
    Fifo,
}

/// The payload: also what an `exec` needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessPlan {
    /// A pseudo-terminal of this size (rows, columns) becomes stdin, stdout and stderr.
    pub terminal: Option<(u16, u16)>,
    /// The terminal adds no carriage returns to what is written (`ONLCR` of termios(3)): whoever relays it does.
    pub plain_lines: bool,
    /// It is killed when its launcher ends.
    pub dies_with_launcher: bool,
    /// The init stays as its parent, and hands signals on.
    pub reaper: bool,
    /// A session keyring of its own (keyctl(2)).
    pub new_keyring: bool,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups; `None` leaves them, where the kernel forbids setting them (a user namespace of one id).
    pub groups: Option<Vec<u32>>,
    /// File mode creation mask.
    pub umask: u32,
    /// Resource limits: number, soft, hard.
    pub rlimits: Vec<(u32, u64, u64)>,
    /// `/proc/self/oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// sched_setattr(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<SchedulerPlan>,
    /// ioprio_set(2): class and level in one number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<u32>,
    /// personality(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<u64>,
    /// set_mempolicy(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicyPlan>,
    /// Processors (sched_setaffinity(2)) before and after the cgroup is joined; only an exec has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<(CpuSet, CpuSet)>,
    /// AppArmor profile at exec, as it is written to the kernel: `exec NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<Text>,
    /// SELinux context at exec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<Text>,
    /// Capability sets.
    pub capabilities: CapabilityPlan,
    /// No program gives more rights.
    pub no_new_privileges: bool,
    /// Loaded last; empty means none.
    #[serde(serialize_with = "count")]
    pub seccomp: Cow<'static, [sys::seccomp::Instruction]>,
    /// Flags of seccomp(2).
    pub seccomp_flags: u32,
    /// Who is told of calls that the filter asks about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<crate::seccomp::Listener>,
    /// Working directory; a container makes it when it is absent, who comes in later does not.
    pub cwd: Text,
    /// What to execute, tried in order; nothing, where a container is only to be created.
    pub candidates: Vec<Text>,
    /// Searched in `PATH`: a candidate that cannot be executed does not end the search.
    pub searched: bool,
    /// Arguments with the program's name first.
    pub argv: Vec<Text>,
    /// `NAME=value`.
    pub env: Vec<Text>,
    /// How many descriptors after standard error the payload gets.
    pub kept_fds: u32,
    /// What is passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Error>,
}

/// sched_setattr(2); what a policy does not use is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SchedulerPlan {
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// 1 to 99.
    pub priority: u32,
    /// Of each period.
    pub runtime_ns: u64,
    /// By when the runtime must be had.
    pub deadline_ns: u64,
    /// Length of a period.
    pub period_ns: u64,
}

impl From<SchedulerPlan> for sys::schedule::Attributes {
    fn from(plan: SchedulerPlan) -> Self {
        let SchedulerPlan { policy, flags, nice, priority, runtime_ns, deadline_ns, period_ns } = plan;
        Self { size: 0, policy, flags, nice, priority, runtime: runtime_ns, deadline: deadline_ns, period: period_ns }
    }
}

/// set_mempolicy(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPolicyPlan {
    /// `MPOL_…` with its flags.
    pub mode: u32,
    /// Bit n is node n.
    pub nodes: Vec<u64>,
}

/// Bit n is processor n; empty changes nothing.
pub type CpuSet = Vec<u64>;

/// Bit n of each set is capability n of linux/capability.h.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CapabilityPlan {
    /// The most that any program may get.
    pub bounding: u64,
    /// What the kernel looks at.
    pub effective: u64,
    /// What may become effective.
    pub permitted: u64,
    /// Kept through a program that allows them.
    pub inheritable: u64,
    /// Kept through any program.
    pub ambient: u64,
    /// The last capability that this kernel knows.
    pub last: u8,
}

fn count<S: Serializer>(filter: &[sys::seccomp::Instruction], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{} instructions", filter.len()))
}
