//! What a payload may do: capabilities, confinement, devices.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Rights beside those that every container has. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rights {
    /// All capabilities and devices, no filter, nothing hidden.
    #[serde(skip_serializing_if = "super::is_default")]
    pub privileged: bool,
    /// Names with `CAP_`, or `ALL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Names with `CAP_`, or `ALL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// No program gives more rights than its caller has.
    #[serde(skip_serializing_if = "super::is_default")]
    pub no_new_privileges: bool,
    /// Which system calls.
    #[serde(skip_serializing_if = "super::is_default")]
    pub seccomp: Seccomp,
    /// AppArmor profile; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apparmor: String,
    /// SELinux, as given: `disable`, `type:NAME` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Nothing of `/proc` and `/sys` is hidden or read-only.
    #[serde(skip_serializing_if = "super::is_default")]
    pub unconfined_paths: bool,
    /// More groups of the payload's user, names or numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// Devices of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
}

/// Which system calls a payload may make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// Those of Docker's default profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of this profile, a JSON document in Docker's format.
    Profile(String),
}

/// One `--device` option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its node on the host, or a folder of nodes.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: String,
    /// Letters of `rwm`.
    pub access: String,
}
