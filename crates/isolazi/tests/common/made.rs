//! An image that a test makes, on a registry of its own.

use super::Archive;
use serde_json::{Value, json};
use testkit::{FaultyRegistry, Sample, digest};

/// One layer and the `config` of an image config, served as long as this lives.
pub struct Made {
    pub registry: FaultyRegistry,
    pub name: String,
}

impl Made {
    /// For this machine's processor.
    pub fn new(archive: Archive, config: Value) -> Self {
        let layer = archive.finish();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let sample = Sample::of(config.to_string().into_bytes(), layer);
        let registry = FaultyRegistry::start(move |request, _| sample.answer(request));
        let name = format!("{}/made", registry.addr());
        Self { registry, name }
    }
}
