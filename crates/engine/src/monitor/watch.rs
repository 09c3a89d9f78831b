//! One wait for many descriptors, each under a name.

use error::{Result, ResultExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use std::time::Duration;
use sys::memory::Program;

/// It can be read, or its other end is gone.
pub(super) const READABLE: PollFlags = PollFlags::IN.union(PollFlags::HUP).union(PollFlags::ERR);
/// It can be written, or its other end is gone.
pub(super) const WRITABLE: PollFlags = PollFlags::OUT.union(PollFlags::HUP).union(PollFlags::ERR);

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Signals to ourselves.
    Orders,
    /// Somebody wants to connect.
    Door,
    /// The payload's end.
    Payload,
    /// The client at this place of the list.
    Client(usize),
    /// The payload takes input.
    Stdin,
    /// It has said something.
    Stdout,
    /// It has complained.
    Stderr,
    /// The end of the child at this place of the list.
    Child(usize),
    /// A health check says something.
    Check,
    /// The end of a health check's attendant.
    Checker,
    /// Somebody comes to a published port.
    Port,
    /// The end of the copy that carries what comes.
    Carrier,
    /// The payload asks for a name.
    Question,
    /// The end of the copy that answers.
    Resolver,
}

/// What is waited for, gathered anew for each wait.
#[derive(Default)]
pub(super) struct Watch<'a> {
    fds: Vec<PollFd<'a>>,
    names: Vec<What>,
}

impl<'a> Watch<'a> {
    /// One more, if it is there.
    pub(super) fn add(&mut self, name: What, fd: Option<BorrowedFd<'a>>, flags: PollFlags) {
        if let Some(fd) = fd {
            self.fds.push(PollFd::from_borrowed_fd(fd, flags));
            self.names.push(name);
        }
    }

    /// Waits until something happens, at most so long.
    pub(super) fn wait(self, limit: Option<Duration>) -> Result<Seen> {
        self.rest(limit, None)
    }

    /// The same for a long time: lets the program's pages go before.
    pub(super) fn rest(mut self, limit: Option<Duration>, program: Option<Program>) -> Result<Seen> {
        let limit = limit.map(|limit| Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 }));
        if let Some(program) = &program {
            program.forget();
        }
        match poll(&mut self.fds, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(|| "can't wait for the payload"),
        }
        let happened = self.names.into_iter().zip(self.fds.iter().map(PollFd::revents));
        Ok(Seen(happened.filter(|(_, flags)| !flags.is_empty()).collect()))
    }
}

/// What a wait found.
pub(super) struct Seen(Vec<(What, PollFlags)>);

impl Seen {
    /// Did one of these happen to it?
    pub(super) fn has(&self, name: What, flags: PollFlags) -> bool {
        self.0.iter().any(|(seen, happened)| *seen == name && happened.intersects(flags))
    }

    /// Nothing at all?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
