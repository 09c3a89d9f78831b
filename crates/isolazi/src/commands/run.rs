//! `isolazi run`: a container is made, started, and this terminal stays with it.

use crate::args::rest;
use crate::attach::detach_keys::DetachKeys;
use crate::attach::{self, Manner, terminal};
use crate::commands::create::{self, IdFile};
use crate::container::{Wish, flags, wish};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "run",
    long: Some(("container", &["run"])),
    about: "Create and run a new container from an image",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeastOne,
    stops_at_first: true,
    of: Of::Run,
    flags: || flags::of_container().into_iter().chain(flags::of_run()).collect(),
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let terminals = terminal::terminals();
    let wish = create::with_caller(door, terminals, |caller| wish(matches, rest(matches), true, caller))?;
    let detach_keys = DetachKeys::parse(wish.detach_keys.as_deref())?;
    let Wish { ref create, detach, attach: which, forward_signals, .. } = wish;
    let interactive = create.interactive && which.stdin;
    let types = interactive && create.tty && !detach;
    if let Err(error) = attach::check_terminal(types, "leave `-t` out when input comes from a pipe or a file") {
        door.console.complain(&error);
        return Ok(exit::FAILURE);
    }
    let cancel = door.cancel_flag()?;
    let id_file = IdFile::begin(create.id_file.as_deref())?;
    let engine = door.engine(As::Root)?;
    let (id, session) = create::showing_pull(&wish, |progress| engine.run(create, progress, cancel))?;
    id_file.write(&id)?;
    let name = create.name.as_deref().unwrap_or(&id);
    if detach {
        attach::detach(&session.socket, name)?;
        door.console.line(&id);
        return Ok(exit::SUCCESS);
    }
    let manner = Manner {
        interactive,
        tty: create.tty,
        forward_signals,
        stdout: which.stdout,
        stderr: which.stderr,
        detach_keys,
    };
    Ok(attach::attach(&session.socket, name, manner)?.code())
}
