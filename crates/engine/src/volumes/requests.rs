//! What is asked of volumes by name.

use super::{Facts, Users, check};
use crate::{Engine, placing};
use api::inspect::NullMap;
use api::{CreateVolume, VolumeDetails, VolumeSummary};
use error::Result;

impl Engine {
    /// Makes a volume, or finds the one of that name; its name.
    pub fn create_volume(&self, request: &CreateVolume) -> Result<String> {
        placing::check_options(&request.options)?;
        let facts = || Facts::new(&request.labels, &request.options);
        let made = match &request.name {
            Some(name) => self.volumes.named(name, facts)?,
            None => self.volumes.anonymous(facts())?,
        };
        Ok(made.name)
    }

    /// All volumes by name; `with_users`: also who uses them.
    pub fn volumes(&self, with_users: bool) -> Result<Vec<VolumeSummary>> {
        let users = if with_users { self.volumes.users()? } else { Users::default() };
        let all = self.volumes.list()?.into_iter();
        Ok(all.map(|(name, facts)| self.volume_summary(name, facts, &users)).collect())
    }

    pub(crate) fn volume_summary(&self, name: String, facts: Facts, users: &Users) -> VolumeSummary {
        VolumeSummary {
            created: facts.created,
            mountpoint: self.volumes.data(&name),
            labels: facts.labels,
            options: facts.options,
            users: users.of(&name),
            name,
        }
    }

    /// Everything about a volume, if there is one of that name.
    pub fn inspect_volume(&self, name: &str) -> Result<Option<VolumeDetails>> {
        if check(name).is_err() {
            return Ok(None);
        }
        let Some(facts) = self.volumes.facts(name)? else { return Ok(None) };
        Ok(Some(VolumeDetails {
            created_at: facts.created,
            driver: "local",
            labels: NullMap(facts.labels),
            mountpoint: self.volumes.data(name).display().to_string(),
            name: name.to_owned(),
            options: NullMap(facts.options),
            scope: "local",
        }))
    }

    /// Removes a volume that no container uses.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        self.volumes.remove(name)
    }
}
