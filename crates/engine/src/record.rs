//! What is written down about a container, and where.
//!
//! ```text
//! <data>/containers/<id>/     a valid OCI bundle, and ours:
//!     config.json             OCI spec; written at creation
//!     container.json          Record: what was asked; written at creation
//!     status.json             Status: what happened; written only by the monitor
//!     lock                    held by the monitor while it lives: locked means running; of a container that is being
//!                             made it says the layers that must stay
//!     cgroups.json            the names of its cgroups, if it has more than one; written before they are made
//!     network.json            what it has of its networks while it runs (networks/connected.rs); written before it is made
//!     socket                  where the monitor listens (api::attach); of no meaning when nobody holds the lock
//!     upper/ work/            what the container changed
//!     hosts hostname resolv.conf
//!     container.log           Docker's json-file lines; made by the first byte (monitor/log/files.rs)
//!     container.log.1 …       what was before it
//! <data>/containers/new-<id>/     being made, locked by its maker; renamed when whole
//! <data>/containers/gone-<id>/    being removed; gone-with-volumes-<id>/ together with its anonymous volumes
//! ```

use crate::death::Death;
use crate::health::{Health, Healthcheck};
use api::{Create, Volume};
use error::{Error, Kind, Result, ResultExt};
use oci::Digest;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// The version of `container.json` and `status.json` that this program writes. Fields may be added to it, as long as those
/// who do not know them are not misled: a record without them means their defaults.
pub(crate) const VERSION: u32 = 1;

/// `container.json`: what was asked for, and what was decided from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique among the containers.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// Digest of the image config.
    pub image_id: Digest,
    /// Diff IDs of the image's layers, lowest first: what must stay while the container is.
    pub layers: Vec<Digest>,
    /// Entrypoint and arguments.
    pub command: Vec<String>,
    /// Number of the signal that asks it to stop.
    pub stop_signal: u8,
    /// Volumes without a name that were made for it.
    pub anonymous_volumes: Vec<String>,
    /// What tells whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Healthcheck>,
    /// Every volume and bind that it has, those of its image and of other containers, too; a volume without a name stands
    /// under the one that it got.
    #[serde(default)]
    pub mounts: Vec<Volume>,
    /// What the user asked for.
    pub request: Create,
}

/// `status.json`: what happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// RFC 3339; empty when it never started.
    pub started: String,
    /// RFC 3339; empty while it runs.
    pub finished: String,
    /// In the host's view, while it runs.
    pub pid: Option<u32>,
    /// When it has ended.
    pub exit_code: Option<u8>,
    /// Why it could not be started.
    pub error: String,
    /// What can be done about that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// How its payload ended, if that was no exit with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub death: Option<Death>,
    /// Did the kernel kill a process of it for want of memory?
    pub oom_killed: bool,
    /// How often its monitor has started it again by itself since a user started it.
    pub restart_count: u32,
    /// It has ended and will be started again by its monitor.
    pub restarting: bool,
    /// A user asked it to end: nobody but a user starts it again, not even after a boot.
    pub stopped_by_user: bool,
    /// Its processes are frozen.
    pub paused: bool,
    /// What its health checks say, if it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// Names of the files in a container's folder.
pub(crate) mod file {
    pub(crate) const SPEC: &str = "config.json";
    pub(crate) const RECORD: &str = "container.json";
    pub(crate) const STATUS: &str = "status.json";
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const CGROUPS: &str = "cgroups.json";
    pub(crate) const NETWORK: &str = "network.json";
    pub(crate) const SOCKET: &str = "socket";
    pub(crate) const LOG: &str = "container.log";
    pub(crate) const HOSTS: &str = "hosts";
    pub(crate) const HOSTNAME: &str = "hostname";
    pub(crate) const RESOLV_CONF: &str = "resolv.conf";

    /// The name of an older file of a log; the greater the number, the older.
    pub(crate) fn rotated(log: &std::path::Path, number: u32) -> std::path::PathBuf {
        let mut name = log.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Record {
    /// Stands for a record that cannot be read: a power cut took it, or another version of this program wrote it. The
    /// container can be listed and removed, nothing else.
    pub(crate) fn lost(id: &str) -> Self {
        Self {
            version: VERSION,
            id: id.to_owned(),
            name: id[..12].to_owned(),
            created: String::new(),
            image_id: Digest::of(b""),
            layers: Vec::new(),
            command: Vec::new(),
            stop_signal: 0,
            anonymous_volumes: Vec::new(),
            health: None,
            mounts: Vec::new(),
            request: Create::default(),
        }
    }

    /// The record itself, if it is of this version and of the container that it lies with. Its id becomes a path.
    pub(crate) fn checked(self, id: &str) -> Result<Self> {
        if self.version != VERSION {
            let text = format!("container {id} is of version {} of its record, not {VERSION}", self.version);
            return Err(Error::invalid(text).hint("another version of isolazi made it"));
        }
        if self.id != id {
            return Err(Error::invalid(format!("container {id} has the record of another")));
        }
        Ok(self)
    }
}

/// Makes a folder and its parents, as far as they are missing, for nobody but us.
pub(crate) fn make_private_dirs(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Keeps other commands from changing the record of a container until the result is dropped. (A monitor only reads it.)
pub(crate) fn alone(dir: &Path) -> Result<std::fs::File> {
    let words = || format!("can't lock `{}`", dir.display());
    let folder = std::fs::File::open(dir).context(words)?;
    folder.lock().context(words)?;
    Ok(folder)
}

/// Reads a JSON file; `None` when it is not there, `Invalid` when it is damaged.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause).context(|| format!("can't read `{}`", path.display())),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|cause| Error::invalid(format!("`{}` is damaged: {cause}", path.display())))
}

/// A whole file. Ours are short: one that does not fill the buffer has ended, and need not be asked how long it is.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    const SHORT_BYTES: usize = 16 << 10;
    let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::with_capacity(SHORT_BYTES);
    rustix::io::retry_on_intr(|| rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)))?;
    if bytes.len() == bytes.capacity() {
        std::fs::File::from(file).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Writes a JSON file that nobody reads yet, in a folder that is still being made.
pub(crate) fn write_new(path: &Path, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
    write_bytes(path, &bytes)
}

/// Writes a file that must not be there yet.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let words = || format!("can't write `{}`", path.display());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::from_raw_mode(0o644)).map_err(std::io::Error::from).context(words)?;
    write_all(&file, bytes).context(words)
}

/// Replaces a JSON file: written aside, then renamed, so that a reader sees the old or the new one. Not synced: after
/// a power cut no container runs, and a lost status is the same as one that died with its monitor.
///
/// On a full disk it is written over the old one, which takes no new room: how a container ended is worth the moment in
/// which a reader finds it damaged.
pub(crate) fn replace(path: &Path, value: &impl Serialize) -> Result<()> {
    let aside = path.with_extension("new");
    let words = || format!("can't write `{}`", path.display());
    remove_file(&aside).context(words)?;
    match write_new(&aside, value) {
        Ok(()) => renameat(CWD, &aside, CWD, path).map_err(std::io::Error::from).context(words),
        Err(full) => {
            remove_file(&aside).context(words)?;
            // The first failure is the one to tell.
            write_over(path, value).map_err(|_| full)
        }
    }
}

/// Removes a file, if it is there.
fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn write_over(path: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let file = std::fs::OpenOptions::new().write(true).open(path)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(file, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Now, as records say it: RFC 3339 with nanoseconds, UTC.
pub(crate) fn now() -> String {
    format!("{:.9}", jiff::Timestamp::now())
}
