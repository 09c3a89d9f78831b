//! `isolazi rename`: a container gets another name.

use crate::args::rest;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "rename",
    long: Some(("container", &["rename"])),
    about: "Rename a container",
    usage: "CONTAINER NEW_NAME",
    arity: Arity::Exactly(2),
    stops_at_first: false,
    of: Of::Other,
    flags: Vec::new,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let words = rest(matches);
    door.engine(As::Caller)?.rename(&words[0], &words[1])?;
    Ok(exit::SUCCESS)
}
