//! The command line: what a user types becomes requests to the engine, and its answers become text.
//!
//! The only crate that writes to the standard streams, reads the environment or knows a terminal.
//!
//! ```text
//! main → run ─┬─► start (descriptors, umask) → dispatch (which command?) → commands::<verb>
//!             │                                                       ├ container   flags → api::Create    (pure)
//!             │                                                       ├ attach      this terminal ⇄ monitor
//!             │                                                       └ screen      tables, templates, progress
//!             └─► oci          the command line of an OCI runtime
//! ```

mod args;
mod attach;
mod commands;
mod console;
mod container;
mod dispatch;
mod door;
mod exit;
mod help;
mod oci;
mod screen;
mod surroundings;
mod usage;
mod verbs;

use std::ffi::OsString;

/// The whole command line as a tree, for manuals and completions.
pub fn cli() -> clap::Command {
    verbs::tree()
}

/// Runs the command line; `arguments` begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments = arguments.into_iter();
    let called = arguments.next().and_then(|program| oci::called_as(&program));
    let mut words: Vec<OsString> = arguments.collect();
    if let Some(called) = called {
        return oci::run(called, words);
    }
    // Before anything is begun: engines call it for every act.
    if words.first().is_some_and(|word| word == oci::NAME) {
        words.remove(0);
        return oci::run(oci::BY_COMMAND, words);
    }
    start();
    dispatch::dispatch(words)
}

/// The first act: what we inherited reaches no child, and what we create has the modes we give it. (The standard
/// library has already opened `/dev/null` in place of missing standard streams.)
fn start() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // It cannot fail with a signal that exists.
    let _ = sys::signal::notice_children();
    // Kernels before 5.11 cannot; there the init still closes all it was not given before it executes the payload.
    let _ = sys::process::close_range(3, sys::process::Range::CloseOnExec);
}
