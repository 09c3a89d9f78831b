//! `isolazi kill`: payloads get a signal.

use crate::args::{one, rest, text};
use crate::commands::{each, stop};
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "kill",
    long: Some(("container", &["kill"])),
    about: "Kill one or more running containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![text("signal", "string", "Signal to send to the container (default KILL)").short('s')]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let signal = stop::signal(one(matches, "signal").unwrap_or("KILL"))?;
    let engine = door.engine(As::Caller)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.kill(container, signal)?;
        door.console.line(container);
        Ok(())
    }))
}
