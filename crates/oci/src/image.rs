//! Image documents: descriptor, index, manifest, config (OCI image-spec 1.1 and Docker's schema 2, which share shape).

use crate::{Digest, Platform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fields of a document that this version does not know.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Media types that we read; Docker's names mean the same as OCI's.
pub mod media_type {
    /// OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image config.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Docker schema 2 manifest list.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker schema 2 manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Uncompressed OCI layer.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// gzip OCI layer.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// zstd OCI layer.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
}

/// What a blob is, how many bytes it has and what they hash to: fixed before any byte is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// RFC 6838 media type.
    #[serde(default)]
    pub media_type: String,
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// In an index: what the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A list of manifests, one for each platform (image-index.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// See [`media_type`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A config and its layers, lowest first (manifest.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// See [`media_type`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The image config; its digest is the image ID.
    pub config: Descriptor,
    /// Changesets, lowest first.
    pub layers: Vec<Descriptor>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The image config document (config.md) with Docker's additions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339 time of creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Processor, in Go's names.
    #[serde(default)]
    pub architecture: String,
    /// Operating system, in Go's names.
    #[serde(default)]
    pub os: String,
    /// Processor variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Defaults of a container.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerDefaults,
    /// Diff IDs of the layers, lowest first.
    pub rootfs: RootFs,
    /// How it was built.
    #[serde(default, deserialize_with = "null_is_default")]
    pub history: Vec<History>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ImageConfig {
    /// The platform that the image says it is for.
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().unwrap_or_default(),
        }
    }
}

/// What a container of the image starts with unless told otherwise (config.md, "config").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerDefaults {
    /// `user[:group]`, names or numbers.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    /// `80/tcp` → {}
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    /// `KEY=value`
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The fixed part of the command line.
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// The part that arguments replace.
    #[serde(deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// Paths that get an anonymous volume → {}
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, serde_json::Value>>,
    /// Absolute path; empty is `/`.
    #[serde(deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Free notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `SIGTERM`, `15`; empty is SIGTERM.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub stop_signal: String,
    /// Fields we do not read (Healthcheck, OnBuild, Shell …).
    #[serde(flatten)]
    pub extra: Extra,
}

/// The layers' diff IDs (config.md, "rootfs").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Digests of the uncompressed changesets, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

/// One build step (config.md, "history").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The build command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// True when the step made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Builders write `null` for empty lists and maps; it means the same as absence.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_of_docker_build_are_absence_and_unknown_fields_survive() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["sh"],"OnBuild":["RUN x"]},
            "rootfs":{"type":"layers","diff_ids":null},"history":null,"moby.buildkit":1}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert!(config.config.env.is_empty() && config.rootfs.diff_ids.is_empty());
        let back = serde_json::to_value(&config).unwrap();
        assert_eq!((&back["moby.buildkit"], &back["config"]["OnBuild"][0]), (&1.into(), &"RUN x".into()));
    }
}
