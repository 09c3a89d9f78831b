//! Which namespaces are made, which are joined, and whose ids count inside.

use super::{invalid, text};
use crate::plan::{IdMaps, Join, Text, UserNamespace};
use error::Result;
use oci::runtime::{IdMapping, Linux, NamespaceKind};
use sys::process::namespace;

/// The kernel takes no more lines in one map (user_namespaces(7), kernel 4.15).
const MAX_MAPPINGS: usize = 340;

/// What `linux.namespaces`, the mappings and the offsets say.
pub(super) struct Namespaces {
    /// New by the clone.
    pub new: u64,
    /// New or joined: not the host's.
    pub own: u64,
    pub joins: Vec<Join>,
    pub mount: Option<Text>,
    pub user: UserNamespace,
    pub new_cgroup: bool,
    pub time_offsets: Option<Text>,
}

impl Namespaces {
    /// Does the container have one of this kind to itself (or share it with another container)?
    pub(super) fn has(&self, kind: u64) -> bool {
        self.own & kind != 0
    }
}

pub(super) fn compile(linux: &Linux) -> Result<Namespaces> {
    let mut namespaces = Namespaces {
        new: 0,
        own: 0,
        joins: Vec::new(),
        mount: None,
        user: UserNamespace::Inherited,
        new_cgroup: false,
        time_offsets: None,
    };
    let mut new_time = false;
    for (index, wanted) in linux.namespaces.iter().enumerate() {
        let field = || format!("linux.namespaces[{index}]");
        let kind = bit(wanted.kind);
        if namespaces.has(kind) {
            return Err(invalid(&field(), "this kind is there already"));
        }
        namespaces.own |= kind;
        let path = match &*wanted.path {
            "" => None,
            path if path.starts_with('/') => Some(text(path, &format!("{}.path", field()))?),
            path => return Err(invalid(&format!("{}.path", field()), &format!("`{path}` is not an absolute path"))),
        };
        match (wanted.kind, path) {
            (NamespaceKind::Mount, Some(path)) => namespaces.mount = Some(path),
            (NamespaceKind::User, Some(path)) => namespaces.user = UserNamespace::Joined(path),
            (NamespaceKind::User, None) => {
                namespaces.user = UserNamespace::New(id_maps(&linux.uid_mappings, &linux.gid_mappings)?)
            }
            (_, Some(host_path)) => namespaces.joins.push(Join { kind, host_path }),
            (NamespaceKind::Cgroup, None) => namespaces.new_cgroup = true,
            (NamespaceKind::Time, None) => new_time = true,
            (_, None) => namespaces.new |= kind,
        }
    }
    match &namespaces.user {
        UserNamespace::New(_) => namespaces.new |= namespace::USER,
        UserNamespace::Inherited if !(linux.uid_mappings.is_empty() && linux.gid_mappings.is_empty()) => {
            return Err(invalid("linux.uidMappings", "mappings need a user namespace"));
        }
        // Whoever joins one may repeat its mappings; they hold already.
        _ => {}
    }
    if namespaces.has(namespace::USER) && !namespaces.has(namespace::MOUNT) {
        let why = "a user namespace needs a mount namespace: its root may not mount in the caller's";
        return Err(invalid("linux.namespaces", why));
    }
    namespaces.time_offsets = time_offsets(linux, new_time)?;
    Ok(namespaces)
}

fn bit(kind: NamespaceKind) -> u64 {
    match kind {
        NamespaceKind::Mount => namespace::MOUNT,
        NamespaceKind::Pid => namespace::PID,
        NamespaceKind::Uts => namespace::UTS,
        NamespaceKind::Ipc => namespace::IPC,
        NamespaceKind::Network => namespace::NETWORK,
        NamespaceKind::Cgroup => namespace::CGROUP,
        NamespaceKind::User => namespace::USER,
        NamespaceKind::Time => namespace::TIME,
    }
}

/// Of a new user namespace.
pub(crate) fn id_maps(uids: &[IdMapping], gids: &[IdMapping]) -> Result<IdMaps> {
    if uids.is_empty() || gids.is_empty() {
        return Err(invalid("linux.uidMappings", "a new user namespace needs mappings of users and of groups"));
    }
    Ok(IdMaps { uids: mappings(uids, "linux.uidMappings")?, gids: mappings(gids, "linux.gidMappings")? })
}

/// Checks what the kernel would refuse with nothing but `EINVAL`.
pub(super) fn mappings(mappings: &[IdMapping], field: &str) -> Result<Vec<IdMapping>> {
    if mappings.len() > MAX_MAPPINGS {
        return Err(invalid(field, &format!("more than {MAX_MAPPINGS} mappings")));
    }
    for (index, mapping) in mappings.iter().enumerate() {
        let bad = |why: &str| Err(invalid(&format!("{field}[{index}]"), why));
        if mapping.size == 0 {
            return bad("a mapping of no ids");
        }
        let (Some(container_end), Some(host_end)) =
            (mapping.container_id.checked_add(mapping.size), mapping.host_id.checked_add(mapping.size))
        else {
            return bad("ids beyond the last there is");
        };
        let overlaps = |other: &IdMapping| {
            let within = |start: u32, end: u32, other_start: u32, size: u32| {
                start < other_start.saturating_add(size) && other_start < end
            };
            within(mapping.container_id, container_end, other.container_id, other.size)
                || within(mapping.host_id, host_end, other.host_id, other.size)
        };
        if mappings[..index].iter().any(overlaps) {
            return bad("ids that another mapping has already");
        }
    }
    Ok(mappings.to_vec())
}

fn time_offsets(linux: &Linux, new_time: bool) -> Result<Option<Text>> {
    if !new_time {
        return match linux.time_offsets.keys().next() {
            Some(clock) => Err(invalid(&format!("linux.timeOffsets.{clock}"), "offsets need a new time namespace")),
            None => Ok(None),
        };
    }
    let mut lines = String::new();
    for (clock, offset) in &linux.time_offsets {
        let field = format!("linux.timeOffsets.{clock}");
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(invalid(&field, "the clocks with offsets are `monotonic` and `boottime`"));
        }
        if offset.nanosecs >= 1_000_000_000 {
            return Err(invalid(&format!("{field}.nanosecs"), "a second or more"));
        }
        lines.push_str(&format!("{clock} {} {}\n", offset.secs, offset.nanosecs));
    }
    text(lines, "linux.timeOffsets").map(Some)
}
