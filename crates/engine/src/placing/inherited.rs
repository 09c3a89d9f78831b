//! `--volumes-from`: what other containers have mounted.

use crate::Engine;
use api::{Create, Volume};
use error::Result;

/// Volumes and binds of those containers, in their order. One target is one mount: the later wins.
pub(crate) fn of(engine: &Engine, request: &Create) -> Result<Vec<Volume>> {
    let mut all: Vec<Volume> = Vec::new();
    for from in &request.volumes_from {
        for mut volume in engine.containers.get(&engine.names, &from.container)?.record.mounts {
            volume.read_only |= from.read_only;
            all.retain(|other| std::path::Path::new(&other.target) != std::path::Path::new(&volume.target));
            all.push(volume);
        }
    }
    Ok(all)
}
