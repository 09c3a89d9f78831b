//! `state.json`: what must be known of a container by whoever comes later.

use crate::cgroup::Paths;
use crate::intel_rdt::RdtGroup;
use error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The version of the file's form that we write; a newer runtime reads older ones.
pub(super) const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub version: u32,
    /// Absolute.
    pub bundle: PathBuf,
    /// Absolute.
    pub rootfs: PathBuf,
    /// RFC 3339.
    pub created: String,
    /// The init, as the host sees it; absent until it is born.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// When that process began, in clock ticks after boot (proc_pid_stat(5)): its id may be another's by now.
    #[serde(default)]
    pub start_time: u64,
    /// Named before they are made; absent where none can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroups: Option<Paths>,
    /// Its class of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<RdtGroup>,
    /// Whom to tell that the payload is ready (`NOTIFY_SOCKET` of the caller).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_socket: Option<PathBuf>,
    /// The container's pid namespace is not its own: the end of the first process does not end the others.
    #[serde(default)]
    pub shares_pids: bool,
    /// What standard input, output and error were, for a checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<String>,
}

impl Kept {
    /// The cgroups, for what cannot be done without.
    pub(super) fn cgroups(&self) -> Result<&Paths> {
        self.cgroups.as_ref().ok_or_else(|| {
            Error::new(Kind::Unsupported, "the container has no cgroup")
                .hint("it was made with `--cgroup-manager=disabled`, or by a user to whom no cgroup is delegated")
        })
    }
}
