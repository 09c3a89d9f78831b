//! `isolazi network inspect`: everything about networks, as Docker's JSON or by a template.

use crate::args::{one, rest};
use crate::commands::inspect::{format_flag, show};
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "network inspect",
    long: Some(("network", &["inspect"])),
    about: "Display detailed information on one or more networks",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![format_flag()],
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let engine = door.engine(As::Caller)?;
    show(door, rest(matches), one(matches, "format"), |name| match engine.inspect_network(name)? {
        Some(found) => Ok(Some(found)),
        None => Err(Error::not_found(format!("network {name} not found"))),
    })
}
