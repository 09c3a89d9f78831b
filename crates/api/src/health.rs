//! Health checks: a command that runs in the container now and then and says by its exit code whether all is well.

use serde::{Deserialize, Serialize};

/// What a user says of it. What is `None` is as the image says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthOptions {
    /// None at all, whatever the image says.
    pub disabled: bool,
    /// A line for the container's shell.
    pub command: Option<String>,
    /// Nanoseconds between two checks; 0 is the default, as for all that follow.
    pub interval_ns: Option<u64>,
    /// How long a check may take.
    pub timeout_ns: Option<u64>,
    /// How long failures do not count after the start.
    pub start_period_ns: Option<u64>,
    /// Between two checks in that time.
    pub start_interval_ns: Option<u64>,
    /// How many failures in a row make it unhealthy.
    pub retries: Option<u32>,
    /// What happens then.
    pub on_failure: HealthAction,
}

/// What becomes of a container that is unhealthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthAction {
    /// It is called so.
    #[default]
    None,
    /// It is killed, and its restart policy decides.
    Kill,
    /// It is stopped.
    Stop,
    /// It is restarted.
    Restart,
}

/// How a container with health checks is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No check has succeeded yet, nor have too many failed.
    #[default]
    Starting,
    /// The last check that counts succeeded.
    Healthy,
    /// Too many failed in a row.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}
