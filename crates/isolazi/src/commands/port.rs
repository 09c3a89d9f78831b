//! `isolazi port`: which ports of the host lead to a container.

use crate::args::rest;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::inspect::{NullList, PortBinding};
use clap::ArgMatches;
use error::{Error, Result};
use std::collections::BTreeMap;

pub(crate) const VERB: Verb = Verb {
    name: "port",
    long: Some(("container", &["port"])),
    about: "List port mappings or a specific mapping for the container",
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    arity: Arity::Between(1, 2),
    stops_at_first: false,
    of: Of::Other,
    flags: Vec::new,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let mut words = rest(matches).into_iter();
    let name = words.next().unwrap_or_default();
    let wanted = words.next().map(|port| with_protocol(&port)).transpose()?;
    let container = door.engine(As::Caller)?.inspect_container(&name, false)?;
    let container = container.ok_or_else(|| Error::not_found(format!("No such container: {name}")))?;
    let text = told(&container.network_settings.ports, wanted.as_deref(), &name)?;
    door.console.out(text);
    Ok(exit::SUCCESS)
}

/// `80` is `80/tcp`.
fn with_protocol(text: &str) -> Result<String> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match port.parse::<u16>() {
        Ok(port) => Ok(format!("{port}/{protocol}")),
        Err(_) => Err(Error::invalid(format!("invalid port '{port}'"))),
    }
}

/// A line for each port of the host; `wanted`: only those that lead to this one.
fn told(ports: &BTreeMap<String, NullList<PortBinding>>, wanted: Option<&str>, name: &str) -> Result<String> {
    let mut text = String::new();
    for (port, bindings) in ports.iter().filter(|(port, _)| wanted.is_none_or(|wanted| wanted == *port)) {
        for PortBinding { host_ip, host_port } in &bindings.0 {
            let host = if host_ip.contains(':') { format!("[{host_ip}]") } else { host_ip.clone() };
            let arrow = if wanted.is_none() { format!("{port} -> ") } else { String::new() };
            text.push_str(&format!("{arrow}{host}:{host_port}\n"));
        }
    }
    match wanted {
        Some(wanted) if text.is_empty() => {
            Err(Error::not_found(format!("No public port '{wanted}' published for {name}")))
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_as_docker_tells_them() {
        let binding = |ip: &str| PortBinding { host_ip: ip.into(), host_port: "8080".into() };
        let ports = BTreeMap::from([
            ("80/tcp".to_owned(), NullList(vec![binding("0.0.0.0"), binding("::")])),
            ("443/tcp".to_owned(), NullList(Vec::new())),
        ]);
        let told = |port: &str| told(&ports, (!port.is_empty()).then_some(port), "web").map_err(|e| e.to_string());
        assert_eq!(told("").unwrap(), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n");
        assert_eq!(told("80/tcp").unwrap(), "0.0.0.0:8080\n[::]:8080\n");
        for port in ["443/tcp", "80/udp"] {
            assert_eq!(told(port).unwrap_err(), format!("No public port '{port}' published for web"));
        }
        assert_eq!(with_protocol("80").unwrap(), "80/tcp");
        assert_eq!(with_protocol("53/udp").unwrap(), "53/udp");
        assert_eq!(with_protocol("http").unwrap_err().to_string(), "invalid port 'http'");
    }
}
