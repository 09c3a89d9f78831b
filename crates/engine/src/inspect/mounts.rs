//! What a user mounted in a container, read from its spec, where all of it has its final place.

use crate::containers::Container;
use api::VolumeSource;
use api::inspect::Mount;
use oci::runtime::Spec;
use std::path::Path;

/// Files of ours that every container gets.
const OWN: [&str; 3] = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
/// Where a volume's content lies in its folder.
const DATA: &str = "_data";

/// Binds, volumes and `--mount`s of the spec, in order; `volumes_dir` is the folder of all volumes.
pub(super) fn of(spec: &Spec, container: &Container, volumes_dir: &Path) -> Vec<Mount> {
    let record = &container.record;
    let volume_at = |target: &str| {
        record.mounts.iter().find(|volume| volume.target == target).and_then(|volume| match &volume.source {
            VolumeSource::Named(name) => Some(name.clone()),
            VolumeSource::Bind(_) | VolumeSource::Anonymous => None,
        })
    };
    let is_tmpfs_mount =
        |target: &str| record.request.tmpfs.iter().any(|tmpfs| tmpfs.by_mount && tmpfs.target == target);
    let mounts = spec.mounts.iter().filter(|mount| !is_ours(mount, container));
    mounts
        .filter_map(|mount| match volume_at(&mount.destination) {
            Some(name) => Some(volume(mount, name, volumes_dir)),
            None if is_bind(mount) => Some(bind_or_volume(mount, volumes_dir)),
            None if is_tmpfs_mount(&mount.destination) => Some(tmpfs(mount)),
            None => None,
        })
        .collect()
}

fn is_bind(mount: &oci::runtime::Mount) -> bool {
    matches!(mount.kind.as_str(), "" | "bind" | "none")
}

/// Files that every container gets, and what a user namespace shows of the host's `/dev`, `/proc` and `/sys` where it
/// may make none of its own; unless somebody asked for the same.
fn is_ours(mount: &oci::runtime::Mount, container: &Container) -> bool {
    let target = mount.destination.as_str();
    let record = &container.record;
    let mut asked = record.request.volumes.iter().chain(&record.mounts);
    if asked.any(|volume| volume.target.trim_end_matches('/') == target) {
        return false;
    }
    let of_host = ["/dev", "/proc", "/sys"].iter().any(|place| Path::new(target).starts_with(place));
    of_host && mount.source == target || OWN.contains(&target) && Path::new(&mount.source).starts_with(&container.dir)
}

fn has(mount: &oci::runtime::Mount, option: &str) -> bool {
    mount.options.iter().any(|known| known == option)
}

fn volume(mount: &oci::runtime::Mount, name: String, volumes_dir: &Path) -> Mount {
    let is_folder = mount.source.starts_with('/');
    let source =
        if is_folder { mount.source.clone() } else { volumes_dir.join(&name).join(DATA).display().to_string() };
    Mount { kind: "volume", driver: "local", name, source, ..common(mount) }
}

/// A record of an older version does not say what is a volume: its place does.
fn bind_or_volume(mount: &oci::runtime::Mount, volumes_dir: &Path) -> Mount {
    let name = Path::new(&mount.source).strip_prefix(volumes_dir).ok().and_then(|below| {
        let (name, data) = below.to_str()?.split_once('/')?;
        (data == DATA || data.starts_with("_data/")).then(|| name.to_owned())
    });
    if let Some(name) = name {
        return volume(mount, name, volumes_dir);
    }
    let propagation = ["rshared", "rslave", "shared", "slave", "private"].into_iter().find(|&name| has(mount, name));
    let propagation = propagation.unwrap_or("rprivate").to_owned();
    Mount { kind: "bind", source: mount.source.clone(), propagation, ..common(mount) }
}

fn tmpfs(mount: &oci::runtime::Mount) -> Mount {
    Mount { kind: "tmpfs", mode: String::new(), ..common(mount) }
}

fn common(mount: &oci::runtime::Mount) -> Mount {
    let is_ro = has(mount, "ro");
    let mode = if is_ro { "ro".to_owned() } else { String::new() };
    Mount { destination: mount.destination.clone(), mode, rw: !is_ro, ..Mount::default() }
}
