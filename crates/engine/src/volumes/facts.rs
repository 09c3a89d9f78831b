//! `volume.json`: what is known of a volume besides its content.

use crate::record;
use error::{Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const FILE: &str = "volume.json";

/// A volume that has none (a power cut took it, or the volume is older) is nobody's labelled one, and not anonymous: it
/// goes only by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// [`record::VERSION`].
    pub version: u32,
    /// RFC 3339.
    pub created: String,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// `type`, `device`, `o` of mount(8), where the content is no folder of ours.
    pub options: BTreeMap<String, String>,
}

impl Facts {
    /// Of a volume that is made now.
    pub(crate) fn new(labels: &BTreeMap<String, String>, options: &BTreeMap<String, String>) -> Self {
        Self { version: record::VERSION, created: record::now(), labels: labels.clone(), options: options.clone() }
    }

    /// Did nobody name it?
    pub(crate) fn is_anonymous(&self) -> bool {
        self.labels.contains_key(api::ANONYMOUS_LABEL)
    }

    /// Of the volume in that folder.
    pub(super) fn read(volume: &Path) -> Result<Self> {
        match record::read(&volume.join(FILE)) {
            Ok(facts) => Ok(facts.unwrap_or_default()),
            Err(error) if error.kind == Kind::Invalid => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Into a folder that nobody sees yet. What a user said is worth waiting for the disk.
    pub(super) fn write(&self, volume: &Path) -> Result<()> {
        let path = volume.join(FILE);
        record::write_new(&path, self)?;
        if !self.labels.is_empty() && !self.is_anonymous() || !self.options.is_empty() {
            std::fs::File::open(path)?.sync_all()?;
        }
        Ok(())
    }
}
