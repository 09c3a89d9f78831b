//! What is mounted above a container's root: Docker's file systems, the files of `/etc`, and what the user shows.

use super::{Content, Facts, Placed, rights};
use crate::devices::Found;
use api::{Below, Create, Ipc, Namespace, Network, Tmpfs};
use oci::runtime::Mount;
use std::path::Path;

/// Docker's default for `/dev/shm`: 64 MiB.
const SHM_BYTES: u64 = 64 << 20;

/// In the order in which they are made.
pub(super) fn compile(request: &Create, facts: &Facts<'_>) -> Vec<Mount> {
    let mut mounts = of_docker(request, facts);
    let mut own = own_files(facts);
    own.extend(facts.devices.iter().map(device));
    own.extend(facts.volumes.iter().map(volume));
    own.extend(request.tmpfs.iter().map(tmpfs));
    // What lies deeper comes later, or the upper one would cover it.
    own.sort_by_key(|mount| Path::new(&mount.destination).components().count());
    // A user's mount takes the place of ours there and below, where it would cover them (`-v /dev:/dev`).
    mounts.retain(|ours| !own.iter().any(|mount| Path::new(&ours.destination).starts_with(&mount.destination)));
    mounts.extend(own);
    mounts
}

/// The file systems that every container has.
fn of_docker(request: &Create, facts: &Facts<'_>) -> Vec<Mount> {
    let privileged = request.rights.privileged;
    let ro = if privileged { "rw" } else { "ro" };
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if facts.tty_group {
        pts.push("gid=5");
    }
    // Devices are bound one by one, so `/dev` itself can forbid those that a payload would make.
    let nodev = if rights::opens_devices(request) { "dev" } else { "nodev" };
    let dev = ["nosuid", nodev, "strictatime", "mode=755", "size=65536k"];
    // The kernel makes a proc or sysfs only for whoever owns the namespace that it shows.
    let hosts_pids = request.sharing.pid == Namespace::Host;
    let mut mounts = vec![
        if facts.user_namespace && hosts_pids {
            mount("bind", "/proc", "/proc", &["rbind", "nosuid", "noexec", "nodev"])
        } else {
            mount("proc", "proc", "/proc", &["nosuid", "noexec", "nodev"])
        },
        mount("tmpfs", "tmpfs", "/dev", &dev),
        mount("devpts", "devpts", "/dev/pts", &pts),
        if !(facts.user_namespace && request.network == Network::Host) {
            mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", ro])
        } else if privileged {
            mount("bind", "/sys", "/sys", &["rbind", "nosuid", "noexec", "nodev"])
        } else {
            mount("bind", "/sys", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro", "rro"])
        },
    ];
    if facts.cgroup2 {
        mounts.push(mount("cgroup", "cgroup", "/sys/fs/cgroup", &[ro, "nosuid", "noexec", "nodev"]));
    }
    mounts.extend(ipc(request, facts));
    mounts
}

/// What belongs to the IPC namespace. That of another container comes when this one starts.
fn ipc(request: &Create, facts: &Facts<'_>) -> Vec<Mount> {
    let attributes = ["nosuid", "noexec", "nodev"];
    let queues = mount("mqueue", "mqueue", "/dev/mqueue", &attributes);
    let shm = |size: u64| {
        let size = format!("size={size}");
        mount("tmpfs", "shm", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", &size])
    };
    match &request.sharing.ipc {
        Ipc::Private | Ipc::Shareable => vec![queues, shm(request.shm_size.unwrap_or(SHM_BYTES))],
        Ipc::None => vec![queues],
        Ipc::Host => {
            let shm = mount("bind", "/dev/shm", "/dev/shm", &["rbind", "nosuid", "noexec", "nodev"]);
            // Only who owns the namespace may mount its queues; they are still used by their names.
            if facts.user_namespace { vec![shm] } else { vec![queues, shm] }
        }
        Ipc::Container(_) => vec![queues],
    }
}

fn mount(kind: &str, source: &str, destination: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.into(),
        source: source.into(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// Slashes at the end or twice mean nothing.
fn is_same(one: &str, other: &str) -> bool {
    Path::new(one) == Path::new(other)
}

/// `/etc/hosts` and its like, unless a volume brings its own.
fn own_files(facts: &Facts<'_>) -> Vec<Mount> {
    use crate::record::file::{HOSTNAME, HOSTS, RESOLV_CONF};
    let files = [(RESOLV_CONF, "/etc/resolv.conf"), (HOSTNAME, "/etc/hostname"), (HOSTS, "/etc/hosts")];
    let brought = |target: &str| facts.volumes.iter().any(|volume| is_same(&volume.target, target));
    let bind = |(name, target): (&str, &str)| {
        mount("bind", &facts.bundle.join(name).to_string_lossy(), target, &["bind", "rprivate"])
    };
    files.into_iter().filter(|(_, target)| !brought(target)).map(bind).collect()
}

/// Which letters of `rwm` hold is the cgroup's business: a mount cannot keep anybody from writing to a device.
fn device(device: &Found) -> Mount {
    mount("bind", &device.source.to_string_lossy(), &device.target, &["bind", "rprivate", "nosuid", "noexec"])
}

fn volume(volume: &Placed) -> Mount {
    let source = match &volume.content {
        Content::Host(source) => source,
        Content::Memory(options) => {
            let mut mount = tmpfs(&Tmpfs { target: volume.target.clone(), options: options.clone(), by_mount: true });
            mount.options.extend(volume.read_only.then(|| "ro".to_owned()));
            return mount;
        }
    };
    let propagation = if volume.propagation.is_empty() { "rprivate" } else { &volume.propagation };
    let mut options = vec![if volume.below == Below::Disabled { "bind" } else { "rbind" }, propagation];
    if volume.read_only {
        options.push("ro");
        // Read-only means all of it, also what is mounted below.
        if volume.below != Below::Writable {
            options.push("rro");
        }
    }
    // A payload that may make device nodes must not reach the host's devices through a folder of the host. What the
    // user shows on purpose from /dev keeps working.
    if !source.starts_with("/dev") {
        options.extend(["nodev", "rnodev"]);
    }
    mount("bind", &source.to_string_lossy(), &volume.target, &options)
}

fn tmpfs(tmpfs: &Tmpfs) -> Mount {
    let mut options = vec!["nosuid", "nodev", "noexec"];
    options.extend(tmpfs.options.iter().map(String::as_str));
    mount("tmpfs", "tmpfs", &tmpfs.target, &options)
}
