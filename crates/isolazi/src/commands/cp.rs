//! `isolazi cp`: files between a container and this side.

use crate::args::{is_given, is_on, rest, switch};
use crate::commands::tell_left_out;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::verbs::{Arity, Verb};
use api::{Copied, Copy, Local};
use clap::{Arg, ArgMatches};
use error::{Error, Result, ResultExt};
use std::io::IsTerminal;

pub(crate) const VERB: Verb = Verb {
    name: "cp",
    long: Some(("container", &["cp"])),
    about: "Copy files/folders between a container and the local filesystem",
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        isolazi cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    arity: Arity::Exactly(2),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("archive", "Archive mode (copy all uid/gid information)").short('a'),
        switch("follow-link", "Always follow symbol link in SRC_PATH").short('L'),
        switch(
            "quiet",
            "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
        )
        .short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let [source, target] = &rest(matches)[..] else { return Err(Error::invalid("two arguments")) };
    let way = way(source, target)?;
    let request = |container: &str, path: &str, local: &str| {
        let directory = std::env::current_dir().context(|| "can't find the working directory")?;
        let local = match local {
            "-" => Local::Stream,
            typed => Local::Path { typed: typed.into(), directory },
        };
        let (archive, follow_link) = (is_on(matches, "archive"), is_on(matches, "follow-link"));
        Ok::<_, Error>(Copy { container: container.into(), path: path.into(), local, archive, follow_link })
    };
    let copied = match way {
        Way::Out { container, path, local } => {
            let request = request(container, path, local)?;
            let streams = request.local == Local::Stream;
            if streams && std::io::stdout().is_terminal() {
                return Err(Error::invalid("cowardly refusing to write an archive to a terminal"));
            }
            let copied = door.engine(As::Root)?.copy_out(&request, &mut door.console);
            if door.console.is_broken() {
                return Ok(exit::SUCCESS); // it is reported at the end
            }
            copied?
        }
        Way::In { local, container, path } => {
            let request = request(container, path, local)?;
            door.engine(As::Root)?.copy_in(&request, &mut std::io::stdin().lock())?
        }
    };
    let Copied { bytes, left_out } = copied;
    tell_left_out(door, left_out);
    let quiet = is_given(matches, "quiet").unwrap_or_else(|| !std::io::stdout().is_terminal());
    if !quiet && target != "-" {
        door.console.tell(format!("Successfully copied {} to {target}\n", human::size(bytes)));
    }
    Ok(exit::SUCCESS)
}

/// Which of the two is in a container.
#[derive(Debug, PartialEq, Eq)]
enum Way<'a> {
    Out { container: &'a str, path: &'a str, local: &'a str },
    In { local: &'a str, container: &'a str, path: &'a str },
}

fn way<'a>(source: &'a str, target: &'a str) -> Result<Way<'a>> {
    let wrong = |text: &str| Err(Error::invalid(text));
    if source.is_empty() {
        return wrong("source can not be empty");
    }
    if target.is_empty() {
        return wrong("destination can not be empty");
    }
    match (split(source), split(target)) {
        (Some((container, path)), None) => Ok(Way::Out { container, path, local: target }),
        (None, Some((container, path))) => Ok(Way::In { local: source, container, path }),
        (Some(_), Some(_)) => wrong("copying between containers is not supported"),
        (None, None) => wrong("must specify at least one container source"),
    }
}

/// `CONTAINER:PATH`. What begins with a slash or a dot is a path of this side, colons and all.
fn split(argument: &str) -> Option<(&str, &str)> {
    if argument.starts_with(['/', '.']) {
        return None;
    }
    argument.split_once(':').filter(|(container, _)| !container.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_tells_a_container_unless_the_path_says_otherwise() {
        for (argument, expected) in [
            ("box:/a", Some(("box", "/a"))),
            ("box:a:b", Some(("box", "a:b"))),
            ("box:", Some(("box", ""))),
            ("/x:y", None),
            ("./x:y", None),
            ("../x:y", None),
            (":x", None),
            ("x", None),
            ("-", None),
        ] {
            assert_eq!(split(argument), expected, "{argument}");
        }
    }
}
