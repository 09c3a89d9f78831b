//! What of the host's tree must go before a container's root only covers it (`--no-pivot`, an initramfs).
//!
//! Covered mounts are still in the mount namespace, and while a proc or sysfs is to be seen whole there, the kernel lets
//! the payload mount a new one, with nothing masked, in a user namespace of its own (mount_namespaces(7), "Restrictions
//! on mount namespaces").

use crate::cgroup::unescape;
use crate::plan::{Entry, Plan};
use error::{Result, ResultExt};
use rustix::fs::statfs;
use std::ffi::CString;

/// What the kernel says of an initramfs, which cannot be pivoted away: `TMPFS_MAGIC` and `RAMFS_MAGIC` (statfs(2)).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Where the host has proc and sysfs, the last mounted first; nothing where the root will be pivoted to.
pub(crate) fn points(plan: &Plan) -> Result<Vec<CString>> {
    // The mounts of a namespace that was there before are those of others, too.
    let covers = match plan.root.entry {
        Entry::Pivot => root_is_in_memory()?,
        Entry::Cover => true,
        // The host goes on with its mounts.
        Entry::Chroot => false,
    };
    if plan.mount_namespace.is_some() || !covers {
        return Ok(Vec::new());
    }
    let path = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(path).context(|| format!("can't read `{path}`"))?;
    Ok(parse(&text))
}

fn root_is_in_memory() -> Result<bool> {
    let root =
        statfs(c"/").map_err(std::io::Error::from).context(|| "can't look at the root file system of the host")?;
    Ok(IN_MEMORY.iter().any(|magic| i128::from(*magic) == i128::from(root.f_type)))
}

fn parse(mountinfo: &str) -> Vec<CString> {
    let point = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let is_meant = matches!(kind.split(' ').next()?, "proc" | "sysfs");
        let point = is_meant.then(|| mount.split(' ').nth(4)).flatten()?;
        CString::new(unescape(point)).ok()
    };
    mountinfo.lines().rev().filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn proc_and_sysfs_are_found_last_first() {
        let mountinfo = "\
20 1 0:1 / / rw - ext4 /dev/a rw
21 20 0:20 / /proc rw,nosuid shared:5 - proc proc rw
22 21 0:30 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw
23 20 0:21 / /sys rw - sysfs sysfs rw
24 20 0:20 / /a\\040b/proc rw - proc none rw
25 20 0:22 / /procession rw - tmpfs proc rw
";
        let found: Vec<_> = super::parse(mountinfo).into_iter().map(|point| point.into_string().unwrap()).collect();
        assert_eq!(found, ["/a b/proc", "/sys", "/proc"]);
    }
}
