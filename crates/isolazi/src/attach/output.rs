//! A standard stream that must never be waited for: what it does not take now is kept, and poll(2) says when to go on.
//!
//! Our standard streams are shared with others (the shell, a pager), so they are not made non-blocking: that would
//! change them for everybody. What kind of file it is decides how to write without waiting.

use crate::console::Stream;
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSlice;

/// A pipe that poll(2) calls writable takes this much without waiting (pipe(7), PIPE_BUF); terminals about that.
const SAFE_BYTES: usize = 4096;
/// "Where the file is now", for pwritev2(2).
const CURRENT: u64 = u64::MAX;

/// One of our standard streams.
#[derive(Debug)]
pub(crate) struct Output {
    stream: Stream,
    way: Way,
    waiting: Vec<u8>,
    /// How much of `waiting` is written.
    done: usize,
}

/// How to write without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Regular files, `/dev/null`: they never wait for a reader.
    All,
    /// A pipe: `RWF_NOWAIT` (kernel 6.4 for pipes).
    NoWait,
    /// A socket: `MSG_DONTWAIT`.
    Socket,
    /// When poll(2) says so, and not much at once.
    Pieces,
}

impl Output {
    /// Looks at what the stream is.
    pub(crate) fn new(stream: Stream) -> Self {
        let kind = rustix::fs::fstat(stream.fd()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let way = match kind {
            Ok(FileType::Fifo) => Way::NoWait,
            Ok(FileType::Socket) => Way::Socket,
            Ok(FileType::CharacterDevice) if rustix::termios::isatty(stream.fd()) => Way::Pieces,
            _ => Way::All,
        };
        Self { stream, way, waiting: Vec::new(), done: 0 }
    }

    /// Is there something that could not be written yet?
    pub(crate) fn is_waiting(&self) -> bool {
        self.done < self.waiting.len()
    }

    /// Forgets what waits: nobody will read it.
    pub(crate) fn abandon(&mut self) {
        self.waiting.clear();
        self.done = 0;
    }

    /// Writes what waits and then `bytes`; keeps what the stream does not take.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        while self.is_waiting() {
            match self.some(&self.waiting[self.done..])? {
                0 => break,
                written => self.done += written,
            }
            if self.way == Way::Pieces {
                break; // only poll(2) knows whether there is room for more
            }
        }
        if !self.is_waiting() {
            self.abandon();
        }
        let mut rest = bytes;
        // A terminal's room is only known after poll(2): new bytes queue up.
        while !rest.is_empty() && !self.is_waiting() && self.way != Way::Pieces {
            match self.some(rest)? {
                0 => break,
                written => rest = &rest[written..],
            }
        }
        self.waiting.extend_from_slice(rest);
        Ok(())
    }

    /// One write; 0 is "not now".
    fn some(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = self.stream.fd();
        let result = match self.way {
            Way::All => rustix::io::write(fd, bytes),
            Way::NoWait => match rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], CURRENT, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => self.piece(bytes),
                other => other,
            },
            Way::Socket => {
                use rustix::net::{SendFlags, send};
                send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Way::Pieces => rustix::io::write(fd, &bytes[..bytes.len().min(SAFE_BYTES)]),
        };
        match result {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            other => other,
        }
    }

    /// For a pipe on an older kernel: a piece that fits, if poll(2) says that one fits.
    fn piece(&self, bytes: &[u8]) -> Result<usize, Errno> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut [PollFd::from_borrowed_fd(self.stream.fd(), PollFlags::OUT)], Some(&now))? {
            0 => Err(Errno::AGAIN),
            _ => rustix::io::write(self.stream.fd(), &bytes[..bytes.len().min(SAFE_BYTES)]),
        }
    }
}
