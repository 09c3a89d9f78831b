//! `isolazi unpause`: frozen processes go on.

use crate::args::rest;
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "unpause",
    long: Some(("container", &["unpause"])),
    about: "Unpause all processes within one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: Vec::new,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let engine = door.engine(As::Caller)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.resume(container)?;
        door.console.line(container);
        Ok(())
    }))
}
