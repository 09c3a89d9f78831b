//! `isolazi create`: a container is made, not started.

use crate::args::rest;
use crate::attach::terminal;
use crate::container::{Caller, Terminals, Wish, flags, wish};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::progress::Progress;
use crate::verbs::{Arity, Verb};
use api::{PullEvent, PullPolicy};
use clap::ArgMatches;
use error::Result;
use oci::reference::Reference;

pub(crate) const VERB: Verb = Verb {
    name: "create",
    long: Some(("container", &["create"])),
    about: "Create a new container",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeastOne,
    stops_at_first: true,
    of: Of::Other,
    flags: flags::of_container,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let wish = with_caller(door, terminal::terminals(), |caller| wish(matches, rest(matches), false, caller))?;
    let cancel = door.cancel_flag()?;
    let engine = door.engine(As::Root)?;
    let id = showing_pull(&wish, |progress| engine.create(&wish.create, progress, cancel))?;
    door.console.line(&id);
    Ok(exit::SUCCESS)
}

/// Calls `decide` with the facts about this process.
pub(crate) fn with_caller<T>(door: &Door, terminals: Terminals, decide: impl FnOnce(&Caller<'_>) -> T) -> T {
    let caller = Caller {
        env: &|name| std::env::var(name).ok(),
        read: &|path| std::fs::read(path),
        directory: &std::env::current_dir,
        home: door.surroundings.home.as_deref(),
        terminals,
        window: if terminals.stdout || terminals.stdin { terminal::window() } else { None },
    };
    decide(&caller)
}

/// Makes the container, and what else `make` does; a pull that it needs is shown on standard error.
pub(crate) fn showing_pull<T>(wish: &Wish, make: impl FnOnce(&(dyn Fn(PullEvent) + Sync)) -> Result<T>) -> Result<T> {
    // With its tag; what is no reference is refused before anything is pulled.
    let name = || wish.create.image.parse::<Reference>().ok().map(|reference| reference.familiar());
    let missing = (wish.create.pull == PullPolicy::Missing).then(name).flatten();
    let progress = Progress::of_run(wish.quiet, missing);
    let made = make(&|event| progress.tell(event));
    progress.finish();
    made
}
