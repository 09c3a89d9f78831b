//! `isolazi network rm`: networks are removed.

use crate::args::{is_on, rest, switch};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::{Kind, Result};

pub(crate) const VERB: Verb = Verb {
    name: "network rm",
    long: Some(("network", &["rm", "remove"])),
    about: "Remove one or more networks that no container is on",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![switch("force", "Pass over networks that do not exist").short('f')],
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let force = is_on(matches, "force");
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, network| {
        match engine.remove_network(network).map(drop) {
            // Docker says the name of what is gone already, too.
            Err(error) if !force || error.kind != Kind::NotFound => return Err(error),
            Ok(()) | Err(_) => door.console.line(network),
        }
        Ok(())
    }))
}
