//! What is asked of networks by name.

use super::asked::{may_have_networks, must_have_networks};
use super::{Connected, Definition, RESERVED, is_name, subnet_of};
use crate::names::random_hex;
use crate::{Engine, record};
use api::inspect::{Ipam, IpamConfig, Member, NetworkDetails};
use api::{CreateNetwork, DEFAULT_NETWORK, NetworkSummary};
use error::{Error, Kind, Result};
use network::{Cidr, Subnet};
use oci::Digest;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Networks that are nobody's: what a container sees that is on none of ours.
const BUILT_IN: [(&str, &str); 2] = [("host", "host"), ("none", "null")];

impl Engine {
    /// Makes a network; its id. Its bridge comes with its first container.
    ///
    /// # Errors
    /// `AlreadyExists` for a name that is taken, `Invalid` for bad addresses, `Conflict` for those of another network.
    pub fn create_network(&self, request: &CreateNetwork) -> Result<String> {
        must_have_networks(self)?;
        let name = &request.name;
        if !is_name(name) {
            let text = format!("{name} includes invalid characters, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed");
            return Err(Error::invalid(text));
        }
        if RESERVED.contains(&name.as_str()) || name == DEFAULT_NETWORK {
            let text = format!("operation is not permitted on predefined {name} network");
            return Err(Error::new(Kind::Denied, text));
        }
        check_options(&request.options)?;
        let given = given(request)?;
        let locked = self.networks.lock()?;
        if self.networks.find(name)?.is_some_and(|found| found.name == *name) {
            return Err(Error::new(Kind::AlreadyExists, format!("network with name {name} already exists")));
        }
        let taken = locked.taken()?;
        for subnet in &given {
            if let Some(other) = self.networks.list()?.iter().find(|other| meets(other, &subnet.subnet)) {
                let text = format!(
                    "invalid pool request: Pool overlaps with other one on this address space: {} is in network {}",
                    subnet.subnet, other.name
                );
                return Err(Error::new(Kind::Conflict, text).hint("choose another `--subnet`, or leave it out"));
            }
        }
        let mut subnets = given;
        if !subnets.iter().any(|subnet| subnet.subnet.is_ipv4()) {
            subnets.insert(0, subnet_of(network::choose(&taken, None)?)?);
        }
        if request.ipv6 && subnets.iter().all(|subnet| subnet.subnet.is_ipv4()) {
            let unique = u64::from_str_radix(&random_hex()?[..10], 16).unwrap_or_default();
            subnets.push(subnet_of(network::choose(&taken, Some(unique))?)?);
        }
        let definition = Definition {
            version: record::VERSION,
            id: random_hex()?,
            name: name.clone(),
            created: record::now(),
            subnets,
            internal: request.internal,
            labels: request.labels.clone(),
            options: request.options.clone(),
        };
        locked.make(&definition)?;
        Ok(definition.id)
    }

