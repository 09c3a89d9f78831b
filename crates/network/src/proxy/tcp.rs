//! Connections: two sockets, and a pipe between them in each direction while something is on its way.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, connect, shutdown, socket_with, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use std::net::SocketAddr;
use std::time::Duration;

/// What a pipe holds (pipe(7)).
const PIPE_BYTES: usize = 64 << 10;

/// Pipes that are kept for the next who needs one.
const MOST_SPARE: usize = 64;

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing can be done before something happens.
    Waits,
    /// It is another's turn.
    HasMore,
    /// Both sides have said all.
    Over,
    /// A side has gone without a word.
    Broken,
}

/// Empty pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<(OwnedFd, OwnedFd)>);

impl Pipes {
    fn take(&mut self) -> Result<(OwnedFd, OwnedFd), Errno> {
        match self.0.pop() {
            Some(pipe) => Ok(pipe),
            None => pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK),
        }
    }

    fn give_back(&mut self, pipe: (OwnedFd, OwnedFd)) {
        if self.0.len() < MOST_SPARE {
            self.0.push(pipe);
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    pipe: Option<(OwnedFd, OwnedFd)>,
    /// Bytes in the pipe.
    held: usize,
    /// Nothing more comes.
    has_ended: bool,
    /// And the other side knows.
    is_shut: bool,
}

/// A client and the container.
#[derive(Debug)]
pub(super) struct Connection {
    client: OwnedFd,
    container: OwnedFd,
    /// The container has not taken it up yet.
    is_new: bool,
    there: Way,
    back: Way,
}

impl Connection {
    /// Knocks at the container's door. The client comes back when that cannot be.
    pub(super) fn begin(client: OwnedFd, target: SocketAddr) -> Result<Self, OwnedFd> {
        let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(container) = socket_with(family, SocketType::STREAM, flags, None) else { return Err(client) };
        for socket in [&client, &container] {
            // Who is gone without a word is noticed one day; small messages are not held back.
            let _ = sockopt::set_socket_keepalive(socket, true);
            let _ = sockopt::set_tcp_nodelay(socket, true);
        }
        match connect(&container, &target) {
            Ok(()) | Err(Errno::INPROGRESS) => {
                Ok(Self { client, container, is_new: true, there: Way::default(), back: Way::default() })
            }
            Err(_) => Err(client),
        }
    }

    pub(super) fn sockets(&self) -> [BorrowedFd<'_>; 2] {
        [self.client.as_fd(), self.container.as_fd()]
    }

    /// Carries what can be carried, in at most so many turns.
    pub(super) fn carry(&mut self, pipes: &mut Pipes, turns: usize) -> State {
        if self.is_new {
            match sockopt::socket_error(&self.container) {
                Ok(Ok(())) => {}
                _ => return State::Broken,
            }
            // Without an error it is either taken up or not yet.
            match rustix::net::getpeername(&self.container) {
                Ok(_) => self.is_new = false,
                Err(Errno::NOTCONN) => return State::Waits,
                Err(_) => return State::Broken,
            }
        }
        let Self { client, container, there, back, .. } = self;
        let mut has_more = false;
        for (way, from, to) in [(there, &*client, &*container), (back, &*container, &*client)] {
            match way.carry(from.as_fd(), to.as_fd(), pipes, turns) {
                Ok(more) => has_more |= more,
                Err(_) => return State::Broken,
            }
        }
        if self.there.is_shut && self.back.is_shut {
            State::Over
        } else if has_more {
            State::HasMore
        } else {
            State::Waits
        }
    }

    /// Both sides hear that it was no end in order.
    pub(super) fn abort(&self) {
        reset(&self.client);
        reset(&self.container);
    }
}

/// The close that follows is a reset (socket(7), `SO_LINGER`).
pub(super) fn reset(socket: &OwnedFd) {
    // One that cannot linger is closed as usual.
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

impl Way {
    /// Is there more than was carried?
    fn carry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        pipes: &mut Pipes,
        turns: usize,
    ) -> Result<bool, Errno> {
        for _ in 0..turns {
            let came = self.fill(from, pipes)?;
            let went = self.empty(to)?;
            if self.held == 0
                && let Some(pipe) = self.pipe.take()
            {
                pipes.give_back(pipe);
            }
            if self.has_ended && self.held == 0 {
                if !self.is_shut {
                    // It may have closed already, which is as good.
                    match shutdown(to, Shutdown::Write) {
                        Ok(()) | Err(Errno::NOTCONN) => self.is_shut = true,
                        Err(errno) => return Err(errno),
                    }
                }
                return Ok(false);
            }
            if !came && !went {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fill(&mut self, from: BorrowedFd<'_>, pipes: &mut Pipes) -> Result<bool, Errno> {
        if self.has_ended || self.held >= PIPE_BYTES {
            return Ok(false);
        }
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.take()?,
        };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let filled = splice(from, None, &pipe.1, None, PIPE_BYTES - self.held, flags);
        self.pipe = Some(pipe);
        match filled {
            Ok(0) => {
                self.has_ended = true;
                Ok(true)
            }
            Ok(count) => {
                self.held += count;
                Ok(true)
            }
            // Nothing there, or no room for another piece.
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    fn empty(&mut self, to: BorrowedFd<'_>) -> Result<bool, Errno> {
        let Some(pipe) = self.pipe.as_ref().filter(|_| self.held > 0) else { return Ok(false) };
        match splice(&pipe.0, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK) {
            Ok(count) => {
                self.held -= count;
                Ok(count > 0)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}
