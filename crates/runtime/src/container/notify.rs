//! sd_notify(3) for a payload: it talks to a socket of its container, and whoever starts it passes on that it is ready.
//!
//! The service manager takes messages from processes of the service's own cgroup only, so the container's must not talk to
//! it directly. The payload sees the folder `notify` of the container's folder, in which the starter makes the socket.

use super::folder::{Folder, file};
use error::{Result, ResultExt};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, chmodat, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, sendto, socket_with,
};
use std::path::Path;

/// Where the payload sees the folder, and the socket in it.
pub(crate) const INSIDE: &str = "/run/notify";
/// The socket's name.
pub(crate) const SOCKET: &str = "notify.sock";

/// The longest message that is passed on, in bytes (sd_notify(3) knows of no limit; systemd reads a page).
const MAX_MESSAGE_BYTES: usize = 4096;

/// Makes the folder that the payload sees.
pub(super) fn make_folder(folder: &Folder) -> Result<()> {
    mkdirat(&folder.dir, file::NOTIFY, Mode::from_raw_mode(0o755))
        .map_err(std::io::Error::from)
        .context(|| "can't make the folder of the container's notify socket")
}

/// The payload's end of a conversation with the service manager.
pub(super) struct Notify<'a> {
    socket: OwnedFd,
    manager: &'a Path,
}

impl<'a> Notify<'a> {
    /// Makes the socket, before the payload starts.
    pub(super) fn listen(folder: &Folder, manager: &'a Path) -> Result<Self> {
        let listen = || {
            let dir =
                openat(&folder.dir, file::NOTIFY, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let socket = datagrams()?;
            bind(&socket, &SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))?)?;
            // Whoever the payload is.
            chmodat(&dir, SOCKET, Mode::from_raw_mode(0o666), AtFlags::empty())?;
            Ok(socket)
        };
        let socket = listen().map_err(|errno: Errno| std::io::Error::from(errno));
        Ok(Self { socket: socket.context(|| "can't make the container's notify socket")?, manager })
    }

    /// Passes messages on until one says that the payload is ready, or the payload has ended.
    pub(super) fn pass_on(&self, pidfd: impl AsFd) -> Result<()> {
        let words = || format!("can't tell `{}` that the container is ready", self.manager.display());
        loop {
            let mut ready = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                other => other.map_err(std::io::Error::from).context(words)?,
            };
            if ready[0].revents().is_empty() {
                return Ok(());
            }
            let mut buffer = [0; MAX_MESSAGE_BYTES];
            let received = rustix::net::recv(&self.socket, &mut buffer, RecvFlags::empty());
            let (length, _) = received.map_err(std::io::Error::from).context(words)?;
            let message = &buffer[..length.min(MAX_MESSAGE_BYTES)];
            // Other variables (MAINPID, FDSTORE …) would speak of things that the manager cannot see.
            if let Some(said) = said(message) {
                self.tell(said).map_err(std::io::Error::from).context(words)?;
                return Ok(());
            }
        }
    }

    fn tell(&self, message: &[u8]) -> Result<(), Errno> {
        let address = match self.manager.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
            None => SocketAddrUnix::new(self.manager)?,
        };
        sendto(datagrams()?, message, SendFlags::NOSIGNAL, &address).map(drop)
    }
}

fn datagrams() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// What is passed on of a message, if it is the one that is waited for.
fn said(message: &[u8]) -> Option<&'static [u8]> {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1").then_some(b"READY=1\n")
}

/// Takes the socket and its folder away; absent is fine.
pub(super) fn remove(folder: &Folder) -> Result<(), Errno> {
    let gone = |done| match done {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    };
    gone(unlinkat(&folder.dir, Path::new(file::NOTIFY).join(SOCKET), AtFlags::empty()))?;
    gone(unlinkat(&folder.dir, file::NOTIFY, AtFlags::REMOVEDIR))
}

/// A payload's manager must be a socket that can be named later, by another process.
pub(super) fn absolute(manager: &Path) -> Result<std::path::PathBuf> {
    if manager.as_os_str().as_encoded_bytes().starts_with(b"@") {
        return Ok(manager.to_owned());
    }
    std::path::absolute(manager).context(|| format!("can't find the notify socket `{}`", manager.display()))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn only_readiness_is_passed_on() {
        assert_eq!(said(b"STATUS=x\nREADY=1\nMAINPID=7"), Some(&b"READY=1\n"[..]));
        assert_eq!(said(b"STATUS=READY=1"), None);
        assert_eq!(said(b""), None);
    }
}
