//! What a pull tells while it runs: plain events for the one who prints, layer bytes for the one who unpacks.

use error::Result;
use oci::{Descriptor, Digest, Reference};
use std::io::Read;
use std::time::Duration;

/// Listens to a pull. Called from several threads, and often: it must be quick.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) {}
}

/// What happened, in the order of Docker's lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// The registry answered: `latest: Pulling from library/alpine`.
    PullingFrom(&'a Reference),
    /// The registry could not answer now; the same request follows after a wait.
    Waiting {
        /// Until the next try.
        wait: Duration,
        /// Why.
        cause: &'a str,
    },
    /// A layer came further. A layer that an image holds twice is told once.
    Layer {
        /// Of the blob; its first 12 digits are the layer's id on the terminal.
        digest: &'a Digest,
        /// What the layer does now.
        state: LayerState,
    },
}

/// The life of a layer on its way here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerState {
    /// `Pulling fs layer`: it will be fetched.
    Queued {
        /// Bytes of the blob.
        total: u64,
    },
    /// `Waiting`: another process fetches the same blob.
    Waiting,
    /// `Downloading`.
    Downloading {
        /// Bytes here.
        current: u64,
        /// Bytes of the blob.
        total: u64,
    },
    /// `Retrying in N seconds`.
    Retrying {
        /// Until the next try.
        wait: Duration,
    },
    /// `Verifying Checksum`.
    Verifying,
    /// `Download complete`.
    Downloaded,
    /// `Already exists`.
    Exists,
}

/// Takes layers while they arrive. An image's layers are offered side by side, from several threads.
pub trait LayerSink: Sync {
    /// Does the sink lack this layer?
    fn wanted(&self, diff_id: &Digest) -> bool;

    /// Takes one layer. `content` is the blob as its media type says (compressed, that is), read while it downloads: it
    /// is verified only when the pull succeeds, so the sink verifies `diff_id` before it keeps anything. It fails
    /// when the download fails. Reading need not go to the end. After a damaged download the call is repeated.
    fn layer(&self, index: usize, descriptor: &Descriptor, diff_id: &Digest, content: &mut dyn Read) -> Result<()>;
}
