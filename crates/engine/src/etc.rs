//! The files of `/etc` that the engine gives every container: `hosts`, `hostname`, `resolv.conf`.
//!
//! Pure: the host's own files come in as text, the container's go out as text.

use api::Network;

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

/// `/etc/hosts` (hosts(5)). On the host's network: the host's own, and the container's name if it lacks it.
pub(crate) fn hosts(network: Network, hostname: &str, host_hosts: &str) -> String {
    let mut text = match network {
        Network::Host if !host_hosts.trim().is_empty() => with_line_break(host_hosts),
        Network::Host | Network::None => LOCAL_NAMES.to_owned(),
    };
    if !hostname.is_empty() && !knows(&text, hostname) {
        // The short name too, so that `web.example.org` finds itself as `web`.
        let short = hostname.split_once('.').map_or("", |(short, _)| short);
        let space = if short.is_empty() { "" } else { " " };
        text.push_str(&format!("{OWN_ADDRESS}\t{hostname}{space}{short}\n"));
    }
    text
}

/// `/etc/hostname` (hostname(5)).
pub(crate) fn hostname(hostname: &str) -> String {
    format!("{hostname}\n")
}

/// `/etc/resolv.conf` (resolv.conf(5)). On the host's network: the host's own, whose servers answer here as there.
pub(crate) fn resolv_conf(network: Network, host_resolv_conf: &str) -> String {
    match network {
        Network::Host => with_line_break(host_resolv_conf),
        Network::None => "# This container has no network, hence no name servers.\n".to_owned(),
    }
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

    #[test]
    fn the_hosts_names_are_kept_on_the_hosts_network() {
        let of_host = "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX";
        for (hostname, expected) in [
            ("db", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
            ("box", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
            ("web", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n127.0.1.1\tweb\n"),
            ("", "127.0.0.1 localhost\n10.0.0.7 db # not web\n127.0.1.1 BOX\n"),
        ] {
            assert_eq!(hosts(Network::Host, hostname, of_host), expected, "{hostname}");
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
        assert_eq!(hosts(Network::None, "web.example.org", "10.0.0.7 db\n"), expected);
        assert_eq!(hosts(Network::Host, "web.example.org", " \n"), expected, "a host without a file of its own");
        assert!(!hosts(Network::None, "localhost", "").contains(OWN_ADDRESS));
    }

    #[test]
    fn name_servers_are_the_hosts_or_none() {
        for (network, of_host, expected) in [
            (Network::Host, "nameserver 127.0.0.53", "nameserver 127.0.0.53\n"),
            (Network::Host, "nameserver 9.9.9.9\nsearch x\n", "nameserver 9.9.9.9\nsearch x\n"),
            (Network::Host, "", ""),
            (Network::None, "nameserver 9.9.9.9\n", "# This container has no network, hence no name servers.\n"),
        ] {
            assert_eq!(resolv_conf(network, of_host), expected);
        }
        assert_eq!(hostname("web"), "web\n");
    }
}
