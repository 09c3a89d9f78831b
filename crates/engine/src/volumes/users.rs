//! Which containers use which volumes.

use super::Volumes;
use crate::containers::Containers;
use crate::record::{self, Record, file};
use api::VolumeSource;
use error::{Kind, Result};
use std::collections::{BTreeMap, HashSet};

/// Ids of containers by the name of a volume that they use, running or not.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_volume: BTreeMap<String, Vec<String>>,
    /// Those that cannot say what they use, because their record is damaged: nothing is free while they are there.
    unknown: Vec<String>,
}

impl Users {
    /// Of one volume.
    pub(crate) fn of(&self, volume: &str) -> Vec<String> {
        let known = self.by_volume.get(volume).into_iter().flatten();
        known.chain(&self.unknown).cloned().collect()
    }
}

impl Volumes {
    /// Of all volumes, at this moment. A container that is being made is none yet: it holds leases.
    pub(crate) fn users(&self) -> Result<Users> {
        let containers = Containers { dir: self.containers.clone() };
        let mut users = Users::default();
        for id in containers.ids()? {
            match record::read::<Record>(&self.containers.join(&id).join(file::RECORD)) {
                // It goes at this moment.
                Ok(None) => {}
                Ok(Some(record)) => {
                    for name in names(&record) {
                        users.by_volume.entry(name.to_owned()).or_default().push(id.clone());
                    }
                }
                Err(error) if error.kind == Kind::Invalid => users.unknown.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(users)
    }
}

/// Each once: a container may show the same volume at two places.
fn names(record: &Record) -> HashSet<&str> {
    let placed = record.mounts.iter().chain(&record.request.volumes).filter_map(|volume| match &volume.source {
        VolumeSource::Named(name) => Some(name.as_str()),
        VolumeSource::Bind(_) | VolumeSource::Anonymous => None,
    });
    placed.chain(record.anonymous_volumes.iter().map(String::as_str)).collect()
}
