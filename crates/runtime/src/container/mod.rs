//! Containers by id: what the commands of an OCI runtime do (runtime.md, "Operations").
//!
//! ```text
//! <root>/<id>/              0700; its lock is held while somebody makes, starts or deletes the container
//!            config.json    the document, as it was read
//!            state.json     what must be known to stop it and to clean up after it ([`kept::Kept`])
//!            start~         the socket on which the init will wait
//!            start          the same, once the container is created; gone when it is started
//!            seccomp        its filter, for more processes ([`filter`])
//!            notify/        the folder of the payload's sd_notify(3) socket, where the caller has one
//!            tree/          where the container has its root, when its mount namespace is the caller's
//! ```
//! `state.json` names the cgroups before they are made, and the init's process id before it goes on from its birth: a
//! runtime that is killed leaves nothing that `delete --force` would not find. The status is derived from what is there.

mod checkpoint;
mod config;
mod create;
mod delete;
mod exec;
mod filter;
mod folder;
mod kept;
mod loan;
pub(crate) mod notify;
mod process;
mod signal;
mod start;
mod start_socket;
mod status;
pub(crate) mod tree;
mod user;

use crate::cgroup::Driver;
use crate::cgroup::stats::Stats;
use error::{Error, Kind, Result};
use folder::Folder;
use kept::Kept;
use oci::runtime::{ConsoleSize, Process, Resources, State, Status};
use std::path::{Path, PathBuf};

/// The longest id of a container, in bytes: a file name with room for what we add to it.
const MAX_ID_BYTES: usize = 240;

/// Where this runtime keeps its containers and who makes their cgroups.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The folder with one folder for each container.
    pub root: PathBuf,
    /// Who makes the cgroups; absent: new containers have none.
    pub driver: Option<Driver>,
}

/// What a container is made from.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    /// Its name in this runtime.
    pub id: &'a str,
    /// The folder with its `config.json`.
    pub bundle: &'a Path,
    /// Gets the process id.
    pub pid_file: Option<&'a Path>,
    /// A Unix socket that gets the terminal's controlling end.
    pub console_socket: Option<&'a Path>,
    /// A Unix socket that gets a pidfd of the process.
    pub pidfd_socket: Option<&'a Path>,
    /// Cover the host's tree instead of leaving it.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// How many descriptors after standard error the payload gets.
    pub preserve_fds: u32,
    /// How many more of them are sockets of sd_listen_fds(3).
    pub listen_fds: u32,
    /// The caller's socket of sd_notify(3).
    pub notify_socket: Option<&'a Path>,
    /// The size of the caller's window, for a terminal that is shown in it: it takes the place of the document's.
    pub window: Option<ConsoleSize>,
}

/// One more process of a container that runs.
#[derive(Debug, Clone)]
pub struct Exec<'a> {
    /// The container.
    pub id: &'a str,
    /// The whole of it.
    pub process: Process,
    /// Gets the process id.
    pub pid_file: Option<&'a Path>,
    /// A Unix socket that gets the terminal's controlling end.
    pub console_socket: Option<&'a Path>,
    /// A Unix socket that gets a pidfd of the process.
    pub pidfd_socket: Option<&'a Path>,
    /// How many descriptors after standard error the process gets.
    pub preserve_fds: u32,
    /// A cgroup below the container's.
    pub cgroup: Option<&'a str>,
    /// Wait in a paused container until it goes on.
    pub ignore_paused: bool,
}

/// What is known of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// As the specification has it.
    pub state: State,
    /// Where its root file system is on the host.
    pub rootfs: PathBuf,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The user whose container it is.
    pub owner: u32,
    /// The unit that systemd knows its cgroup by.
    pub systemd_unit: Option<String>,
}

/// What went wrong without ending what was asked for: hooks that failed where the specification goes on, and what of a
/// document cannot hold here.
pub type Warnings = Vec<Error>;

