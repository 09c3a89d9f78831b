//! `isolazi attach`: this terminal takes part in the streams of a container that runs.

use crate::args::{is_given, is_on, one, rest, switch, text};
use crate::attach::detach_keys::DetachKeys;
use crate::attach::{self, Manner, terminal};
use crate::door::{As, Door};
use crate::exit::Of;
use crate::verbs::{Arity, Verb};
use api::Attach;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "attach",
    long: Some(("container", &["attach"])),
    about: "Attach local standard input, output, and error streams to a running container",
    usage: "[OPTIONS] CONTAINER",
    arity: Arity::Exactly(1),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        text("detach-keys", "string", "Override the key sequence for detaching a container (default ctrl-p,ctrl-q)"),
        switch("no-stdin", "Do not attach STDIN"),
        switch("sig-proxy", "Proxy all received signals to the process (default true)"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let detach_keys = DetachKeys::parse(one(matches, "detach-keys"))?;
    let container = &rest(matches)[0];
    let stdin = !is_on(matches, "no-stdin");
    let attached = door.engine(As::Caller)?.attach(container, Attach { stdin, ..Attach::ALL })?;
    let interactive = stdin && attached.interactive;
    attach::check_terminal(attached.tty && interactive, "say `--no-stdin` to see only its output")?;
    let forward_signals = is_given(matches, "sig-proxy").unwrap_or(true);
    let manner = Manner { interactive, tty: attached.tty, forward_signals, stdout: true, stderr: true, detach_keys };
    if attached.tty {
        attach::redraw(&attached.session.socket, terminal::window());
    }
    Ok(attach::attach(&attached.session.socket, container, manner)?.code())
}
