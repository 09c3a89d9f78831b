//! What a test run must not leave behind: mounts, control groups, processes, namespaces, network devices, temporary
//! folders.
//!
//! A look before the tests and one after; whatever is there only afterwards was leaked. Mounts and namespaces are
//! compared by identity, whatever their name; the rest by ours, since a machine makes others all the time.

use error::{Result, ResultExt};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The kernel ends a namespace's processes and removes groups a moment after their last holder is gone.
const SETTLE: Duration = Duration::from_secs(5);
const SETTLE_STEP: Duration = Duration::from_millis(100);
/// The name of the folders that hold the containers' own: kept for the next container, so no leak.
const SHARED: &str = "isolazi";
const CGROUPS: &str = "/sys/fs/cgroup";
/// In these a payload is visible even if its program is not ours.
const NAMESPACES: [&str; 3] = ["net", "pid", "user"];

/// What is there at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Identity and words of each mount, process and temporary folder.
    things: BTreeSet<String>,
    /// Groups of ours.
    groups: BTreeSet<PathBuf>,
    /// `net:[4026531840]` and the like.
    namespaces: BTreeSet<String>,
    /// Who lives in which namespaces.
    inhabitants: Vec<(String, BTreeSet<String>)>,
}

impl Traces {
    pub(crate) fn take() -> Result<Self> {
        let mut traces = Self::default();
        traces.mounts(&fs::read_to_string("/proc/self/mountinfo").context(|| "can't list mounts")?);
        traces.find_groups(Path::new(CGROUPS));
        traces.devices();
        for temporary in [&std::env::temp_dir(), Path::new("/var/tmp")] {
            traces.folders(temporary);
        }
        for entry in fs::read_dir("/proc").context(|| "can't list processes")? {
            let entry = entry.context(|| "can't list processes")?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.bytes().all(|byte| byte.is_ascii_digit()) {
                traces.process(&name, &entry.path());
            }
        }
        Ok(traces)
    }

    fn mounts(&mut self, mountinfo: &str) {
        for line in mountinfo.lines() {
            let (Some(id), Some(point)) = (line.split(' ').next(), line.split(' ').nth(4)) else { continue };
            self.things.insert(format!("mount `{point}` ({id})"));
        }
    }

    /// Bridges of networks, and our ends of pairs.
    fn devices(&mut self) {
        for device in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
            let name = device.file_name().to_string_lossy().into_owned();
            if name.starts_with("isolazi-") || name.starts_with("isov") {
                self.things.insert(format!("network device `{name}`"));
            }
        }
    }

    fn find_groups(&mut self, folder: &Path) {
        // A group can vanish while we look: what cannot be listed has nothing in it.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if path.to_string_lossy().contains("isolazi") {
                self.groups.insert(path.clone());
            }
            self.find_groups(&path);
        }
    }

    fn folders(&mut self, temporary: &Path) {
        for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("isolazi") {
                self.things.insert(format!("folder `{}`", entry.path().display()));
            }
        }
    }

    /// A process may end while we look: then it is no trace.
    fn process(&mut self, pid: &str, folder: &Path) {
        let command = fs::read(folder.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim_end().to_owned();
        let process = format!("process {pid} `{command}`");
        let program = fs::read_link(folder.join("exe")).unwrap_or_default();
        let program = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_ours(&program) || is_ours(&command) {
            self.things.insert(process.clone());
        }
        let links = NAMESPACES.iter().filter_map(|kind| fs::read_link(folder.join("ns").join(kind)).ok());
        let spaces: BTreeSet<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
        self.namespaces.extend(spaces.iter().cloned());
        self.inhabitants.push((process, spaces));
    }

    /// What is here and was not there before.
    fn since(&self, before: &Self) -> Vec<String> {
        let mut new: Vec<String> = self.things.difference(&before.things).cloned().collect();
        let groups = self.groups.difference(&before.groups).filter(|group| !group.ends_with(SHARED));
        new.extend(groups.map(|group| format!("cgroup `{}`", group.display())));
        for (process, spaces) in &self.inhabitants {
            let strange: Vec<_> = spaces.difference(&before.namespaces).map(String::as_str).collect();
            if !strange.is_empty() {
                new.push(format!("{process} in {}", strange.join(", ")));
            }
        }
        new
    }
}

/// `isolazi`, `isolazi (deleted)`, `memfd:isolazi`, `isolazi: monitor web`; not `isolazi-1a2b3c`, a test program.
fn is_ours(program: &str) -> bool {
    let name = program.strip_prefix("memfd:").unwrap_or(program);
    name.strip_prefix("isolazi").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':']))
}

/// Everything that a test run left behind, once it had time to go. Empty groups are taken away, after they were told.
pub(crate) fn left_since(before: &Traces) -> Result<Vec<String>> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let now = Traces::take()?;
        let left = now.since(before);
        if left.is_empty() || Instant::now() > deadline {
            for group in now.groups.iter().rev().filter(|group| !before.groups.contains(*group)) {
                // Deepest first. What has processes stays: it is told, and may be somebody else's.
                let _ = fs::remove_dir(group);
            }
            return Ok(left);
        }
        std::thread::sleep(SETTLE_STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn our_programs_are_known_by_their_names() {
        for name in ["isolazi", "isolazi (deleted)", "memfd:isolazi (deleted)", "isolazi: monitor web", "isolazi run x"]
        {
            assert!(is_ours(name), "{name}");
        }
        for name in ["isolazi-0a1b2c3d", "bash", "/usr/bin/isolazi-test", ""] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn a_new_mount_is_a_trace() {
        let (mut before, mut after) = (Traces::default(), Traces::default());
        before.mounts("22 28 0:20 / /sys rw - sysfs sysfs rw\n");
        after.mounts("22 28 0:20 / /sys rw - sysfs sysfs rw\n77 28 0:44 / /tmp/x/rootfs rw - overlay overlay rw\n");
        assert_eq!(after.since(&before), ["mount `/tmp/x/rootfs` (77)"]);
        assert_eq!(before.since(&after), Vec::<String>::new());
    }

    #[test]
    fn a_process_in_a_new_namespace_is_a_trace_until_it_ends() {
        let before = Traces::take().unwrap();
        let mut sleeper = Command::new("unshare").args(["--user", "sleep", "60"]).stdin(Stdio::null()).spawn().unwrap();
        let trace = format!("process {} `sleep 60` in user:[", sleeper.id());
        let deadline = Instant::now() + SETTLE;
        let seen = || Traces::take().unwrap().since(&before).iter().any(|left| left.starts_with(&trace));
        while !seen() && Instant::now() < deadline {
            std::thread::sleep(SETTLE_STEP);
        }
        let found = seen();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(found);
        assert!(!seen());
    }
}
