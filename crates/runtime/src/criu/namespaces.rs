//! Namespaces that a container shares with others: CRIU leaves those alone and joins them again.

use super::wire::{Message, field};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Namespace, NamespaceKind, Spec};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::os::unix::fs::MetadataExt;

fn namespaces(spec: &Spec) -> &[Namespace] {
    spec.linux.as_ref().map_or(&[][..], |linux| &linux.namespaces)
}

/// Was the network namespace made for the container? Its devices are those of whoever cares for its network.
pub(super) fn network_is_ours(spec: &Spec) -> bool {
    namespaces(spec).iter().any(|one| one.kind == NamespaceKind::Network && one.path.is_empty())
}

/// The root of a new user namespace: its group, as the host has it.
pub(super) fn root_group(spec: &Spec) -> Option<u32> {
    let linux = spec.linux.as_ref()?;
    let is_new = |one: &Namespace| one.kind == NamespaceKind::User && one.path.is_empty();
    linux.namespaces.iter().find(|one| is_new(one))?;
    linux.gid_mappings.iter().find(|mapping| mapping.container_id == 0).map(|mapping| mapping.host_id)
}

/// CRIU's name of the kind, and ours for one that is left out of the images (the same as runc's and crun's).
fn names(kind: NamespaceKind) -> Option<(&'static str, &'static str)> {
    match kind {
        NamespaceKind::Network => Some(("net", "extRootNetNS")),
        NamespaceKind::Pid => Some(("pid", "extRootPidNS")),
        _ => None,
    }
}

/// Of a dump: `net[4026531840]:extRootNetNS`.
pub(super) fn leave_out(spec: &Spec, message: &mut Message) -> Result<()> {
    for one in namespaces(spec).iter().filter(|one| !one.path.is_empty()) {
        if let Some((kind, key)) = names(one.kind) {
            let inode = std::fs::metadata(&one.path).context(|| format!("can't find the namespace `{}`", one.path))?;
            message.text(field::EXTERNAL, &format!("{kind}[{}]:{key}", inode.ino()));
        }
    }
    Ok(())
}

/// Of a restore: those that were left out come as descriptors, which are returned with their keys, others by path.
pub(super) fn join(spec: &Spec, message: &mut Message) -> Result<Vec<(&'static str, OwnedFd)>> {
    let mut opened = Vec::new();
    for (index, one) in namespaces(spec).iter().enumerate().filter(|(_, one)| !one.path.is_empty()) {
        let kind = match one.kind {
            NamespaceKind::Network | NamespaceKind::Pid => {
                let fd = openat(CWD, &one.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
                let fd =
                    fd.map_err(std::io::Error::from).context(|| format!("can't open the namespace `{}`", one.path))?;
                opened.extend(names(one.kind).map(|(_, key)| (key, fd)));
                continue;
            }
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Time => "time",
            NamespaceKind::User => "user",
            NamespaceKind::Mount => "mnt",
            NamespaceKind::Cgroup => {
                let field = format!("config.json: `linux.namespaces[{index}]`");
                return Err(Error::new(Kind::Unsupported, format!("{field}: criu can't join a cgroup namespace")));
            }
        };
        message.pair(field::JOIN_NS, kind, &one.path);
    }
    Ok(opened)
}
