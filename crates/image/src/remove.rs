//! Removing: names go first, then what no name and no running pull needs any more.

use crate::files;
use crate::pointers::Pointer;
use crate::store::{Image, Store};
use error::{Error, Kind, Result};
use oci::{Digest, Reference};
use std::collections::HashSet;
use std::time::Duration;

/// Files written aside that are older than this were left by a killed process.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removed {
    /// Names, as Docker's `Untagged:` lines show them.
    pub untagged: Vec<String>,
    /// Image IDs, then diff IDs of layers, as Docker's `Deleted:` lines show them.
    pub deleted: Vec<Digest>,
    /// Bytes of blobs that are gone.
    pub freed_bytes: u64,
}

impl Store {
    /// Removes a name; with its last name, the image. An ID removes all names of its image, which needs `force` if
    /// they are several. `release` is told each layer (by diff ID) that no image and no running pull needs any more,
    /// under the store's lock: a pull can't begin to rely on the layer meanwhile.
    pub fn remove(&self, text: &str, force: bool, release: &mut dyn FnMut(&Digest) -> Result<()>) -> Result<Removed> {
        if self.lookup(text, None)?.is_none() && self.pointer_of(text)?.is_none() {
            return Err(Error::not_found(format!("No such image: {text}")));
        }
        self.create()?;
        let _lock = self.lock_exclusive()?;
        let targets = self.targets(text, force)?;
        let before: Vec<Image> = self.images_of(&targets)?;
        let mut removed = Removed::default();
        for pointer in &targets {
            if self.remove_pointer(&pointer.reference)? {
                removed.untagged.push(pointer.reference.familiar());
            }
        }
        self.delete_unused(&targets, &before, release, &mut removed)?;
        self.write_index_json()?;
        Ok(removed)
    }

