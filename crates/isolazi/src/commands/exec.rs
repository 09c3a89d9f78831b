//! `isolazi exec`: one more process in a container that runs, and this terminal stays with it.

use crate::args::{is_on, list, one, rest, switch, text};
use crate::attach::detach_keys::DetachKeys;
use crate::attach::{self, Manner, terminal};
use crate::commands::create;
use crate::container::{named_variables, working_directory};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use api::Exec;
use clap::{Arg, ArgMatches};
use error::Result;

pub(crate) const VERB: Verb = Verb {
    name: "exec",
    long: Some(("container", &["exec"])),
    about: "Execute a command in a running container",
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    arity: Arity::AtLeastTwo,
    stops_at_first: true,
    of: Of::Exec,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        switch("detach", "Run command in the background").short('d'),
        text("detach-keys", "string", "Override the key sequence for detaching a container (default ctrl-p,ctrl-q)"),
        list("env", "list", "Set environment variables (KEY=value; a bare KEY takes the caller's value)").short('e'),
        list("env-file", "list", "Read in a file of environment variables"),
        switch("interactive", "Keep STDIN open even if not attached").short('i'),
        switch("privileged", "Give extended privileges to the command"),
        switch("tty", "Allocate a pseudo-TTY").short('t'),
        text("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])").short('u'),
        text("workdir", "string", "Working directory inside the container").short('w').visible_alias("cwd"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let detach_keys = DetachKeys::parse(one(matches, "detach-keys"))?;
    let mut words = rest(matches).into_iter();
    let container = words.next().unwrap_or_default();
    let (detach, tty) = (is_on(matches, "detach"), is_on(matches, "tty"));
    let interactive = is_on(matches, "interactive") && !detach;
    attach::check_terminal(tty && interactive, "leave `-t` out when input comes from a pipe or a file")?;
    let exec = Exec {
        command: words.collect(),
        env: create::with_caller(door, terminal::terminals(), |caller| named_variables(matches, caller))?,
        user: one(matches, "user").filter(|user| !user.is_empty()).map(str::to_owned),
        workdir: one(matches, "workdir").filter(|path| !path.is_empty()).map(working_directory).transpose()?,
        tty,
        console_size: if tty { terminal::window() } else { None },
        stdin: interactive,
        detach,
        privileged: is_on(matches, "privileged"),
    };
    let session = door.engine(As::Caller)?.exec(&container, exec)?;
    if detach {
        attach::detach(&session.socket, &container)?;
        return Ok(exit::SUCCESS);
    }
    let manner = Manner { interactive, tty, forward_signals: true, stdout: true, stderr: true, detach_keys };
    Ok(attach::attach(&session.socket, &container, manner)?.code())
}
