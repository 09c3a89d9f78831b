//! Devices of the host: their numbers, and which there are.

use crate::spec::limits::Disks;
use api::{Create, Limits};
use error::{Error, Result, ResultExt};
use oci::runtime::{BlockDevice, Device};
use rustix::fs::{FileType, major, minor};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More nodes than any folder of `/dev` has, with all below: a link that leads round is no reason to go on for ever.
const MOST_NODES: usize = 100_000;

/// What `/dev` has of its own in each container, or what is no device.
const NOT_SHARED: [&str; 10] =
    ["pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev", "core", "ptmx"];

/// A device that a container is to have, found on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its node on the host.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: String,
    /// `c` or `b`.
    pub kind: &'static str,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Letters of `rwm`.
    pub access: String,
}

/// All that a request asks of devices, looked for only if it does.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Those that it names.
    pub devices: Vec<Found>,
    /// Every one, for a privileged container.
    pub host_devices: Vec<Device>,
    /// Disks whose rate is limited.
    pub disks: Disks,
}

impl Asked {
    /// # Errors
    /// Docker's words for what is no device.
    pub(crate) fn find(request: &Create) -> Result<Self> {
        let devices = request.rights.devices.iter().map(find).collect::<Result<Vec<_>>>()?.concat();
        let host_devices = if request.rights.privileged { of_host()? } else { Vec::new() };
        Ok(Self { devices, host_devices, disks: disks(&request.limits)? })
    }
}

/// The numbers of all disks whose rate is limited.
pub(crate) fn disks(limits: &Limits) -> Result<Disks> {
    let rates = [&limits.read_bps, &limits.write_bps, &limits.read_iops, &limits.write_iops];
    rates.into_iter().flatten().map(|rate| Ok((rate.path.clone(), disk(&rate.path)?))).collect()
}

/// The devices that `--device` names: one, or all in a folder.
fn find(asked: &api::Device) -> Result<Vec<Found>> {
    let words =
        || format!("error gathering device information while adding custom device \"{}\"", asked.source.display());
    let facts = std::fs::metadata(&asked.source).context(words)?;
    let found = |source: PathBuf, target: String, node: &Facts| {
        let (kind, number, access) = (node.kind, node.number, asked.access.clone());
        Found { source, target, kind, number, access }
    };
    if let Some(node) = Facts::of(&facts) {
        return Ok(vec![found(asked.source.clone(), asked.target.clone(), &node)]);
    }
    if !facts.is_dir() {
        return Err(Error::invalid("not a device node").context(words()));
    }
    let nodes = below(&asked.source)?;
    if nodes.is_empty() {
        return Err(Error::invalid("not a device node").context(words()));
    }
    let target = |path: &Path| {
        let inside = path.strip_prefix(&asked.source).unwrap_or(path);
        Path::new(&asked.target).join(inside).to_string_lossy().into_owned()
    };
    Ok(nodes.iter().map(|(path, node)| found(path.clone(), target(path), node)).collect())
}

/// Every device of the host, for a privileged container.
fn of_host() -> Result<Vec<Device>> {
    let device = |(path, node): (PathBuf, Facts)| Device {
        kind: node.kind.to_owned(),
        path: path.to_string_lossy().into_owned(),
        major: node.number.0.into(),
        minor: node.number.1.into(),
        file_mode: Some(node.mode),
        uid: Some(node.uid),
        gid: Some(node.gid),
    };
    Ok(below(Path::new("/dev"))?.into_iter().map(device).collect())
}

/// The number of a disk whose rate is limited.
fn disk(path: &Path) -> Result<BlockDevice> {
    let facts = std::fs::metadata(path).context(|| format!("can't find the device `{}`", path.display()))?;
    match Facts::of(&facts) {
        Some(Facts { kind: "b", number: (major, minor), .. }) => {
            Ok(BlockDevice { major: major.into(), minor: minor.into() })
        }
        _ => Err(Error::invalid(format!("`{}` is not a block device", path.display()))),
    }
}

/// What a node says.
struct Facts {
    kind: &'static str,
    number: (u32, u32),
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Facts {
    fn of(facts: &std::fs::Metadata) -> Option<Self> {
        let kind = match FileType::from_raw_mode(facts.mode()) {
            FileType::CharacterDevice => "c",
            FileType::BlockDevice => "b",
            _ => return None,
        };
        let number = (major(facts.rdev()), minor(facts.rdev()));
        Some(Self { kind, number, mode: facts.mode() & 0o7777, uid: facts.uid(), gid: facts.gid() })
    }
}

/// All nodes in a folder and below; links are not followed, so that none is there twice.
fn below(folder: &Path) -> Result<Vec<(PathBuf, Facts)>> {
    let mut nodes = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let words = || format!("can't list `{}`", folder.display());
        for entry in std::fs::read_dir(&folder).context(words)? {
            let entry = entry.context(words)?;
            let shared = |name: &str| folder == Path::new("/dev") && NOT_SHARED.contains(&name);
            // One that has just been unplugged is none.
            let Ok(facts) = entry.metadata() else { continue };
            if entry.file_name().to_str().is_none_or(shared) {
                continue;
            }
            if facts.is_dir() {
                waiting.push(entry.path());
            } else if let Some(node) = Facts::of(&facts) {
                nodes.push((entry.path(), node));
            }
            if nodes.len() + waiting.len() > MOST_NODES {
                return Err(Error::invalid(format!("more than {MOST_NODES} devices")).context(words()));
            }
        }
    }
    nodes.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(source: &str, target: &str) -> api::Device {
        api::Device { source: source.into(), target: target.into(), access: "rw".into() }
    }

    #[test]
    fn a_device_is_found_by_its_node_and_a_folder_has_several() {
        let null = Found {
            source: "/dev/null".into(),
            target: "/dev/nothing".into(),
            kind: "c",
            number: (1, 3),
            access: "rw".into(),
        };
        assert_eq!(find(&asked("/dev/null", "/dev/nothing")).unwrap(), [null]);
        let names: Vec<String> = find(&asked("/dev", "/d")).unwrap().into_iter().map(|found| found.target).collect();
        assert!(names.contains(&"/d/zero".to_owned()) && !names.contains(&"/d/ptmx".to_owned()), "{names:?}");
        assert!(of_host().unwrap().iter().any(|device| device.path == "/dev/full" && device.major == 1));
    }

    #[test]
    fn what_is_no_device_is_told() {
        let words = "error gathering device information while adding custom device";
        for (path, why) in [("/dev/nosuch", "no such file or directory"), ("/etc/passwd", "not a device node")] {
            let error = find(&asked(path, path)).unwrap_err().to_string();
            assert_eq!(error, format!("{words} \"{path}\": {why}"));
        }
        assert_eq!(disk(Path::new("/dev/null")).unwrap_err().to_string(), "`/dev/null` is not a block device");
    }
}
