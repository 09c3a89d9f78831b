//! The flags of process limits and kernel parameters: `--ulimit`, `--sysctl`.

use super::number::integer;
use crate::args::listed;
use api::{Create, Ipc, Network, Ulimit};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use std::collections::BTreeMap;

/// What `--ulimit` knows (go-units' list).
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Parameters that belong to an IPC namespace.
const IPC_PARAMETERS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn flags() -> Vec<Arg> {
    vec![
        listed("sysctl", "list", "Kernel parameters of the container's namespaces (name=value)", sysctl),
        listed("ulimit", "list", "Ulimit options (name=soft[:hard])", ulimit),
    ]
}

/// One of a name; the last wins.
pub(super) fn ulimits(matches: &ArgMatches) -> Vec<Ulimit> {
    let mut limits: Vec<Ulimit> = Vec::new();
    for limit in matches.get_many::<Ulimit>("ulimit").into_iter().flatten() {
        limits.retain(|other| other.name != limit.name);
        limits.push(limit.clone());
    }
    limits
}

pub(super) fn sysctls(matches: &ArgMatches) -> BTreeMap<String, String> {
    matches.get_many::<(String, String)>("sysctl").into_iter().flatten().cloned().collect()
}

/// A parameter of a namespace that the container shares would be everybody's.
pub(super) fn check(create: &Create) -> Result<()> {
    for name in create.sysctls.keys() {
        if create.network == Network::Host && name.starts_with("net.") {
            return Err(Error::invalid(format!("sysctl \"{name}\" not allowed in host network namespace"))
                .hint("`--network none` gives the container a network namespace of its own"));
        }
        let is_shared = matches!(create.sharing.ipc, Ipc::Host | Ipc::Container(_));
        if is_shared && !name.starts_with("net.") {
            return Err(Error::invalid(format!("sysctl \"{name}\" is not allowed in the hosts ipc namespace")));
        }
    }
    Ok(())
}

fn sysctl(text: &str) -> Result<(String, String), String> {
    let refused = || format!("sysctl '{text}' is not allowed");
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(refused)?;
    let is_namespaced = IPC_PARAMETERS.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.");
    if is_namespaced { Ok((name.to_owned(), value.to_owned())) } else { Err(refused()) }
}

fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, values) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !ULIMITS.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let (soft, hard) = match values.split(':').collect::<Vec<_>>()[..] {
        [soft] => (integer(soft)?, integer(soft)?),
        [soft, hard] => (integer(soft)?, integer(hard)?),
        _ => {
            return Err(format!("too many limit value arguments - {values}, can only have up to two, `soft[:hard]`"));
        }
    };
    let words = "ulimit soft limit must be less than or equal to hard limit";
    match (soft, hard) {
        (_, -1) => {}
        (-1, hard) => return Err(format!("{words}: soft: -1 (unlimited), hard: {hard}")),
        (soft, hard) if soft > hard => return Err(format!("{words}: {soft} > {hard}")),
        _ => {}
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_read_as_docker_reads_them() {
        let limit = |name: &str, soft, hard| Ok(Ulimit { name: name.to_owned(), soft, hard });
        assert_eq!(ulimit("nofile=10"), limit("nofile", 10, 10));
        assert_eq!(ulimit("nofile=10:20"), limit("nofile", 10, 20));
        assert_eq!(ulimit("core=-1"), limit("core", -1, -1));
        let less = "ulimit soft limit must be less than or equal to hard limit";
        for (text, complaint) in [
            ("nofile", "invalid ulimit argument: nofile".to_owned()),
            ("files=1", "invalid ulimit type: files".to_owned()),
            ("nofile=x", "strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()),
            ("nofile=2:1", format!("{less}: 2 > 1")),
            ("nofile=-1:1", format!("{less}: soft: -1 (unlimited), hard: 1")),
            (
                "nofile=1:2:3",
                "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`".to_owned(),
            ),
        ] {
            assert_eq!(ulimit(text), Err(complaint));
        }
    }

    #[test]
    fn only_parameters_of_namespaces_are_taken() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(sysctl("net.core.somaxconn=10"), pair("net.core.somaxconn", "10"));
        assert_eq!(sysctl("kernel.sem=1 2 3 4"), pair("kernel.sem", "1 2 3 4"));
        assert_eq!(sysctl("fs.mqueue.msg_max="), pair("fs.mqueue.msg_max", ""));
        for text in ["kernel.hostname=x", "vm.swappiness=1", "net.core.somaxconn", "=1"] {
            assert_eq!(sysctl(text), Err(format!("sysctl '{text}' is not allowed")));
        }
    }
}
