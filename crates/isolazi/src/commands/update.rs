//! `isolazi update`: containers get other limits.

use crate::args::rest;
use crate::commands::each;
use crate::container::limits;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::{Limits, Update};
use clap::{Arg, ArgMatches};
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "update",
    long: Some(("container", &["update"])),
    about: "Update configuration of one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    limits::changeable()
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let limits = limits::changed(matches);
    if limits == Limits::default() {
        return Err(Error::invalid("you must provide one or more flags when using this command"));
    }
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.update(&Update { container: container.to_owned(), limits: limits.clone() })?;
        door.console.line(container);
        Ok(())
    }))
}
