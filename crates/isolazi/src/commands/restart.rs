//! `isolazi restart`: payloads are ended as `stop` does it, and started again.

use crate::args::rest;
use crate::commands::{each, stop};
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "restart",
    long: Some(("container", &["restart"])),
    about: "Restart one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: stop::flags,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let stop = stop::manner(matches)?;
    door.engine(As::Caller)?.end_orphans(&rest(matches))?;
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.restart(container, &stop, &mut |note| door.console.tell(format!("{note}\n")))?;
        door.console.line(container);
        Ok(())
    }))
}
