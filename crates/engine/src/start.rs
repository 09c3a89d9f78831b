//! Starting a container: a fresh process of this same program becomes its monitor.

use crate::create::Created;
use error::ResultExt;
use rustix::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// A live conversation with a container's monitor: an `api::attach` socket.
#[derive(Debug)]
pub struct Session {
    /// `SOCK_SEQPACKET`; the first word is `Running` or `Failed`.
    pub socket: OwnedFd,
}

/// Hands everything over to a new monitor. The lock goes with it and is never free in between.
pub(crate) fn start(created: Created) -> error::Result<Session> {
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
