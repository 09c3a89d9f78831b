//! `isolazi volume create`: a volume is made.

use crate::args::{all, list, one, rest, text};
use crate::container::{label, no_driver};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::CreateVolume;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "volume create",
    long: Some(("volume", &["create"])),
    about: "Create a volume",
    usage: "[OPTIONS] [VOLUME]",
    arity: Arity::AtMostOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        text("driver", "string", "Specify volume driver name (default local)").short('d'),
        list("label", "list", "Set metadata for a volume"),
        list("opt", "map", "Set driver specific options (type, device, o)").short('o'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    if let Some(driver) = one(matches, "driver").filter(|driver| !matches!(*driver, "" | "local")) {
        return Err(no_driver(driver).context(format!("create {}", rest(matches).first().map_or("", String::as_str))));
    }
    let pair = |text: &str| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let request = CreateVolume {
        name: rest(matches).into_iter().next().filter(|name| !name.is_empty()),
        labels: all(matches, "label").map(label).collect::<Result<_>>()?,
        options: all(matches, "opt").map(pair).collect(),
    };
    let name = door.engine(As::Root)?.create_volume(&request)?;
    door.console.line(&name);
    Ok(exit::SUCCESS)
}
