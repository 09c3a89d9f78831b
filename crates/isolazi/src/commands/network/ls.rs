//! `isolazi network ls`: networks in a list.

use super::filter::Filters;
use crate::args::{all, is_on, list, list_format_flag, one, switch};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::template::{Format, Row};
use crate::verbs::{Arity, Verb};
use api::NetworkSummary;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "network ls",
    long: Some(("network", &["ls", "list"])),
    about: "List networks",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

const TABLE: &str = r"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
const HEADINGS: &[(&str, &str)] = &[
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("ID", "NETWORK ID"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("Scope", "SCOPE"),
];
const SHORT_ID: usize = 12;

fn flags() -> Vec<Arg> {
    vec![
        list("filter", "filter", "Provide filter values (dangling, driver, id, label, name, scope, type)").short('f'),
        list_format_flag(),
        switch("no-trunc", "Do not truncate the output"),
        switch("quiet", "Only display network IDs").short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"))?;
    let format = Format::parse(match one(matches, "format") {
        _ if is_on(matches, "quiet") => "{{.ID}}",
        None | Some("table" | "") => TABLE,
        Some(format) => format,
    })?;
    let mut networks = door.engine(As::Caller)?.networks()?;
    networks.retain(|network| filters.accept(network));
    let digits = if is_on(matches, "no-trunc") { usize::MAX } else { SHORT_ID };
    let rows: Vec<Row> = networks.iter().map(|network| row(network, digits)).collect();
    door.console.out(format.render(&rows, HEADINGS)?);
    Ok(exit::SUCCESS)
}

/// All fields of one network.
fn row(network: &NetworkSummary, digits: usize) -> Row {
    let labels: Vec<String> = network.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fields = [
        ("CreatedAt", network.created.clone()),
        ("Driver", network.driver.to_owned()),
        ("ID", network.id.chars().take(digits).collect()),
        ("IPv4", true.to_string()),
        ("IPv6", network.ipv6.to_string()),
        ("Internal", network.internal.to_string()),
        ("Labels", labels.join(",")),
        ("Name", network.name.clone()),
        ("Scope", "local".to_owned()),
    ];
    Row {
        fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(),
        labels: network.labels.clone(),
    }
}
