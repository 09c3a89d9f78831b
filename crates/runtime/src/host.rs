//! Facts about this kernel and user that a plan depends on, read once and handed to [`compile`](crate::compile).

use error::{Result, ResultExt};
use std::path::PathBuf;

/// How many capabilities the sets of capset(2) have room for.
const MOST_CAPABILITIES: u8 = 64;

/// What the kernel and the user's position in it allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The last capability that the kernel knows (`/proc/sys/kernel/cap_last_cap`).
    pub last_capability: u8,
    /// Are we root only in a user namespace of our own?
    pub user_namespace: bool,
    /// May groups be set? Not in a user namespace of a single id (user_namespaces(7), `setgroups`).
    pub may_set_groups: bool,
    /// The cgroup v2 directory under which containers get theirs; `None` where there is none that we may write to.
    pub cgroup: Option<PathBuf>,
    /// Is a cgroup v2 hierarchy mounted anywhere? Only then can a container see its own.
    pub cgroup2_mounted: bool,
}

impl Host {
    /// Reads the facts.
    pub fn read() -> Result<Self> {
        let last = sys::read::small(c"/proc/sys/kernel/cap_last_cap")
            .map_err(std::io::Error::from)
            .context(|| "can't read `/proc/sys/kernel/cap_last_cap`")?;
        let last_capability = last.trim().parse().unwrap_or(40).min(MOST_CAPABILITIES - 1);
        let user_namespace = !sys::read::small(c"/proc/self/uid_map").is_ok_and(|map| is_whole(&map));
        let may_set_groups =
            !user_namespace || sys::read::small(c"/proc/self/setgroups").is_ok_and(|text| text.trim() == "allow");
        let mount = crate::cgroup::mount_point();
        let cgroup = mount.as_deref().and_then(|mount| crate::cgroup::base(mount, user_namespace));
        Ok(Self { last_capability, user_namespace, may_set_groups, cgroup, cgroup2_mounted: mount.is_some() })
    }
}

/// Does an id map say that we are in the initial user namespace: all ids, unchanged?
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}
