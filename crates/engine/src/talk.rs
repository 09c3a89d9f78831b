//! Conversations with monitors, as clients begin them.

use crate::containers::is_locked;
use crate::record::file;
use api::Wish;
use api::attach::{FromMonitor, MAX_CHUNK_BYTES, ToMonitor};
use error::{Error, Kind, Result, ResultExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::io::IoSlice;
use std::path::Path;
use std::time::{Duration, Instant};

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done, or it has begun.
    Done,
    /// The container has ended.
    Exited(u8),
    /// Without a word: the monitor ended before it heard us, or was killed.
    Nothing,
}

/// Connects to the monitor of a container; `None` when it has none. One that is about to begin or to end may not listen
/// for a moment: at most so long.
///
/// # Errors
/// `Unavailable` when it does not.
pub(crate) fn connect(dir: &Path, patience: Duration) -> Result<Option<OwnedFd>> {
    let words = || format!("can't talk to the monitor of `{}`", dir.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match openat(CWD, dir, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(std::io::Error::from).context(words)?,
    };
    let deadline = Instant::now() + patience;
    loop {
        match sys::socket::connect(folder.as_fd(), file::SOCKET) {
            Ok(socket) => return Ok(Some(socket)),
            // Its lock says whether it lives.
            Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
        if !is_locked(dir)? {
            return Ok(None);
        }
        if Instant::now() > deadline {
            return Err(Error::new(Kind::Unavailable, "it does not listen").context(words()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Says what is wanted. A monitor that is gone is found out by who listens for the answer.
pub(crate) fn say(socket: &OwnedFd, wish: &Wish) -> Result<()> {
    let json = wish.to_json();
    let mut pieces = json.chunks(MAX_CHUNK_BYTES).peekable();
    while let Some(piece) = pieces.next() {
        let (head, body) = ToMonitor::Wish { more: pieces.peek().is_some(), piece }.encode();
        match sys::socket::send(socket, &[IoSlice::new(&head), IoSlice::new(body)], None, SendFlags::empty()) {
            Ok(()) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
            Err(errno) => return Err(std::io::Error::from(errno)).context(|| "can't talk to the container's monitor"),
        }
    }
    Ok(())
}

/// Listens until it is done, at most so long; notes for people go to `note`.
///
/// # Errors
/// What the monitor says; `Unavailable` when it says nothing in time.
pub(crate) fn answer(socket: &OwnedFd, limit: Option<Duration>, note: &mut dyn FnMut(&str)) -> Result<Answer> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut buffer = vec![0; MAX_CHUNK_BYTES + 1];
    loop {
        wait(socket, deadline)?;
        let length = match sys::socket::receive(socket, &mut buffer, RecvFlags::DONTWAIT) {
            // It left without having read all we said; what it said before is still to be read, and then its end.
            Err(Errno::AGAIN | Errno::CONNRESET) => continue,
            Ok((0, _)) => return Ok(Answer::Nothing),
            other => other.map_err(std::io::Error::from).context(|| "can't hear the container's monitor")?.0,
        };
        match FromMonitor::decode(&buffer[..length])? {
            FromMonitor::Failed(error) => return Err(error),
            FromMonitor::Done | FromMonitor::Running => return Ok(Answer::Done),
            FromMonitor::Exited(code) => return Ok(Answer::Exited(code)),
            FromMonitor::Note(text) => note(text),
            FromMonitor::Stdout(_) | FromMonitor::Stderr(_) | FromMonitor::StdinTaken(_) => {}
        }
    }
}

/// Listens for a descriptor, at most so long; `None` when the payload has ended.
///
/// # Errors
/// What the monitor says; `Unavailable` when it says nothing in time.
pub(crate) fn descriptor(socket: &OwnedFd, limit: Duration) -> Result<Option<OwnedFd>> {
    let deadline = Some(Instant::now() + limit);
    let mut buffer = vec![0; MAX_CHUNK_BYTES + 1];
    loop {
        wait(socket, deadline)?;
        let (length, descriptor) = match sys::socket::receive(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::CONNRESET) => continue,
            Ok((0, _)) => return Ok(None),
            other => other.map_err(std::io::Error::from).context(|| "can't hear the container's monitor")?,
        };
        match FromMonitor::decode(&buffer[..length])? {
            FromMonitor::Done => return Ok(descriptor),
            FromMonitor::Failed(error) if error.kind == Kind::Conflict => return Ok(None),
            FromMonitor::Failed(error) => return Err(error),
            _ => {}
        }
    }
}

fn wait(socket: &OwnedFd, deadline: Option<Instant>) -> Result<()> {
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return Err(Error::new(Kind::Unavailable, "the container's monitor does not answer")),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(|| "can't wait for the container's monitor"),
        }
    }
}

/// Leaves; the payload goes on, and its input stays open.
pub(crate) fn detach(socket: &OwnedFd) -> Result<()> {
    let (head, body) = ToMonitor::Detach.encode();
    match sys::socket::send(socket, &[IoSlice::new(&head), IoSlice::new(body)], None, SendFlags::empty()) {
        // A payload that was so quick needs no farewell.
        Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't talk to the container's monitor"),
    }
}
