//! How a container is connected, as Docker's API tells it.

use super::host_config::network_mode;
use crate::networks::{Connected, OnNetwork};
use api::inspect::{Endpoint, NetworkSettings, NullList, PortBinding};
use api::{Connection, Create, Network, Publish};
use std::net::IpAddr;

/// The names of its networks, for lists.
pub(crate) fn networks(network: &Network) -> String {
    match network {
        Network::Joined(all) => all.iter().map(|one| one.network.as_str()).collect::<Vec<_>>().join(","),
        other => network_mode(other).to_owned(),
    }
}

/// `02:42:ac:11:00:02`
pub(crate) fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

pub(super) fn settings(request: &Create, connected: &Connected, is_alive: bool) -> NetworkSettings {
    let Network::Joined(wanted) = &request.network else {
        let networks = [(network_mode(&request.network).to_owned(), Endpoint::default())].into();
        return NetworkSettings { networks, ..NetworkSettings::default() };
    };
    let connected = if is_alive { connected } else { &Connected::default() };
    let mut settings = NetworkSettings::default();
    for wish in wanted {
        let has = connected.endpoints.iter().find(|endpoint| endpoint.network == wish.network);
        let endpoint = has.map_or_else(|| waiting(wish), endpoint);
        // Docker dropped these in its version 29; templates still ask for them.
        if settings.networks.is_empty() {
            settings.endpoint_id.clone_from(&endpoint.endpoint_id);
            settings.gateway.clone_from(&endpoint.gateway);
            settings.ip_address.clone_from(&endpoint.ip_address);
            settings.ip_prefix_len = endpoint.ip_prefix_len;
            settings.ipv6_gateway.clone_from(&endpoint.ipv6_gateway);
            settings.global_ipv6_address.clone_from(&endpoint.global_ipv6_address);
            settings.global_ipv6_prefix_len = endpoint.global_ipv6_prefix_len;
            settings.mac_address.clone_from(&endpoint.mac_address);
        }
        settings.networks.insert(wish.network.clone(), endpoint);
    }
    for port in request.exposed_ports.iter().filter(|port| is_alive && port.contains('/') && !port.contains('-')) {
        settings.ports.entry(port.clone()).or_default();
    }
    for port in &connected.ports {
        let bindings = settings.ports.entry(format!("{}/{}", port.container_port, port.protocol)).or_default();
        bindings.0.extend(of_host(port));
    }
    settings
}

/// One for each family.
fn of_host(port: &Publish) -> Vec<PortBinding> {
    let ips = port.host_ip.map_or_else(|| vec!["0.0.0.0".to_owned(), "::".to_owned()], |ip| vec![ip.to_string()]);
    ips.into_iter().map(|host_ip| PortBinding { host_ip, host_port: port.host_port.to_string() }).collect()
}

/// Of one that does not run.
fn waiting(wish: &Connection) -> Endpoint {
    Endpoint { aliases: NullList(wish.aliases.clone()), ..Endpoint::default() }
}

fn endpoint(on: &OnNetwork) -> Endpoint {
    let address = |is_wanted: fn(&IpAddr) -> bool| {
        let found = on.addresses.iter().find(|(address, _)| is_wanted(address));
        found.map(|(address, prefix)| (address.to_string(), u32::from(*prefix))).unwrap_or_default()
    };
    let gateway = |is_wanted: fn(&IpAddr) -> bool| {
        on.gateways.iter().find(|gateway| is_wanted(gateway)).map(ToString::to_string).unwrap_or_default()
    };
    let (ip_address, ip_prefix_len) = address(IpAddr::is_ipv4);
    let (global_ipv6_address, global_ipv6_prefix_len) = address(IpAddr::is_ipv6);
    Endpoint {
        aliases: NullList(on.aliases.clone()),
        mac_address: mac(on.mac),
        network_id: on.network_id.clone(),
        endpoint_id: on.id.clone(),
        gateway: gateway(IpAddr::is_ipv4),
        ip_address,
        ip_prefix_len,
        ipv6_gateway: gateway(IpAddr::is_ipv6),
        global_ipv6_address,
        global_ipv6_prefix_len,
        ..Endpoint::default()
    }
}
