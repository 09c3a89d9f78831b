//! The tree that the payload sees: mounts in their order, devices, what is hidden.

use super::namespaces::{self, Namespaces};
use super::options::{self, Options};
use super::{Setting, devices, inside, insides, invalid, text, unsupported};
use crate::cgroup::{Place, Version};
use crate::plan::{Content, Entry, FsStep, IdMaps, Propagation, RootPlan, Source, SourceIdMap, Text, UserNamespace};
use error::{Error, Result};
use oci::runtime::{Linux, Mount, Spec};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use sys::mount::{attribute, propagation};
use sys::process::namespace;

/// Files of `/proc` over which something may be bound, to make a container see its limits (lxcfs); anything else there
/// could make a program believe what is not so (CVE-2019-16884).
const PROC_FILES: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Where every host has its cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";
/// File systems that live in memory: for them it is the mount that is read-only, as their contents change anyway.
const VIRTUAL: [&str; 8] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay"];

/// Parameters of a tmpfs that documents also give to bind mounts, where they say nothing. Another word there may be a
/// misspelt attribute.
const OF_A_TMPFS: [&[u8]; 8] = [b"size", b"nr_blocks", b"nr_inodes", b"mode", b"uid", b"gid", b"huge", b"mpol"];

/// The longest value of a parameter (fsconfig(2): 256 with its NUL).
const MAX_VALUE_BYTES: usize = 255;

/// Private, with all below.
pub(super) const PRIVATE: Propagation = Propagation { kind: propagation::PRIVATE, recursive: true };

pub(super) fn compile(spec: &Spec, linux: &Linux, namespaces: &Namespaces, setting: &Setting<'_>) -> Result<RootPlan> {
    let mut mounts = Mounts {
        sources: Vec::new(),
        steps: Vec::new(),
        sealed: Vec::new(),
        label: None,
        warnings: Vec::new(),
        namespaces,
        setting,
    };
    if !linux.mount_label.is_empty() {
        let label = text(linux.mount_label.as_str(), "linux.mountLabel")?;
        if setting.host.selinux {
            mounts.label = Some(label);
        } else {
            // As crun has it: who labels files for SELinux has them on machines without it, too.
            mounts.warnings.push(unsupported("linux.mountLabel", "SELinux is not enabled on this machine"));
        }
    }
    for (index, mount) in spec.mounts.iter().enumerate() {
        mounts.add(mount, index)?;
    }
    if let Some(folder) = setting.notify_folder {
        mounts.notify_folder(folder)?;
    }
    let Mounts { mut sources, mut steps, sealed, label, warnings, .. } = mounts;
    devices::add(linux, namespaces, setting, &mut sources, &mut steps)?;
    let null_source = devices::add_source(&mut sources, text("/dev/null", "devices")?);
    Ok(RootPlan {
        host_target: text(setting.root_target.as_os_str().as_bytes(), "root.path")?,
        sources,
        null_source,
        steps,
        entry: match setting.pivot {
            _ if !namespaces.has(namespace::MOUNT) => Entry::Chroot,
            true => Entry::Pivot,
            false => Entry::Cover,
        },
        propagation: match linux.rootfs_propagation.as_str() {
            "" => PRIVATE,
            word => options::propagation_of(word)
                .ok_or_else(|| invalid("linux.rootfsPropagation", &format!("unknown propagation `{word}`")))?,
        },
        masked: insides(&linux.masked_paths, "linux.maskedPaths")?,
        label,
        readonly_paths: insides(&linux.readonly_paths, "linux.readonlyPaths")?,
        sealed,
        readonly: spec.root.as_ref().is_some_and(|root| root.readonly),
        warnings,
    })
}

/// What is shown as it is, and private.
pub(super) fn plain_source(content: Content) -> Source {
    Source { content, attributes: (0, 0), attributes_below: (0, 0), propagations: vec![PRIVATE], id_map: None }
}

struct Mounts<'a> {
    sources: Vec<Source>,
    steps: Vec<FsStep>,
    sealed: Vec<Text>,
    label: Option<Text>,
    warnings: Vec<Error>,
    namespaces: &'a Namespaces,
    setting: &'a Setting<'a>,
}

