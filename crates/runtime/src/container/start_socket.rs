//! The socket on which a created container waits for its start.
//!
//! It lies in the container's folder and is reached through that folder's descriptor, since the path of a socket has
//! room for 107 bytes only (unix(7)).

use super::folder::{Folder, file};
use error::{Result, ResultExt};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, renameat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};

/// How many may knock at the same time; one of them starts the container.
const BACKLOG: i32 = 16;

fn address(folder: &Folder, name: &str) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", folder.dir.as_raw_fd()))
}

fn socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Makes it, under the name that it has until the container is created.
pub(super) fn make(folder: &Folder) -> Result<OwnedFd> {
    let make = || {
        let socket = socket()?;
        bind(&socket, &address(folder, file::START_BEFORE)?)?;
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    make().map_err(|errno: Errno| std::io::Error::from(errno)).context(|| "can't make the container's start socket")
}

/// The container is created.
pub(super) fn publish(folder: &Folder) -> Result<()> {
    renameat(&folder.dir, file::START_BEFORE, &folder.dir, file::START)
        .map_err(std::io::Error::from)
        .context(|| "can't publish the container's start socket")
}

/// The container is started.
pub(super) fn remove(folder: &Folder) -> Result<()> {
    match unlinkat(&folder.dir, file::START, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't remove the container's start socket"),
    }
}

pub(super) fn is_there(folder: &Folder, name: &str) -> Result<bool> {
    match statat(&folder.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't look for the container's start socket"),
    }
}

/// A conversation with the waiting init; `None` if nobody waits.
pub(super) fn knock(folder: &Folder) -> Result<Option<OwnedFd>> {
    let connected = socket().and_then(|socket| {
        connect(&socket, &address(folder, file::START)?)?;
        Ok(socket)
    });
    match connected {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(None),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't reach the container's init"),
    }
}

/// A conversation that ends without a word changes nothing.
pub(super) fn somebody_waits(folder: &Folder) -> Result<bool> {
    Ok(knock(folder)?.is_some())
}
