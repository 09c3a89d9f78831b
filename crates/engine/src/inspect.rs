//! Everything about one container or image, as Docker's API tells it.

mod container;
mod host_config;
mod image;
mod mounts;
mod networks;
mod size;
#[cfg(test)]
mod tests;

use crate::Engine;
use crate::containers::Container;
use crate::networks::Connected;
use crate::record::{self, file};
use api::{ContainerSummary, Details, Mounted, inspect};
use error::Result;
use oci::image::ContainerDefaults;
use oci::runtime::Spec;

pub(crate) use networks::{mac, networks};
pub(crate) use size::{bytes_below, written};

/// How Docker calls the way in which roots are made, in `info` and `inspect`.
const DRIVER: &str = "overlay";

impl Engine {
    /// The container of that name or id, if there is one; with `size`, how much it has written.
    pub fn inspect_container(&self, wanted: &str, size: bool) -> Result<Option<inspect::Container>> {
        let Some(container) = self.containers.find(&self.names, wanted)? else { return Ok(None) };
        let spec: Option<Spec> = record::read(&container.dir.join(file::SPEC))?;
        let image = self.defaults_of(&container)?.unwrap_or_default();
        let layers: Vec<_> = container.record.layers.iter().map(|diff_id| self.snapshots.path(diff_id)).collect();
        let sizes = if size { Some(self.sizes(&container)?) } else { None };
        let facts = container::Facts {
            spec: &spec.unwrap_or_default(),
            image: &image,
            volumes_dir: &self.paths.data.join("volumes"),
            layers: &layers,
            connected: Connected::read(&container.dir)?,
            sizes,
        };
        Ok(Some(container::details(&container, &facts)))
    }

    /// All containers, newest first, with what else is asked of them.
    pub fn list(&self, details: Details) -> Result<Vec<ContainerSummary>> {
        let mut all = Vec::new();
        for container in self.swept()? {
            let details = Details { ports: details.ports && container.state.is_alive(), ..details };
            let mut more = ContainerSummary::default();
            match self.add(details, &container, &mut more) {
                // One that has gone meanwhile has nothing more to tell.
                Err(_) if !container.dir.try_exists().unwrap_or(true) => continue,
                told => told?,
            }
            let ContainerSummary { mounts, exposed, ports, sizes, .. } = more;
            all.push(ContainerSummary { mounts, exposed, ports, sizes, ..container.summary() });
        }
        Ok(all)
    }

    fn add(&self, details: Details, container: &Container, summary: &mut ContainerSummary) -> Result<()> {
        if details.mounts {
            let spec: Option<Spec> = record::read(&container.dir.join(file::SPEC))?;
            let mounts = mounts::of(&spec.unwrap_or_default(), container, &self.paths.data.join("volumes"));
            summary.mounts = mounts.into_iter().map(mounted).collect();
        }
        if details.exposed || details.ports {
            let image = self.defaults_of(container)?.unwrap_or_default();
            let of_image = image.exposed_ports.unwrap_or_default().into_keys();
            summary.exposed = of_image.chain(container.record.request.exposed_ports.iter().cloned()).collect();
        }
        if details.ports {
            summary.ports = Connected::read(&container.dir)?.ports;
        }
        if details.sizes {
            summary.sizes = Some(self.sizes(container)?);
        }
        Ok(())
    }

    /// Bytes that the container has written, and those together with its image's.
    pub(crate) fn sizes(&self, container: &Container) -> Result<(u64, u64)> {
        let own = written(&container.dir)?;
        let mut all = own;
        for diff_id in &container.record.layers {
            all += self.snapshots.size(diff_id)?;
        }
        Ok((own, all))
    }

    /// What its image says, if it is still here.
    fn defaults_of(&self, container: &Container) -> Result<Option<ContainerDefaults>> {
        let wanted = &container.record.image_id;
        let by_name = match container.record.request.image.parse() {
            Ok(reference) => self.images.find(&reference, container.record.request.platform.as_ref())?,
            Err(_) => None,
        };
        // The name may mean another image by now.
        let image = match by_name.filter(|image| image.id == *wanted) {
            Some(image) => Some(image),
            None => self.images.find_by_id_prefix(&wanted.to_string())?,
        };
        Ok(image.map(|image| image.config.config))
    }
}

fn mounted(mount: inspect::Mount) -> Mounted {
    let is_volume = !mount.name.is_empty();
    let name = if is_volume { mount.name } else { mount.source };
    Mounted { name, is_volume, target: mount.destination }
}
