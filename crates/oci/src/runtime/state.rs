//! What a runtime says about a container (`runtime.md`, "State"): to hooks, to `state`, to a seccomp listener.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; the user's program hasn't started.
    Created,
    /// The user's program runs.
    Running,
    /// The user's program has ended.
    Stopped,
    /// Frozen; not in the specification, but in every runtime's answers.
    Paused,
}

/// The state of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification that the state follows.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Process id of the container's first process, as the host sees it; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of the bundle.
    pub bundle: String,
    /// The document's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What goes to a seccomp listener with the file descriptors (`config-linux.md`, "The Container Process State").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// The version of the specification that the value follows.
    pub oci_version: String,
    /// Names of the descriptors sent along; `seccompFd` is the one that notifies.
    pub fds: Vec<String>,
    /// The process that has the filter, as the runtime sees it.
    pub pid: i32,
    /// The seccomp section's `listenerMetadata`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// The container.
    pub state: State,
}
