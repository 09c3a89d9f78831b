//! Every command of the OCI runtime with its options: what the parser obeys, and what the help and man pages say.
//!
//! The spellings are runc's (runc(8)) and crun's (crun(1)), because engines were written for these.

use super::door::Door;
use super::words::Words;
use super::{answers, checkpoint, create, events, exec, kill, processes, spec, update};
use error::Result;

/// An option.
#[derive(Debug)]
pub(super) struct Opt {
    /// Without its dashes.
    pub long: &'static str,
    /// Another long spelling.
    pub alias: Option<&'static str>,
    /// One letter.
    pub short: Option<char>,
    /// Does it take a value?
    pub takes: Takes,
    /// One line; empty: not shown.
    pub help: &'static str,
}

/// Does an option take a value?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// None, or `=true` and `=false`.
    Nothing,
    /// One, which the help calls so; the last one given counts.
    One(&'static str),
    /// One, as often as wanted.
    Many(&'static str),
}

/// A command.
pub(super) struct Command {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// What follows the options in its usage line.
    pub usage: &'static str,
    /// How many arguments it takes, at least and at most.
    pub arity: (usize, usize),
    /// Options end at the first argument: what follows isn't ours.
    pub stops_at_first: bool,
    /// It puts a process into a container, which could reach for this program: it runs from a sealed place.
    pub seals: bool,
    /// The exit code of its failures.
    pub failure: u8,
    /// Its options.
    pub options: &'static [Opt],
    /// What it does; the number is its exit code.
    pub run: fn(&mut Door, &Words) -> Result<u8>,
}

const fn switch(long: &'static str, help: &'static str) -> Opt {
    Opt { long, alias: None, short: None, takes: Takes::Nothing, help }
}

const fn one(long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { long, alias: None, short: None, takes: Takes::One(value), help }
}

const fn many(long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { long, alias: None, short: None, takes: Takes::Many(value), help }
}

impl Opt {
    const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }
}

/// What stands before the command.
pub(super) const GLOBAL: &[Opt] = &[
    one(
        "root",
        "DIR",
        "Where to keep the containers' states (default /run/isolazi-oci, or a folder of that name in $XDG_RUNTIME_DIR)",
    ),
    one("log", "FILE", "Append what goes wrong to this file, too"),
    one("log-format", "FORMAT", "How: text or json"),
    one("log-level", "LEVEL", "Accepted: only errors are written"),
    switch("debug", "Accepted: only errors are written"),
    switch("systemd-cgroup", "Make cgroups through systemd; `cgroupsPath` is then SLICE:PREFIX:NAME"),
    one(
        "cgroup-manager",
        "NAME",
        "The same as a word: cgroupfs, systemd, or disabled for no cgroup, limits or device rules",
    ),
    one("rootless", "VALUE", "Accepted: true, false or auto; found out anyway"),
    one("criu", "PATH", ""),
    switch("version", "Print version information and quit").short('v'),
    HELP,
];

/// What every command has.
pub(super) const HELP: Opt = switch("help", "Print this help").short('h');

const BUNDLE: Opt = one("bundle", "DIR", "The folder of the `config.json` (default: the working folder)").short('b');
const CONFIG: Opt = one("config", "FILE", "").short('f');
const CONSOLE_SOCKET: Opt = one("console-socket", "SOCKET", "Send the terminal's controlling end to this Unix socket");
const PIDFD_SOCKET: Opt = one("pidfd-socket", "SOCKET", "Send a pidfd of the process to this Unix socket");
const PID_FILE: Opt = one("pid-file", "FILE", "Write the process id to this file");
const NO_PIVOT: Opt = switch("no-pivot", "Do not use pivot_root(2), for roots in an initial ramdisk");
const NO_NEW_KEYRING: Opt = switch("no-new-keyring", "Keep the caller's session keyring");
const PRESERVE_FDS: Opt =
    one("preserve-fds", "N", "Hand on N more descriptors, from 3 on and after those of $LISTEN_FDS");
const DETACH: Opt = switch("detach", "Do not wait for the process to end").short('d');
const NO_SUBREAPER: Opt = switch("no-subreaper", "Accepted: none is needed");
const FORMAT: Opt = one("format", "FORMAT", "table or json (default table)").short('f');
const REGEX: Opt = switch("regex", "The argument is a regular expression that ids match").short('r');

const CREATE: &[Opt] =
    &[BUNDLE, CONFIG, CONSOLE_SOCKET, PIDFD_SOCKET, PID_FILE, NO_PIVOT, NO_NEW_KEYRING, PRESERVE_FDS, NO_SUBREAPER];

