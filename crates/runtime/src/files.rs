//! What a runtime hands to those who asked for it: process ids in files, terminals and filters over sockets.

use crate::Running;
use crate::seccomp::Listener;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{ContainerProcessState, State};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat, renameat, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with,
};
use rustix::process::Pid;
use std::io::{IoSlice, Write};
use std::path::Path;

/// A stream socket connected to a path of any length: it is reached through its folder's descriptor, since an address
/// has room for 107 bytes only (unix(7)).
pub(crate) fn connect(path: &Path) -> Result<OwnedFd> {
    let words = || format!("can't connect to the socket `{}`", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::invalid("it names no file").context(words()))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let connect = || {
        let dir = openat(CWD, dir, flags, Mode::empty())?;
        let address = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        connect_to(&socket, &SocketAddrUnix::new(address)?)?;
        Ok(socket)
    };
    connect().map_err(|errno: rustix::io::Errno| std::io::Error::from(errno)).context(words)
}

/// Where what is known of a new process goes, as far as somebody asked for it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Receivers<'a> {
    /// The terminal's controlling end.
    pub console_socket: Option<&'a Path>,
    /// The process id.
    pub pid_file: Option<&'a Path>,
    /// A pidfd, and the word that runc sends with it.
    pub pidfd_socket: Option<(&'a Path, &'static str)>,
}

/// Hands over. The file comes last: some wait for it alone.
pub(crate) fn hand_over(running: &mut Running, receivers: Receivers<'_>) -> Result<()> {
    if let Some(socket) = receivers.console_socket
        && let Some(console) = running.console.take()
    {
        send(socket, "/dev/ptmx", &console, "the terminal")?;
    }
    if let Some((socket, word)) = receivers.pidfd_socket {
        send(socket, word, &running.pidfd, "the pidfd")?;
    }
    receivers.pid_file.map_or(Ok(()), |path| write_pid(path, running.pid))
}

/// One message with a descriptor, as runc does it.
fn send(socket: &Path, word: &str, fd: &OwnedFd, what: &str) -> Result<()> {
    let connection = connect(socket)?;
    sys::socket::send(&connection, &[IoSlice::new(word.as_bytes())], Some(fd.as_fd()), SendFlags::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("can't send {what} to `{}`", socket.display()))
}

/// The number alone, without a line's end; written aside, so that nobody reads half of it.
fn write_pid(path: &Path, pid: Pid) -> Result<()> {
    let words = || format!("can't write the process id to `{}`", path.display());
    let name = path.file_name().ok_or_else(|| Error::invalid("it names no file").context(words()))?;
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    let aside = path.with_file_name(aside);
    // A new file, whatever is there: a runtime that was killed leaves one, and somebody else could put a link or a pipe
    // into a folder that others may write to.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let make = || openat(CWD, &aside, flags, Mode::from_raw_mode(0o644));
    let write = || {
        let file = match make() {
            Err(Errno::EXIST) => unlink(&aside).and_then(|()| make())?,
            other => other?,
        };
        std::fs::File::from(file).write_all(pid.as_raw_nonzero().to_string().as_bytes())?;
        std::io::Result::Ok(renameat(CWD, &aside, CWD, path)?)
    };
    write().context(words)
}

/// What goes to a seccomp agent with the filter's descriptor (config-linux.md, "The Container Process State").
pub(crate) fn agent_message(listener: &Listener, state: State) -> Result<Vec<u8>> {
    let value = ContainerProcessState {
        oci_version: oci::runtime::VERSION.to_owned(),
        fds: vec!["seccompFd".to_owned()],
        pid: state.pid.unwrap_or_default(),
        metadata: listener.metadata.clone(),
        state,
    };
    serde_json::to_vec(&value).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))
}
