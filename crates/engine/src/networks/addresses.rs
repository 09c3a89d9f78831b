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
    // The first one means the network, or any router on it (RFC 4291, section 2.6.1); with IPv4 the last one means everybody.
    // Where there are but two, both are for machines (RFC 3021, RFC 6164).
    let network = subnet.subnet;
    let is_pair = network.prefix >= if network.is_ipv4() { 31 } else { 127 };
    let is_special =
        |address: &IpAddr| *address == network.address || (network.is_ipv4() && *address == network.last());
    let of_nobody = |address: &IpAddr| *address != subnet.gateway && (is_pair || !is_special(address));
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
        Error::new(Kind::Unavailable, format!("no available addresses on this network's address pools: {range}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_is_chosen_that_is_a_machines() {
        let choose = |subnet: &str, gateway: &str, wanted: Option<&str>| {
            let subnet = Subnet { subnet: subnet.parse().unwrap(), gateway: gateway.parse().unwrap(), range: None };
            let dir = Path::new("/nowhere/at/all");
            choose(dir, &subnet, wanted.map(|text| text.parse().unwrap())).map(|address| address.to_string())
        };
        assert_eq!(choose("10.0.0.0/24", "10.0.0.1", None).unwrap(), "10.0.0.2");
        assert_eq!(choose("10.0.0.0/24", "10.0.0.254", None).unwrap(), "10.0.0.1");
        assert_eq!(choose("fd00::/64", "fd00::1", None).unwrap(), "fd00::2");
        assert_eq!(choose("10.0.0.0/31", "10.0.0.1", None).unwrap(), "10.0.0.0");
        assert_eq!(choose("10.0.0.0/24", "10.0.0.1", Some("10.0.0.9")).unwrap(), "10.0.0.9");
        for wanted in ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.1"] {
            assert!(choose("10.0.0.0/24", "10.0.0.1", Some(wanted)).is_err(), "{wanted}");
        }
        assert!(choose("10.0.0.0/30", "10.0.0.1", Some("10.0.0.3")).is_err());
    }
}
