//! Requests and answers about volumes, about what is pruned, and about room on the disk.

use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The label of a volume that nobody named, as Docker calls it.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// Make a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateVolume {
    /// Its name; one of 64 digits otherwise.
    pub name: Option<String>,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// What else the content is than a folder of ours: `type`, `device`, `o` of mount(8).
    pub options: BTreeMap<String, String>,
}

/// A volume in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeSummary {
    /// Its name.
    pub name: String,
    /// RFC 3339; empty when nobody wrote it down.
    pub created: String,
    /// Where its content lies.
    pub mountpoint: PathBuf,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Ids of the containers that use it, running or not.
    pub users: Vec<String>,
}

/// Everything about a volume, in the shape of Docker's API.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", rename = "volume")]
#[expect(missing_docs, reason = "the names are Docker's")]
pub struct VolumeDetails {
    pub created_at: String,
    pub driver: &'static str,
    pub labels: crate::inspect::NullMap<String>,
    pub mountpoint: String,
    pub name: String,
    pub options: crate::inspect::NullMap<String>,
    pub scope: &'static str,
}

/// Which of the things that nobody uses go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Only those made before this: RFC 3339.
    pub until: Option<String>,
    /// Only those with all of these labels; without a value, with any.
    pub labels: Vec<(String, Option<String>)>,
    /// Only those with none of these.
    pub not_labels: Vec<(String, Option<String>)>,
}

impl Prune {
    /// Do these labels let it go?
    pub fn wants(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, wanted): &(String, Option<String>)| {
            labels.get(key).is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        };
        self.labels.iter().all(has) && !self.not_labels.iter().any(has)
    }
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids or names.
    pub gone: Vec<String>,
    /// Bytes that were given back.
    pub bytes: u64,
}

/// What takes room on the disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskUsage {
    /// Images by name.
    pub images: Vec<ImageUsage>,
    /// Bytes of all layers and blobs, each once.
    pub images_bytes: u64,
    /// Of those, what would be given back if all unused images went.
    pub images_reclaimable: u64,
    /// Containers, newest first, with [`sizes`](crate::ContainerSummary::sizes) and mounts.
    pub containers: Vec<ContainerUsage>,
    /// Volumes by name.
    pub volumes: Vec<VolumeUsage>,
}

/// An image on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageUsage {
    /// As in lists.
    pub summary: crate::ImageSummary,
    /// Bytes that no other image has.
    pub unique_bytes: u64,
    /// How many containers use it.
    pub containers: usize,
}

/// A container on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUsage {
    /// As in lists.
    pub summary: crate::ContainerSummary,
    /// Bytes that it wrote, log and all.
    pub bytes: u64,
}

/// A volume on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    /// As in lists.
    pub summary: VolumeSummary,
    /// Bytes of its content.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_decide_what_goes() {
        let pair = |text: &str| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.to_owned(), None),
        };
        let labels: BTreeMap<String, String> =
            [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())].into();
        for (wanted, unwanted, goes) in [
            (&[][..], &[][..], true),
            (&["a"], &[], true),
            (&["a=1", "b"], &[], true),
            (&["a=2"], &[], false),
            (&["a", "c"], &[], false),
            (&[], &["a"], false),
            (&[], &["a=2"], true),
            (&[], &["c", "a=1"], false),
            (&["a"], &["b="], false),
        ] {
            let pairs = |texts: &[&str]| texts.iter().map(|text| pair(text)).collect();
            let prune = Prune { until: None, labels: pairs(wanted), not_labels: pairs(unwanted) };
            assert_eq!(prune.wants(&labels), goes, "{wanted:?} {unwanted:?}");
        }
    }
}
