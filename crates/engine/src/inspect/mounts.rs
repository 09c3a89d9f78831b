//! What a user mounted in a container, read from its spec, where all of it has its final place.

use crate::containers::Container;
use api::inspect::Mount;
use oci::runtime::Spec;
use std::path::Path;

/// Files of ours that every container gets.
const OWN: [&str; 3] = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
/// Where a volume's content lies in its folder.
const DATA: &str = "_data";

/// What a container was asked to show, as its spec has it.
pub(super) fn of(spec: &Spec, container: &Container, volumes_dir: &Path) -> Vec<Mount> {
    let users = spec.mounts.iter().filter(|mount| is_bind(mount) && !is_ours(mount, container));
    users.map(|mount| one(mount, volumes_dir)).collect()
}

fn is_bind(mount: &oci::runtime::Mount) -> bool {
    matches!(mount.kind.as_str(), "" | "bind" | "none")
}

/// Files that every container gets, and what a user namespace shows of the host's `/dev`, `/proc` and `/sys` where it
/// may make none of its own; unless somebody asked for the same.
fn is_ours(mount: &oci::runtime::Mount, container: &Container) -> bool {
    let target = mount.destination.as_str();
    if container.record.request.volumes.iter().any(|volume| volume.target.trim_end_matches('/') == target) {
        return false;
    }
    let of_host = ["/dev", "/proc", "/sys"].iter().any(|place| Path::new(target).starts_with(place));
    of_host && mount.source == target || OWN.contains(&target) && Path::new(&mount.source).starts_with(&container.dir)
}

fn one(mount: &oci::runtime::Mount, volumes_dir: &Path) -> Mount {
    let has = |option: &str| mount.options.iter().any(|known| known == option);
    let is_ro = has("ro");
    let name = Path::new(&mount.source).strip_prefix(volumes_dir).ok().and_then(|below| {
        let (name, data) = below.to_str()?.split_once('/')?;
        (data == DATA || data.starts_with("_data/")).then(|| name.to_owned())
    });
    let propagation = ["rshared", "rslave", "shared", "slave", "private"].into_iter().find(|&name| has(name));
    Mount {
        kind: if name.is_some() { "volume" } else { "bind" },
        driver: if name.is_some() { "local" } else { "" },
        propagation: if name.is_some() { String::new() } else { propagation.unwrap_or("rprivate").to_owned() },
        name: name.unwrap_or_default(),
        source: mount.source.clone(),
        destination: mount.destination.clone(),
        mode: if is_ro { "ro".to_owned() } else { String::new() },
        rw: !is_ro,
    }
}
