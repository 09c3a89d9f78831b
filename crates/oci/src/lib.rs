//! The words of the OCI specifications as plain values: digests, references, manifests, configs, the runtime spec.
//!
//! No files, no network, no Linux: everything here parses, compares and prints on any system. Documents keep the
//! fields they do not know in `extra`, so that nothing a registry or an engine wrote is lost on the way through.

pub mod capabilities;
pub mod digest;
pub mod image;
pub mod platform;
pub mod reference;
pub mod runtime;
pub mod signals;

pub use digest::Digest;
pub use image::{Descriptor, ImageConfig, Index, Manifest};
pub use platform::Platform;
pub use reference::Reference;
