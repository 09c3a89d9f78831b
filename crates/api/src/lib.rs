//! The contract between doors and houses: requests and answers as plain values.
//!
//! A door (command line, later HTTP) makes these from what a user typed; a house (`engine` on Linux, `vm` elsewhere)
//! answers them. Nothing here knows how it is done, and nothing here reads an environment or a terminal.

pub mod attach;
mod containers;
mod events;
mod files;
mod health;
mod images;
pub mod inspect;
mod limits;
mod logging;
mod networks;
mod rights;
mod sharing;
mod volumes;
mod why;
mod wish;

pub use containers::*;
pub use events::*;
pub use files::*;
pub use health::*;
pub use images::*;
pub use limits::*;
pub use logging::*;
pub use networks::*;
pub use rights::*;
pub use sharing::*;
pub use volumes::*;
pub use why::*;
pub use wish::*;

use std::path::PathBuf;

/// Where everything lives. A door resolves it once (flags, environment, passwd entry) and hands it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Images, snapshots, containers, names: `~/.isolazi` unless told otherwise.
    pub data: PathBuf,
    /// Sockets and other things that must be gone after a boot: `/run/isolazi` or `$XDG_RUNTIME_DIR/isolazi`.
    pub run: PathBuf,
}

/// What `isolazi info` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// All containers.
    pub containers: usize,
    /// Those that run.
    pub running: usize,
    /// Those that are frozen.
    pub paused: usize,
    /// Names of images.
    pub images: usize,
    /// Where images and containers lie.
    pub data_root: PathBuf,
    /// `1`, `2`, or both.
    pub cgroup: String,
    /// The machine's name.
    pub name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Name of the distribution.
    pub operating_system: String,
    /// `x86_64` …
    pub architecture: String,
    /// Processors.
    pub cpus: usize,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// Not root?
    pub rootless: bool,
    /// What confines containers beside namespaces.
    pub security: Vec<String>,
}

/// True for what needn't be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
