//! Device nodes: those that every container has, and those of `linux.devices`.
//!
//! They are made where that is allowed and useful; otherwise (a user namespace, a `/dev` without devices) the host's
//! node of the same place is bound, which works with and without privilege.

use super::namespaces::Namespaces;
use super::{Setting, inside, invalid, text};
use crate::plan::{Content, FsStep, Node, NodeKind, Source, Text, UserNamespace};
use error::Result;
use oci::runtime::{Device, Linux};
use std::path::Path;
use sys::mount::attribute;

/// Device nodes that every container has (config-linux.md, "Default Devices"): name, major, minor number.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that every container has (config-linux.md, "Default Devices").
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Anybody may read and write.
const DEFAULT_MODE: u32 = 0o666;

/// Adds the steps that fill `/dev`, unless it is the host's own.
pub(super) fn add(
    linux: &Linux,
    namespaces: &Namespaces,
    setting: &Setting<'_>,
    sources: &mut Vec<Source>,
    steps: &mut Vec<FsStep>,
) -> Result<()> {
    let asked =
        linux.devices.iter().enumerate().map(|(index, device)| node(device, index)).collect::<Result<Vec<_>>>()?;
    // Whoever shows the host's whole /dev gets it as it is.
    let has_own_dev = !steps.iter().any(|step| matches!(step, FsStep::Bind { target, .. } if is_dev(target)));
    let makes = setting.host.may_make_nodes
        && matches!(namespaces.user, UserNamespace::Inherited)
        && !steps.iter().any(|step| matches!(step, FsStep::Mount { target, attributes, .. } if is_dev(target) && attributes & attribute::NODEV != 0));
    let mut nodes = Vec::new();
    if has_own_dev {
        for (name, major, minor) in DEVICES {
            let path = text(format!("/dev/{name}"), "devices")?;
            if !asked.iter().any(|node: &Node| node.path == path) {
                let (kind, device) = (NodeKind::Character, (major, minor));
                nodes.push(Node { path, kind, device, mode: DEFAULT_MODE, uid: 0, gid: 0 });
            }
        }
    }
    nodes.extend(asked);
    for node in nodes {
        if makes || node.kind == NodeKind::Fifo {
            steps.push(FsStep::Node(node));
        } else {
            steps.push(FsStep::Bind { source: add_source(sources, node.path.clone()), target: node.path });
        }
    }
    if has_own_dev {
        for (to, path) in LINKS {
            steps.push(FsStep::Symlink { to: text(to, "links")?, path: text(path, "links")? });
        }
    }
    Ok(())
}

fn is_dev(target: &Text) -> bool {
    Path::new(&*target.lossy()) == Path::new("/dev")
}

fn node(device: &Device, index: usize) -> Result<Node> {
    let field = |name: &str| format!("linux.devices[{index}].{name}");
    let kind = match device.kind.as_str() {
        "c" | "u" => NodeKind::Character,
        "b" => NodeKind::Block,
        "p" => NodeKind::Fifo,
        other => return Err(invalid(&field("type"), &format!("`{other}` is none of `c`, `b`, `u`, `p`"))),
    };
    let number = |number: i64, name: &str| {
        // The kernel has 12 bits for the major and 20 for the minor number; the call takes them as one.
        u32::try_from(number).map_err(|_| invalid(&field(name), &format!("{number} is no device number")))
    };
    let device_number = match kind {
        NodeKind::Fifo => (0, 0),
        _ => (number(device.major, "major")?, number(device.minor, "minor")?),
    };
    Ok(Node {
        path: inside(&device.path, &field("path"))?,
        kind,
        device: device_number,
        mode: device.file_mode.unwrap_or(DEFAULT_MODE) & 0o7777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}

/// The host's node at that place, to be bound.
pub(super) fn add_source(sources: &mut Vec<Source>, path: Text) -> usize {
    let content = Content::Host { path, recursive: false, nofollow: false };
    sources.push(super::mounts::plain_source(content));
    sources.len() - 1
}
