//! Requests and answers about containers.

use crate::networks::{Network, Publish};
use crate::{HealthOptions, Limits, Logging, Rights, Sharing, is_default};
use oci::Platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Make a container: what `run` and `create` ask for, with every choice of the user's already parsed.
/// `None` and empty mean "as the image says". What an older version of this program did not write is at its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Create {
    /// Image reference as typed.
    pub image: String,
    /// Replaces the image's Cmd.
    pub command: Vec<String>,
    /// Replaces the image's Entrypoint; an empty first string clears it.
    pub entrypoint: Option<Vec<String>>,
    /// Container name; a made-up one otherwise.
    pub name: Option<String>,
    /// Host name inside; the first 12 digits of the id otherwise.
    pub hostname: Option<String>,
    /// `KEY=value`, later ones win; added to the image's.
    pub env: Vec<String>,
    /// Bind mounts and volumes.
    pub volumes: Vec<Volume>,
    /// Containers whose volumes and binds it gets, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumesFrom>,
    /// Temporary file systems.
    pub tmpfs: Vec<Tmpfs>,
    /// Working directory.
    pub workdir: Option<String>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Root file system read-only.
    pub read_only: bool,
    /// Remove the container when it ends.
    pub remove: bool,
    /// Keep standard input open.
    pub interactive: bool,
    /// The end of its first client's input is the end of the payload's.
    pub stdin_once: bool,
    /// Give it a terminal.
    pub tty: bool,
    /// Which network it sees.
    pub network: Network,
    /// Ports of the host that lead to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Publish>,
    /// All ports that it or its image exposes lead to it, from free ports of the host.
    #[serde(skip_serializing_if = "is_default")]
    pub publish_all: bool,
    /// Another platform than this machine's.
    pub platform: Option<Platform>,
    /// When to ask the registry.
    pub pull: PullPolicy,
    /// The signal that asks it to stop, by number; the image's or SIGTERM otherwise.
    pub stop_signal: Option<u8>,
    /// What happens when the payload ends by itself.
    #[serde(skip_serializing_if = "is_default")]
    pub restart: RestartPolicy,
    /// An init of ours is its process 1, and the payload a child of that.
    #[serde(skip_serializing_if = "is_default")]
    pub init: bool,
    /// What tells whether it is well.
    #[serde(skip_serializing_if = "is_default")]
    pub health: HealthOptions,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// Initial size of the terminal: rows, columns.
    pub console_size: Option<(u16, u16)>,
    /// Where its output is kept.
    #[serde(skip_serializing_if = "is_default")]
    pub logging: Logging,
    /// What its cgroups hold it to.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// What the payload may do.
    #[serde(skip_serializing_if = "is_default")]
    pub rights: Rights,
    /// What it shares with others.
    #[serde(skip_serializing_if = "is_default")]
    pub sharing: Sharing,
    /// Names and name servers.
    #[serde(skip_serializing_if = "is_default")]
    pub names: Names,
    /// Limits of each process (setrlimit(2)).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// Kernel parameters of its namespaces, by dotted name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Bytes of `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    /// -1000 to 1000; the greater, the sooner it is killed for want of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// NIS domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// The cgroup above the container's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// Notes in the OCI spec.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Ports that the payload is known to listen on, as `80/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// Seconds that it gets to end after the stop signal, for ever if negative;
    /// [`STOP_TIMEOUT_S`](crate::STOP_TIMEOUT_S) otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout_s: Option<i64>,
    /// Seconds after which it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_s: Option<u64>,
    /// Take the place of a container of the same name.
    #[serde(skip_serializing_if = "is_default")]
    pub replace: bool,
    /// Where its id is written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_file: Option<PathBuf>,
}

/// Names of hosts, and who is asked for others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// Name and address for `/etc/hosts`; the address may be `host-gateway`.
    pub hosts: Vec<(String, String)>,
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// Domains in which short names are looked for; a `.` alone stands for none.
    pub search: Vec<String>,
    /// Options of resolv.conf(5).
    pub options: Vec<String>,
}

/// One `--ulimit` option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As the shell calls it: `nofile`.
    pub name: String,
    /// What counts; -1 is without limit.
    pub soft: i64,
    /// The most that the soft limit may become; -1 is without limit.
    pub hard: i64,
}

/// Where a volume's content comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// An absolute path on the host.
    Bind(PathBuf),
    /// A named volume.
    Named(String),
    /// A volume of its own, without a name.
    #[default]
    Anonymous,
}

/// One `-v` option, one `--mount` of a bind or a volume, or one volume of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What is mounted.
    pub source: VolumeSource,
    /// Absolute path inside.
    pub target: String,
    /// Refuse writing.
    pub read_only: bool,
    /// Mount propagation of a bind: `rprivate`, `rshared`, `rslave` and the like; empty is `rprivate`.
    pub propagation: String,
    /// Do not fill a new volume with what the image has at the target.
    pub no_copy: bool,
    /// Given by `--mount`: a bind's source that is missing is not made.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_mount: bool,
    /// What becomes of the mounts below a bind's source.
    #[serde(default, skip_serializing_if = "is_default")]
    pub below: Below,
    /// The folder in a volume that is mounted; empty is all of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subpath: String,
    /// Labels of a volume that is made for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Options of a volume that is made for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: BTreeMap<String, String>,
}

