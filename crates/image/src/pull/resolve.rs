//! Resolving: from the name to the manifest of one image, and to its config.

use super::Pull;
use crate::blobs::MAX_DOCUMENT_BYTES;
use crate::lease::Lease;
use crate::registry::{Client, Document, is_schema_1, schema_1_refusal};
use crate::store::{Store, choices, is_index};
use error::{Error, Kind, Result};
use oci::image::media_type;
use oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform};
use std::io::Read;

/// As many as Docker's own storage can stack.
const MAX_LAYERS: usize = 128;
/// Real indexes have some dozen.
const MAX_INDEX_ENTRIES: usize = 1024;
/// Of one layer; nothing real is near, and sums of 128 stay far from overflow.
const MAX_LAYER_BYTES: u64 = 1 << 50;

/// What a name means on the registry, for one platform.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What the name points at.
    pub(crate) pointed: Descriptor,
    /// Its bytes, if it is an index.
    pub(crate) index: Option<Vec<u8>>,
    pub(crate) manifest_digest: Digest,
    pub(crate) raw_manifest: Vec<u8>,
    pub(crate) manifest: Manifest,
}

/// A document that is an index or a manifest, and not both.
#[derive(Debug)]
enum Meaning {
    Index(Index),
    Manifest(Manifest),
}