impl Mounts<'_> {
    fn add(&mut self, mount: &Mount, index: usize) -> Result<()> {
        let field = |name: &str| format!("mounts[{index}].{name}");
        let target = target(&mount.destination, &field("destination"))?;
        let parsed = options::parse(&mount.options, &field("options"))?;
        let id_maps = id_maps(mount, &parsed, self.namespaces, index)?;
        if parsed.remount {
            let (set, clear) = parsed.attributes;
            self.steps.push(FsStep::Change { target, set, clear });
            return Ok(());
        }
        if parsed.bind || mount.kind == "bind" {
            return self.bind(mount, parsed, target, id_maps, index);
        }
        if id_maps.is_some() {
            return Err(unsupported(&field("uidMappings"), "only a bind mount can be id-mapped"));
        }
        match mount.kind.as_str() {
            "" => Err(invalid(&field("type"), "it is missing")),
            "cgroup" => self.cgroups(&parsed, &target, &field("type")),
            _ => self.file_system(mount, parsed, target, index),
        }
    }

    fn bind(
        &mut self,
        mount: &Mount,
        parsed: Options,
        target: Text,
        id_map: Option<SourceIdMap>,
        index: usize,
    ) -> Result<()> {
        let field = |name: &str| format!("mounts[{index}].{name}");
        if mount.source.is_empty() {
            return Err(invalid(&field("source"), "a bind mount needs one"));
        }
        let source = self.setting.bundle.join(&mount.source);
        let path = text(source.as_os_str().as_bytes(), &field("source"))?;
        let Options { recursive, attributes, attributes_below, mut propagations, nofollow, parameters, .. } = parsed;
        for (key, value) in &parameters {
            let why = format!("a bind mount has no option `{}`", key.lossy());
            if value.is_none() || !OF_A_TMPFS.contains(&key.c().to_bytes()) {
                return Err(invalid(&field("options"), &why));
            }
            self.warnings.push(invalid(&field("options"), &why));
        }
        // What happens inside must not reach the host unasked.
        if propagations.is_empty() {
            propagations.push(PRIVATE);
        }
        let content = match self.mounted(&source).filter(|_| id_map.is_none()) {
            Some(path) => {
                Content::Inside { path: text(path.into_os_string().into_vec(), &field("source"))?, recursive, nofollow }
            }
            None => Content::Host { path, recursive, nofollow },
        };
        self.sources.push(Source { content, attributes, attributes_below, propagations, id_map });
        self.steps.push(FsStep::Bind { source: self.sources.len() - 1, target });
        Ok(())
    }

    /// Where a path of the host is in the container, if an earlier mount covers what the host has there: what is meant is
    /// what is seen there by then, as with runc. A container whose root is the host's sees all of the host that way.
    fn mounted(&self, source: &Path) -> Option<PathBuf> {
        let rootfs = self.setting.rootfs.filter(|rootfs| *rootfs != Path::new("/"))?;
        let path = Path::new("/").join(clean(source).strip_prefix(rootfs).ok()?);
        let covers = |step: &FsStep| match step {
            FsStep::Mount { target, .. } | FsStep::Bind { target, .. } => {
                path.starts_with(clean(Path::new(OsStr::from_bytes(target.c().to_bytes()))))
            }
            _ => false,
        };
        self.steps.iter().any(covers).then_some(path)
    }

    /// Where sd_notify(3) finds its socket.
    fn notify_folder(&mut self, folder: &Path) -> Result<()> {
        let path = text(folder.as_os_str().as_bytes(), "notify")?;
        let content = Content::Host { path, recursive: false, nofollow: true };
        let set = attribute::RDONLY | attribute::NOSUID | attribute::NODEV | attribute::NOEXEC;
        self.sources.push(Source { attributes: (set, 0), ..plain_source(content) });
        let target = text(crate::container::notify::INSIDE, "notify")?;
        self.steps.push(FsStep::Bind { source: self.sources.len() - 1, target });
        Ok(())
    }

    fn file_system(&mut self, mount: &Mount, mut parsed: Options, target: Text, index: usize) -> Result<()> {
        let field = |name: &str| format!("mounts[{index}].{name}");
        let fstype = mount.kind.as_str();
        let mut parameters = std::mem::take(&mut parsed.parameters);
        self.add_label(fstype, &mut parameters)?;
        if fstype == "overlay" {
            parameters = split_layers(parameters, &field("options"))?;
        }
        for (key, value) in &parameters {
            if value.as_ref().is_some_and(|value| value.c().count_bytes() > MAX_VALUE_BYTES) {
                let why = format!("the kernel takes no more than {MAX_VALUE_BYTES} bytes of `{}`", key.lossy());
                return Err(invalid(&field("options"), &why));
            }
        }
        if fstype == "tmpfs" && parsed.attributes.0 & attribute::RDONLY != 0 {
            // Devices, the places of other mounts and the console are still to be made in it.
            parsed.attributes.0 &= !attribute::RDONLY;
            self.sealed.push(target.clone());
        }
        let (attributes, _) = parsed.attributes;
        if attributes & attribute::RDONLY != 0 && !VIRTUAL.contains(&fstype) {
            parameters.push((text("ro", &field("options"))?, None));
        }
        let source = if mount.source.is_empty() { None } else { Some(text(&*mount.source, &field("source"))?) };
        if parsed.copy_up {
            if fstype != "tmpfs" {
                return Err(invalid(&field("options"), "`tmpcopyup` is for a tmpfs"));
            }
            if source.is_some() {
                parameters.push((text("source", &field("source"))?, source));
            }
            let content = Content::CopyUp { path: target.clone(), parameters };
            self.sources.push(Source { attributes: parsed.attributes, ..plain_source(content) });
            self.steps.push(FsStep::Bind { source: self.sources.len() - 1, target });
            return Ok(());
        }
        let has_mode = parameters.iter().any(|(key, _)| key.c() == c"mode");
        self.steps.push(FsStep::Mount {
            fstype: text(fstype, &field("type"))?,
            source,
            parameters,
            attributes,
            propagations: parsed.propagations,
            target,
            plain: matches!(fstype, "proc" | "sysfs"),
            // As runc and crun have it, and images rely on it: `/tmp` is open to everybody, `/root` is not.
            mode_of_target: fstype == "tmpfs" && !has_mode,
        });
        Ok(())
    }

    /// File systems that can carry a context get the container's (config-linux.md, "Mount Label").
    fn add_label(&self, fstype: &str, parameters: &mut Vec<(Text, Option<Text>)>) -> Result<()> {
        let Some(label) = &self.label else { return Ok(()) };
        let has_own = parameters.iter().any(|(key, _)| key.c().to_bytes().ends_with(b"context"));
        if !has_own && !matches!(fstype, "proc" | "sysfs" | "cgroup" | "cgroup2") {
            parameters.push((text("context", "linux.mountLabel")?, Some(label.clone())));
        }
        Ok(())
    }

    /// What `cgroup` means depends on the machine: the one hierarchy of v2, or a folder with all of v1.
    fn cgroups(&mut self, parsed: &Options, target: &Text, field: &str) -> Result<()> {
        let places = self.setting.cgroups;
        if places.is_empty() && !self.namespaces.has(namespace::CGROUP) {
            // This user could make none. What is to be seen without a namespace is the host's, and whole: in a user
            // namespace the kernel keeps what is mounted on it together (mount_namespaces(7)).
            let path = text(CGROUPS, field)?;
            let content = Content::Host { path, recursive: true, nofollow: false };
            let attributes = parsed.attributes;
            self.sources.push(Source { attributes, attributes_below: (attributes.0, 0), ..plain_source(content) });
            self.steps.push(FsStep::Bind { source: self.sources.len() - 1, target: target.clone() });
            return Ok(());
        }
        if places.iter().all(|place| place.version == Version::V2) {
            return self.cgroup(places.first(), parsed.attributes, target.clone(), field);
        }
        let attributes = parsed.attributes.0;
        self.steps.push(FsStep::Mount {
            fstype: text("tmpfs", field)?,
            source: Some(text("cgroup", field)?),
            parameters: vec![(text("mode", field)?, Some(text("755", field)?))],
            attributes: attributes & !attribute::RDONLY,
            propagations: Vec::new(),
            target: target.clone(),
            plain: false,
            mode_of_target: false,
        });
        let base = Path::new(&*target.lossy()).to_owned();
        for place in places {
            let folder = base.join(place.mount.file_name().unwrap_or_default());
            let folder = text(folder.as_os_str().as_bytes(), field)?;
            self.cgroup(Some(place), parsed.attributes, folder, field)?;
            self.link_controllers(&base, place, field)?;
        }
        if attributes & attribute::RDONLY != 0 {
            self.steps.push(FsStep::Change { target: target.clone(), set: attribute::RDONLY, clear: 0 });
        }
        Ok(())
    }

    /// One hierarchy: mounted anew where a cgroup namespace makes the container's cgroup its root, else its part bound.
    fn cgroup(&mut self, place: Option<&Place>, attributes: (u64, u64), target: Text, field: &str) -> Result<()> {
        if let Some(place) = place
            && !self.namespaces.has(namespace::CGROUP)
        {
            let path = text(place.path().as_os_str().as_bytes(), field)?;
            let content = Content::Host { path, recursive: false, nofollow: false };
            self.sources.push(Source { attributes, ..plain_source(content) });
            self.steps.push(FsStep::Bind { source: self.sources.len() - 1, target });
            return Ok(());
        }
        let v1 = place.filter(|place| place.version == Version::V1);
        let controllers = v1.map_or(&[][..], |place| &place.controllers);
        let parameter = |word: &String| -> Result<(Text, Option<Text>)> {
            let (key, value) = word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value)));
            Ok((text(key, field)?, value.map(|value| text(value, field)).transpose()?))
        };
        self.steps.push(FsStep::Mount {
            fstype: text(if v1.is_some() { "cgroup" } else { "cgroup2" }, field)?,
            source: Some(text("cgroup", field)?),
            parameters: controllers.iter().map(parameter).collect::<Result<_>>()?,
            attributes: attributes.0,
            propagations: Vec::new(),
            target,
            plain: false,
            mode_of_target: false,
        });
        Ok(())
    }

    /// `cpu` for `cpu,cpuacct`: programs look for one controller.
    fn link_controllers(&mut self, base: &Path, place: &Place, field: &str) -> Result<()> {
        let folder = place.mount.file_name().unwrap_or_default();
        if place.version == Version::V2 || place.controllers.len() < 2 {
            return Ok(());
        }
        for controller in place.controllers.iter().filter(|name| name.as_str() != folder) {
            let path = text(base.join(controller).as_os_str().as_bytes(), field)?;
            self.steps.push(FsStep::Symlink { to: text(folder.as_bytes(), field)?, path });
        }
        Ok(())
    }
}

