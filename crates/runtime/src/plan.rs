//! The plan: everything the init will do, decided before the clone.
//!
//! Plain owned data with no choice left open, printable as JSON, so that a plan is a golden-file test without a
//! kernel. Paths are as seen inside the container unless they say `host`.

use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fmt;

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
    /// Leave the cgroup namespace of the monitor; done by the init, after it is in its cgroup.
    pub new_cgroup_namespace: bool,
    /// Bring the loopback interface of a new network namespace up.
    pub loopback: bool,
    /// In the new UTS namespace.
    pub hostname: Option<Text>,
    /// In the new UTS namespace.
    pub domainname: Option<Text>,
    /// The tree the payload sees.
    pub root: RootPlan,
    /// The payload.
    pub process: ProcessPlan,
}

/// The tree the payload sees as `/`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RootPlan {
    /// An empty directory of the host where the root is attached before it becomes `/`, in our own mount namespace.
    pub host_target: Text,
    /// What of the host becomes visible: opened before the clone, named by its place here.
    pub sources: Vec<Source>,
    /// Place in `sources` of the `/dev/null` that covers masked files.
    pub null_source: usize,
    /// In this order, with the root already switched.
    pub steps: Vec<FsStep>,
    /// Covered, so that nobody reads them; those absent are skipped.
    pub masked: Vec<Text>,
    /// Made read-only; those absent are skipped.
    pub readonly_paths: Vec<Text>,
    /// The root itself becomes read-only, last.
    pub readonly: bool,
}

/// A piece of the host's tree to be shown inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Where it is on the host.
    pub host_path: Text,
    /// With the mounts below it.
    pub recursive: bool,
    /// `MOUNT_ATTR_*` to set and to clear.
    pub attributes: (u64, u64),
    /// The same for everything below it, too.
    pub attributes_recursive: bool,
    /// `MS_PRIVATE` and the like.
    pub propagation: u64,
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
        /// Directory; made when absent.
        target: Text,
        /// The target must be where its name says: no links on the way. What is masked later lies below it, and a link
        /// into a shared folder could be moved away in between (CVE-2019-19921, CVE-2023-27561).
        plain: bool,
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
}

/// The payload: also what an `exec` would need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessPlan {
    /// A pseudo-terminal of this size (rows, columns) becomes stdin, stdout and stderr.
    pub terminal: Option<(u16, u16)>,
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
    /// Capability sets.
    pub capabilities: CapabilityPlan,
    /// No program gives more rights.
    pub no_new_privileges: bool,
    /// Loaded last; empty means none.
    #[serde(serialize_with = "count")]
    pub seccomp: Cow<'static, [sys::seccomp::Instruction]>,
    /// Flags of seccomp(2).
    pub seccomp_flags: u32,
    /// Working directory; made when absent.
    pub cwd: Text,
    /// What to execute, tried in order.
    pub candidates: Vec<Text>,
    /// Searched in `PATH`: a candidate that cannot be executed does not end the search.
    pub searched: bool,
    /// Arguments with the program's name first.
    pub argv: Vec<Text>,
    /// `NAME=value`.
    pub env: Vec<Text>,
}

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
