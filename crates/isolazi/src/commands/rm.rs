//! `isolazi rm`: containers are removed.

use crate::args::{is_on, rest, switch};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::Remove;
use clap::{Arg, ArgMatches};
use error::{Kind, Result};

pub(crate) const VERB: Verb = Verb {
    name: "rm",
    long: Some(("container", &["rm", "remove"])),
    about: "Remove one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("force", "Force the removal of a running container (uses SIGKILL)").short('f'),
        // Accepted for scripts: there are no container links.
        switch("link", "Remove the specified link (there are none)").short('l').hide(true),
        switch("volumes", "Remove anonymous volumes associated with the container").short('v'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let (force, volumes) = (is_on(matches, "force"), is_on(matches, "volumes"));
    door.engine(As::Caller)?.end_orphans(&rest(matches))?;
    let engine = door.engine(As::Root)?;
    Ok(each(door, rest(matches), |door, container| {
        match engine.remove(&Remove { container: container.to_owned(), force, volumes }) {
            Ok(()) => door.console.line(container),
            // What is gone already is what was wanted; Docker says nothing about it.
            Err(error) if force && error.kind == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }))
}
