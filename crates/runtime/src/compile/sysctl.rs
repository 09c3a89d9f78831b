//! Kernel parameters: only those that belong to a namespace of the container, never the host's.

use super::namespaces::Namespaces;
use super::{invalid, text};
use crate::plan::Text;
use error::Result;
use oci::runtime::Linux;
use sys::process::namespace;

/// Parameters of System V IPC (ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// File below `/proc/sys` and value of each.
pub(super) fn compile(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<(Text, Text)>> {
    let one = |(name, value): (&String, &String)| {
        let field = format!("linux.sysctl.{name}");
        let path = path(name);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(&field, "this is no name of a kernel parameter"));
        }
        let (kind, kind_name) = owner(&path).ok_or_else(|| {
            let why = if path == "kernel/hostname" {
                "use `hostname`"
            } else {
                "it belongs to no namespace: it would be the host's"
            };
            invalid(&field, why)
        })?;
        if !namespaces.has(kind) {
            return Err(invalid(&field, &format!("it would be the host's: a {kind_name} namespace is missing")));
        }
        Ok((text(format!("/proc/sys/{path}"), &field)?, text(value.as_str(), &field)?))
    };
    linux.sysctl.iter().map(one).collect()
}

/// As sysctl(8) reads names: whichever of `.` and `/` comes first separates, and the other one is part of a name.
fn path(name: &str) -> String {
    let swapped = |c: char| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    match name.find(['.', '/']) {
        Some(first) if name.as_bytes()[first] == b'.' => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    }
}

/// The namespace that a parameter belongs to.
fn owner(path: &str) -> Option<(u64, &'static str)> {
    if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        Some((namespace::IPC, "ipc"))
    } else if path.starts_with("net/") {
        Some((namespace::NETWORK, "network"))
    } else if path == "kernel/domainname" {
        Some((namespace::UTS, "uts"))
    } else if path.starts_with("user/") {
        Some((namespace::USER, "user"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn the_first_separator_is_the_separator() {
        for (name, expected) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
            ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
            ("hostname", "hostname"),
        ] {
            assert_eq!(path(name), expected);
        }
    }
}
