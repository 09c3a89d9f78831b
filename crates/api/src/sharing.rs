//! What a container shares with the host or with another container.

use serde::{Deserialize, Serialize};

/// Whose each namespace is. The default is one of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sharing {
    /// Processes.
    #[serde(skip_serializing_if = "super::is_default")]
    pub pid: Namespace,
    /// System V IPC, message queues, `/dev/shm`.
    #[serde(skip_serializing_if = "super::is_default")]
    pub ipc: Ipc,
    /// Host name.
    #[serde(skip_serializing_if = "super::is_default")]
    pub uts: Namespace,
    /// The visible root of the cgroups.
    #[serde(skip_serializing_if = "super::is_default")]
    pub cgroup: Namespace,
    /// `--userns` as given; empty or `host`: the engine's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// A namespace that may be shared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// Another container's: by name as asked for, by id once it is recorded.
    Container(String),
}

/// The same for IPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ipc {
    /// Its own.
    #[default]
    Private,
    /// Its own, without `/dev/shm`.
    None,
    /// Its own, which others may join.
    Shareable,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}
