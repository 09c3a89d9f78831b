//! Images made here: a caller's bytes become blobs, and blobs an image.

use crate::files;
use crate::store::{Image, Store};
use error::{Error, Result, ResultExt};
use oci::digest::Hasher;
use oci::image::media_type;
use oci::{Descriptor, Digest, ImageConfig, Manifest, Reference};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};

/// Bytes moved at a time.
const CHUNK_BYTES: usize = 128 << 10;

impl Store {
    /// Stores what `content` yields, and describes it. Until an image names it, a sweep may take it again.
    pub fn put_blob(&self, media_type: &str, content: &mut dyn Read) -> Result<Descriptor> {
        self.create()?;
        let aside = self.tmp_dir().join(format!("w-{}", files::unique()));
        let written = write_hashed(&aside, content).and_then(|(digest, size)| {
            let path = self.blob_path(&digest);
            fs::rename(&aside, &path).context(|| format!("can't write `{}`", path.display()))?;
            Ok(descriptor(media_type, digest, size))
        });
        if written.is_err() {
            // The first failure is the one to tell; a leftover is swept later.
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// Names an image made of blobs that are here; `config` has one diff ID a layer.
    pub fn put_image(&self, reference: &Reference, config: &ImageConfig, layers: Vec<Descriptor>) -> Result<Image> {
        if config.rootfs.diff_ids.len() != layers.len() {
            return Err(Error::invalid(format!(
                "can't make image `{}`: {} layers but {} diff IDs",
                reference.familiar(),
                layers.len(),
                config.rootfs.diff_ids.len()
            )));
        }
        self.create()?;
        let raw_config = serde_json::to_vec(config).expect("a config is plain JSON");
        let id = Digest::of(&raw_config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: media_type::MANIFEST.to_owned(),
            config: descriptor(media_type::CONFIG, id, raw_config.len() as u64),
            layers,
            extra: serde_json::Map::new(),
        };
        let bytes = serde_json::to_vec(&manifest).expect("a manifest is plain JSON");
        let pointed = descriptor(media_type::MANIFEST, Digest::of(&bytes), bytes.len() as u64);
        let mut lease = self.lease()?;
        lease.extend(manifest.layers.iter().map(|layer| layer.digest).chain([id, pointed.digest]))?;
        if let Some(absent) = manifest.layers.iter().find(|layer| !self.has_blob(layer)) {
            return Err(Error::not_found(format!("no blob `{}` in the store", absent.digest)));
        }
        self.put_document(&id, &raw_config)?;
        self.put_document(&pointed.digest, &bytes)?;
        self.publish(reference, &pointed)?;
        Ok(Image {
            reference: reference.clone(),
            manifest_digest: pointed.digest,
            descriptor: pointed,
            manifest,
            id,
            config: config.clone(),
            raw_config,
        })
    }

    /// The point of no return: from here on the name means this content, which is all on the disk.
    pub(crate) fn publish(&self, reference: &Reference, descriptor: &Descriptor) -> Result<()> {
        files::sync_dir(&self.root.join("blobs/sha256"))?;
        let _lock = self.lock_exclusive()?;
        let by_digest = reference.with_digest(descriptor.digest);
        let names = if reference.digest().is_some() { vec![&by_digest] } else { vec![&by_digest, reference] };
        self.write_pointers(&names, descriptor)?;
        self.write_index_json()
    }
}

fn write_hashed(aside: &std::path::Path, content: &mut dyn Read) -> Result<(Digest, u64)> {
    let shown = || format!("can't write `{}`", aside.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(aside).context(shown)?;
    let (mut hasher, mut size, mut chunk) = (Hasher::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        let count = match content.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause).context(|| "can't read the layer"),
        };
        hasher.update(&chunk[..count]);
        file.write_all(&chunk[..count]).context(shown)?;
        size += count as u64;
    }
    file.sync_data().context(shown)?;
    Ok((hasher.finish(), size))
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: None,
        extra: serde_json::Map::new(),
    }
}
