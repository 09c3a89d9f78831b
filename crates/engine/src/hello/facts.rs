//! What a process can learn about the container around it: the kernel's own texts, read once and not yet understood.

use std::fs;

/// All texts are as the kernel gives them; one that can't be read is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Of this program.
    pub version: String,
    pub pid: u32,
    pub hostname: String,
    /// `/proc/self/status`
    pub status: String,
    pub uid_map: String,
    pub gid_map: String,
    /// `/etc/passwd`
    pub passwd: String,
    /// `mnt:[4026531841]` …
    pub namespaces: Vec<String>,
    /// The same of the host, between blanks.
    pub host_namespaces: String,
    pub mountinfo: String,
    /// `/proc/self/cgroup`
    pub cgroup: String,
    pub memory_max: String,
    pub pids_max: String,
    pub cpu_max: String,
    /// `/proc/self/limits`
    pub limits: String,
    /// Names in `/dev`.
    pub devices: Vec<String>,
    /// `/proc/net/dev`
    pub interfaces: String,
}

impl Facts {
    /// Of this process.
    pub(super) fn read(host_namespaces: &str) -> Self {
        // What is hidden in here is a fact about the container too: the report says that it is not visible.
        let text = |path: &str| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            status: text("/proc/self/status"),
            uid_map: text("/proc/self/uid_map"),
            gid_map: text("/proc/self/gid_map"),
            passwd: text("/etc/passwd"),
            namespaces: namespaces(),
            host_namespaces: host_namespaces.to_owned(),
            mountinfo: text("/proc/self/mountinfo"),
            cgroup: text("/proc/self/cgroup"),
            memory_max: text("/sys/fs/cgroup/memory.max"),
            pids_max: text("/sys/fs/cgroup/pids.max"),
            cpu_max: text("/sys/fs/cgroup/cpu.max"),
            limits: text("/proc/self/limits"),
            devices: devices(),
            interfaces: text("/proc/self/net/dev"),
        }
    }
}

/// `mnt:[4026531841]` …, as namespaces(7) shows them.
pub(super) fn namespaces() -> Vec<String> {
    ["mnt", "pid", "net", "uts", "ipc", "cgroup", "user", "time"]
        .into_iter()
        .filter_map(|kind| fs::read_link(format!("/proc/self/ns/{kind}")).ok()) // kernels without that kind
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

fn devices() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/dev") else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}
