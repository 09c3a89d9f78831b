//! Starting a container: a fresh process of this same program becomes its monitor.

use crate::Engine;
use crate::containers::{Container, try_lock};
use crate::create::{Created, mount_again};
use api::State;
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsRawFd, OwnedFd};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long somebody else may hold the lock of a container that does not run: a remover, or a monitor that clears up.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// A live conversation with a container's monitor: an `api::attach` socket.
#[derive(Debug)]
pub struct Session {
    /// `SOCK_SEQPACKET`; the first word is `Running` or `Failed`.
    pub socket: OwnedFd,
}

/// Starts a container that exists; `None` when it runs already.
pub(crate) fn start_again(engine: &Engine, id: &str) -> Result<Option<Session>> {
    let Some((lock, container)) = lock(engine, id)? else { return Ok(None) };
    if container.state != State::Exited {
        // A cgroup that a killed monitor left may be frozen: whoever starts in it would never move.
        crate::remove::clean_up(engine, &container)?;
    }
    let Container { dir, record, .. } = container;
    if record.layers.is_empty() && record.created.is_empty() {
        return Err(Error::new(Kind::Conflict, format!("container {id} is damaged: it can only be removed")));
    }
    let root = mount_again(&dir, &record)?;
    start(Created { id: record.id, dir, lock, root }).map(Some)
}

/// The lock of a container that does not run.
pub(crate) fn lock(engine: &Engine, id: &str) -> Result<Option<(File, Container)>> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        let missing = || Error::not_found(format!("No such container: {id}"));
        let container = engine.containers.read(id)?.ok_or_else(missing)?;
        match container.state {
            State::Paused => {
                return Err(Error::new(Kind::Conflict, "cannot start a paused container, try unpause instead"));
            }
            State::Running | State::Restarting => return Ok(None),
            State::Created | State::Exited | State::Dead => {}
        }
        if let Some(lock) = try_lock(&container.dir)? {
            // It may have run and ended between our look and the lock; what counts is how it is now.
            return Ok(engine.containers.read(id)?.map(|container| (lock, container)));
        }
        if Instant::now() > deadline {
            return Err(Error::new(Kind::Unavailable, format!("container \"{}\" is locked", container.record.name)));
        }
        // The lock tells nobody when it is released.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Hands everything over to a new monitor. The lock goes with it and is never free in between.
pub(crate) fn start(created: Created) -> Result<Session> {
    let Created { dir, lock, root, .. } = created;
    let words = || "can't start the container's monitor";
    let (ours, theirs) = sys::socket::message_pair().map_err(std::io::Error::from).context(words)?;
    let program = sys::sealed::program().context(words)?;
    // Neither a working directory nor anything else that would keep std from its quick way (posix_spawn): the monitor
    // sees to it. The path is resolved by the child before close-on-exec closes the descriptor behind it.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0("isolazi").args(["internal", "monitor"]).arg(&dir).env_clear();
    command.stdin(Stdio::from(theirs)).stdout(Stdio::from(lock)).stderr(Stdio::from(root));
    // Not waited for: the monitor outlives us, and tells its end over the socket.
    command.spawn().context(words)?;
    Ok(Session { socket: ours })
}
