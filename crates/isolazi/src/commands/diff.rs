//! `isolazi diff`: what a container changed.

use crate::args::rest;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::Change;
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "diff",
    long: Some(("container", &["diff"])),
    about: "Inspect changes to files or directories on a container's filesystem",
    usage: "CONTAINER",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags: Vec::new,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let container = rest(matches).remove(0);
    for (change, path) in door.engine(As::Root)?.changes(&container)? {
        door.console.out(match change {
            Change::Added => "A ",
            Change::Changed => "C ",
            Change::Deleted => "D ",
        });
        door.console.out(path);
        door.console.out("\n");
    }
    Ok(exit::SUCCESS)
}