impl Pull<'_> {
    pub(crate) fn resolve(
        &self,
        client: &Client<'_>,
        lease: &mut Lease<'_>,
        before: Option<&Descriptor>,
    ) -> Result<Resolved> {
        let name = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.expect("a reference has a tag or a digest").to_owned(),
        };
        let document = match self.unchanged(client, &name, before)? {
            Some(document) => document,
            None => self.retried(|| client.document(&name))?,
        };
        let (pointed, meaning) = self.read(&document)?;
        let (index, manifest_digest, raw_manifest, manifest) = match meaning {
            Meaning::Manifest(manifest) => (None, document.digest, document.bytes, manifest),
            Meaning::Index(index) => {
                let chosen = self.choose(&index)?;
                lease.extend([chosen.digest])?;
                let child = self.child(client, chosen)?;
                let manifest = match self.read(&child)? {
                    (_, Meaning::Manifest(manifest)) => manifest,
                    (_, Meaning::Index(_)) => {
                        return Err(self.invalid("its index names another index"));
                    }
                };
                (Some(document.bytes), chosen.digest, child.bytes, manifest)
            }
        };
        self.check(&manifest)?;
        let blobs = manifest.layers.iter().map(|layer| layer.digest);
        lease.extend(blobs.chain([pointed.digest, manifest_digest, manifest.config.digest]))?;
        Ok(Resolved { pointed, index, manifest_digest, raw_manifest, manifest })
    }

    /// The document from the store, if the registry says that the name still means it.
    fn unchanged(&self, client: &Client<'_>, name: &str, before: Option<&Descriptor>) -> Result<Option<Document>> {
        let Some(before) = before else { return Ok(None) };
        let Some(bytes) = self.store.document(&before.digest)? else { return Ok(None) };
        let current = match self.reference.digest() {
            // Content has no other version.
            Some(digest) => Some(*digest),
            None => self.retried(|| client.head(name))?,
        };
        let content_type = before.media_type.clone();
        let document = Document { content_type, bytes, digest: before.digest };
        Ok((current == Some(before.digest)).then_some(document))
    }

    /// The manifest that an index names, from the store or the registry.
    fn child(&self, client: &Client<'_>, chosen: &Descriptor) -> Result<Document> {
        if chosen.size > MAX_DOCUMENT_BYTES {
            return Err(self.invalid(&format!("its manifest is larger than {} KiB", MAX_DOCUMENT_BYTES >> 10)));
        }
        let document = match self.store.document(&chosen.digest)? {
            Some(bytes) => Document { content_type: chosen.media_type.clone(), bytes, digest: chosen.digest },
            None => self.retried(|| client.document(&chosen.digest.to_string()))?,
        };
        if document.bytes.len() as u64 != chosen.size {
            let (got, said) = (document.bytes.len(), chosen.size);
            return Err(self.invalid(&format!("manifest {} has {got} bytes, its index says {said}", chosen.digest)));
        }
        Ok(document)
    }

    fn choose<'i>(&self, index: &'i Index) -> Result<&'i Descriptor> {
        let wanted = self.options.platform.clone().unwrap_or_else(Platform::of_this_machine);
        if let Some(chosen) = choices(index, &wanted).first() {
            return Ok(chosen);
        }
        let offered: Vec<String> = index
            .manifests
            .iter()
            .filter_map(|manifest| manifest.platform.as_ref())
            // Attestations hide behind this platform.
            .filter(|platform| platform.os != "unknown")
            .take(20)
            .map(ToString::to_string)
            .collect();
        let error = Error::not_found(format!("no matching manifest for {wanted} in the manifest list entries"));
        Err(match offered.is_empty() {
            true => error,
            false => error.hint(format!("`{}` is for {}", self.reference.familiar(), offered.join(", "))),
        })
    }

    /// What a document is: by its header, by its own word, and by its shape, which must not contradict each other (a
    /// document that two readers read differently is an attack: CVE-2021-41190).
    fn read(&self, document: &Document) -> Result<(Descriptor, Meaning)> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            schema_version: Option<u32>,
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
            fs_layers: Option<serde::de::IgnoredAny>,
        }
        let bad = |cause: serde_json::Error| self.invalid(&format!("its manifest is malformed: {cause}"));
        let shape: Shape = serde_json::from_slice(&document.bytes).map_err(bad)?;
        if is_schema_1(&document.content_type) || shape.schema_version == Some(1) || shape.fs_layers.is_some() {
            return Err(schema_1_refusal(self.reference));
        }
        let says = shape.media_type.unwrap_or_default();
        let known = |text: &str| is_index(text) || is_manifest(text);
        if known(&says) && known(&document.content_type) && says != document.content_type {
            let header = &document.content_type;
            return Err(self.invalid(&format!("its manifest is sent as `{header}` but calls itself `{says}`")));
        }
        let media_type = match (known(&says), known(&document.content_type)) {
            (true, _) => says,
            (false, true) => document.content_type.clone(),
            (false, false) if shape.manifests.is_some() => media_type::INDEX.to_owned(),
            (false, false) if shape.layers.is_some() && shape.config.is_some() => media_type::MANIFEST.to_owned(),
            (false, false) => {
                let unknown = if says.is_empty() { &document.content_type } else { &says };
                return Err(self.invalid(&format!("`{unknown}` is no image manifest")));
            }
        };
        let has_both = shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some());
        if has_both || is_index(&media_type) != shape.manifests.is_some() {
            return Err(self.invalid("its manifest is not what its media type says"));
        }
        let meaning = match is_index(&media_type) {
            true => Meaning::Index(serde_json::from_slice(&document.bytes).map_err(bad)?),
            false => Meaning::Manifest(serde_json::from_slice(&document.bytes).map_err(bad)?),
        };
        if let Meaning::Index(index) = &meaning
            && index.manifests.len() > MAX_INDEX_ENTRIES
        {
            return Err(self.invalid(&format!("its index has more than {MAX_INDEX_ENTRIES} entries")));
        }
        let descriptor = Descriptor {
            media_type,
            digest: document.digest,
            size: document.bytes.len() as u64,
            platform: None,
            annotations: None,
            extra: serde_json::Map::new(),
        };
        Ok((descriptor, meaning))
    }

    fn check(&self, manifest: &Manifest) -> Result<()> {
        if manifest.layers.len() > MAX_LAYERS {
            return Err(self.invalid(&format!("it has {} layers, more than {MAX_LAYERS}", manifest.layers.len())));
        }
        if let Some(layer) = manifest.layers.iter().find(|layer| layer.size > MAX_LAYER_BYTES) {
            return Err(self.invalid(&format!("layer {} claims {} bytes", layer.digest, layer.size)));
        }
        if manifest.config.size > MAX_DOCUMENT_BYTES {
            return Err(self.invalid(&format!("its config is larger than {} KiB", MAX_DOCUMENT_BYTES >> 10)));
        }
        Ok(())
    }

    /// The config, verified, and fitting its manifest.
    pub(crate) fn config(&self, client: &Client<'_>, resolved: &Resolved) -> Result<(ImageConfig, Vec<u8>)> {
        let descriptor = &resolved.manifest.config;
        let raw = match self.store.document(&descriptor.digest)? {
            Some(raw) => raw,
            None => self.retried(|| {
                let body = client.blob(&descriptor.digest, 0)?;
                let mut raw = Vec::new();
                let read = body.reader.take(descriptor.size + 1).read_to_end(&mut raw);
                read.map_err(|cause| crate::registry::broken(self.reference.registry(), &cause))?;
                super::fetch::verify(descriptor, raw.len() as u64, Digest::of(&raw))?;
                Ok(raw)
            })?,
        };
        let kind = &descriptor.media_type;
        let config: ImageConfig = serde_json::from_slice(&raw)
            .map_err(|cause| self.invalid(&format!("`{kind}` is no image config: {cause}")))?;
        let (layers, diff_ids) = (resolved.manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(self.invalid(&format!("it has {layers} layers but {diff_ids} diff IDs")));
        }
        Ok((config, raw))
    }

    fn invalid(&self, cause: &str) -> Error {
        Error::new(Kind::Invalid, cause).context(format!("can't pull {}", self.reference.familiar()))
    }
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, media_type::MANIFEST | media_type::DOCKER_MANIFEST)
}

impl Store {
    /// Stores a document, unless it is there undamaged.
    pub(crate) fn put_absent(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        match self.document(digest)? {
            Some(_) => Ok(()),
            None => self.put_document(digest, bytes),
        }
    }
}
