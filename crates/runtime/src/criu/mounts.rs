//! Mounts that come from outside of a container: each has a name in the images, and at a restore a source again.
//!
//! The name is the destination as the document has it; runc and crun use the same where no links are on the way.

use super::wire::{Message, field};
use crate::cgroup::{Place, Version, unescape};
use crate::compile::clean;
use crate::init::paths;
use error::{Error, Result, ResultExt};
use oci::runtime::{Mount, NamespaceKind, Spec};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Devices that every container has; bound where they can't be made.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What masks a file, and its name in the images: one of the devices.
const NULL: &str = "/dev/null";

/// A mount from outside: the destination as the document has it, and the source on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outside {
    destination: PathBuf,
    source: PathBuf,
}

/// All that the document can have brought in, whether it is there or not: CRIU asks only for what it finds. `host` are
/// the mounts that are there to be brought in with others.
fn outside(spec: &Spec, bundle: &Path, cgroups: &[Place], host: &[PathBuf]) -> Vec<Outside> {
    let mut found = Vec::new();
    let mut add = |destination: PathBuf, source: PathBuf| found.push(Outside { destination, source });
    let linux = spec.linux.as_ref();
    for mount in &spec.mounts {
        let destination = clean(Path::new(&mount.destination));
        if is_bind(mount) {
            let source = bundle.join(&mount.source);
            if mount.options.iter().any(|option| option == "rbind") {
                for (rest, below) in below(&source, host) {
                    add(destination.join(rest), below.clone());
                }
            }
            add(destination, source);
        } else if mount.kind == "cgroup" && !has_cgroup_namespace(spec) {
            let several = cgroups.iter().any(|place| place.version == Version::V1);
            for place in cgroups {
                let folder = place.mount.file_name().filter(|_| several);
                add(folder.map_or_else(|| destination.clone(), |folder| destination.join(folder)), place.path());
            }
        }
    }
    let named = linux.into_iter().flat_map(|linux| &linux.devices).map(|device| clean(Path::new(&device.path)));
    for path in named.chain(DEVICES.map(|name| Path::new("/dev").join(name))) {
        add(path.clone(), path);
    }
    found
}

/// The mounts below a path, and what they are called seen from it.
fn below<'a>(path: &Path, host: &'a [PathBuf]) -> impl Iterator<Item = (&'a Path, &'a PathBuf)> {
    // One that is not there has none below it either.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    host.iter().filter_map(move |mount| {
        let rest = mount.strip_prefix(&path).ok()?;
        (rest != Path::new("")).then_some((rest, mount))
    })
}

/// The places of all mounts in this thread's mount namespace (proc_pid_mountinfo(5)).
fn host_mounts() -> Result<Vec<PathBuf>> {
    let path = "/proc/thread-self/mountinfo";
    let text = std::fs::read(path).context(|| format!("can't read `{path}`"))?;
    let place = |line: &str| line.split(' ').nth(4).map(|place| PathBuf::from(unescape(place)));
    Ok(String::from_utf8_lossy(&text).lines().filter_map(place).collect())
}

fn is_bind(mount: &Mount) -> bool {
    mount.kind == "bind" || mount.options.iter().any(|option| option == "bind" || option == "rbind")
}

fn has_cgroup_namespace(spec: &Spec) -> bool {
    let mut namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    namespaces.any(|namespace| namespace.kind == NamespaceKind::Cgroup)
}

/// Of a dump: where each is mounted in the container, and its name.
pub(super) fn name(spec: &Spec, bundle: &Path, cgroups: &[Place], pid: i32, message: &mut Message) -> Result<()> {
    let root = format!("/proc/{pid}/root");
    let root = openat(CWD, &root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("can't open the root of the container `{root}`"))?;
    for Outside { destination, .. } in outside(spec, bundle, cgroups, &host_mounts()?) {
        if let Some((place, _)) = find(&root, &destination) {
            message.pair(field::EXTERNAL_MOUNT, &place.to_string_lossy(), &destination.to_string_lossy());
        }
    }
    for masked in spec.linux.iter().flat_map(|linux| &linux.masked_paths) {
        if let Some((place, FileType::CharacterDevice)) = find(&root, Path::new(masked)) {
            message.pair(field::EXTERNAL_MOUNT, &place.to_string_lossy(), NULL);
        }
    }
    Ok(())
}

/// Where a path of the container really is, without links, and what is there.
fn find(root: &OwnedFd, path: &Path) -> Option<(PathBuf, FileType)> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how).ok()?;
    let kind = FileType::from_raw_mode(fstat(&file).ok()?.st_mode);
    // The kernel says it as the container's mount namespace has it.
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    Some((place, kind))
}

/// Of a restore: the source of each name.
pub(super) fn provide(spec: &Spec, bundle: &Path, cgroups: &[Place], message: &mut Message) -> Result<()> {
    for Outside { destination, source } in outside(spec, bundle, cgroups, &host_mounts()?) {
        message.pair(field::EXTERNAL_MOUNT, &destination.to_string_lossy(), &source.to_string_lossy());
    }
    Ok(())
}

/// Makes the places in a root file system where the document mounts something, as the making of a container does. The
/// working directory is that root. What lies below another mount is there again when that is restored.
pub(super) fn make_places(spec: &Spec, bundle: &Path) -> Result<()> {
    let mut covered: Vec<PathBuf> = Vec::new();
    for (index, mount) in spec.mounts.iter().enumerate() {
        let destination = clean(Path::new(&mount.destination));
        let is_below = covered.iter().any(|above| destination.starts_with(above) && destination != *above);
        covered.push(destination.clone());
        if is_below {
            continue;
        }
        let words = || format!("config.json: `mounts[{index}].destination`: can't make `{}`", mount.destination);
        let path = CString::new(destination.to_string_lossy().into_owned())
            .map_err(|_| Error::invalid(format!("config.json: `mounts[{index}].destination` has a NUL byte")))?;
        let is_file = is_bind(mount) && std::fs::metadata(bundle.join(&mount.source)).is_ok_and(|meta| !meta.is_dir());
        let made = if is_file { paths::make_file(&path) } else { paths::make_dirs(&path) };
        made.map_err(std::io::Error::from).context(words)?;
    }
    Ok(())
}

/// Shows a root file system at a place of this thread's own mount namespace: CRIU wants it to be a mount.
pub(super) fn attach(root: BorrowedFd<'_>, place: &Path) -> Result<(), rustix::io::Errno> {
    use rustix::mount::{MoveMountFlags, move_mount};
    move_mount(root, c"", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_a_source_come_with_it_only_where_that_was_asked_for() {
        let document = |option: &str| -> Spec {
            let mount = serde_json::json!({"destination": "/d", "source": "/no/such", "options": [option]});
            serde_json::from_value(serde_json::json!({"ociVersion": "1.2.1", "mounts": [mount]})).unwrap()
        };
        let host = ["/no", "/no/such", "/no/such/a", "/no/such/a/b", "/no/suchlike"].map(PathBuf::from);
        let found = |option: &str| -> Vec<(String, String)> {
            let all = outside(&document(option), Path::new("/bundle"), &[], &host);
            let text = |path: &Path| path.to_str().unwrap().to_owned();
            let mounts = all.iter().filter(|one| one.destination.starts_with("/d"));
            mounts.map(|one| (text(&one.destination), text(&one.source))).collect()
        };
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(found("bind"), [pair("/d", "/no/such")]);
        let all = [pair("/d/a", "/no/such/a"), pair("/d/a/b", "/no/such/a/b"), pair("/d", "/no/such")];
        assert_eq!(found("rbind"), all);
    }
}
