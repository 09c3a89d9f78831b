//! `isolazi volume inspect`: everything about volumes, as Docker's JSON or by a template.

use crate::args::{one, rest};
use crate::commands::inspect::{format_flag, show};
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "volume inspect",
    long: Some(("volume", &["inspect"])),
    about: "Display detailed information on one or more volumes",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![format_flag()],
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let engine = door.engine(As::Caller)?;
    show(door, rest(matches), one(matches, "format"), |name| match engine.inspect_volume(name)? {
        Some(found) => Ok(Some(found)),
        None => Err(Error::not_found(format!("get {name}: no such volume"))),
    })
}
