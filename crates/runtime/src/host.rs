//! Facts about this kernel and user that a plan depends on, read once and handed to [`compile`](crate::compile).

use error::{Result, ResultExt};
use rustix::fs::Access;
use rustix::thread::{CapabilitySet, capabilities};
use std::ffi::CStr;
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
    /// May device nodes be made? Not in a user namespace, and not without CAP_MKNOD.
    pub may_make_nodes: bool,
    /// Does AppArmor confine programs here?
    pub apparmor: bool,
    /// Does SELinux label programs and files here?
    pub selinux: bool,
}

impl Host {
    /// Reads the facts.
    pub fn read() -> Result<Self> {
        let last = sys::read::small(c"/proc/sys/kernel/cap_last_cap")
            .map_err(std::io::Error::from)
            .context(|| "can't read `/proc/sys/kernel/cap_last_cap`")?;
        let last_capability = last.trim().parse().unwrap_or(40).min(MOST_CAPABILITIES - 1);
        let user_namespace = !sys::ids::in_initial_namespace();
        let may_set_groups =
            !user_namespace || sys::read::small(c"/proc/self/setgroups").is_ok_and(|text| text.trim() == "allow");
        let mount = crate::cgroup::mount_point();
        let cgroup = mount.as_deref().and_then(|mount| crate::cgroup::base(mount, user_namespace));
        let may_make_nodes =
            !user_namespace && capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::MKNOD));
        let apparmor = sys::read::small(c"/sys/module/apparmor/parameters/enabled");
        // The kernel makes this folder when SELinux is on; whether its file system is mounted there is another thing.
        let selinux = exists(c"/sys/fs/selinux");
        // Without a sysfs the kernel itself must refuse a label: nobody should go without protection for that.
        let unknown = !selinux && apparmor.is_err() && !exists(c"/sys/module");
        let apparmor = unknown || apparmor.is_ok_and(|enabled| enabled == "Y\n");
        let selinux = unknown || selinux;
        let cgroup2_mounted = mount.is_some();
        Ok(Self {
            last_capability,
            user_namespace,
            may_set_groups,
            cgroup,
            cgroup2_mounted,
            may_make_nodes,
            apparmor,
            selinux,
        })
    }
}

fn exists(path: &CStr) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}
