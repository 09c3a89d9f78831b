//! The store: finding images by name or ID. Reading takes no lock and writes nothing.

use crate::pointers::Pointer;
use error::{Error, Kind, Result};
use oci::image::media_type;
use oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference};
use std::path::{Path, PathBuf};

/// Images in a folder; see the picture at the top of the crate.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) root: PathBuf,
}

/// An image that is wholly here.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The name it was found by.
    pub reference: Reference,
    /// What that name points at: a manifest, or an index of which `manifest` is one.
    pub descriptor: Descriptor,
    /// Digest of the manifest.
    pub manifest_digest: Digest,
    /// Config and layers.
    pub manifest: Manifest,
    /// The image ID: the digest of the config.
    pub id: Digest,
    /// Defaults of containers, diff IDs of the layers.
    pub config: ImageConfig,
    /// The config as it was written.
    pub raw_config: Vec<u8>,
}

impl Image {
    /// Each layer's blob with its diff ID, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = (&Descriptor, &Digest)> {
        self.manifest.layers.iter().zip(&self.config.rootfs.diff_ids)
    }

    /// Bytes of the layers' blobs.
    pub fn content_bytes(&self) -> u64 {
        self.manifest.layers.iter().map(|layer| layer.size).sum()
    }
}

/// A line of `images`: a tag, or a pulled digest that no tag of its repository points at.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// By tag; or by digest only, shown as tag `<none>`.
    pub reference: Reference,
    /// Of what was pulled: manifest or index.
    pub digest: Digest,
    /// The image for this machine, or else the one that is here.
    pub image: Image,
}

impl Store {
    /// Names the folder; nothing is read, made or written.
    pub fn open(images_dir: &Path) -> Self {
        Self { root: images_dir.to_owned() }
    }

    pub(crate) fn tmp_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The image of that name for `platform`; without one, this machine's, or else the one that is here.
    pub fn find(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Option<Image>> {
        match self.read_pointer(reference)? {
            Some(descriptor) => self.load(reference, descriptor, platform),
            None => Ok(None),
        }
    }

    /// What a user means by a name or an ID: a reference if there is one of that name, else an image ID or its start.
    pub fn lookup(&self, text: &str, platform: Option<&Platform>) -> Result<Option<Image>> {
        if let Ok(reference) = text.parse::<Reference>()
            && let Some(image) = self.find(&reference, platform)?
        {
            return Ok(Some(image));
        }
        self.find_by_id_prefix(text)
    }

    /// The image whose ID begins so (`sha256:` may lead). More than one is an error.
    pub fn find_by_id_prefix(&self, prefix: &str) -> Result<Option<Image>> {
        let Some(prefix) = id_prefix(prefix) else { return Ok(None) };
        let mut found: Option<Image> = None;
        for Pointer { reference, descriptor } in self.pointers()? {
            for image in self.load_all(&reference, &descriptor)? {
                if !image.id.hex().starts_with(prefix) {
                    continue;
                }
                match &found {
                    Some(first) if first.id != image.id => {
                        return Err(Error::new(Kind::Conflict, format!("image ID `{prefix}` is ambiguous"))
                            .hint("give more digits"));
                    }
                    // A tag is the better name of the two.
                    Some(first) if first.reference.tag().is_some() => {}
                    _ => found = Some(image),
                }
            }
        }
        Ok(found)
    }

    /// The lines of `images`, by name. An image that is damaged is passed over; pulling it again repairs it.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let pointers = self.pointers()?;
        let mut entries = Vec::new();
        for pointer in &pointers {
            if is_covered(pointer, &pointers) {
                continue;
            }
            let Pointer { reference, descriptor } = pointer;
            if let Some(image) = self.load(reference, descriptor.clone(), None)? {
                entries.push(Entry { reference: reference.clone(), digest: descriptor.digest, image });
            }
        }
        Ok(entries)
    }

    fn load(
        &self,
        reference: &Reference,
        descriptor: Descriptor,
        platform: Option<&Platform>,
    ) -> Result<Option<Image>> {
        if !is_index(&descriptor.media_type) {
            let image = self.load_manifest(reference, &descriptor, &descriptor.digest)?;
            return Ok(image.filter(|image| platform.is_none_or(|wanted| image.config.platform().serves(wanted))));
        }
        let here = Platform::of_this_machine();
        let Some(index) = self.load_index(&descriptor.digest)? else { return Ok(None) };
        let mut manifests = choices(&index, platform.unwrap_or(&here));
        if platform.is_none() {
            manifests.extend(index.manifests.iter());
        }
        for manifest in manifests {
            if let Some(image) = self.load_manifest(reference, &descriptor, &manifest.digest)? {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// Every platform's image that is here.
    pub(crate) fn load_all(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<Image>> {
        let mut digests = vec![descriptor.digest];
        if is_index(&descriptor.media_type) {
            let Some(index) = self.load_index(&descriptor.digest)? else { return Ok(Vec::new()) };
            digests = index.manifests.iter().map(|manifest| manifest.digest).collect();
            digests.dedup();
        }
        let mut images = Vec::new();
        for digest in digests {
            images.extend(self.load_manifest(reference, descriptor, &digest)?);
        }
        Ok(images)
    }

    fn load_index(&self, digest: &Digest) -> Result<Option<Index>> {
        // What can't be read is damaged, and as good as absent: a pull brings it again.
        Ok(self.document(digest)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn load_manifest(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        manifest_digest: &Digest,
    ) -> Result<Option<Image>> {
        let Some(bytes) = self.document(manifest_digest)? else { return Ok(None) };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { return Ok(None) };
        let Some(raw_config) = self.document(&manifest.config.digest)? else { return Ok(None) };
        let Ok(config) = serde_json::from_slice::<ImageConfig>(&raw_config) else { return Ok(None) };
        Ok(Some(Image {
            reference: reference.clone(),
            descriptor: descriptor.clone(),
            manifest_digest: *manifest_digest,
            id: manifest.config.digest,
            manifest,
            config,
            raw_config,
        }))
    }
}

/// The manifests of an index that serve `wanted`, best first, in the index's order where equal.
pub(crate) fn choices<'a>(index: &'a Index, wanted: &Platform) -> Vec<&'a Descriptor> {
    let mut ranked: Vec<(u32, &Descriptor)> = index
        .manifests
        .iter()
        .filter_map(|manifest| {
            let platform = manifest.platform.as_ref()?;
            platform.serves(wanted).then(|| platform.rank(wanted).map(|rank| (rank, manifest)))?
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, manifest)| manifest).collect()
}

pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(media_type, media_type::INDEX | media_type::DOCKER_INDEX)
}

/// Does a tag of the same repository show the same content already?
pub(crate) fn is_covered(pointer: &Pointer, all: &[Pointer]) -> bool {
    let same_repository = |other: &Reference| {
        (other.registry(), other.repository()) == (pointer.reference.registry(), pointer.reference.repository())
    };
    pointer.reference.tag().is_none()
        && all.iter().any(|other| {
            other.reference.tag().is_some()
                && other.descriptor.digest == pointer.descriptor.digest
                && same_repository(&other.reference)
        })
}

/// The hexadecimal digits of an ID or its start; `None` if it is none.
pub(crate) fn id_prefix(text: &str) -> Option<&str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = !hex.is_empty() && hex.len() <= 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then_some(hex)
}
