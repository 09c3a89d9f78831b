//! Who has which address: a file for each, made by whoever holds the lock of all networks.

use super::{Connected, record};
use crate::record::file;
use error::{Error, Kind, Result, ResultExt};
use network::Subnet;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

/// A free address of that subnet, or the wanted one; it is not taken yet.
///
/// # Errors
/// `Conflict` for one that somebody has, `Invalid` for one that lies elsewhere, `Unavailable` when none is left.
pub(super) fn choose(dir: &Path, subnet: &Subnet, wanted: Option<IpAddr>) -> Result<IpAddr> {
    let taken = taken(dir)?;
    let of_nobody = |address: &IpAddr| {
        let last = subnet.subnet.last();
        // The first one means the network and the last one everybody on it, where there are more than two (RFC 3021).
        let is_special = subnet.subnet.is_ipv4()
            && subnet.subnet.prefix < 31
            && (*address == subnet.subnet.address || *address == last);
        *address != subnet.gateway && !is_special && (*address != subnet.subnet.address || subnet.subnet.prefix >= 31)
    };
    if let Some(wanted) = wanted {
        if !subnet.subnet.contains(wanted) || !of_nobody(&wanted) {
            return Err(Error::invalid(format!(
                "invalid address {wanted}: it is none for containers of {}",
                subnet.subnet
            )));
        }
        if taken.contains(&wanted) {
            return Err(Error::new(Kind::Conflict, "Address already in use").context(format!("{wanted}")));
        }
        return Ok(wanted);
    }
    let range = subnet.range.unwrap_or(subnet.subnet);
    let all = (0..).map_while(|number| range.nth(number));
    all.filter(of_nobody).find(|address| !taken.contains(address)).ok_or_else(|| {
        Error::new(Kind::Unavailable, format!("no available IPv4 addresses on this network's address pools: {range}"))
            .hint("a larger `--subnet` has room for more containers")
    })
}

/// Takes an address that was chosen.
pub(super) fn take(dir: &Path, address: IpAddr, id: &str) -> Result<()> {
    record::write_bytes(&dir.join(address.to_string()), id.as_bytes())
}

/// Gives an address back, if it is that container's.
pub(super) fn give_back(dir: &Path, address: IpAddr, id: &str) -> Result<()> {
    let path = dir.join(address.to_string());
    let words = || format!("can't give {address} back");
    match fs::read_to_string(&path) {
        Ok(owner) if owner == id => fs::remove_file(&path).context(words),
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause).context(words),
    }
}

fn taken(dir: &Path) -> Result<BTreeSet<IpAddr>> {
    Ok(names(dir)?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The ids of all that have one.
pub(super) fn owners(dir: &Path) -> Result<Vec<String>> {
    let mut owners = BTreeSet::new();
    for name in names(dir)? {
        // It may be given back meanwhile.
        owners.extend(fs::read_to_string(dir.join(name)));
    }
    Ok(owners.into_iter().collect())
}

fn names(dir: &Path) -> Result<Vec<String>> {
    match fs::read_dir(dir) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(cause).context(|| format!("can't list `{}`", dir.display())),
        Ok(entries) => Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()),
    }
}

/// Gives back what belongs to containers that do not say it is theirs: their maker was killed between two steps.
pub(super) fn sweep(dir: &Path, containers: &Path) -> Result<()> {
    for name in names(dir)? {
        let Ok(address) = name.parse::<IpAddr>() else { continue };
        let Ok(owner) = fs::read_to_string(dir.join(&name)) else { continue };
        let says_so = record::read::<Connected>(&containers.join(&owner).join(file::NETWORK))
            .ok()
            .flatten()
            .is_some_and(|connected| connected.has(address));
        if !says_so {
            give_back(dir, address, &owner)?;
        }
    }
    Ok(())
}
