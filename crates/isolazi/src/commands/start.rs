//! `isolazi start`: containers that do not run are started.

use crate::args::{is_on, one, rest, switch, text};
use crate::attach::detach_keys::DetachKeys;
use crate::attach::{self, Manner};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::Attach;
use clap::{Arg, ArgMatches};
use engine::Engine;
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "start",
    long: Some(("container", &["start"])),
    about: "Start one or more stopped containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("attach", "Attach STDOUT/STDERR and forward signals").short('a'),
        text("detach-keys", "string", "Override the key sequence for detaching a container (default ctrl-p,ctrl-q)"),
        switch("interactive", "Attach container's STDIN").short('i'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let detach_keys = DetachKeys::parse(one(matches, "detach-keys"))?;
    let interactive = is_on(matches, "interactive");
    let containers = rest(matches);
    door.engine(As::Caller)?.end_orphans(&containers)?;
    if !interactive && !is_on(matches, "attach") {
        let engine = door.engine(As::Root)?;
        return Ok(each(door, containers, |door, container| {
            if let Some(started) = engine.start(container)? {
                attach::detach(&started.session.socket, container)?;
            }
            door.console.line(container);
            Ok(())
        }));
    }
    let [container] = containers.as_slice() else {
        return Err(Error::invalid("you cannot start and attach multiple containers at once"));
    };
    let engine = door.engine(As::Root)?;
    start_attached(&engine, container, interactive, detach_keys)
}

/// Its exit code is the payload's.
fn start_attached(engine: &Engine, container: &str, interactive: bool, detach_keys: DetachKeys) -> Result<u8> {
    let facts = engine.streams_of(container)?;
    let interactive = interactive && facts.interactive;
    attach::check_terminal(facts.tty && interactive, "start it without `-i` to see only its output")?;
    let started = match engine.start(container)? {
        Some(started) => started,
        None => engine.attach(container, Attach { stdin: interactive, ..Attach::ALL })?,
    };
    let manner =
        Manner { interactive, tty: started.tty, forward_signals: true, stdout: true, stderr: true, detach_keys };
    Ok(attach::attach(&started.session.socket, container, manner)?.code())
}
