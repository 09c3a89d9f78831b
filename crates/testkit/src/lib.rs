//! What tests share: the real binary in a private place, a real terminal, real registries, and one that misbehaves.
//!
//! Everything here panics with words for the person who reads a failed test; nothing is skipped.
//!
//! - [`Isolazi`] runs the binary with its own data folder, and when dropped looks for what it left behind.
//! - [`Engine`] is another engine, private as well, that uses the binary as its OCI runtime.
//! - [`Pty`] is a terminal that a test types into.
//! - [`registries`] are Debian's docker-registry with the images of `tests/material`.
//! - [`FaultyRegistry`] answers as the test says; [`Sample`] is an image for it.
//! - [`golden`] compares with a file; [`listing`] prints a file tree as `tests/material/list.py` does.

mod engines;
mod faulty;
mod golden;
mod http;
mod isolazi;
mod leftovers;
mod listing;
mod output;
mod place;
mod pty;
mod registries;
mod sample;

pub use engines::{Engine, Kind};
pub use faulty::FaultyRegistry;
pub use golden::golden;
pub use http::{Answer, Body, Ending, Request};
pub use isolazi::{Isolazi, Running, binary};
pub use listing::listing;
pub use output::{Output, finish};
pub use pty::Pty;
pub use registries::{Registries, Registry, TokenRegistry, material, registries};
pub use sample::{Sample, digest};
