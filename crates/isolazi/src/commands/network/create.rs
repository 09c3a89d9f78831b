//! `isolazi network create`: a network is made.

use crate::args::{all, is_on, list, one, rest, switch, text};
use crate::container::label;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::CreateNetwork;
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use std::net::IpAddr;

pub(crate) const VERB: Verb = Verb {
    name: "network create",
    long: Some(("network", &["create"])),
    about: "Create a network",
    usage: "[OPTIONS] NETWORK",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("attachable", "Accepted for Docker's sake: every network is").hide(true),
        text("driver", "string", "Driver to manage the network (default bridge)").short('d'),
        list("gateway", "ip", "IPv4 or IPv6 gateway for the subnet"),
        switch("internal", "Restrict external access to the network"),
        list("ip-range", "range", "Allocate container IPs from a sub-range"),
        switch("ipv6", "Enable IPv6 address assignment"),
        list("label", "list", "Set metadata on a network"),
        list("opt", "map", "Set driver specific options (mtu)").short('o'),
        list("subnet", "subnet", "Subnet in CIDR format that represents a network segment"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    if let Some(driver) = one(matches, "driver").filter(|driver| *driver != "bridge") {
        return Err(Error::not_found(format!(
            "could not find plugin {driver} in v1 plugin registry: plugin not found"
        ))
        .hint("networks are bridges on this machine (`bridge`)"));
    }
    let gateway = |text: &str| {
        text.parse::<IpAddr>().map_err(|_| Error::invalid(format!("invalid argument {text:?} for \"--gateway\" flag")))
    };
    let pair =
        |text: &str| text.split_once('=').map_or((text.to_owned(), String::new()), |(k, v)| (k.into(), v.into()));
    let request = CreateNetwork {
        name: rest(matches).into_iter().next().unwrap_or_default(),
        subnets: all(matches, "subnet").map(str::to_owned).collect(),
        gateways: all(matches, "gateway").map(gateway).collect::<Result<_>>()?,
        ranges: all(matches, "ip-range").map(str::to_owned).collect(),
        ipv6: is_on(matches, "ipv6"),
        internal: is_on(matches, "internal"),
        labels: all(matches, "label").map(label).collect::<Result<_>>()?,
        options: all(matches, "opt").map(pair).collect(),
    };
    let id = door.engine(As::Root)?.create_network(&request)?;
    door.console.line(&id);
    Ok(exit::SUCCESS)
}