impl Runtime {
    /// What is known of a container.
    pub fn state(&self, id: &str) -> Result<Container> {
        let folder = self.find(id)?;
        folder.container()
    }

    /// All containers, by id. Those that come or go meanwhile may be among them or not.
    ///
    /// # Errors
    /// `NotFound` where there is no folder of containers.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut ids = folder::ids(&self.root)?;
        ids.sort_unstable();
        let known = |id: &String| match self.find(id).and_then(|folder| folder.container()) {
            Err(error) if error.kind == Kind::NotFound => None,
            container => Some(container),
        };
        ids.iter().filter_map(known).collect()
    }

    /// The container's own process, to be changed for an exec.
    pub fn base_process(&self, id: &str) -> Result<Process> {
        let process = self.find(id)?.process()?;
        process.ok_or_else(|| Error::invalid(format!("container `{id}` has no process")))
    }

    /// Its processes, as the host sees them; of one that has stopped, those that outlived its first.
    pub fn processes(&self, id: &str) -> Result<Vec<i32>> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        let mut pids: Vec<i32> = match &kept.cgroups {
            Some(cgroups) => cgroups.processes()?.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect(),
            None => Vec::new(),
        };
        // Without a cgroup the first process is the one that we know of.
        if pids.is_empty() && folder.status(&kept)? != Status::Stopped {
            pids.extend(kept.pid);
        }
        Ok(pids)
    }

    /// Freezes it.
    pub fn pause(&self, id: &str) -> Result<()> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        match folder.status(&kept)? {
            Status::Running | Status::Created => kept.cgroups()?.freeze(),
            status => Err(status::wrong(id, status, "paused")),
        }
    }

    /// Lets it go on.
    pub fn resume(&self, id: &str) -> Result<()> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        match folder.status(&kept)? {
            Status::Paused => kept.cgroups()?.thaw(),
            status => Err(status::wrong(id, status, "resumed")),
        }
    }

    /// Changes its limits.
    pub fn update(&self, id: &str, resources: &Resources) -> Result<()> {
        self.alive(id)?.cgroups()?.update(resources)
    }

    /// What it uses.
    pub fn stats(&self, id: &str) -> Result<Stats> {
        self.alive(id)?.cgroups()?.stats()
    }

    /// Tells when it runs out of memory, and when it is gone.
    pub fn watch_oom(&self, id: &str) -> Result<crate::cgroup::OomWatch> {
        self.alive(id)?.cgroups()?.watch_oom()
    }

    fn find(&self, id: &str) -> Result<Folder> {
        check_id(id)?;
        Folder::open(&self.root, id)?.ok_or_else(|| {
            // Engines look for these words.
            Error::not_found(format!("container `{id}` does not exist"))
        })
    }

    /// A container with a process in it.
    fn alive(&self, id: &str) -> Result<Kept> {
        let folder = self.find(id)?;
        let kept = folder.kept()?;
        match folder.status(&kept)? {
            Status::Stopped | Status::Creating => Err(not_running(id)),
            _ => Ok(kept),
        }
    }
}

/// Engines look for these words.
fn not_running(id: &str) -> Error {
    Error::new(Kind::Conflict, format!("container `{id}`: container not running"))
}

/// Ids are names of folders and of cgroups.
fn check_id(id: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
    if id.is_empty() || id.len() > MAX_ID_BYTES || !id.chars().all(plain) || matches!(id, "." | "..") {
        return Err(Error::invalid(format!("invalid container id `{id}`"))
            .hint(format!("ids have letters, digits, `_`, `+`, `-` and `.`, at most {MAX_ID_BYTES} of them")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn ids_are_plain_names() {
        for id in ["a", "A-1_b.c+d", "0af7"] {
            check_id(id).unwrap();
        }
        for id in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(241)] {
            assert!(check_id(id).unwrap_err().to_string().starts_with("invalid container id"), "{id}");
        }
    }
}
