//! The flags of names: `--add-host`, `--dns`, `--dns-search`, `--dns-option`; and ports, which are notes only.

use crate::args::{all, list, listed};
use api::Names;
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use std::net::IpAddr;

/// The longest name of a domain (RFC 1035).
const LONGEST_NAME: usize = 254;

pub(super) fn flags() -> Vec<Arg> {
    vec![
        listed("add-host", "list", "Add a custom host-to-IP mapping (host:ip, host=ip)", host),
        listed("dns", "list", "Set custom DNS servers", server),
        list("dns-option", "list", "Set DNS options").visible_alias("dns-opt"),
        listed("dns-search", "list", "Set custom DNS search domains", domain),
        list("expose", "list", "Expose a port or a range of ports"),
    ]
}

pub(super) fn parse(matches: &ArgMatches) -> Names {
    let many = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    Names {
        hosts: matches.get_many::<(String, String)>("add-host").into_iter().flatten().cloned().collect(),
        servers: many("dns"),
        search: many("dns-search"),
        options: many("dns-option"),
    }
}

/// `name:address` or `name=address`.
fn host(text: &str) -> Result<(String, String), String> {
    let cut = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((name, address)) = cut.filter(|(name, _)| !name.is_empty() && !name.contains(':')) else {
        return Err(format!("bad format for add-host: {text:?}"));
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare == "host-gateway" {
        return Ok((name.to_owned(), bare.to_owned()));
    }
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok((name.to_owned(), address.to_string())),
        Err(_) => Err(format!("invalid IP address in add-host: {bare:?}")),
    }
}

fn server(text: &str) -> Result<String, String> {
    let address = text.trim().parse::<IpAddr>();
    address.map(|address| address.to_string()).map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

fn domain(text: &str) -> Result<String, String> {
    let text = text.trim();
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if text == "." || (has_letter && text.len() <= LONGEST_NAME && bare.split('.').all(label)) {
        return Ok(text.to_owned());
    }
    Err(format!("{text} is not a valid domain"))
}

/// Every port that `--expose` names, as `80/tcp`.
pub(super) fn exposed(matches: &ArgMatches) -> Result<Vec<String>> {
    let mut ports = Vec::new();
    for text in all(matches, "expose") {
        if text.contains(':') {
            return Err(Error::invalid(format!("invalid port format for --expose: {text}")));
        }
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let bad = |why: String| Error::invalid(format!("invalid range format for --expose: {text}, error: {why}"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| super::number::small(text).map_err(bad);
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(bad(format!("invalid range specified for port: {range}")));
        }
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(Error::invalid(format!("invalid proto: {protocol}")));
        }
        for port in first..=last {
            let port = format!("{port}/{protocol}");
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_servers_and_domains_are_checked_as_docker_checks_them() {
        let pair = |name: &str, address: &str| Ok((name.to_owned(), address.to_owned()));
        assert_eq!(host("db:10.0.0.7"), pair("db", "10.0.0.7"));
        assert_eq!(host("db=::1"), pair("db", "::1"));
        assert_eq!(host("db:[::1]"), pair("db", "::1"));
        assert_eq!(host("db:host-gateway"), pair("db", "host-gateway"));
        for (text, complaint) in [
            ("db", "bad format for add-host: \"db\""),
            (":1.1.1.1", "bad format for add-host: \":1.1.1.1\""),
            ("a:b=1.1.1.1", "bad format for add-host: \"a:b=1.1.1.1\""),
            ("db:x", "invalid IP address in add-host: \"x\""),
            ("db:", "invalid IP address in add-host: \"\""),
        ] {
            assert_eq!(host(text), Err(complaint.to_owned()));
        }
        assert_eq!(server("9.9.9.9"), Ok("9.9.9.9".to_owned()));
        assert_eq!(server("dns"), Err("IP address is not correctly formatted: dns".to_owned()));
        for good in ["example.org", "a", ".", "example.org.", "_tcp.example"] {
            assert_eq!(domain(good), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "a..b", "1.2", "a b"] {
            assert_eq!(domain(bad), Err(format!("{bad} is not a valid domain")));
        }
    }
}
