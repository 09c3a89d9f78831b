//! What happened: events in the shape of Docker's.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that happened to a container, an image or a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "event")]
pub struct Event {
    /// The action again, where Docker's older clients look for it; not of volumes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The actor's id again, for the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// A container's image, for the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `volume`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `start`, `die`, `pull` …
    #[serde(rename = "Action")]
    pub action: String,
    /// To whom.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// Always `local`.
    pub scope: String,
    /// Seconds since 1970.
    pub time: i64,
    /// The same in nanoseconds.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// To whom something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "actor", rename_all = "PascalCase")]
pub struct Actor {
    /// A container's id, an image's or a volume's name.
    #[serde(rename = "ID")]
    pub id: String,
    /// `name`, `image`, `exitCode`, labels.
    pub attributes: BTreeMap<String, String>,
}

/// Which events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    /// Those of this time and later, in nanoseconds since 1970; otherwise those that are still to come.
    pub since: Option<i64>,
    /// Those of this time and earlier; for ever otherwise.
    pub until: Option<i64>,
}
