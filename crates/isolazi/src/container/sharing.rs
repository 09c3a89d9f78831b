//! The flags of namespaces: `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`.

use crate::args::{one, text};
use api::{Ipc, Namespace, Sharing};
use clap::{Arg, ArgMatches};
use error::{Error, Kind, Result};

pub(super) fn flags() -> Vec<Arg> {
    vec![
        text("cgroupns", "string", "Cgroup namespace to use (host, private, container:NAME)"),
        text("ipc", "string", "IPC mode to use (none, private, shareable, host, container:NAME)"),
        text("pid", "string", "PID namespace to use (host, container:NAME)"),
        text("userns", "string", "User namespace to use (host)"),
        text("uts", "string", "UTS namespace to use (host, container:NAME)"),
    ]
}

pub(super) fn parse(matches: &ArgMatches) -> Result<Sharing> {
    let namespace = |flag: &str, name: &str| match one(matches, flag).unwrap_or_default() {
        "" | "private" => Ok(Namespace::Private),
        "host" => Ok(Namespace::Host),
        other => match container(other) {
            Some(id) => Ok(Namespace::Container(id)),
            None => Err(Error::invalid(format!("--{flag}: invalid {name} mode"))),
        },
    };
    let ipc = match one(matches, "ipc").unwrap_or_default() {
        "" | "private" => Ipc::Private,
        "none" => Ipc::None,
        "shareable" => Ipc::Shareable,
        "host" => Ipc::Host,
        other => match container(other) {
            Some(id) => Ipc::Container(id),
            None => return Err(Error::invalid(format!("invalid IPC mode: {other}"))),
        },
    };
    let pid = namespace("pid", "PID")?;
    let uts = namespace("uts", "UTS")?;
    let cgroup = namespace("cgroupns", "CGROUP")?;
    Ok(Sharing { pid, ipc, uts, cgroup, user: user(one(matches, "userns").unwrap_or_default())? })
}

fn container(text: &str) -> Option<String> {
    text.strip_prefix("container:").filter(|id| !id.is_empty()).map(str::to_owned)
}

/// A container of root has the host's user namespace, one of an ordinary user that of its caller; no other yet.
fn user(text: &str) -> Result<String> {
    match text {
        "" | "host" => Ok(text.to_owned()),
        "auto" | "nomap" => Err(unsupported(text)),
        _ if text == "keep-id" || text.starts_with("keep-id:") || text.starts_with("auto:") => Err(unsupported(text)),
        _ => Err(Error::invalid("--userns: invalid USER mode")),
    }
}

fn unsupported(mode: &str) -> Error {
    Error::new(Kind::Unsupported, format!("--userns: `{mode}` is not supported yet"))
        .hint("run as an ordinary user: the container's root is that user outside")
}
