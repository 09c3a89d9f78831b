//! `isolazi commit`: an image is made of a container.

mod instruction;

use crate::args::{all, is_given, is_on, list, one, rest, switch, text};
use crate::commands::tell_left_out;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::{Commit, Committed};
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "commit",
    long: Some(("container", &["commit"])),
    about: "Create a new image from a container's changes",
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    arity: Arity::Between(1, 2),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        text("author", "string", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")").short('a'),
        list("change", "list", "Apply Dockerfile instruction to the created image").short('c'),
        text("message", "string", "Commit message").short('m'),
        switch("no-pause", "Disable pausing container during commit"),
        switch("pause", "Pause container during commit (default true)").short('p'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let mut words = rest(matches).into_iter();
    let mut changes = Vec::new();
    for line in all(matches, "change") {
        changes.extend(instruction::parse(line)?);
    }
    let text = |name| one(matches, name).unwrap_or_default().to_owned();
    let request = Commit {
        container: words.next().unwrap_or_default(),
        name: words.next().filter(|name| !name.is_empty()),
        author: text("author"),
        message: text("message"),
        changes,
        pause: is_given(matches, "pause").unwrap_or(true) && !is_on(matches, "no-pause"),
    };
    let cancel = door.cancel_flag()?;
    let Committed { id, left_out, not_paused } = door.engine(As::Root)?.commit(&request, cancel)?;
    if let Some(why) = not_paused {
        door.console.tell(format!("Warning: the container went on meanwhile: {why}\n"));
    }
    tell_left_out(door, left_out);
    door.console.line(&id.to_string());
    Ok(exit::SUCCESS)
}
