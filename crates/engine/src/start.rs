//! Starting a container: a fresh process of this same program becomes its monitor.

use crate::create::Created;
use error::{Result, ResultExt};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::process::{Command, Stdio};
use sys::mount::attribute;

/// A live conversation with a container's monitor: an `api::attach` socket.
#[derive(Debug)]
pub struct Session {
    /// `SOCK_SEQPACKET`; the first word is `Running` or `Failed`.
    pub socket: OwnedFd,
}

/// Hands everything over to a new monitor. The lock goes with it and is never free in between.
pub(crate) fn start(created: Created) -> Result<Session> {
    let Created { dir, lock, root, .. } = created;
    let words = || "can't start the container's monitor";
    let (ours, theirs) = sys::socket::message_pair().map_err(std::io::Error::from).context(words)?;
    let program = sealed_program().context(words)?;
    // Neither a working directory nor anything else that would keep std from its quick way (posix_spawn): the monitor
    // sees to it. The path is resolved by the child before close-on-exec closes the descriptor behind it.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.args(["internal", "monitor"]).arg(&dir).env_clear();
    command.stdin(Stdio::from(theirs)).stdout(Stdio::from(lock)).stderr(Stdio::from(root));
    // Not waited for: the monitor outlives us, and tells its end over the socket.
    command.spawn().context(words)?;
    Ok(Session { socket: ours })
}

/// Our own program on a mount of its own that is read-only, for ever: it belongs to no mount namespace, so nobody can
/// change it, and what is executed from it cannot be opened for writing through `/proc/<pid>/exe` (CVE-2019-5736).
/// A copy in memory would do the same for some milliseconds more.
fn sealed_program() -> std::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let program = open_tree(CWD, "/proc/self/exe", flags)?;
    sys::mount::set_attributes(&program, attribute::RDONLY, 0, 0, false)?;
    Ok(program)
}