/// What becomes of the mounts below a bind's source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Below {
    /// They are there, too, and read-only where the bind is.
    #[default]
    Enabled,
    /// They are not there.
    Disabled,
    /// They are there, and as they are, also where the bind is read-only.
    Writable,
    /// They are there and read-only, or there is no container.
    ReadOnly,
}

/// One `--volumes-from` option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// Refuse writing, also where that container may.
    pub read_only: bool,
    /// As typed.
    pub text: String,
}

/// One `--tmpfs` option, or one `--mount` of that type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Absolute path inside.
    pub target: String,
    /// Mount options as typed: `size=64m`, `mode=1777`, `exec` …
    pub options: Vec<String>,
    /// Given by `--mount`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_mount: bool,
}

/// When `run` and `create` ask the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Always.
    Always,
    /// When the image is not here.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// What happens when a payload ends without anybody having asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It has ended.
    #[default]
    No,
    /// It is started again, and after a boot, too.
    Always,
    /// It is started again after an exit code other than 0, at most so often in a row; 0 is no limit.
    OnFailure(u32),
    /// As `Always`, but not after a boot if it was stopped by a user before.
    UnlessStopped,
}

/// What a container does, derived from facts (a held lock, an exit record), never stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, never started.
    #[default]
    Created,
    /// Its monitor lives and its payload runs.
    Running,
    /// As `Running`, but all of its processes are frozen.
    Paused,
    /// Its payload has ended, and its monitor will start it again.
    Restarting,
    /// Ended; `Status::exit_code` says how.
    Exited,
    /// Its monitor died before it could record an end.
    Dead,
}

impl State {
    /// Docker's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Is there a payload?
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A container in a list. Times are RFC 3339 with nanoseconds, UTC.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image reference as typed at creation.
    pub image: String,
    /// Digest of the image config.
    pub image_id: String,
    /// Entrypoint and arguments as executed.
    pub command: Vec<String>,
    /// When it was made.
    pub created: String,
    /// When its payload started; empty when it never did.
    pub started: String,
    /// When its payload ended; empty when it has not.
    pub finished: String,
    /// What it does now.
    pub state: State,
    /// Exit code of the last run.
    pub exit_code: Option<u8>,
    /// Process id of the payload in the host's view, while it runs.
    pub pid: Option<u32>,
    /// Why the last start failed, if it did.
    pub error: String,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// The network that it sees.
    pub network: String,
    /// What it runs on: `linux/amd64`.
    pub platform: String,
    /// What its health checks say: `healthy`, `unhealthy`, `starting`; empty when there are none.
    pub health: String,
    /// If asked for: what is mounted in it.
    pub mounts: Vec<Mounted>,
    /// If asked for: ports that it is known to listen on, `80/tcp`.
    pub exposed: Vec<String>,
    /// If asked for: ports of the host that lead to it.
    pub ports: Vec<Publish>,
    /// If asked for: bytes that it wrote, and those together with its image's.
    pub sizes: Option<(u64, u64)>,
}

/// Something that a user mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// A volume's name, or the path on the host.
    pub name: String,
    /// Is it a volume?
    pub is_volume: bool,
    /// Path inside.
    pub target: String,
}

/// What a list tells of containers that costs more than the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// Mounts.
    pub mounts: bool,
    /// Exposed ports.
    pub exposed: bool,
    /// Of those that run: published ports, and exposed ones.
    pub ports: bool,
    /// How much they wrote: every file of theirs is looked at.
    pub sizes: bool,
}

/// Remove a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// Kill it first when it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
}

/// Which entries of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// Go on while the container runs.
    pub follow: bool,
    /// Only the last n entries.
    pub tail: Option<u64>,
    /// Only those of this time and later.
    pub since: Option<String>,
    /// Only those of this time and earlier.
    pub until: Option<String>,
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a log tells, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum LogPart<'a> {
    /// One line, or a piece of a long one.
    Entry {
        /// Its bytes, with their line break if they had one.
        text: &'a [u8],
        /// Where it came from.
        stream: LogStream,
        /// RFC 3339 with nanoseconds, UTC.
        time: &'a str,
        /// What else is known of it: its tag.
        attributes: &'a BTreeMap<String, String>,
    },
    /// All that was said so far has been told; what comes now is waited for.
    CaughtUp,
    /// Something that is no entry was passed over: so many bytes.
    Damaged(usize),
    /// Files were rotated away before they were read: entries may be missing here.
    Gap,
}

/// What a container uses at one moment. Bytes and nanoseconds since it was started, but for memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// Otherwise all numbers are 0.
    pub is_running: bool,
    /// Processor time, of all processors together.
    pub cpu_ns: u64,
    /// Memory now.
    pub memory: u64,
    /// The most it may have: its limit, or the machine's memory.
    pub memory_limit: u64,
    /// From the network, loopback left out; 0 on the host's network, which is not its own.
    pub received: u64,
    /// To the network.
    pub sent: u64,
    /// From disks.
    pub read: u64,
    /// To disks.
    pub written: u64,
    /// Processes and threads.
    pub pids: u64,
}
