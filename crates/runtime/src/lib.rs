//! An OCI spec becomes a process: spec → [`compile`] → [`Plan`](plan::Plan) → [`launch`] → payload.
//!
//! Knows no images, no networks and none of our own record files. Deciding is pure ([`compile`]); what happens between
//! clone and exec stands, in its order, on one page (`init/mod.rs`).
#![cfg(target_os = "linux")]

pub mod cgroup;
mod compile;
pub mod container;
mod copy;
pub mod criu;
mod diagnosis;
mod elsewhere;
mod enter;
pub mod example;
mod failure;
pub mod features;
mod files;
mod hooks;
mod host;
mod init;
pub mod intel_rdt;
mod joins;
mod launch;
pub mod net_devices;
pub mod plan;
pub mod prologue;
mod revealing;
mod rlimits;
pub mod seccomp;
mod sources;
mod user_namespace;

pub use compile::{Setting, compile, compile_exec};
pub use copy::attendant;
pub use enter::{Entry, enter};
pub use host::Host;
pub use launch::{Event, Launch, Running, attend_nothing, launch};
