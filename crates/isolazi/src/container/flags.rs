//! The flags of `run` and `create`, a plain list in the order of the help.

use super::number::{bytes, integer};
use super::{health, kernel, limits, mount, names, network, rights, sharing};
use crate::args::{list, listed, parsed, switch, text};
use clap::{Arg, ArgAction};

/// What describes the container.
pub(crate) fn of_container() -> Vec<Arg> {
    let mut flags = of_payload();
    flags.extend(rights::flags());
    flags.extend(sharing::flags());
    flags.extend(names::flags());
    flags.extend(network::flags());
    flags.extend(health::flags());
    flags.extend(kernel::flags());
    flags.extend(limits::changeable());
    flags.extend(limits::fixed());
    flags.extend(ignored());
    flags
}

fn of_payload() -> Vec<Arg> {
    vec![
        list("annotation", "list", "Add an annotation to the container (passed through to the OCI spec)"),
        list("attach", "list", "Attach to STDIN, STDOUT or STDERR (default all that there are)").short('a'),
        text("cgroup-parent", "string", "Parent cgroup for the container"),
        text("cidfile", "string", "Write the container ID to the file"),
        text("domainname", "string", "Container NIS domain name"),
        list("env", "list", "Set environment variables (KEY=value; a bare KEY takes the caller's value)").short('e'),
        list("env-file", "list", "Read in a file of environment variables"),
        switch("env-host", "Take over all variables of the caller"),
        text("entrypoint", "string", "Overwrite the default ENTRYPOINT of the image"),
        text("gpus", "string", "GPU devices to add to the container (there is no driver for them yet)"),
        text("hostname", "string", "Container host name").short('h'),
        switch("init", "Run an init inside the container that forwards signals and reaps processes"),
        switch("interactive", "Keep STDIN open even if not attached").short('i'),
        list("label", "list", "Set meta data on a container").short('l'),
        list("label-file", "list", "Read in a file of labels"),
        text("log-driver", "string", "Logging driver for the container (json-file, local, journald, none)"),
        list("log-opt", "list", "Log driver options (max-size, max-file, tag)"),
        listed(
            "mount",
            "mount",
            "Attach a filesystem mount to the container (type=bind|volume|tmpfs,source=,target=,…)",
            mount::parse,
        ),
        text("name", "string", "Assign a name to the container"),
        parsed("oom-score-adj", "int", "The greater, the sooner killed for want of memory (-1000 to 1000)", integer),
        text("platform", "string", "Use the image for this platform (os/architecture[/variant])"),
        text("pull", "string", "Pull image before running (always, missing, never; default missing)"),
        switch("quiet", "Suppress the pull output").short('q'),
        switch("read-only", "Mount the container's root filesystem as read only"),
        switch("replace", "Take the place of a container of the same name"),
        text(
            "restart",
            "string",
            "Restart policy to apply when a container exits (no, always, unless-stopped, on-failure[:N])",
        ),
        switch("rm", "Automatically remove the container when it exits"),
        text("runtime", "string", "Runtime to use for this container (there is one)").hide(true),
        parsed("shm-size", "bytes", "Size of /dev/shm", bytes),
        text("stop-signal", "string", "Signal to stop the container"),
        parsed("stop-timeout", "int", "Seconds to wait for the end after that signal (-1 for ever)", integer),
        list("storage-opt", "list", "Storage driver options for the container (there are none)"),
        switch("use-api-socket", "Bind mount the API's socket and credentials").hide(true),
        parsed("timeout", "int", "Seconds after which the container is killed (0 for never)", integer),
        list("tmpfs", "list", "Mount a tmpfs directory"),
        switch("tty", "Allocate a pseudo-TTY").short('t'),
        text("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])").short('u'),
        list("volume", "list", "Bind mount a volume ([SRC:]DST[:OPTIONS])").short('v'),
        list("volumes-from", "list", "Mount volumes from the specified container(s) (CONTAINER[:ro])"),
        text("workdir", "string", "Working directory inside the container").short('w').visible_alias("cwd"),
    ]
}

/// What Docker takes and nothing comes of here, as on every Linux: limits of Windows and of kernels long gone, notaries.
fn ignored() -> Vec<Arg> {
    let valued = |name| text(name, "string", "Accepted for Docker's sake").action(ArgAction::Append).hide(true);
    let mut flags = vec![
        switch("disable-content-trust", "Accepted for Docker's sake").hide(true),
        text("volume-driver", "string", "Optional volume driver for the container (local)").hide(true),
    ];
    flags.extend(
        [
            "blkio-weight-device",
            "cpu-count",
            "cpu-percent",
            "cpu-rt-period",
            "cpu-rt-runtime",
            "io-maxbandwidth",
            "io-maxiops",
            "isolation",
            "kernel-memory",
            "link-local-ip",
        ]
        .map(valued),
    );
    flags
}

/// What only `run` knows: how this terminal takes part.
pub(crate) fn of_run() -> Vec<Arg> {
    vec![
        switch("detach", "Run container in background and print container ID").short('d'),
        text("detach-keys", "string", "Override the key sequence for detaching a container (default ctrl-p,ctrl-q)"),
        switch("sig-proxy", "Proxy received signals to the process (default true)"),
    ]
}
