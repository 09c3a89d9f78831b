//! `isolazi wait`: the ends of containers, and their exit codes.

use crate::args::rest;
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "wait",
    long: Some(("container", &["wait"])),
    about: "Block until one or more containers stop, then print their exit codes",
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
        let code = engine.wait(container)?;
        door.console.line(&code.to_string());
        door.console.flush();
        Ok(())
    }))
}
