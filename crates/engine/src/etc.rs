//! The files of `/etc` that the engine gives every container: `hosts`, `hostname`, `resolv.conf`.
//!
//! Pure: the host's own files come in as text, the container's go out as text.

use api::{Create, DEFAULT_NETWORK, Network};
use error::{Error, Kind, Result};
use std::net::IpAddr;

/// What every container knows without asking anybody (the names that Docker gives).
const LOCAL_NAMES: &str = "\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// The address of a machine's own name where no network gives it one (Debian's habit; all of 127.0.0.0/8 is local).
const OWN_ADDRESS: &str = "127.0.1.1";

/// The word that stands for the host's own address, as containers reach it.
const GATEWAY: &str = "host-gateway";

/// What containers call the host (Docker's name, and Podman's).
const HOSTS_NAMES: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// What a container is called by others, and whom it calls to reach the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The host's addresses on its first network.
    pub gateways: Vec<IpAddr>,
}

/// `/etc/hosts` (hosts(5)). On the host's network: the host's own, and the container's name if it lacks it. On others its
/// addresses with its name, once it has some. What the user adds comes last, as Docker has it.
pub(crate) fn hosts(request: &Create, hostname: &str, host_hosts: &str, place: &Place) -> Result<String> {
    let mut text = match request.network {
        Network::Host if !host_hosts.trim().is_empty() => with_line_break(host_hosts),
        Network::Host | Network::None | Network::Joined(_) => LOCAL_NAMES.to_owned(),
    };
    if !hostname.is_empty() && !knows(&text, hostname) {
        // The short name too, so that `web.example.org` finds itself as `web`.
        let short = hostname.split_once('.').map_or("", |(short, _)| short);
        let space = if short.is_empty() { "" } else { " " };
        let own: Vec<String> = match place.addresses[..] {
            [] => vec![OWN_ADDRESS.to_owned()],
            _ => place.addresses.iter().map(ToString::to_string).collect(),
        };
        text.extend(own.iter().map(|address| format!("{address}\t{hostname}{space}{short}\n")));
    }
    text.extend(place.gateways.iter().map(|gateway| format!("{gateway}\t{}\n", HOSTS_NAMES.join(" "))));
    for (name, address) in &request.names.hosts {
        let addresses = match (address.as_str(), &request.network) {
            // The container is where the host is.
            (GATEWAY, Network::Host) => vec!["127.0.0.1".to_owned()],
            (GATEWAY, Network::None) => {
                let message = "unable to derive the IP value for host-gateway: the container has no network";
                return Err(Error::new(Kind::Invalid, message));
            }
            (GATEWAY, Network::Joined(_)) => place.gateways.iter().map(ToString::to_string).collect(),
            (address, _) => vec![address.to_owned()],
        };
        text.extend(addresses.iter().map(|address| format!("{address}\t{name}\n")));
    }
    Ok(text)
}

/// `/etc/hostname` (hostname(5)).
pub(crate) fn hostname(hostname: &str) -> String {
    format!("{hostname}\n")
}

