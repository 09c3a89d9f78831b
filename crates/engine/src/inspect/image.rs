//! One image.

use super::{DRIVER, container::of_image};
use crate::Engine;
use api::inspect::{Descriptor, GraphDriver, Image, Metadata, RootFs};
use error::Result;
use jiff::Timestamp;

impl Engine {
    /// The image of that name or id, if it is here.
    pub fn inspect_image(&self, wanted: &str) -> Result<Option<Image>> {
        let Some(image) = self.images.lookup(wanted, None)? else { return Ok(None) };
        let entries: Vec<_> = self.images.list()?.into_iter().filter(|entry| entry.image.id == image.id).collect();
        let tagged = entries.iter().filter(|entry| entry.reference.tag().is_some());
        let named = entries.iter().filter(|entry| !crate::files::is_nameless(&entry.reference));
        let digests = named.map(|entry| format!("{}@{}", entry.reference.familiar_name(), entry.digest));
        let mut repo_digests: Vec<String> = digests.collect();
        repo_digests.sort();
        repo_digests.dedup();
        let mut last = None;
        for entry in &entries {
            last = last.max(self.images.tagged_at(&entry.reference)?);
        }
        let layers: Vec<_> = image.config.rootfs.diff_ids.iter().map(|id| self.snapshots.path(id)).collect();
        let lower: Vec<_> = layers.iter().rev().map(|layer| layer.display().to_string()).collect();
        let text =
            |name: &str| image.config.extra.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let comment = image.config.history.last().map_or_else(String::new, |step| step.comment.clone());
        Ok(Some(Image {
            id: image.id.to_string(),
            repo_tags: tagged.map(|entry| entry.reference.familiar()).collect(),
            repo_digests,
            comment,
            created: image.config.created.clone().unwrap_or_default(),
            author: text("author"),
            config: of_image(&image.config.config),
            architecture: image.config.architecture.clone(),
            variant: image.config.variant.clone().unwrap_or_default(),
            os: image.config.os.clone(),
            size: self.size_of(&image)?,
            graph_driver: GraphDriver { data: [("LowerDir".to_owned(), lower.join(":"))].into(), name: DRIVER },
            root_fs: RootFs {
                kind: "layers",
                layers: image.config.rootfs.diff_ids.iter().map(ToString::to_string).collect(),
            },
            metadata: Metadata {
                last_tag_time: last
                    .and_then(|time| Timestamp::try_from(time).ok())
                    .map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |time| format!("{time:.9}")),
            },
            descriptor: Descriptor {
                media_type: image.descriptor.media_type.clone(),
                digest: image.descriptor.digest.to_string(),
                size: image.descriptor.size,
            },
        }))
    }
}
