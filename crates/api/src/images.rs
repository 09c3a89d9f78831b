//! Requests and answers about images, and the progress of a pull.

use oci::{Digest, Platform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fetch an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    /// Image reference as typed.
    pub image: String,
    /// Another platform than this machine's.
    pub platform: Option<Platform>,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The full reference: `docker.io/library/alpine:latest`.
    pub reference: String,
    /// As Docker shows it: `alpine:latest`.
    pub familiar: String,
    /// Digest of what the tag names (an index or a manifest).
    pub digest: Digest,
    /// False when it was here already.
    pub newer: bool,
}

/// An image in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageSummary {
    /// As Docker shows it: `alpine`, `localhost:5000/x`.
    pub repository: String,
    /// The tag; empty when it was pulled by digest.
    pub tag: String,
    /// Digest of what the tag names.
    pub digest: Digest,
    /// Digest of the config.
    pub id: Digest,
    /// RFC 3339; empty when the image does not say.
    pub created: String,
    /// Bytes of its unpacked layers, or of its blobs while it is not unpacked.
    pub size: u64,
    /// What it is for.
    pub platform: String,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
}

/// What happened when an image was removed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The name is gone.
    Untagged(String),
    /// The content is gone.
    Deleted(Digest),
}

/// One step of a pull, told while it happens. Layers are named by their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// Layers of this reference follow: tag or digest, repository as Docker shows it.
    Pulling {
        /// Tag or digest.
        tag: String,
        /// Repository path.
        repository: String,
    },
    /// A layer changed its step.
    Layer {
        /// Which one.
        digest: Digest,
        /// What it does now.
        step: LayerStep,
    },
    /// The image is complete. `create` tells it too, which has no other way to say what its pull did.
    Pulled(Pulled),
    /// Something the user should know: a platform that does not match, a helper that failed.
    Warning(String),
    /// Something that was done and nobody asked for: `create` made a folder.
    Note(String),
}

/// What a layer does during a pull. Bytes are of the compressed blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerStep {
    /// It will be fetched.
    Queued,
    /// Another process fetches the same blob.
    Waiting,
    /// Bytes so far, of how many.
    Downloading(u64, u64),
    /// All bytes came; their digest is being compared.
    Verifying,
    /// Their digest is right.
    Downloaded,
    /// Bytes unpacked so far, of how many.
    Extracting(u64, u64),
    /// It is ready to be used.
    Complete,
    /// It was here already.
    Exists,
    /// The connection broke; the next try comes in this many seconds.
    Retrying(u64),
}
