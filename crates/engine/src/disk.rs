//! What takes room on the disk, for `system df`.

use crate::{Engine, prune};
use api::{ContainerUsage, Details, DiskUsage, ImageUsage, VolumeUsage};
use error::Result;
use oci::Digest;
use std::collections::{HashMap, HashSet};

impl Engine {
    /// All of it. Layers and blobs that images share count once.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let mut usage = DiskUsage::default();
        self.add_images(&mut usage)?;
        for summary in self.list(Details { mounts: true, ..Details::default() })? {
            let bytes = prune::bytes_of(&self.containers.dir.join(&summary.id))?;
            usage.containers.push(ContainerUsage { summary, bytes });
        }
        let users = self.volumes.users()?;
        for (name, facts) in self.volumes.list()? {
            let bytes = self.volumes.size(&name)?;
            usage.volumes.push(VolumeUsage { summary: self.volume_summary(name, facts, &users), bytes });
        }
        Ok(usage)
    }

    fn add_images(&self, usage: &mut DiskUsage) -> Result<()> {
        let entries = self.images.list()?;
        let mut containers: HashMap<Digest, usize> = HashMap::new();
        let mut needed: HashSet<Digest> = HashSet::new();
        for on in self.stood_on()? {
            *containers.entry(on.image_id).or_default() += 1;
            needed.extend(on.layers);
        }
        // Which images have a layer; how many bytes it takes unpacked, and how many packed.
        let mut layers: HashMap<Digest, (HashSet<Digest>, u64, u64)> = HashMap::new();
        for entry in &entries {
            for (descriptor, diff_id) in entry.image.layers() {
                if let Some((of, ..)) = layers.get_mut(diff_id) {
                    of.insert(entry.image.id);
                    continue;
                }
                let unpacked = if self.snapshots.contains(diff_id)? { self.snapshots.size(diff_id)? } else { 0 };
                let packed = std::fs::metadata(self.images.blob_path(&descriptor.digest)).map_or(0, |meta| meta.len());
                layers.insert(*diff_id, ([entry.image.id].into(), unpacked, packed));
            }
        }
        usage.images_bytes = layers.values().map(|(_, unpacked, packed)| unpacked + packed).sum();
        let is_free = |of: &HashSet<Digest>| !of.iter().any(|image| containers.contains_key(image));
        let free = layers.iter().filter(|(diff_id, (of, ..))| is_free(of) && !needed.contains(diff_id));
        usage.images_reclaimable = free.map(|(_, (_, unpacked, packed))| unpacked + packed).sum();
        for entry in entries {
            let own = entry.image.layers().filter(|(_, diff_id)| layers[*diff_id].0.len() == 1);
            let own: HashSet<&Digest> = own.map(|(_, diff_id)| diff_id).collect();
            let unique_bytes = own.iter().map(|diff_id| layers[*diff_id].1).sum();
            let count = containers.get(&entry.image.id).copied().unwrap_or_default();
            usage.images.push(ImageUsage { summary: self.summary(entry)?, unique_bytes, containers: count });
        }
        Ok(())
    }
}
