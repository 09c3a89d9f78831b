//! The cgroup that an engine makes for its containers: engines leave it, so it is taken away after them.

use super::Kind;
use std::path::{Path, PathBuf};

const CGROUPS: &str = "/sys/fs/cgroup";
/// How podman's containers' own groups are called. Beside them it makes one for its monitors and one for each pod, and
/// leaves those, or knows only some of the hierarchies they are in.
const OF_PODMANS_CONTAINERS: &str = "libpod-";

/// Removes the group from every hierarchy. What a container left below it stays, to be found.
pub(super) fn remove(group: &str, kind: Kind) {
    for top in hierarchies() {
        let path = top.join(group.trim_start_matches('/'));
        // It is there or not, by engine and hierarchy.
        for below in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let of_container = below.file_name().to_string_lossy().starts_with(OF_PODMANS_CONTAINERS);
            if kind == Kind::Podman && !of_container {
                // Fails for files, and where a container's group is left.
                let _ = std::fs::remove_dir(below.path());
            }
        }
        let _ = std::fs::remove_dir(path);
    }
}

/// The tops of cgroup v2, or of v1's controllers and the v2 beside them.
fn hierarchies() -> Vec<PathBuf> {
    let mut tops = vec![PathBuf::from(CGROUPS)];
    let entries = std::fs::read_dir(Path::new(CGROUPS)).expect("cgroups are mounted").flatten();
    tops.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    tops
}
