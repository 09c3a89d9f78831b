//! `isolazi volume rm`: volumes are removed.

use crate::args::{is_on, rest, switch};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::{Kind, Result};

pub(crate) const VERB: Verb = Verb {
    name: "volume rm",
    long: Some(("volume", &["rm", "remove"])),
    about: "Remove one or more volumes that no container uses",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![switch("force", "Pass over volumes that do not exist").short('f')],
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let force = is_on(matches, "force");
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, volume| {
        match engine.remove_volume(volume) {
            // Docker says the name of what is gone already, too.
            Err(error) if !force || error.kind != Kind::NotFound => return Err(error),
            Ok(()) | Err(_) => door.console.line(volume),
        }
        Ok(())
    }))
}
