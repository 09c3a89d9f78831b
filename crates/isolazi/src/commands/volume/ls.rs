//! `isolazi volume ls`: volumes in a list.

use super::filter::Filters;
use crate::args::{all, is_on, list, list_format_flag, one, switch};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::template::{Format, Row};
use crate::verbs::{Arity, Verb};
use api::VolumeSummary;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "volume ls",
    long: Some(("volume", &["ls", "list"])),
    about: "List volumes",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

const TABLE: &str = r"table {{.Driver}}\t{{.Name}}";
const HEADINGS: &[(&str, &str)] = &[
    ("Availability", "AVAILABILITY"),
    ("Driver", "DRIVER"),
    ("Group", "GROUP"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Size", "SIZE"),
    ("Status", "STATUS"),
];
/// What Docker says of what only `system df -v` measures, and of clusters.
const UNKNOWN: &str = "N/A";

fn flags() -> Vec<Arg> {
    vec![
        list("filter", "filter", "Provide filter values (dangling, driver, label, name)").short('f'),
        list_format_flag(),
        switch("quiet", "Only display volume names").short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"))?;
    let format = Format::parse(match one(matches, "format") {
        _ if is_on(matches, "quiet") => "{{.Name}}",
        None | Some("table" | "") => TABLE,
        Some(format) => format,
    })?;
    let mut volumes = door.engine(As::Caller)?.volumes(filters.ask_for_users())?;
    volumes.retain(|volume| filters.accept(volume));
    let rows: Vec<Row> = volumes.iter().map(row).collect();
    door.console.out(format.render(&rows, HEADINGS)?);
    Ok(exit::SUCCESS)
}

/// All fields of one volume.
fn row(volume: &VolumeSummary) -> Row {
    let labels: Vec<String> = volume.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fields = [
        ("Availability", UNKNOWN.to_owned()),
        ("Driver", "local".to_owned()),
        ("Group", UNKNOWN.to_owned()),
        ("Labels", labels.join(",")),
        ("Links", UNKNOWN.to_owned()),
        ("Mountpoint", volume.mountpoint.display().to_string()),
        ("Name", volume.name.clone()),
        ("Scope", "local".to_owned()),
        ("Size", UNKNOWN.to_owned()),
        ("Status", UNKNOWN.to_owned()),
    ];
    Row {
        fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(),
        labels: volume.labels.clone(),
    }
}
