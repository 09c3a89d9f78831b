//! Who is called how on a network: what containers ask the small server in their namespace for.
//!
//! ```text
//! <data>/names/<name>                           a container's name → its id, on every network that it is on
//! <data>/networks/<network>/names/<name>/<id>   its other names there: aliases, the short id; empty files
//! <data>/networks/<network>/addresses/<ip>      → its id, for questions backwards
//! ```
//! Whoever is found so counts only while he runs and says himself that he is on that network.

use super::{Connected, Networks, OnNetwork, is_name};
use crate::containers::is_locked;
use crate::etc;
use crate::names::Names;
use crate::record::{self, Record, file};
use api::DEFAULT_NETWORK;
use error::{Result, ResultExt};
use network::dns::Zone;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const NAMES: &str = "names";

/// Digits of an id that are a name, too.
const SHORT_ID_DIGITS: usize = 12;

/// The port of name servers.
const DNS: u16 = 53;

/// The names that a container has on a network besides its own. On the default network it has none, as with Docker.
pub(super) fn other_names(record: &Record, network: &str, aliases: &[String]) -> Vec<String> {
    if network == DEFAULT_NETWORK {
        return Vec::new();
    }
    let mut names: Vec<String> = aliases.iter().map(|alias| alias.to_ascii_lowercase()).collect();
    names.push(record.id[..SHORT_ID_DIGITS].to_owned());
    // Questions have no upper case.
    names.extend(Some(record.name.to_ascii_lowercase()).filter(|name| *name != record.name));
    names.sort();
    names.dedup();
    names.retain(|name| is_name(name));
    names
}

/// Gives a container its other names on a network. Whoever calls this holds the lock.
pub(super) fn give_names(network: &Path, names: &[String], id: &str) -> Result<()> {
    for name in names {
        let dir = network.join(NAMES).join(name);
        let words = || format!("can't give the name `{name}`");
        fs::create_dir_all(&dir).context(words)?;
        match fs::File::create_new(dir.join(id)) {
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(cause).context(words),
            _ => {}
        }
    }
    Ok(())
}

/// And takes them back.
pub(super) fn take_names(network: &Path, names: &[String], id: &str) -> Result<()> {
    for name in names {
        let dir = network.join(NAMES).join(name);
        match fs::remove_file(dir.join(id)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(cause).context(|| format!("can't take the name `{name}` back"));
            }
            // Somebody else may have it, too.
            _ => drop(fs::remove_dir(&dir)),
        }
    }
    Ok(())
}

/// The names that a container can ask for.
pub(super) struct ContainersZone {
    networks: Networks,
    names: Names,
    containers: PathBuf,
    /// Those that it is on.
    on: Vec<OnNetwork>,
}

impl ContainersZone {
    pub(super) fn new(data: &Path, on: Vec<OnNetwork>) -> Self {
        Self { networks: Networks::new(data), names: Names::new(data), containers: data.join("containers"), on }
    }

    /// What a container has on that network, if it runs.
    fn addresses_of(&self, id: &str, network: &OnNetwork) -> Vec<IpAddr> {
        let dir = self.containers.join(id);
        let runs = is_locked(&dir).unwrap_or(false);
        let connected = if runs { Connected::read(&dir).unwrap_or_default() } else { Connected::default() };
        let on = connected.endpoints.into_iter().filter(|endpoint| endpoint.network_id == network.network_id);
        on.flat_map(|endpoint| endpoint.addresses).map(|(address, _)| address).collect()
    }

    fn on_network(&self, network: &OnNetwork, name: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        if let Ok(Some(id)) = self.names.lookup(name) {
            found.extend(self.addresses_of(&id, network));
        }
        let others = fs::read_dir(self.networks.dir.join(&network.network).join(NAMES).join(name));
        for entry in others.into_iter().flatten().flatten() {
            let id = entry.file_name();
            found.extend(id.to_str().map(|id| self.addresses_of(id, network)).unwrap_or_default());
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Zone for ContainersZone {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        for network in self.on.iter().filter(|network| network.network != DEFAULT_NETWORK) {
            // `web`, and `web.NETWORK`.
            let long = name.strip_suffix(&network.network.to_ascii_lowercase()).and_then(|rest| rest.strip_suffix('.'));
            for name in [Some(name), long].into_iter().flatten().filter(|name| is_name(name)) {
                let found = self.on_network(network, name);
                if !found.is_empty() {
                    return Some(found);
                }
            }
        }
        None
    }

    fn name(&self, address: IpAddr) -> Option<String> {
        let on = self.on.iter().filter(|network| network.network != DEFAULT_NETWORK);
        for network in on {
            let path = self.networks.dir.join(&network.network).join(super::ADDRESSES).join(address.to_string());
            let Ok(id) = fs::read_to_string(path) else { continue };
            if self.addresses_of(&id, network).contains(&address)
                && let Ok(Some(record)) = record::read::<Record>(&self.containers.join(&id).join(file::RECORD))
            {
                return Some(format!("{}.{}", record.name, network.network));
            }
        }
        None
    }
}

/// Whom to ask what is not known here: the user's servers, else the machine's, as it sees them now. Nobody, where nothing
/// leads out.
pub(super) fn servers(record: &Record, on: &[OnNetwork]) -> Vec<SocketAddr> {
    if on.iter().all(|network| network.internal) {
        return Vec::new();
    }
    let given = &record.request.names.servers;
    if !given.is_empty() {
        return given.iter().filter_map(|server| server.parse().ok()).map(|ip| SocketAddr::new(ip, DNS)).collect();
    }
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines().filter_map(etc::server).map(|ip| SocketAddr::new(ip, DNS)).collect()
}
