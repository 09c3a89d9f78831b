//! A place: the directory of one container in one hierarchy.

use super::hierarchies::{Hierarchies, Hierarchy};
use error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// Which of the kernel's two interfaces a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One hierarchy for each controller, or a few together.
    V1,
    /// One for all.
    V2,
}

/// A directory in a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Of the hierarchy.
    pub version: Version,
    /// The hierarchy's controllers.
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mount: PathBuf,
    /// The cgroup, below `mount`: relative, of plain names, not empty.
    pub dir: PathBuf,
}

impl Place {
    /// Is this controller in the hierarchy?
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// Are there any? `name=systemd` is none.
    pub(super) fn has_controllers(&self) -> bool {
        self.controllers.iter().any(|name| !name.starts_with("name="))
    }

    /// The cgroup's absolute path.
    pub fn path(&self) -> PathBuf {
        self.mount.join(&self.dir)
    }
}

/// Where `linux.cgroupsPath` leads to in each hierarchy, v2 last.
///
/// An absolute path begins at the mount point. A relative one begins at our own cgroup, in v2 at the one above it: a
/// cgroup with processes in it, such as ours, can have none below with controllers (the same rule as runc's, and crun's
/// for absolute paths). Without a path the cgroup has the container's name, as if that were a relative path.
pub(super) fn places(hierarchies: &Hierarchies, cgroups_path: &str, id: &str) -> Result<Vec<Place>> {
    let path = Path::new(if cgroups_path.is_empty() { id } else { cgroups_path });
    let plain = |part: &Component| matches!(part, Component::Normal(_) | Component::RootDir | Component::CurDir);
    let names: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if !path.components().all(|part| plain(&part)) || names.as_os_str().is_empty() || cgroups_path.contains('\0') {
        let message = format!("config.json: `linux.cgroupsPath`: `{}` does not name a cgroup", path.display());
        return Err(Error::invalid(message));
    }
    let place = |hierarchy: &Hierarchy, version: Version| {
        let start = match version {
            _ if path.is_absolute() => None,
            Version::V1 => Some(hierarchy.own.as_path()),
            Version::V2 => hierarchy.own.parent(),
        };
        // The parent of the top is outside.
        let above = start.and_then(|start| start.strip_prefix(&hierarchy.mount).ok()).unwrap_or(Path::new(""));
        let (controllers, mount) = (hierarchy.controllers.clone(), hierarchy.mount.clone());
        Place { version, controllers, mount, dir: above.join(&names) }
    };
    let v1 = hierarchies.v1.iter().map(|hierarchy| place(hierarchy, Version::V1));
    Ok(v1.chain(hierarchies.v2.iter().map(|hierarchy| place(hierarchy, Version::V2))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_begin_at_the_mount_and_others_at_our_own_place() {
        let hierarchy = |mount: &str, own: &str| {
            let controllers = Vec::new();
            Hierarchy { controllers, mount: mount.into(), own: Path::new(mount).join(own) }
        };
        let hierarchies = Hierarchies { v2: Some(hierarchy("/u", "a/b")), v1: vec![hierarchy("/m", "c/d")] };
        let shown = |path: &str| -> Result<Vec<String>> {
            Ok(places(&hierarchies, path, "id")?.iter().map(|place| place.path().display().to_string()).collect())
        };
        for (path, expected) in [
            ("/x/y", ["/m/x/y", "/u/x/y"]),
            ("//x/./y/", ["/m/x/y", "/u/x/y"]),
            ("x/y", ["/m/c/d/x/y", "/u/a/x/y"]),
            ("", ["/m/c/d/id", "/u/a/id"]),
        ] {
            assert_eq!(shown(path).unwrap(), expected, "{path}");
        }
        for path in ["/", ".", "..", "/x/../y", "x/../../y", "/x/..", "a\0b"] {
            assert_eq!(shown(path).unwrap_err().kind, error::Kind::Invalid, "{path}");
        }
    }
}
