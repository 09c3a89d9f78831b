//! The contract between doors and houses: requests and answers as plain values.
//!
//! A door (command line, later HTTP) makes these from what a user typed; a house (`engine` on Linux, `vm` elsewhere)
//! answers them. Nothing here knows how it is done, and nothing here reads an environment or a terminal.

pub mod attach;
mod containers;
mod images;

pub use containers::*;
pub use images::*;

use std::path::PathBuf;

/// Where everything lives. A door resolves it once (flags, environment, passwd entry) and hands it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Images, snapshots, containers, names: `~/.isolazi` unless told otherwise.
    pub data: PathBuf,
    /// Sockets and other things that must be gone after a boot: `/run/isolazi` or `$XDG_RUNTIME_DIR/isolazi`.
    pub run: PathBuf,
}