/// `/etc/resolv.conf` (resolv.conf(5)). On the host's network: the host's own, whose servers answer here as there. On
/// others without those that answer the host alone. What the user gives takes the place of the lines of its kind.
pub(crate) fn resolv_conf(request: &Create, host_resolv_conf: &str) -> String {
    let api::Names { servers, search, options, .. } = &request.names;
    let hosts = match &request.network {
        Network::Host => with_line_break(host_resolv_conf),
        Network::Joined(all) if all.iter().any(|one| one.network != DEFAULT_NETWORK) => {
            return asks_us(request, host_resolv_conf);
        }
        Network::Joined(_) => without_loopback(host_resolv_conf),
        Network::None => String::new(),
    };
    if servers.is_empty() && search.is_empty() && options.is_empty() {
        return match request.network {
            Network::Host | Network::Joined(_) => hosts,
            Network::None => "# This container has no network, hence no name servers.\n".to_owned(),
        };
    }
    let is_replaced = |line: &str| match line.split_whitespace().next() {
        Some("nameserver") => !servers.is_empty(),
        Some("search" | "domain") => !search.is_empty(),
        Some("options") => !options.is_empty(),
        _ => false,
    };
    let mut text: String = hosts.lines().filter(|line| !is_replaced(line)).map(|line| format!("{line}\n")).collect();
    text.extend(servers.iter().map(|server| format!("nameserver {server}\n")));
    // A point alone: no domain at all.
    if !search.is_empty() && search.as_slice() != ["."] {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

/// Where containers are known by name the server in the container's own namespace is asked, and that asks the others.
fn asks_us(request: &Create, host_resolv_conf: &str) -> String {
    let api::Names { search, options, .. } = &request.names;
    let mut text = format!("nameserver {}\n", network::dns::SERVER);
    let of_host = host_resolv_conf.lines().filter(|line| {
        let word = line.split_whitespace().next();
        search.is_empty() && matches!(word, Some("search" | "domain"))
    });
    text.extend(of_host.map(|line| format!("{line}\n")));
    if !search.is_empty() && search.as_slice() != ["."] {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    // Names of one word are asked as they are, before the domains that are searched.
    let options = if options.is_empty() { "ndots:0".to_owned() } else { options.join(" ") };
    text.push_str(&format!("options {options}\n"));
    text
}

/// The server that a line of `/etc/resolv.conf` names.
pub(crate) fn server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    words.next().filter(|word| *word == "nameserver")?;
    words.next()?.parse().ok()
}

/// A server of the host's loopback device is none of a container's.
fn without_loopback(resolv_conf: &str) -> String {
    let is_foreign = |line: &&str| !server(line).is_some_and(|address| address.is_loopback());
    resolv_conf.lines().filter(is_foreign).map(|line| format!("{line}\n")).collect()
}

fn with_line_break(text: &str) -> String {
    let missing = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{missing}")
}

/// Does a line name that host? Host names are equal in any case (RFC 952).
fn knows(hosts: &str, hostname: &str) -> bool {
    hosts.lines().any(|line| {
        let names = line.split('#').next().unwrap_or("");
        names.split_whitespace().skip(1).any(|name| name.eq_ignore_ascii_case(hostname))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Names;

    fn on(network: Network) -> Create {
        Create { network, ..Create::default() }
    }

    #[test]
    fn the_hosts_names_are_kept_on_the_hosts_network() {
        let of_host = "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX";
        for (hostname, expected) in [
            ("db", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
            ("box", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
            ("web", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n127.0.1.1\tweb\n"),
            ("", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
        ] {
            assert_eq!(
                hosts(&on(Network::Host), hostname, of_host, &Place::default()).unwrap(),
                expected,
                "{hostname}"
            );
        }
    }

    #[test]
    fn without_a_network_only_local_names_are_known() {
        let expected = "\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
127.0.1.1\tweb.example.org web
";
        assert_eq!(hosts(&on(Network::None), "web.example.org", "10.0.0.7 db\n", &Place::default()).unwrap(), expected);
        assert_eq!(
            hosts(&on(Network::Host), "web.example.org", " \n", &Place::default()).unwrap(),
            expected,
            "a host without a file of its own"
        );
        assert!(!hosts(&on(Network::None), "localhost", "", &Place::default()).unwrap().contains(OWN_ADDRESS));
    }

    #[test]
    fn name_servers_are_the_hosts_or_none() {
        for (network, of_host, expected) in [
            (Network::Host, "nameserver 127.0.0.53", "nameserver 127.0.0.53\n"),
            (Network::Host, "nameserver 9.9.9.9\nsearch x\n", "nameserver 9.9.9.9\nsearch x\n"),
            (Network::Host, "", ""),
            (
                Network::named("bridge"),
                "nameserver 127.0.0.53\nnameserver ::1\nnameserver 9.9.9.9",
                "nameserver 9.9.9.9\n",
            ),
            (
                Network::named("a"),
                "nameserver 9.9.9.9\nsearch x\noptions rotate",
                "nameserver 127.0.0.11\nsearch x\noptions ndots:0\n",
            ),
            (Network::None, "nameserver 9.9.9.9\n", "# This container has no network, hence no name servers.\n"),
        ] {
            assert_eq!(resolv_conf(&on(network), of_host), expected);
        }
        assert_eq!(hostname("web"), "web\n");
    }
    #[test]
    fn what_the_user_names_is_added_or_takes_the_place_of_the_hosts() {
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let with = |network, servers: &[&str], search: &[&str], options: &[&str]| {
            let names = Names {
                servers: strings(servers),
                search: strings(search),
                options: strings(options),
                ..Names::default()
            };
            resolv_conf(&Create { names, ..on(network) }, "nameserver 9.9.9.9\nsearch x\noptions ndots:1\n")
        };
        let host = Network::Host;
        assert_eq!(
            with(host.clone(), &["1.1.1.1", "::1"], &[], &[]),
            "search x\noptions ndots:1\nnameserver 1.1.1.1\nnameserver ::1\n"
        );
        assert_eq!(
            with(host.clone(), &[], &["a", "b"], &["use-vc", "ndots:2"]),
            "nameserver 9.9.9.9\nsearch a b\noptions use-vc ndots:2\n"
        );
        assert_eq!(with(host.clone(), &[], &["."], &[]), "nameserver 9.9.9.9\noptions ndots:1\n");
        assert_eq!(with(Network::None, &["1.1.1.1"], &[], &[]), "nameserver 1.1.1.1\n");

        let names = |address: &str| Names { hosts: vec![("db".into(), address.into())], ..Names::default() };
        let with = |network, address| {
            hosts(&Create { names: names(address), ..on(network) }, "", "127.0.0.1 localhost\n", &Place::default())
        };
        assert_eq!(with(host.clone(), "10.0.0.7").unwrap(), "127.0.0.1 localhost\n10.0.0.7\tdb\n");
        assert_eq!(with(host.clone(), "host-gateway").unwrap(), "127.0.0.1 localhost\n127.0.0.1\tdb\n");
        let refused = with(Network::None, "host-gateway").unwrap_err().to_string();
        assert_eq!(refused, "unable to derive the IP value for host-gateway: the container has no network");
    }

    #[test]
    fn on_a_network_it_has_its_own_address_and_knows_the_hosts() {
        let place = Place { addresses: vec!["10.0.0.2".parse().unwrap()], gateways: vec!["10.0.0.1".parse().unwrap()] };
        let names = Names { hosts: vec![("up".into(), "host-gateway".into())], ..Names::default() };
        let request = Create { names, ..on(Network::named("a")) };
        let text = hosts(&request, "web", "9.9.9.9 secret\n", &place).unwrap();
        let own = text.strip_prefix(LOCAL_NAMES).unwrap();
        assert_eq!(own, "10.0.0.2\tweb\n10.0.0.1\thost.docker.internal host.containers.internal\n10.0.0.1\tup\n");
    }
}
