//! Which cgroup hierarchies are mounted, and where in each of them this process is.
//!
//! `/proc/self/cgroup` names the hierarchies and our place in each, `/proc/self/mountinfo` says where they are mounted
//! and which part of them (cgroups(7), proc_pid_mountinfo(5)). Inside a container both may be cut off: the mount then
//! begins at a directory that is our place's beginning, too.

use error::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchies {
    /// The unified hierarchy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v2: Option<Hierarchy>,
    /// Hierarchies of version 1, in the order of their mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v1: Vec<Hierarchy>,
}

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// The controllers in it; also `name=systemd`, which is a hierarchy without any.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory of this process's own cgroup, below `mount`.
    pub own: PathBuf,
}

impl Hierarchies {
    /// Reads what is mounted: two files, and a third where there is a v2 hierarchy.
    pub fn read() -> Result<Self> {
        let read = |path: &str| sys::read::text(Path::new(path)).context(|| format!("can't read `{path}`"));
        let mut hierarchies = Self::parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?);
        if let Some(v2) = &mut hierarchies.v2 {
            let text = read(&v2.mount.join("cgroup.controllers").to_string_lossy())?;
            v2.controllers = text.split_whitespace().map(str::to_owned).collect();
        }
        Ok(hierarchies)
    }

    /// The same from the texts of the two files; v2's controllers are in neither.
    pub fn parse(mountinfo: &str, cgroup: &str) -> Self {
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
        let mut found = Self::default();
        for line in cgroup.lines() {
            // `4:memory:/a`, `1:name=systemd:/a`, `0::/a`: a path may have colons.
            let mut parts = line.splitn(3, ':');
            let (Some(number), Some(names), Some(own)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let controllers: Vec<String> =
                names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let unified = number == "0" && controllers.is_empty();
            let fits = |mount: &&Mount| mount.unified == unified && mount.has_all(&controllers);
            // The same hierarchy may also be mounted for some container's sake: the usual place is ours.
            let usual = mounts.iter().find(|mount| fits(mount) && mount.point.starts_with("/sys/fs/cgroup"));
            let Some(mount) = usual.or_else(|| mounts.iter().find(fits)) else { continue };
            let hierarchy = Hierarchy { controllers, mount: mount.point.clone(), own: mount.place_of(own) };
            if unified {
                found.v2 = Some(hierarchy);
            } else {
                found.v1.push(hierarchy);
            }
        }
        found.v1.sort_by_key(|hierarchy| mounts.iter().position(|mount| mount.point == hierarchy.mount));
        found
    }

    /// At least one, or an error for people.
    pub(super) fn some(&self) -> Result<()> {
        if self.v2.is_some() || !self.v1.is_empty() {
            return Ok(());
        }
        let error = Error::new(Kind::Unsupported, "can't make a cgroup: no cgroup hierarchy is mounted");
        Err(error.hint("mount one: `mount -t cgroup2 none /sys/fs/cgroup`"))
    }
}

/// A line of mountinfo that tells of a cgroup mount.
struct Mount {
    unified: bool,
    /// Which directory of the hierarchy is seen at the mount point.
    root: String,
    point: PathBuf,
    options: Vec<String>,
}

impl Mount {
    /// `31 23 0:28 /root /point rw,relatime shared:1 - cgroup source rw,memory`
    fn parse(line: &str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let unified = match kind.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let options = kind.nth(1)?.split(',').map(str::to_owned).collect();
        let mut mount = mount.split(' ').skip(3);
        let root = unescape(mount.next()?);
        Some(Self { unified, root, point: unescape(mount.next()?).into(), options })
    }

    fn has_all(&self, controllers: &[String]) -> bool {
        controllers.iter().all(|controller| self.options.contains(controller))
    }

    /// Where the cgroup `own` is below this mount. One that is not seen here (`/../a` of another cgroup namespace) is
    /// taken for the top, as is the only directory that surely is there.
    fn place_of(&self, own: &str) -> PathBuf {
        let inside = Path::new(own).strip_prefix(&self.root).unwrap_or(Path::new(""));
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if inside.components().all(plain) && inside != Path::new("") {
            self.point.join(inside)
        } else {
            self.point.clone()
        }
    }
}

/// Space, tab, newline and backslash are written as `\040` and so on.
pub(crate) fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mountinfo: &str, cgroup: &str) -> Vec<String> {
        let found = Hierarchies::parse(mountinfo, cgroup);
        let show = |h: &Hierarchy| format!("{} {} {}", h.controllers.join("+"), h.mount.display(), h.own.display());
        found.v1.iter().map(show).chain(found.v2.iter().map(|h| format!("v2{}", show(h)))).collect()
    }

    #[test]
    fn a_hybrid_host_has_both() {
        let mountinfo = "\
            31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let cgroup = "9:name=systemd:/\n4:memory:/process/a\n1:cpu,cpuacct:/\n0::/b:c\n";
        assert_eq!(
            shown(mountinfo, cgroup),
            [
                "cpu+cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct",
                "memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory/process/a",
                "name=systemd /sys/fs/cgroup/systemd /sys/fs/cgroup/systemd",
                "v2 /sys/fs/cgroup/unified /sys/fs/cgroup/unified/b:c",
            ]
        );
    }

    #[test]
    fn a_mount_may_begin_below_the_top_and_elsewhere() {
        // A container without a cgroup namespace; a second mount of the same hierarchy; a place that isn't seen.
        let mountinfo = "\
            1 0 0:9 /docker/a /mnt/my\\040cgroup ro - cgroup2 cgroup rw,nsdelegate\n\
            2 0 0:9 /docker/a /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n";
        assert_eq!(shown(mountinfo, "0::/docker/a/b\n"), ["v2 /sys/fs/cgroup /sys/fs/cgroup/b"]);
        assert_eq!(shown(mountinfo, "0::/docker/a\n"), ["v2 /sys/fs/cgroup /sys/fs/cgroup"]);
        assert_eq!(shown(mountinfo, "0::/../x\n"), ["v2 /sys/fs/cgroup /sys/fs/cgroup"]);
        assert_eq!(shown(mountinfo.lines().next().unwrap(), "0::/\n"), ["v2 /mnt/my cgroup /mnt/my cgroup"]);
        assert_eq!(shown("", "0::/\n"), [] as [String; 0]);
    }
}