const RUN: &[Opt] = &[
    BUNDLE,
    CONFIG,
    CONSOLE_SOCKET,
    PIDFD_SOCKET,
    PID_FILE,
    NO_PIVOT,
    NO_NEW_KEYRING,
    PRESERVE_FDS,
    NO_SUBREAPER,
    DETACH,
    switch("keep", "Keep the container after its process has ended"),
];

const EXEC: &[Opt] = &[
    one("process", "FILE", "Take the process from this JSON file; other options change it").short('p'),
    PID_FILE,
    CONSOLE_SOCKET,
    PIDFD_SOCKET,
    DETACH,
    switch("tty", "Give it a terminal").short('t'),
    one("user", "UID[:GID]", "Whose process it is").short('u'),
    many("additional-gids", "GID", "Another group of the process").short('g'),
    many("env", "NAME=VALUE", "Another variable of the environment").short('e'),
    one("cwd", "DIR", "Working folder in the container"),
    many("cap", "CAP", "Another capability").short('c'),
    one("apparmor", "PROFILE", "AppArmor profile"),
    one("process-label", "LABEL", "SELinux label"),
    switch("no-new-privs", "No program gives it more rights"),
    PRESERVE_FDS,
    many("cgroup", "PATH", "Start in this cgroup below the container's"),
    switch("ignore-paused", "Also into a paused container, where it stays until `resume`"),
    NO_SUBREAPER,
];

const UPDATE: &[Opt] = &[
    one(
        "resources",
        "FILE",
        "Take the limits from this JSON file, or with - from standard input; other options don't count then",
    )
    .short('r'),
    one("memory", "BYTES", "Memory; -1 for no limit"),
    one("memory-reservation", "BYTES", "Memory that is kept when it gets scarce"),
    one("memory-swap", "BYTES", "Memory and swap together; -1 for no limit"),
    one("pids-limit", "N", "Tasks; -1 for no limit"),
    one("cpu-period", "USEC", "Length of a period"),
    one("cpu-quota", "USEC", "Processor time in a period"),
    one("cpu-burst", "USEC", "Processor time that may be saved up"),
    one("cpu-share", "WEIGHT", "Weight against other containers").or("cpu-shares"),
    one("cpu-rt-period", "USEC", "Length of a real-time period"),
    one("cpu-rt-runtime", "USEC", "Real-time processor time in a period"),
    one("cpu-idle", "0|1", "1: only when nothing else wants to run"),
    one("cpuset-cpus", "LIST", "Processors"),
    one("cpuset-mems", "LIST", "Memory nodes"),
    one("blkio-weight", "WEIGHT", "Weight at disks, 10 to 1000"),
    one("l3-cache-schema", "TEXT", "Line of Intel RDT for the cache"),
    one("mem-bw-schema", "TEXT", "Line of Intel RDT for the memory bandwidth"),
    one("kernel-memory", "BYTES", ""),
    one("kernel-memory-tcp", "BYTES", ""),
];

const IMAGE_PATH: Opt = one("image-path", "DIR", "The folder of the image files (default ./checkpoint)");
const WORK_PATH: Opt = one("work-path", "DIR", "The folder of logs and other files of the work");
const TCP_ESTABLISHED: Opt = switch("tcp-established", "Keep open TCP connections");
const EXT_UNIX_SK: Opt = switch("ext-unix-sk", "Allow sockets whose other end is outside");
const SHELL_JOB: Opt = switch("shell-job", "Allow sessions and terminals that began outside");
const FILE_LOCKS: Opt = switch("file-locks", "Keep file locks");
const MANAGE_CGROUPS: Opt = one("manage-cgroups-mode", "MODE", "soft (default), full, strict or ignore");
const NETWORK_LOCK: Opt = one("network-lock", "METHOD", "How connections are held: iptables, nftables or skip");
const EMPTY_NS: Opt = many("empty-ns", "NAMESPACE", "Make this namespace but do not restore it");
const AUTO_DEDUP: Opt = switch("auto-dedup", "Save memory pages once only");
const LAZY_PAGES: Opt = switch("lazy-pages", "Bring memory when it is asked for");

const CHECKPOINT: &[Opt] = &[
    IMAGE_PATH,
    WORK_PATH,
    one("parent-path", "DIR", "The folder of the dump before, relative to --image-path"),
    switch("leave-running", "Let the container go on"),
    switch("pre-dump", "Only the memory, and let the container go on"),
    TCP_ESTABLISHED,
    switch("tcp-skip-in-flight", "Leave out connections on their way"),
    switch("link-remap", "Give files without a name one for the while"),
    EXT_UNIX_SK,
    SHELL_JOB,
    FILE_LOCKS,
    MANAGE_CGROUPS,
    NETWORK_LOCK,
    EMPTY_NS,
    AUTO_DEDUP,
    LAZY_PAGES,
    one("status-fd", "N", "Descriptor that gets a NUL byte when pages can be asked for"),
    one("page-server", "ADDRESS:PORT", "Send the memory there"),
];

