//! The flags of networks: `--network`, `--ip`, `--ip6`, `--mac-address`, `--network-alias`; and of ports: `-p`, `-P`.

use crate::args::{all, is_on, list, listed, one, switch, text};
use api::{Connection, DEFAULT_NETWORK, Network, Protocol, Publish};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use std::net::IpAddr;

/// Ports that one flag may publish: more than that is a slip of the finger.
const MOST_PORTS: usize = 4096;

pub(super) fn flags() -> Vec<Arg> {
    vec![
        text("ip", "ip", "IPv4 address (e.g., 172.30.100.104)"),
        text("ip6", "ip", "IPv6 address (e.g., 2001:db8::33)"),
        text("mac-address", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
        list("network", "network", "Connect the container to a network (bridge, host, none, NAME[:ip=…,alias=…])")
            .visible_alias("net"),
        list("network-alias", "list", "Add network-scoped alias for the container").visible_alias("net-alias"),
        listed(
            "publish",
            "list",
            "Publish a container's port(s) to the host ([[IP:][HOST]:]CONTAINER[/PROTO])",
            publish,
        )
        .short('p')
        .visible_alias("port"),
        switch("publish-all", "Publish all exposed ports to random ports").short('P'),
    ]
}

/// Which networks. Whoever publishes ports and names none means the default one.
pub(super) fn network(matches: &ArgMatches) -> Result<Network> {
    let wanted: Vec<&str> = all(matches, "network").collect();
    let wishes = ["ip", "ip6", "mac-address", "network-alias"].map(|name| matches.contains_id(name));
    let mut joined = Vec::new();
    for text in &wanted {
        match *text {
            "host" | "none" if wanted.len() > 1 => {
                return Err(Error::invalid(format!(
                    "conflicting options: cannot attach both user-defined and non-user-defined network-modes: {text}"
                )));
            }
            "host" | "none" => {}
            other if other.starts_with("container:") => {
                return Err(Error::new(error::Kind::Unsupported, "can't share the network of another container yet")
                    .hint("containers on one network (`network create`) reach each other by name"));
            }
            other => joined.push(connection(other)?),
        }
    }
    if joined.is_empty() {
        if wishes.contains(&true) {
            return Err(Error::invalid("conflicting options: an address or alias needs a network")
                .hint("`--network bridge` is the default one, `isolazi network create` makes another"));
        }
        let publishes = matches.contains_id("publish") || is_on(matches, "publish-all");
        return Ok(match wanted[..] {
            ["host"] => Network::Host,
            ["none"] => Network::None,
            _ if publishes => Network::named(DEFAULT_NETWORK),
            _ => Network::default(),
        });
    }
    let first = &mut joined[0];
    for name in ["ip", "ip6"] {
        if let Some(text) = one(matches, name) {
            let address: IpAddr = text.parse().map_err(|_| bad_address(text))?;
            if address.is_ipv4() != (name == "ip") {
                return Err(bad_address(text));
            }
            first.addresses.push(address);
        }
    }
    if let Some(text) = one(matches, "mac-address") {
        first.mac = Some(mac(text)?);
    }
    for connection in &mut joined {
        connection.aliases.extend(all(matches, "network-alias").map(str::to_owned));
    }
    Ok(Network::Joined(joined))
}

/// `NAME`, `NAME:ip=…,alias=…,mac=…` (Podman), `name=NAME,ip=…,alias=…` (Docker).
fn connection(text: &str) -> Result<Connection> {
    let (name, rest) = match text.split_once(':') {
        Some((name, rest)) if !name.contains('=') => (name, rest),
        _ if text.contains('=') => ("", text),
        _ => (text, ""),
    };
    let mut connection = Connection { network: name.to_owned(), ..Connection::default() };
    for option in rest.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "name" => value.clone_into(&mut connection.network),
            "ip" | "ip6" => connection.addresses.push(value.parse().map_err(|_| bad_address(value))?),
            "alias" => connection.aliases.push(value.to_owned()),
            "mac" | "mac-address" => connection.mac = Some(mac(value)?),
            _ => {
                return Err(Error::invalid(format!("invalid field {key} in --network {text}"))
                    .hint("known are name, ip, ip6, alias and mac-address"));
            }
        }
    }
    if connection.network == "default" {
        DEFAULT_NETWORK.clone_into(&mut connection.network);
    }
    if connection.network.is_empty() {
        return Err(Error::invalid("network name or ID is not set"));
    }
    Ok(connection)
}

fn bad_address(text: &str) -> Error {
    Error::invalid(format!("invalid IP address {text:?}"))
}

/// Six bytes: that of one device, not of a group of them (IEEE 802).
fn mac(text: &str) -> Result<[u8; 6]> {
    let bad = || Error::invalid(format!("{text} is not a valid mac address"));
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let bytes: Option<Vec<u8>> = parts.iter().map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let bytes: [u8; 6] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(bad)?;
    if bytes[0] & 1 != 0 || bytes == [0; 6] { Err(bad()) } else { Ok(bytes) }
}

