//! `isolazi stop`: payloads are asked to end, and killed if they do not; and what `restart` shares with it.

use crate::args::{one, parsed, rest, text, value};
use crate::commands::each;
use crate::container::number::integer;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::{Grace, Stop};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use oci::signals::Signal;

pub(crate) const VERB: Verb = Verb {
    name: "stop",
    long: Some(("container", &["stop"])),
    about: "Stop one or more running containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// How a payload is asked to end.
pub(crate) fn flags() -> Vec<Arg> {
    vec![
        text(
            "grace",
            "string",
            "When to wait although the program cannot notice the signal (auto, always; default auto: it is killed at once)",
        ),
        text("signal", "string", "Signal to send to the container").short('s'),
        parsed("timeout", "int", "Seconds to wait before killing the container (-1 for ever; default 10)", integer)
            .short('t')
            .alias("time"),
    ]
}

/// What these flags mean.
pub(crate) fn manner(matches: &ArgMatches) -> Result<Stop> {
    Ok(Stop {
        signal: one(matches, "signal").map(signal).transpose()?,
        timeout_s: value(matches, "timeout"),
        grace: match one(matches, "grace") {
            None | Some("auto") => Grace::Auto,
            Some("always") => Grace::Always,
            Some(other) => {
                let text = format!("invalid grace \"{other}\": must be one of \"auto\" or \"always\"");
                return Err(Error::invalid(text));
            }
        },
    })
}

/// A signal by name or number.
pub(crate) fn signal(text: &str) -> Result<u8> {
    let number = Signal::parse(text)?.number();
    Ok(u8::try_from(number).expect("signals have numbers from 1 to 64"))
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let stop = manner(matches)?;
    let engine = door.engine(As::Caller)?;
    Ok(each(door, rest(matches), |door, container| {
        engine.stop(container, &stop, &mut |note| door.console.tell(format!("{note}\n")))?;
        door.console.line(container);
        Ok(())
    }))
}
