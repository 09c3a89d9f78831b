//! What a run may leave behind: mounts, processes, cgroups. A test that ends looks for them, says so, and clears them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long a monitor may need for its last acts after the command line has returned.
const GRACE: Duration = Duration::from_secs(3);
const CGROUPS: &str = "/sys/fs/cgroup";

/// Waits until nothing of `root` is left, and no cgroup whose name begins with `groups`, at most [`GRACE`]; then what is.
pub(crate) fn leftovers(root: &Path, groups: &str, since: SystemTime) -> Vec<String> {
    let deadline = Instant::now() + GRACE;
    loop {
        let mut found: Vec<String> = mounts(root).iter().map(|path| format!("mount {}", path.display())).collect();
        found.extend(bridges(root).iter().map(|name| format!("network device {name}")));
        found.extend(processes(root).iter().map(|pid| describe(*pid)));
        found.extend(cgroups(groups, since).iter().map(|path| format!("cgroup {}", path.display())));
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends and unmounts what mentions `root`. It is all of the test's own making: the root has a name of its own.
pub(crate) fn clear(root: &Path) {
    for pid in processes(root) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // It may be gone in the meantime.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    // By their containers' ids, which are nobody else's.
    let containers = std::fs::read_dir(root.join("root/containers")).into_iter().flatten().flatten();
    let ids: Vec<_> = containers.map(|entry| entry.file_name()).collect();
    for hierarchy in std::fs::read_dir(CGROUPS).into_iter().flatten().flatten() {
        for id in &ids {
            // Most have none there.
            let _ = std::fs::remove_dir(hierarchy.path().join("isolazi").join(id));
        }
    }
    for bridge in bridges(root) {
        // Without the program it stays, and the next look for leaks says so.
        let _ = std::process::Command::new("ip").args(["link", "delete", &bridge]).status();
    }
    for mount in mounts(root).iter().rev() {
        let _ = rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Mounts of this namespace at or below `root`, or made of it (an overlay somewhere else).
fn mounts(root: &Path) -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mountinfo").expect("/proc is mounted");
    let lines = table.split(|byte| *byte == b'\n').filter(|line| contains(line, root.as_os_str().as_bytes()));
    // Field 5 is the mount point: proc_pid_mountinfo(5).
    lines.filter_map(|line| Some(PathBuf::from(str::from_utf8(line).ok()?.split(' ').nth(4)?))).collect()
}

/// Bridges of the networks of this installation: each is named after the first digits of its network's id.
fn bridges(root: &Path) -> Vec<String> {
    let networks = std::fs::read_dir(root.join("root/networks")).into_iter().flatten().flatten();
    let name = |network: std::fs::DirEntry| {
        let definition = std::fs::read_to_string(network.path().join("network.json")).ok()?;
        let (_, id) = definition.split_once("\"id\":\"")?;
        Some(format!("isolazi-{}", id.get(..7)?))
    };
    let is_there = |name: &String| std::fs::symlink_metadata(Path::new("/sys/class/net").join(name)).is_ok();
    networks.filter_map(name).filter(is_there).collect()
}

/// Processes that mention `root`: by environment or command line (ours), or because they live on a root file system made
/// of it (a payload knows nothing of us, but its root is an overlay of our folders).
fn processes(root: &Path) -> Vec<i32> {
    let mention = root.as_os_str().as_bytes();
    let own_pid = i32::try_from(std::process::id()).expect("a pid fits");
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own_pid)
        .filter(|pid| {
            // Whoever vanishes while we look has left nothing.
            let file = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            contains(&file("environ"), mention)
                || contains(&file("cmdline"), mention)
                || root_mounts(&file("mountinfo")).any(|line| contains(line, mention))
        })
        .collect()
}

/// Only the mounts on `/`: a namespace that some service unshared has copies of everybody's other mounts.
fn root_mounts(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    table.split(|byte| *byte == b'\n').filter(|line| line.split(|byte| *byte == b' ').nth(4) == Some(b"/"))
}

fn describe(pid: i32) -> String {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("process {pid} ({})", String::from_utf8_lossy(&command).replace('\0', " ").trim_end())
}

/// Cgroups of containers, made since then, with nobody in them. The folder `isolazi` that holds them may stay, and those
/// of tests that run at the same time have processes (or will have within the grace).
fn cgroups(name: &str, since: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let shared = Some(&&b"isolazi"[..]);
    let mut folders = vec![PathBuf::from(CGROUPS)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let below: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|e| e.path())
            .collect();
        let parts: Vec<&[u8]> = folder.components().map(|part| part.as_os_str().as_bytes()).collect();
        let ours = parts.iter().any(|part| part.starts_with(name.as_bytes())) && parts.last() != shared;
        let young = std::fs::metadata(&folder).and_then(|facts| facts.modified()).is_ok_and(|time| time >= since);
        let empty = std::fs::read(folder.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty());
        if ours && young && empty && below.is_empty() {
            found.push(folder);
        }
        folders.extend(below);
    }
    found
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cgroup_of_ours_is_found_and_its_parent_is_not() {
        // The first hierarchy whose folders any root may make, whatever the version.
        let top = ["unified", "pids", "."].map(|name| Path::new(CGROUPS).join(name));
        let top = top.iter().find(|path| std::fs::metadata(path.join("cgroup.procs")).is_ok()).unwrap();
        let parent = top.join("isolazi").join(format!("testkit-{}", std::process::id()));
        let since = SystemTime::now() - Duration::from_secs(1);
        std::fs::create_dir_all(&parent).unwrap();
        let found = cgroups("isolazi", since);
        std::fs::remove_dir(&parent).unwrap();
        // Fails if others hold containers there, and then it must stay.
        let _ = std::fs::remove_dir(top.join("isolazi"));
        assert!(found.contains(&parent) && !found.contains(&top.join("isolazi")), "{found:?}");
        assert!(!cgroups("isolazi", since).contains(&parent));
    }
}
