//! `isolazi update`: containers get other limits, or another restart policy.

use crate::args::{one, rest, text};
use crate::commands::each;
use crate::container::{limits, restart};
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
    let restart = text("restart", "string", "Restart policy (no, always, unless-stopped, on-failure[:N])");
    let mut flags = limits::changeable();
    // Of a kernel long gone.
    flags.push(text("kernel-memory", "bytes", "Accepted for Docker's sake").hide(true));
    flags.push(restart);
    flags
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let limits = limits::changed(matches);
    let restart = one(matches, "restart").map(restart::parse).transpose()?;
    if limits == Limits::default() && restart.is_none() {
        return Err(Error::invalid("you must provide one or more flags when using this command"));
    }
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.update(&Update { container: container.to_owned(), limits: limits.clone(), restart })?;
        door.console.line(container);
        Ok(())
    }))
}
