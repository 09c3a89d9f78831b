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
use error::{Error, Kind, Result, ResultExt};
use oci::reference::Reference;
use std::ffi::OsString;
use std::path::Path;

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
    let id_file = IdFile::begin(wish.create.id_file.as_deref())?;
    let engine = door.engine(As::Root)?;
    let id = showing_pull(&wish, |progress| engine.create(&wish.create, progress, cancel))?;
    id_file.write(&id)?;
    door.console.line(&id);
    Ok(exit::SUCCESS)
}

/// Calls `decide` with the facts about this process.
pub(crate) fn with_caller<T>(door: &Door, terminals: Terminals, decide: impl FnOnce(&Caller<'_>) -> T) -> T {
    let caller = Caller {
        env: &|name| std::env::var(name).ok(),
        // What is no UTF-8 cannot be said in a request.
        variables: &|| std::env::vars_os().filter_map(variable).collect(),
        read: &|path| std::fs::read(path),
        directory: &std::env::current_dir,
        home: door.surroundings.home.as_deref(),
        terminals,
        window: if terminals.stdout || terminals.stdin { terminal::window() } else { None },
    };
    decide(&caller)
}

fn variable((name, value): (OsString, OsString)) -> Option<String> {
    Some(format!("{}={}", name.to_str()?, value.to_str()?))
}

/// `--cidfile`: made before the container, so that none is made whose id could not be told; gone again if there is none.
pub(crate) struct IdFile<'a>(Option<&'a Path>);

impl<'a> IdFile<'a> {
    /// # Errors
    /// `AlreadyExists`, in Docker's words.
    pub(crate) fn begin(path: Option<&'a Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        match std::fs::File::create_new(path) {
            Ok(_) => Ok(Self(Some(path))),
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::new(
                Kind::AlreadyExists,
                format!(
                    "container ID file found, make sure the other container isn't running or delete {}",
                    path.display()
                ),
            )),
            Err(cause) => Err(cause).context(|| "failed to create the container ID file".to_owned()),
        }
    }

    /// There is a container.
    pub(crate) fn write(mut self, id: &str) -> Result<()> {
        let Some(path) = self.0.take() else { return Ok(()) };
        std::fs::write(path, id).context(|| format!("failed to write the container ID to `{}`", path.display()))
    }
}

impl Drop for IdFile<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // The failure that led here is the one to tell; what stays is an empty file.
            let _ = std::fs::remove_file(path);
        }
    }
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
