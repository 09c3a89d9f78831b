//! The flags of `run` and `create`, a plain list in the order of the help.

use crate::args::{list, switch, text};
use clap::Arg;

/// What describes the container.
pub(crate) fn of_container() -> Vec<Arg> {
    vec![
        list("env", "list", "Set environment variables (KEY=value; a bare KEY takes the caller's value)").short('e'),
        list("env-file", "list", "Read in a file of environment variables"),
        text("entrypoint", "string", "Overwrite the default ENTRYPOINT of the image"),
        text("hostname", "string", "Container host name").short('h'),
        switch("interactive", "Keep STDIN open even if not attached").short('i'),
        list("label", "list", "Set meta data on a container").short('l'),
        text("name", "string", "Assign a name to the container"),
        text("network", "network", "Connect the container to a network (host, none)").visible_alias("net"),
        text("platform", "string", "Use the image for this platform (os/architecture[/variant])"),
        text("pull", "string", "Pull image before running (always, missing, never; default missing)"),
        switch("quiet", "Suppress the pull output").short('q'),
        switch("read-only", "Mount the container's root filesystem as read only"),
        switch("rm", "Automatically remove the container when it exits"),
        text("stop-signal", "string", "Signal to stop the container"),
        list("tmpfs", "list", "Mount a tmpfs directory"),
        switch("tty", "Allocate a pseudo-TTY").short('t'),
        text("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])").short('u'),
        list("volume", "list", "Bind mount a volume ([SRC:]DST[:OPTIONS])").short('v'),
        text("workdir", "string", "Working directory inside the container").short('w').visible_alias("cwd"),
    ]
}

/// What only `run` knows: how this terminal takes part.
pub(crate) fn of_run() -> Vec<Arg> {
    vec![
        switch("detach", "Run container in background and print container ID").short('d'),
        text("detach-keys", "string", "Override the key sequence for detaching a container (default ctrl-p,ctrl-q)"),
        switch("sig-proxy", "Proxy received signals to the process (default true)"),
    ]
}