const RESTORE: &[Opt] = &[
    BUNDLE,
    CONSOLE_SOCKET,
    PID_FILE,
    NO_PIVOT,
    NO_SUBREAPER,
    DETACH,
    IMAGE_PATH,
    WORK_PATH,
    TCP_ESTABLISHED,
    switch("tcp-close", "Restore open TCP connections as closed"),
    EXT_UNIX_SK,
    SHELL_JOB,
    FILE_LOCKS,
    MANAGE_CGROUPS,
    NETWORK_LOCK,
    EMPTY_NS,
    AUTO_DEDUP,
    LAZY_PAGES,
    one("lsm-profile", "TYPE:NAME", "Another profile: apparmor:NAME or selinux:NAME"),
    one("lsm-mount-context", "TEXT", "Another SELinux context of the mounts"),
];

/// What most commands are: one id, no options, 1 for failures.
const ON_ONE: Command = Command {
    name: "",
    about: "",
    usage: "ID",
    arity: (1, 1),
    stops_at_first: false,
    seals: false,
    failure: 1,
    options: &[],
    run: answers::state,
};

/// All commands, in the order of a container's life.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "create",
        about: "Create a container",
        seals: true,
        options: CREATE,
        run: create::create,
        ..ON_ONE
    },
    Command { name: "start", about: "Start the process of a created container", run: create::start, ..ON_ONE },
    Command {
        name: "run",
        about: "Create and start a container",
        seals: true,
        options: RUN,
        run: create::run,
        ..ON_ONE
    },
    Command {
        name: "exec",
        about: "Run another process in a running container",
        usage: "ID COMMAND [ARG...]",
        arity: (1, usize::MAX),
        stops_at_first: true,
        seals: true,
        // runc's: callers tell it from the codes of the command.
        failure: 255,
        options: EXEC,
        run: exec::run,
    },
    Command { name: "state", about: "Print the state of a container", run: answers::state, ..ON_ONE },
    Command {
        name: "list",
        about: "List containers",
        usage: "",
        arity: (0, 0),
        options: &[FORMAT, switch("quiet", "Only ids").short('q')],
        run: answers::list,
        ..ON_ONE
    },
    Command {
        name: "ps",
        about: "List the processes of a container",
        usage: "ID [PS OPTIONS]",
        arity: (1, usize::MAX),
        stops_at_first: true,
        options: &[FORMAT],
        run: processes::run,
        ..ON_ONE
    },
    Command {
        name: "kill",
        about: "Send a signal to the first process of a container",
        usage: "ID [SIGNAL]",
        arity: (1, 2),
        stops_at_first: true,
        options: &[switch("all", "To all its processes").short('a'), REGEX],
        run: kill::kill,
        ..ON_ONE
    },
    Command { name: "pause", about: "Freeze all processes of a container", run: kill::pause, ..ON_ONE },
    Command { name: "resume", about: "Let the processes of a paused container go on", run: kill::resume, ..ON_ONE },
    Command { name: "update", about: "Change the limits of a container", options: UPDATE, run: update::run, ..ON_ONE },
    Command {
        name: "events",
        about: "Print what a container uses, and when it runs out of memory",
        options: &[
            one("interval", "TIME", "Time between two lines (default 5s)"),
            switch("stats", "Print one line and end"),
        ],
        run: events::run,
        ..ON_ONE
    },
    Command {
        name: "delete",
        about: "Delete a container",
        options: &[switch("force", "Also if it runs (SIGKILL)").short('f'), REGEX],
        run: kill::delete,
        ..ON_ONE
    },
    Command {
        name: "spec",
        about: "Write a `config.json` to begin with",
        usage: "",
        arity: (0, 0),
        options: &[
            one("bundle", "DIR", "The folder to write it to (default: the working folder)").short('b'),
            one("file", "FILE", "").short('f'),
            switch("rootless", "For an ordinary user"),
        ],
        run: spec::run,
        ..ON_ONE
    },
    Command {
        name: "checkpoint",
        about: "Save a running container to files",
        options: CHECKPOINT,
        run: checkpoint::checkpoint,
        ..ON_ONE
    },
    Command {
        name: "restore",
        about: "Bring a saved container back",
        seals: true,
        options: RESTORE,
        run: checkpoint::restore,
        ..ON_ONE
    },
    Command {
        name: "features",
        about: "Print what this runtime understands",
        usage: "",
        arity: (0, 0),
        run: answers::features,
        ..ON_ONE
    },
    Command {
        name: "version",
        about: "Print version information",
        usage: "",
        arity: (0, 0),
        run: answers::version,
        ..ON_ONE
    },
];

/// The command of that name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}
