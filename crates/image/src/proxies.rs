//! Proxies: which one, if any, a connection goes through.
//!
//! The rules are those that Go programs (Docker among them) follow: golang.org/x/net/http/httpproxy.

use std::net::IpAddr;

/// The proxies of an environment, read once by the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts that are reached without one.
    pub exceptions: Vec<String>,
}

impl Proxies {
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, and `ALL_PROXY` for what the first two leave open, in both cases.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            let values = [variable(name), variable(&name.to_ascii_lowercase())];
            values.into_iter().flatten().find(|value| !value.is_empty())
        };
        let all = read("ALL_PROXY");
        let exceptions = read("NO_PROXY").unwrap_or_default();
        Self {
            http: read("HTTP_PROXY").or_else(|| all.clone()),
            https: read("HTTPS_PROXY").or(all),
            exceptions: exceptions
                .split(',')
                .map(|e| e.trim().to_ascii_lowercase())
                .filter(|e| !e.is_empty())
                .collect(),
        }
    }

    /// The proxy for an address, if it goes through one. This machine is always reached directly.
    pub(crate) fn for_host(&self, is_https: bool, host: &str, port: u16) -> Option<&str> {
        let proxy = if is_https { &self.https } else { &self.http }.as_deref()?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let direct = is_loopback(&host) || self.exceptions.iter().any(|exception| excepts(exception, &host, port));
        (!direct).then_some(proxy)
    }
}

/// `localhost` or an address of this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn excepts(exception: &str, host: &str, port: u16) -> bool {
    if exception == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        if let Some((network, bits)) = exception.split_once('/') {
            return match (network.parse(), bits.parse()) {
                (Ok(network), Ok(bits)) => in_network(address, network, bits),
                _ => false,
            };
        }
        let (name, wanted_port) = split_port(exception);
        return name.parse() == Ok(address) && wanted_port.is_none_or(|wanted| wanted == port);
    }
    let (name, wanted_port) = split_port(exception);
    let name = name.strip_prefix('*').unwrap_or(name);
    let matches = match name.strip_prefix('.') {
        // `.example.org` means what lies below it.
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    };
    matches && wanted_port.is_none_or(|wanted| wanted == port)
}

/// `host`, `host:port`, `v6`, `[v6]:port`.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => {
            (name.trim_start_matches('[').trim_end_matches(']'), port.parse().ok())
        }
        _ => (text.trim_start_matches('[').trim_end_matches(']'), None),
    }
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
            let shift = 32 - bits;
            a.to_bits().checked_shr(shift).unwrap_or(0) == n.to_bits().checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
            let shift = 128 - bits;
            a.to_bits().checked_shr(shift).unwrap_or(0) == n.to_bits().checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_and_all_proxy_are_read() {
        let env = |name: &str| match name {
            "https_proxy" => Some("http://p:1".to_owned()),
            "ALL_PROXY" => Some("socks5h://s:2".to_owned()),
            "NO_PROXY" => Some("a.io, .b.io,,10.0.0.0/8".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_env(env);
        assert_eq!(
            proxies,
            Proxies {
                http: Some("socks5h://s:2".into()),
                https: Some("http://p:1".into()),
                exceptions: vec!["a.io".into(), ".b.io".into(), "10.0.0.0/8".into()],
            }
        );
    }

    #[test]
    fn exceptions_are_matched_as_go_does() {
        for (exception, host, port, direct) in [
            ("a.io", "a.io", 443, true),
            ("a.io", "x.a.io", 443, true),
            ("a.io", "xa.io", 443, false),
            (".a.io", "x.a.io", 443, true),
            (".a.io", "a.io", 443, false),
            ("*.a.io", "x.a.io", 443, true),
            ("a.io:5000", "a.io", 5000, true),
            ("a.io:5000", "a.io", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("0.0.0.0/0", "11.1.2.3", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("fd00::/8", "[fd00::1]", 443, true),
            ("fd00::1", "[fd00::1]", 443, true),
            ("*", "any.where", 443, true),
            ("10.0.0.0/99", "10.1.2.3", 443, false),
            ("none", "localhost", 443, true),
            ("none", "127.1.2.3", 443, true),
            ("none", "[::1]", 443, true),
        ] {
            let proxies =
                Proxies { https: Some("http://p".into()), exceptions: vec![exception.into()], ..Proxies::default() };
            assert_eq!(proxies.for_host(true, host, port).is_none(), direct, "{exception} for {host}:{port}");
        }
    }
}