    /// All networks, by name.
    pub fn networks(&self) -> Result<Vec<NetworkSummary>> {
        // It is there also before its first container.
        if may_have_networks(self)? {
            self.networks.lock()?.get(DEFAULT_NETWORK)?;
        }
        let mut all: Vec<NetworkSummary> = Vec::new();
        for network in self.networks.list()? {
            all.push(NetworkSummary {
                dangling: network.name != DEFAULT_NETWORK && self.networks.members(&network.name)?.is_empty(),
                ipv6: network.subnets.iter().any(|subnet| !subnet.subnet.is_ipv4()),
                id: network.id,
                name: network.name,
                driver: "bridge",
                created: network.created,
                internal: network.internal,
                labels: network.labels,
            });
        }
        all.extend(BUILT_IN.map(|(name, driver)| NetworkSummary {
            id: built_in_id(name),
            name: name.to_owned(),
            driver,
            created: String::new(),
            ipv6: false,
            internal: false,
            labels: BTreeMap::new(),
            dangling: false,
        }));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Everything about a network, if there is one of that name or id.
    pub fn inspect_network(&self, wanted: &str) -> Result<Option<NetworkDetails>> {
        if let Some((name, driver)) = BUILT_IN.iter().find(|(name, _)| *name == wanted) {
            let (name, id) = ((*name).to_owned(), built_in_id(name));
            return Ok(Some(NetworkDetails { name, id, driver, ..NetworkDetails::default() }));
        }
        if wanted == DEFAULT_NETWORK && may_have_networks(self)? {
            self.networks.lock()?.get(DEFAULT_NETWORK)?;
        }
        let Some(network) = self.networks.find(wanted)? else { return Ok(None) };
        let mut containers = BTreeMap::new();
        for id in self.networks.members(&network.name)? {
            let Some(container) = self.containers.read(&id)? else { continue };
            for endpoint in Connected::read(&container.dir)?.endpoints {
                if endpoint.network_id != network.id || !container.state.is_alive() {
                    continue;
                }
                let address = |wanted: fn(&IpAddr) -> bool| {
                    let found = endpoint.addresses.iter().find(|(address, _)| wanted(address));
                    found.map(|(address, prefix)| format!("{address}/{prefix}")).unwrap_or_default()
                };
                let member = Member {
                    name: container.record.name.clone(),
                    ipv4_address: address(IpAddr::is_ipv4),
                    ipv6_address: address(IpAddr::is_ipv6),
                    mac_address: crate::inspect::mac(endpoint.mac),
                    endpoint_id: endpoint.id,
                };
                containers.insert(id.clone(), member);
            }
        }
        let config = |subnet: &Subnet| IpamConfig {
            subnet: subnet.subnet.to_string(),
            ip_range: subnet.range.map(|range| range.to_string()),
            gateway: subnet.gateway.to_string(),
        };
        Ok(Some(NetworkDetails {
            enable_ipv4: network.subnets.iter().any(|subnet| subnet.subnet.is_ipv4()),
            enable_ipv6: network.subnets.iter().any(|subnet| !subnet.subnet.is_ipv4()),
            ipam: Ipam { config: network.subnets.iter().map(config).collect(), ..Ipam::default() },
            name: network.name,
            id: network.id,
            created: network.created,
            driver: "bridge",
            internal: network.internal,
            containers,
            options: network.options,
            labels: network.labels,
            ..NetworkDetails::default()
        }))
    }

    /// Removes a network that no container is on; its name.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while containers are on it, `Denied` for one that is always there.
    pub fn remove_network(&self, wanted: &str) -> Result<String> {
        if wanted == DEFAULT_NETWORK || BUILT_IN.iter().any(|(name, _)| *name == wanted) {
            let text = format!("{wanted} is a pre-defined network and cannot be removed");
            return Err(Error::new(Kind::Denied, text));
        }
        let locked = self.networks.lock()?;
        let Some(network) = self.networks.find(wanted)? else {
            return Err(Error::not_found(format!("network {wanted} not found")));
        };
        super::addresses::sweep(&locked.addresses(&network.name), &self.networks.containers())?;
        let members = self.networks.members(&network.name)?;
        if !members.is_empty() {
            let names: Vec<String> = members
                .iter()
                .map(|id| self.containers.read(id).ok().flatten().map_or_else(|| id.clone(), |found| found.record.name))
                .collect();
            let text = format!("error while removing network: network {} has active endpoints", network.name);
            return Err(Error::new(Kind::Conflict, text).hint(format!("containers on it: {}", names.join(", "))));
        }
        locked.remove(&network)?;
        Ok(network.name)
    }
}

fn built_in_id(name: &str) -> String {
    Digest::of(name.as_bytes()).hex().to_owned()
}

fn meets(network: &Definition, subnet: &Cidr) -> bool {
    network.subnets.iter().any(|own| own.subnet.overlaps(subnet))
}

/// What the user says about addresses.
fn given(request: &CreateNetwork) -> Result<Vec<Subnet>> {
    let mut subnets: Vec<Subnet> = Vec::new();
    for text in &request.subnets {
        let subnet = subnet_of(text.parse()?)?;
        if subnets.iter().any(|other| other.subnet.is_ipv4() == subnet.subnet.is_ipv4()) {
            let text = format!("a network has at most one subnet of each family: {} is one too many", subnet.subnet);
            return Err(Error::invalid(text));
        }
        subnets.push(subnet);
    }
    for gateway in &request.gateways {
        let Some(subnet) = subnets.iter_mut().find(|subnet| subnet.subnet.contains(*gateway)) else {
            return Err(Error::invalid(format!("no matching subnet for gateway {gateway}")));
        };
        subnet.gateway = *gateway;
    }
    for text in &request.ranges {
        let range: Cidr = text.parse()?;
        let Some(subnet) = subnets.iter_mut().find(|subnet| subnet.subnet.contains(range.address)) else {
            return Err(Error::invalid(format!("no matching subnet for range {range}")));
        };
        if range.prefix < subnet.subnet.prefix {
            return Err(Error::invalid(format!("no matching subnet for range {range}")));
        }
        subnet.range = Some(range);
    }
    Ok(subnets)
}

/// The smallest packet that every part of a network of IPv6 must pass (RFC 8200, section 5), and of IPv4 (RFC 791); the
/// largest that a device here can have.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65535;

fn check_options(options: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in options {
        match key.as_str() {
            "mtu" | "com.docker.network.driver.mtu" => {
                if !value.parse().is_ok_and(|mtu: u32| MTUS.contains(&mtu)) {
                    return Err(Error::invalid(format!("invalid MTU {value}: a number from 68 to 65535")));
                }
            }
            _ => {
                return Err(Error::invalid(format!("unknown option {key} of a bridge network"))
                    .hint("known are `mtu` and `com.docker.network.driver.mtu`"));
            }
        }
    }
    Ok(())
}