/// `[[IP:][HOST]:]CONTAINER[/PROTO]`, with ranges; one for each port.
fn publish(text: &str) -> std::result::Result<Vec<Publish>, String> {
    let (place, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return Err(format!("invalid proto: {protocol}")),
    };
    let (rest, container) = place.rsplit_once(':').map_or((None, place), |(rest, container)| (Some(rest), container));
    let (host_ip, host) = match rest {
        None => ("", ""),
        Some(rest) => rest.rsplit_once(':').filter(|_| !rest.ends_with(']')).unwrap_or(("", rest)),
    };
    let container = range(container).ok_or_else(|| match container {
        "" => format!("no port specified: {text}"),
        _ => format!("invalid containerPort: {container}"),
    })?;
    let host = match host {
        "" => None,
        _ => Some(range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?),
    };
    let bare = host_ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host_ip);
    let host_ip = match bare {
        "" => None,
        _ => Some(bare.parse::<IpAddr>().map_err(|_| format!("invalid IP address: {bare}"))?),
    };
    let count = usize::from(container.1 - container.0) + 1;
    if count > MOST_PORTS {
        return Err(format!("more than {MOST_PORTS} ports: {text}"));
    }
    let first = match host {
        None => None,
        Some((first, last)) if usize::from(last - first) + 1 == count => Some(first),
        // One port out of a range, whichever is free: none is promised, so the first one is taken.
        Some(_) => return Err(format!("invalid ranges specified for container and host Ports: {text}")),
    };
    let ports = (container.0..=container.1).enumerate();
    ports
        .map(|(place, container_port)| {
            let place = u16::try_from(place).map_err(|error| error.to_string())?;
            let host_port = first.map_or(0, |first| first + place);
            Ok(Publish { host_ip, host_port, container_port, protocol })
        })
        .collect()
}

/// `80`, `8000-8010`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first != 0 && first <= last).then_some((first, last))
}

/// All ports that are to be published.
pub(super) fn published(matches: &ArgMatches) -> Vec<Publish> {
    matches.get_many::<Vec<Publish>>("publish").into_iter().flatten().flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let shown = |text: &str| {
            let all = publish(text)?;
            let one = |port: &Publish| {
                let ip = port.host_ip.map_or("*".to_owned(), |ip| ip.to_string());
                format!("{ip} {}>{}/{}", port.host_port, port.container_port, port.protocol)
            };
            Ok::<_, String>(all.iter().map(one).collect::<Vec<_>>().join(", "))
        };
        for (text, expected) in [
            ("80", "* 0>80/tcp"),
            (":80", "* 0>80/tcp"),
            ("8080:80", "* 8080>80/tcp"),
            ("8080:80/udp", "* 8080>80/udp"),
            ("53:53/UDP", "* 53>53/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1 8080>80/tcp"),
            ("127.0.0.1::80", "127.0.0.1 0>80/tcp"),
            ("[::1]:8080:80", "::1 8080>80/tcp"),
            ("[::1]::80/sctp", "::1 0>80/sctp"),
            ("8000-8001:80-81", "* 8000>80/tcp, * 8001>81/tcp"),
            ("80-81", "* 0>80/tcp, * 0>81/tcp"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, why) in [
            ("", "no port specified: "),
            ("8080:", "no port specified: 8080:"),
            ("x", "invalid containerPort: x"),
            ("0", "invalid containerPort: 0"),
            ("65536", "invalid containerPort: 65536"),
            ("x:80", "invalid hostPort: x"),
            ("80/x", "invalid proto: x"),
            ("host:80:80", "invalid IP address: host"),
            ("8000-8002:80-81", "invalid ranges specified for container and host Ports: 8000-8002:80-81"),
            ("81-80", "invalid containerPort: 81-80"),
            ("1-65535", "more than 4096 ports: 1-65535"),
        ] {
            assert_eq!(shown(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn a_network_may_have_wishes() {
        let plain = connection("web").unwrap();
        assert_eq!((plain.network.as_str(), plain.aliases.len()), ("web", 0));
        for text in [
            "web:ip=10.0.0.9,alias=db,alias=sql,mac=02:42:0a:00:00:09",
            "name=web,ip=10.0.0.9,alias=db,alias=sql,mac-address=02-42-0a-00-00-09",
        ] {
            let all = connection(text).unwrap();
            assert_eq!((all.network.as_str(), &all.aliases[..]), ("web", &["db".to_owned(), "sql".to_owned()][..]));
            assert_eq!((all.addresses, all.mac), (vec!["10.0.0.9".parse().unwrap()], Some([2, 0x42, 10, 0, 0, 9])));
        }
        assert_eq!(connection("default").unwrap().network, "bridge");
        for (text, why) in [
            ("", "network name or ID is not set"),
            ("ip=10.0.0.1", "network name or ID is not set"),
            ("web:ip=x", "invalid IP address \"x\""),
            ("web:speed=9", "invalid field speed in --network web:speed=9"),
            ("web:mac=1", "1 is not a valid mac address"),
            ("web:mac=01:00:00:00:00:00", "01:00:00:00:00:00 is not a valid mac address"),
        ] {
            assert_eq!(connection(text).unwrap_err().to_string(), why, "{text}");
        }
    }
}
