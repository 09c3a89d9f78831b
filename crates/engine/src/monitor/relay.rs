//! The monitor's loop: payload ⇄ client and log, until the payload has ended and everything it said is delivered.
//!
//! A client that does not read makes the payload wait when a pipe (64 KiB) and one message are full, as a slow
//! terminal would; a client that goes away is forgotten and the payload runs on.

use super::log::{Log, Stream};
use super::streams::Streams;
use api::attach::{FromMonitor, MAX_CHUNK_BYTES, STDIN_WINDOW_BYTES, ToMonitor};
use error::{Error, Kind, Result, ResultExt};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io::IoSlice;
use sys::signal::Inbox;

/// Head of a client's message plus the largest body.
const MESSAGE_BYTES: usize = 5 + MAX_CHUNK_BYTES;

/// The conversation with the client, and what is on its way.
pub(super) struct Relay {
    /// `None` when the client is gone.
    client: Option<OwnedFd>,
    /// A message that the client's queue had no room for. While it waits no more output is read.
    waiting: Option<(u8, Vec<u8>)>,
    /// Input that the payload has not taken yet; never more than the window.
    input: Vec<u8>,
    /// The client has no more input.
    input_ended: bool,
    /// Input bytes taken that the client has not been told of.
    owed: usize,
    /// For one message or one chunk.
    buffer: Vec<u8>,
    /// After the payload's end: how many bytes of its output and errors are still to be read.
    left: [u64; 2],
}

impl Relay {
    pub(super) fn new(client: OwnedFd) -> Self {
        Self {
            client: Some(client),
            waiting: None,
            input: Vec::new(),
            input_ended: false,
            owed: 0,
            buffer: vec![0; MESSAGE_BYTES],
            left: [0; 2],
        }
    }

    /// Tells the client, or keeps it until there is room. Nothing may be waiting.
    pub(super) fn say(&mut self, word: &FromMonitor<'_>) {
        let (kind, body) = word.encode();
        self.send(kind, &body);
    }

    /// The last word: waits for room, and for nothing when the client is gone.
    pub(super) fn say_last(&mut self, word: &FromMonitor<'_>) {
        let Some(client) = &self.client else { return };
        let (kind, body) = word.encode();
        // The client may go while we wait; then nobody is left to hear it.
        let _ = sys::socket::send(client, &[IoSlice::new(&[kind]), IoSlice::new(&body)], None, SendFlags::empty());
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let Some(client) = &self.client else { return };
        match sys::socket::send(client, &[IoSlice::new(&[kind]), IoSlice::new(body)], None, SendFlags::DONTWAIT) {
            Ok(()) => {}
            Err(Errno::AGAIN) => self.waiting = Some((kind, body.to_vec())),
            Err(_) => self.forget_client(),
        }
    }

    /// The client is gone: nobody reads, and nobody writes any more.
    fn forget_client(&mut self) {
        self.client = None;
        self.waiting = None;
        self.input_ended = true;
    }

    /// Relays until the payload has ended; its exit code. A signal of the inbox is the order to kill it.
    pub(super) fn run(
        &mut self,
        mut streams: Streams,
        log: &mut Log,
        (pid, pidfd): (Pid, &OwnedFd),
        orders: &Inbox,
    ) -> Result<u8> {
        let mut status = None;
        loop {
            let ready = self.wait(&streams, pidfd.as_fd(), orders, status.is_some())?;
            while orders.next().is_some() {
                // It may have ended meanwhile.
                let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
            }
            if ready.client_writable
                && let Some((kind, body)) = self.waiting.take()
            {
                self.send(kind, &body);
            }
            if ready.client_readable {
                self.hear(&mut streams, pidfd);
            }
            self.feed(&mut streams);
            if self.owed > 0 && self.waiting.is_none() {
                let taken = u32::try_from(std::mem::take(&mut self.owed)).expect("no more than the window is owed");
                self.say(&FromMonitor::StdinTaken(taken));
            }
            if ready.stdout && self.waiting.is_none() {
                self.drain(&mut streams.stdout, Stream::Stdout, log);
            }
            if ready.stderr && self.waiting.is_none() {
                self.drain(&mut streams.stderr, Stream::Stderr, log);
            }
            if ready.ended && status.is_none() {
                let waited = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
                let waited = waited.map_err(std::io::Error::from).context(|| "can't wait for the payload")?;
                status = waited.map(|(_, status)| status);
                (streams.stdin, streams.held) = (None, None);
                self.left = left(&streams);
            }
            if let Some(status) = status
                && self.waiting.is_none()
                && self.is_drained(&mut streams, log)
            {
                return exit_code(status);
            }
        }
    }

    /// After the payload's end: reads what is left. Its whole pid namespace is dead, so what is not there now will
    /// never come, or comes from somebody outside who was handed an end of a pipe.
    fn is_drained(&mut self, streams: &mut Streams, log: &mut Log) -> bool {
        self.drain_rest(&mut streams.stdout, Stream::Stdout, log);
        self.drain_rest(&mut streams.stderr, Stream::Stderr, log);
        self.waiting.is_none()
    }

    fn drain_rest(&mut self, stream: &mut Option<OwnedFd>, name: Stream, log: &mut Log) {
        while self.waiting.is_none() && self.left[name as usize] > 0 {
            match self.drain(stream, name, log) {
                0 => break,
                length => self.left[name as usize] = self.left[name as usize].saturating_sub(length as u64),
            }
        }
    }

