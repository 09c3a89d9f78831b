//! What a user mounted in a container, read from its spec, where all of it has its final place.

use api::inspect::Mount;
use oci::runtime::Spec;
use std::path::Path;

/// Files of ours that every container gets.
const OWN: [&str; 3] = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
/// Where a volume's content lies in its folder.
const DATA: &str = "_data";

/// Binds and volumes of the spec, in order; `bundle` is the container's folder, `volumes_dir` that of all volumes.
pub(super) fn of(spec: &Spec, bundle: &Path, volumes_dir: &Path) -> Vec<Mount> {
    let is_bind = |mount: &&oci::runtime::Mount| matches!(mount.kind.as_str(), "" | "bind" | "none");
    let is_ours = |mount: &oci::runtime::Mount| {
        let of_host = ["/dev", "/proc", "/sys"]
            .iter()
            .any(|place| mount.source == mount.destination && Path::new(&mount.source).starts_with(place));
        of_host || OWN.contains(&mount.destination.as_str()) && Path::new(&mount.source).starts_with(bundle)
    };
    let users = spec.mounts.iter().filter(is_bind).filter(|mount| !is_ours(mount));
    users.map(|mount| one(mount, volumes_dir)).collect()
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
