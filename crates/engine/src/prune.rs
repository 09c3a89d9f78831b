//! Pruning: what nobody uses goes.
//!
//! Nobody's container loses anything by it, not even one that is made at the same moment. A stopped container is taken by
//! its lock; volumes and layers as `volumes/remove.rs` and [`Releasing`] say.

use crate::Engine;
use crate::containers::{Container, try_lock};
use crate::images::Releasing;
use crate::inspect::written;
use crate::record::file;
use crate::remove::take_away;
use crate::volumes::Outcome;
use api::{NetworkSummary, Prune, Pruned, Removed, State};
use error::{Error, Kind, Result};
use image::Image;
use jiff::Timestamp;
use oci::Digest;
use std::collections::HashSet;
use std::path::Path;

impl Engine {
    /// Removes all stopped containers; their ids.
    pub fn prune_containers(&self, prune: &Prune) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for container in self.stopped(prune)? {
            let lock = match try_lock(&container.dir) {
                Ok(Some(lock)) => lock,
                // It has been started or removed meanwhile.
                Ok(None) => continue,
                Err(error) if error.kind == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let bytes = bytes_of(&container.dir)?;
            take_away(self, &container, lock, false)?;
            pruned.bytes += bytes;
            pruned.gone.push(container.record.id);
        }
        Ok(pruned)
    }

    /// Removes images that no container uses: those without a tag, or all. Then what no image names: partial downloads,
    /// blobs and layers that removals and kills left.
    pub fn prune_images(&self, all: bool, prune: &Prune) -> Result<(Vec<Removed>, u64)> {
        let mut releasing = Releasing::new(self);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for entry in self.unused_images(all, prune)? {
            let name = entry.reference.to_string();
            let removed = match self.images.remove(&name, false, &mut |diff_id| releasing.release(diff_id)) {
                // With another name of the same content.
                Err(error) if error.kind == Kind::NotFound => continue,
                other => other?,
            };
            bytes += removed.freed_bytes;
            lines.extend(self.tell_of_removed(removed));
        }
        if *prune == Prune::default() && self.paths.data.join("images").try_exists()? {
            bytes += self.images.sweep()?;
            self.snapshots.sweep()?;
            let layers = self.snapshots.list()?;
            self.images.release_unneeded(&layers, &mut |diff_id| releasing.release(diff_id))?;
        }
        Ok((lines, bytes + releasing.bytes))
    }

    /// Removes volumes that no container uses: those that nobody named, or all; their names.
    pub fn prune_volumes(&self, all: bool, prune: &Prune) -> Result<Pruned> {
        let wanted = self.volumes.list()?.into_iter();
        let wanted = wanted.filter(|(_, facts)| (all || facts.is_anonymous()) && prune.wants(&facts.labels));
        let names: Vec<String> = wanted.map(|(name, _)| name).collect();
        let mut pruned = Pruned::default();
        for (name, outcome) in names.iter().zip(self.volumes.take(&names, true)?) {
            if let Outcome::Gone(bytes) = outcome {
                pruned.bytes += bytes;
                pruned.gone.push(name.clone());
            }
        }
        self.volumes.sweep()?;
        Ok(pruned)
    }

    /// Removes networks that no container is on; their names.
    pub fn prune_networks(&self, prune: &Prune) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for name in self.unused_networks(prune)? {
            match self.remove_network(&name) {
                Ok(name) => pruned.gone.push(name),
                // Somebody came meanwhile, or removed it before us.
                Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    fn unused_networks(&self, prune: &Prune) -> Result<Vec<String>> {
        let is_unused = |network: &NetworkSummary| {
            let is_old = prune.until.as_ref().is_none_or(|until| network.created < *until);
            network.dangling && is_old && prune.wants(&network.labels)
        };
        Ok(self.networks()?.into_iter().filter(is_unused).map(|network| network.name).collect())
    }

    /// What `prune_containers` and `prune_images(all)` would take: name and bytes of each.
    pub fn prunable(&self, prune: &Prune) -> Result<Prunable> {
        let mut prunable = Prunable { networks: self.unused_networks(prune)?, ..Prunable::default() };
        for container in self.stopped(prune)? {
            prunable.containers.push((container.record.name.clone(), bytes_of(&container.dir)?));
        }
        // An image whose containers all go is not used when its turn comes.
        let going: HashSet<String> = self.stopped(prune)?.into_iter().map(|container| container.record.id).collect();
        let users = self.containers.list()?.into_iter().filter(|container| !going.contains(&container.record.id));
        let used: HashSet<Digest> = users.map(|container| container.record.image_id).collect();
        for entry in self.images.list()?.into_iter().filter(|entry| !used.contains(&entry.image.id)) {
            if wants_image(&entry.image, prune) {
                prunable.images.push((entry.reference.familiar(), self.size_of(&entry.image)?));
            }
        }
        Ok(prunable)
    }

    fn stopped(&self, prune: &Prune) -> Result<Vec<Container>> {
        let is_stopped = |container: &Container| {
            matches!(container.state, State::Created | State::Exited | State::Dead)
                && prune.wants(&container.record.request.labels)
                && is_before(&container.record.created, prune)
        };
        Ok(self.containers.list()?.into_iter().filter(is_stopped).collect())
    }

    fn unused_images(&self, all: bool, prune: &Prune) -> Result<Vec<image::Entry>> {
        let used: HashSet<Digest> = self.stood_on()?.into_iter().map(|on| on.image_id).collect();
        let goes = |entry: &image::Entry| {
            !used.contains(&entry.image.id)
                && (all || entry.reference.tag().is_none())
                && wants_image(&entry.image, prune)
        };
        Ok(self.images.list()?.into_iter().filter(goes).collect())
    }
}

/// What would go, as (name, bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prunable {
    /// Stopped containers.
    pub containers: Vec<(String, u64)>,
    /// Images that no other container uses.
    pub images: Vec<(String, u64)>,
    /// Names.
    pub networks: Vec<String>,
}

fn wants_image(image: &Image, prune: &Prune) -> bool {
    let labels = image.config.config.labels.clone().unwrap_or_default();
    prune.wants(&labels) && is_before(image.config.created.as_deref().unwrap_or_default(), prune)
}

/// Was it made before the point in time, if there is one? What does not say when is older than all.
fn is_before(created: &str, prune: &Prune) -> bool {
    let Some(until) = &prune.until else { return true };
    match (created.parse::<Timestamp>(), until.parse::<Timestamp>()) {
        (Ok(created), Ok(until)) => created < until,
        _ => true,
    }
}

/// Bytes that a container wrote, log and all.
pub(crate) fn bytes_of(dir: &Path) -> Result<u64> {
    let log = dir.join(file::LOG);
    let size = |path: &Path| match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::from(cause)),
    };
    let mut bytes = written(dir)? + size(&log)?.unwrap_or(0);
    for number in 1.. {
        match size(&file::rotated(&log, number))? {
            Some(more) => bytes += more,
            None => break,
        }
    }
    Ok(bytes)
}