    /// Removes what nothing names: blobs and partial files of interrupted pulls, leftovers of killed processes.
    /// Returns the freed bytes. While a pull runs, partial files stay.
    pub fn sweep(&self) -> Result<u64> {
        self.create()?;
        let _lock = self.lock_exclusive()?;
        let (mut used, pulling) = self.leased()?;
        self.add_used(&self.pointers()?, &mut used)?;
        let mut freed = 0;
        let blobs = self.root.join("blobs/sha256");
        for name in files::names(&blobs)? {
            let is_used = format!("sha256:{name}").parse().is_ok_and(|digest: Digest| used.contains(&digest));
            if !is_used {
                freed += remove_counted(&blobs.join(name))?;
            }
        }
        for name in files::names(&self.tmp_dir())? {
            let path = self.tmp_dir().join(&name);
            let age = std::fs::metadata(&path).and_then(|meta| meta.modified()).map(|time| time.elapsed());
            let is_old = matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER);
            if if name.ends_with(".partial") { !pulling } else { is_old } {
                freed += remove_counted(&path)?;
            }
        }
        Ok(freed)
    }

    /// Tells `release` those of these layers (by diff ID) that no image and no running pull needs, under the store's lock.
    pub fn release_unneeded(&self, layers: &[Digest], release: &mut dyn FnMut(&Digest) -> Result<()>) -> Result<()> {
        self.create()?;
        let _lock = self.lock_exclusive()?;
        let (mut used, _) = self.leased()?;
        self.add_used(&self.pointers()?, &mut used)?;
        layers.iter().filter(|layer| !used.contains(layer)).try_for_each(release)
    }

    /// A name whose content is damaged can't be found, but it can be removed.
    fn pointer_of(&self, text: &str) -> Result<Option<Pointer>> {
        let Ok(reference) = text.parse::<Reference>() else { return Ok(None) };
        Ok(self.read_pointer(&reference)?.map(|descriptor| Pointer { reference, descriptor }))
    }

    /// Which pointers go.
    fn targets(&self, text: &str, force: bool) -> Result<Vec<Pointer>> {
        let all = self.pointers()?;
        if let Some(named) = self.pointer_of(text)? {
            let same = |other: &Pointer| other.descriptor.digest == named.descriptor.digest;
            let is_tag_elsewhere =
                |other: &Pointer| same(other) && other.reference.tag().is_some() && other.reference != named.reference;
            if named.reference.tag().is_none() || all.iter().any(is_tag_elsewhere) {
                return Ok(vec![named]);
            }
            // The last tag: the digests by which the same content was pulled go with it.
            let digests = all.into_iter().filter(|other| same(other) && other.reference.tag().is_none());
            let digests: Vec<Pointer> = digests.collect();
            return Ok([named].into_iter().chain(digests).collect());
        }
        let Some(image) = self.find_by_id_prefix(text)? else {
            // Removed by somebody else since we looked.
            return Err(Error::not_found(format!("No such image: {text}")));
        };
        let mut targets = Vec::new();
        for pointer in all {
            if self.load_all(&pointer.reference, &pointer.descriptor)?.iter().any(|other| other.id == image.id) {
                targets.push(pointer);
            }
        }
        // Tags first, as the lines are read.
        targets.sort_by_key(|pointer| pointer.reference.tag().is_none());
        let tags = targets.iter().filter(|pointer| pointer.reference.tag().is_some()).count();
        if tags > 1 && !force {
            let short = image.id.short();
            return Err(Error::new(
                Kind::Conflict,
                format!("unable to delete {short} (must be forced) - image is referenced in multiple repositories"),
            )
            .hint("remove it by its names, or all of them with `-f`"));
        }
        Ok(targets)
    }

    fn images_of(&self, pointers: &[Pointer]) -> Result<Vec<Image>> {
        let mut images: Vec<Image> = Vec::new();
        for pointer in pointers {
            images.extend(self.load_all(&pointer.reference, &pointer.descriptor)?);
        }
        images.sort_by_key(|image| image.manifest_digest);
        images.dedup_by_key(|image| image.manifest_digest);
        Ok(images)
    }

    /// Leases first, pointers after: see the room of leases.
    fn delete_unused(
        &self,
        gone: &[Pointer],
        images: &[Image],
        release: &mut dyn FnMut(&Digest) -> Result<()>,
        removed: &mut Removed,
    ) -> Result<()> {
        let (mut used, _) = self.leased()?;
        self.add_used(&self.pointers()?, &mut used)?;
        let mut done = HashSet::new();
        let mut unused = |digest: &Digest| !used.contains(digest) && done.insert(*digest);
        // Manifests before what they name: a manifest in the store means a complete image.
        let documents = gone.iter().map(|pointer| pointer.descriptor.digest);
        for digest in documents.chain(images.iter().map(|image| image.manifest_digest)) {
            if unused(&digest) {
                removed.freed_bytes += remove_counted(&self.blob_path(&digest))?;
            }
        }
        for image in images {
            if unused(&image.id) {
                removed.freed_bytes += remove_counted(&self.blob_path(&image.id))?;
                removed.deleted.push(image.id);
            }
            for layer in &image.manifest.layers {
                if unused(&layer.digest) {
                    removed.freed_bytes += remove_counted(&self.blob_path(&layer.digest))?;
                }
            }
        }
        let mut done = HashSet::new();
        for diff_id in images.iter().flat_map(|image| &image.config.rootfs.diff_ids) {
            if !used.contains(diff_id) && done.insert(*diff_id) {
                release(diff_id)?;
                removed.deleted.push(*diff_id);
            }
        }
        Ok(())
    }

    /// All digests that these pointers need: documents, blobs, diff IDs.
    fn add_used(&self, pointers: &[Pointer], used: &mut HashSet<Digest>) -> Result<()> {
        for pointer in pointers {
            used.insert(pointer.descriptor.digest);
            for image in self.load_all(&pointer.reference, &pointer.descriptor)? {
                used.extend([image.manifest_digest, image.id]);
                used.extend(image.manifest.layers.iter().map(|layer| layer.digest));
                used.extend(&image.config.rootfs.diff_ids);
            }
        }
        Ok(())
    }
}

fn remove_counted(path: &std::path::Path) -> Result<u64> {
    let bytes = std::fs::metadata(path).map(|meta| meta.len()).unwrap_or(0);
    Ok(if files::remove(path)? { bytes } else { 0 })
}
