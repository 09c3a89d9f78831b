//! `isolazi completion`: scripts that teach a shell the command line.

use crate::args::rest;
use crate::door::Door;
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::{ArgMatches, ValueEnum};
use clap_complete::Shell;
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "completion",
    long: None,
    about: "Generate the autocompletion script for the specified shell",
    usage: "bash|elvish|fish|powershell|zsh",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags: Vec::new,
    run,
};

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let name = rest(matches).remove(0);
    let shell = Shell::from_str(&name, false).map_err(|_| {
        Error::invalid(format!("unknown shell `{name}`")).hint("known are bash, elvish, fish, powershell and zsh")
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::verbs::tree(), "isolazi", &mut script);
    door.console.out(script);
    Ok(exit::SUCCESS)
}