/// An overlay's list of folders, one by one: a list is soon longer than what one parameter may have. (`lowerdir+` and
/// `datadir+`, kernel 6.5; a list that is short enough works before, too.)
fn split_layers(parameters: Vec<(Text, Option<Text>)>, field: &str) -> Result<Vec<(Text, Option<Text>)>> {
    let mut split = Vec::with_capacity(parameters.len());
    for (key, value) in parameters {
        match value {
            Some(list) if key.c() == c"lowerdir" && list.c().count_bytes() > MAX_VALUE_BYTES => {
                for (key, folder) in layers(list.c().to_bytes()) {
                    split.push((text(key, field)?, Some(text(folder, field)?)));
                }
            }
            value => split.push((key, value)),
        }
    }
    Ok(split)
}

/// `:` separates folders, `::` those that have data only, and `\` takes the meaning of the next byte away
/// (Documentation/filesystems/overlayfs.rst of the kernel).
fn layers(list: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut layers = vec![("lowerdir+", Vec::new())];
    let mut bytes = list.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let folder = &mut layers.last_mut().expect("there is a first one").1;
        match byte {
            b'\\' => folder.extend(bytes.next()),
            b':' => {
                let has_data_only = bytes.next_if_eq(&b':').is_some();
                layers.push((if has_data_only { "datadir+" } else { "lowerdir+" }, Vec::new()));
            }
            byte => folder.push(byte),
        }
    }
    layers
}