    /// Waits until something can be done.
    fn wait(&self, streams: &Streams, pidfd: BorrowedFd<'_>, orders: &Inbox, ended: bool) -> Result<Ready> {
        let mut fds = Vec::with_capacity(6);
        let mut client_flags = PollFlags::IN;
        if self.waiting.is_some() {
            client_flags |= PollFlags::OUT;
        }
        let read_output = self.waiting.is_none();
        let client = add(&mut fds, self.client.as_ref().map(AsFd::as_fd), client_flags);
        let payload = add(&mut fds, (!ended).then_some(pidfd), PollFlags::IN);
        let stdout = add(&mut fds, streams.stdout.as_ref().filter(|_| read_output).map(AsFd::as_fd), PollFlags::IN);
        let stderr = add(&mut fds, streams.stderr.as_ref().filter(|_| read_output).map(AsFd::as_fd), PollFlags::IN);
        add(&mut fds, streams.stdin.as_ref().filter(|_| !self.input.is_empty()).map(AsFd::as_fd), PollFlags::OUT);
        add(&mut fds, Some(orders.as_fd()), PollFlags::IN);
        // After the end only the client's queue is waited for.
        if !(ended && self.waiting.is_none()) {
            rustix::io::retry_on_intr(|| poll(&mut fds, None))
                .map_err(std::io::Error::from)
                .context(|| "can't wait for the payload")?;
        }
        let has = |place: Option<usize>, flags: PollFlags| place.is_some_and(|at| fds[at].revents().intersects(flags));
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            client_readable: has(client, readable),
            client_writable: has(client, PollFlags::OUT | PollFlags::HUP | PollFlags::ERR),
            ended: has(payload, readable),
            stdout: has(stdout, readable),
            stderr: has(stderr, readable),
        })
    }

    /// One message of the client's.
    fn hear(&mut self, streams: &mut Streams, pidfd: &OwnedFd) {
        let Some(client) = &self.client else { return };
        let length = match sys::socket::receive(client, &mut self.buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return self.forget_client(),
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => return,
            Err(_) => return self.forget_client(),
        };
        match ToMonitor::decode(&self.buffer[..length]) {
            Ok(ToMonitor::Stdin(bytes)) if self.input.len() + bytes.len() <= STDIN_WINDOW_BYTES => {
                self.input.extend_from_slice(bytes);
            }
            Ok(ToMonitor::StdinClosed) => self.input_ended = true,
            Ok(ToMonitor::Resize { rows, columns }) => {
                if let Some(console) = &streams.console {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    // A terminal whose payload has just ended has no size to change.
                    let _ = tcsetwinsize(console, size);
                }
            }
            Ok(ToMonitor::Signal(number)) => {
                // The payload may have ended meanwhile: then there is nothing to be signalled.
                let _ = sys::process::signal(pidfd, number);
            }
            // A client that breaks the rules is as good as gone.
            Ok(ToMonitor::Detach | ToMonitor::Stdin(_)) | Err(_) => self.forget_client(),
        }
    }

    /// Gives the payload what input there is, as far as it takes it.
    fn feed(&mut self, streams: &mut Streams) {
        if let Some(stdin) = &streams.stdin
            && !self.input.is_empty()
        {
            let taken = match rustix::io::write(stdin, &self.input) {
                Ok(taken) => taken,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                // It has closed its end: the rest goes nowhere, and so does what follows.
                Err(_) => {
                    streams.stdin = None;
                    self.input.len()
                }
            };
            self.input.drain(..taken);
            self.owed += taken;
        }
        if streams.stdin.is_none() && !self.input.is_empty() {
            self.owed += std::mem::take(&mut self.input).len();
        }
        // A terminal is not closed by the end of its client's input.
        if self.input_ended && self.input.is_empty() && streams.console.is_none() {
            streams.stdin = None;
        }
    }

    /// Reads a chunk of a stream to the log and the client; its length. 0: there was nothing, or it has ended.
    fn drain(&mut self, stream: &mut Option<OwnedFd>, name: Stream, log: &mut Log) -> usize {
        let Some(fd) = stream else { return 0 };
        let length = match rustix::io::read(fd, &mut self.buffer[..MAX_CHUNK_BYTES]) {
            Err(Errno::AGAIN | Errno::INTR) => return 0,
            // A terminal says EIO when its last user is gone.
            Ok(0) | Err(_) => {
                *stream = None;
                return 0;
            }
            Ok(length) => length,
        };
        let buffer = std::mem::take(&mut self.buffer);
        log.take(name, &buffer[..length]);
        let kind = if name == Stream::Stdout { b'O' } else { b'E' };
        self.send(kind, &buffer[..length]);
        self.buffer = buffer;
        length
    }
}

/// What is in the payload's pipes now. A terminal ends by itself: it is hung up together with its session.
fn left(streams: &Streams) -> [u64; 2] {
    let bytes = |pipe: &Option<OwnedFd>| match pipe {
        Some(pipe) if streams.console.is_none() => rustix::io::ioctl_fionread(pipe).unwrap_or(u64::MAX),
        _ => u64::MAX,
    };
    [bytes(&streams.stdout), bytes(&streams.stderr)]
}

/// Adds a descriptor to be waited for; its place.
fn add<'a>(fds: &mut Vec<PollFd<'a>>, fd: Option<BorrowedFd<'a>>, flags: PollFlags) -> Option<usize> {
    fds.push(PollFd::from_borrowed_fd(fd?, flags));
    Some(fds.len() - 1)
}

/// What a wait found.
struct Ready {
    client_readable: bool,
    client_writable: bool,
    ended: bool,
    stdout: bool,
    stderr: bool,
}

/// As a shell says it: the payload's own code, or 128 and the signal.
fn exit_code(status: WaitStatus) -> Result<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .ok_or_else(|| Error::new(Kind::Internal, "the payload ended in a way that wait(2) does not know"))
}