/// Where a mount goes: without a slash at the beginning, too, as old documents write it (config.md, "Mounts"). Nothing but
/// a few files may be mounted below `/proc`, and those have their plain names.
fn target(destination: &str, field: &str) -> Result<Text> {
    let target = match destination {
        "" => return Err(invalid(field, "it is missing")),
        path if path.starts_with('/') => inside(path, field)?,
        path => inside(&format!("/{path}"), field)?,
    };
    let clean = clean(Path::new(destination));
    let below_proc = clean.starts_with("/proc") && clean != Path::new("/proc");
    if below_proc && !PROC_FILES.iter().any(|file| clean == Path::new(file)) {
        return Err(invalid(field, &format!("`{destination}` cannot be mounted because it is inside /proc")));
    }
    // `/proc/../x` must not look as if it were below.
    if clean.starts_with("/proc") || target.c().to_bytes().starts_with(b"/proc/") {
        return text(clean.as_os_str().as_bytes(), field);
    }
    Ok(target)
}

/// Without `.` and `..`, which end at the root.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

fn id_maps(mount: &Mount, parsed: &Options, namespaces: &Namespaces, index: usize) -> Result<Option<SourceIdMap>> {
    let field = |name: &str| format!("mounts[{index}].{name}");
    let given = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    let recursive = parsed.id_map.unwrap_or(false);
    if given {
        if mount.uid_mappings.is_empty() || mount.gid_mappings.is_empty() {
            return Err(invalid(&field("uidMappings"), "mappings of users and of groups go together"));
        }
        let uids = namespaces::mappings(&mount.uid_mappings, &field("uidMappings"))?;
        let gids = namespaces::mappings(&mount.gid_mappings, &field("gidMappings"))?;
        return Ok(Some(SourceIdMap { maps: IdMaps { uids, gids }, recursive }));
    }
    match (parsed.id_map, &namespaces.user) {
        (None, _) => Ok(None),
        (Some(_), UserNamespace::New(maps)) => Ok(Some(SourceIdMap { maps: maps.clone(), recursive })),
        (Some(_), _) => Err(invalid(&field("options"), "`idmap` needs mappings, or those of a new user namespace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_layers_is_split_where_the_kernel_would() {
        for (list, expected) in [
            (&b"/a"[..], vec![("lowerdir+", "/a")]),
            (b"/a:/b\\:c", vec![("lowerdir+", "/a"), ("lowerdir+", "/b:c")]),
            (b"/a\\\\::/d::/e", vec![("lowerdir+", "/a\\"), ("datadir+", "/d"), ("datadir+", "/e")]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(key, folder)| (key, folder.as_bytes().to_vec())).collect();
            assert_eq!(layers(list), expected);
        }
    }
}
