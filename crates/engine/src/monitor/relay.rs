//! A payload's standard streams ⇄ its clients and its log.
//!
//! Used by the monitor for the payload and by an agent for an executed process, each with a loop of its own.

use super::client::{Client, Role, Word};
use super::log::Stream;
use super::streams::{PIPE_BYTES, Streams};
use super::watch::{READABLE, Seen, WRITABLE, Watch, What};
use api::Attach;
use api::attach::{FromMonitor, MAX_CHUNK_BYTES};
use error::{Error, Kind, Result};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::WaitStatus;
use rustix::termios::{Winsize, tcsetwinsize};
use std::time::Instant;

/// Head of a client's message plus the largest body.
const MESSAGE_BYTES: usize = 5 + MAX_CHUNK_BYTES;

/// So much is read at a time: as much as a processor has near at hand.
const READ_BYTES: usize = 256 * 1024;

/// Hears what a stream said, besides the clients.
pub(super) type Ear<'a> = &'a mut dyn FnMut(Stream, &[u8]);

/// The streams and everybody who takes part.
pub(super) struct Relay {
    pub clients: Vec<Client>,
    pub streams: Streams,
    /// The end of a client's input is the end of the payload's.
    pub stdin_once: bool,
    /// For one message or one chunk; made when it is needed.
    buffer: Vec<u8>,
}

impl Relay {
    pub(super) fn new(clients: Vec<Client>, streams: Streams, stdin_once: bool) -> Self {
        Self { clients, streams, stdin_once, buffer: Vec::new() }
    }

    /// Gives back what only a relay at work needs.
    pub(super) fn rest(&mut self) {
        self.buffer = Vec::new();
        self.streams.narrow();
    }

    /// Tells all who take part in the streams.
    pub(super) fn tell_attached(&mut self, word: &FromMonitor<'_>) {
        for client in self.clients.iter_mut().filter(|client| matches!(client.role, Role::Attached(_))) {
            client.say(word);
        }
    }

    /// What must be waited for.
    pub(super) fn watch<'a>(&'a self, watch: &mut Watch<'a>) {
        for (place, client) in self.clients.iter().enumerate().filter(|(_, client)| !client.gone) {
            watch.add(What::Client(place), Some(client.as_fd()), client.flags());
        }
        let reads = !self.clients.iter().any(Client::is_full);
        let output = |stream: &'a Option<OwnedFd>| stream.as_ref().filter(|_| reads).map(AsFd::as_fd);
        watch.add(What::Stdout, output(&self.streams.stdout), PollFlags::IN);
        watch.add(What::Stderr, output(&self.streams.stderr), PollFlags::IN);
        let wants = self.clients.iter().any(|client| !client.input.is_empty());
        watch.add(What::Stdin, self.streams.stdin.as_ref().filter(|_| wants).map(AsFd::as_fd), PollFlags::OUT);
    }

    /// When a client that takes nothing must be cut off.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(Client::cut_off_at).min()
    }

    /// Does what can be done now. `words`: what clients said beyond their streams, each with its client's place; clients
    /// keep their places until [`forget_gone`](Self::forget_gone).
    pub(super) fn serve(&mut self, seen: &Seen, name: &str, ear: Ear<'_>, words: &mut Vec<(usize, Word)>) {
        let now = Instant::now();
        for place in 0..self.clients.len() {
            let client = &mut self.clients[place];
            if seen.has(What::Client(place), WRITABLE) {
                client.flush();
            }
            client.cut_off_if_stalled(now, name);
            if seen.has(What::Client(place), READABLE) {
                self.buffer.resize(MESSAGE_BYTES.max(self.buffer.len()), 0);
                match client.hear(&mut self.buffer) {
                    Some(Word::Resize { rows, columns }) => self.resize(rows, columns),
                    Some(word) => words.push((place, word)),
                    None => {}
                }
            }
        }
        self.feed();
        self.clients.iter_mut().for_each(Client::settle);
        if seen.has(What::Stdout, READABLE) && !self.clients.iter().any(Client::is_full) {
            self.drain(Stream::Stdout, ear);
        }
        if seen.has(What::Stderr, READABLE) && !self.clients.iter().any(Client::is_full) {
            self.drain(Stream::Stderr, ear);
        }
    }

    /// Lets go of those whose connection is over, once their input has gone to the payload.
    pub(super) fn forget_gone(&mut self) {
        if self.clients.iter().any(|client| client.gone || is_done(client)) {
            self.feed();
            self.clients.retain(|client| !client.input.is_empty() || !client.gone && !is_done(client));
        }
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        if let Some(console) = &self.streams.console {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            // A terminal whose payload has just ended has no size to change.
            let _ = tcsetwinsize(console, size);
        }
    }

    /// Gives the payload what input there is, as far as it takes it.
    fn feed(&mut self) {
        for place in 0..self.clients.len() {
            let client = &mut self.clients[place];
            if let Some(stdin) = &self.streams.stdin
                && !client.input.is_empty()
            {
                match rustix::io::write(stdin, &client.input) {
                    Ok(taken) => client.took(taken),
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    // It has closed its end: the rest goes nowhere, and so does what follows.
                    Err(_) => self.streams.stdin = None,
                }
            }
            if self.streams.stdin.is_none() && !client.input.is_empty() {
                client.took(client.input.len());
            }
            // A client that is lost is one whose input has ended; one that left on purpose leaves it open.
            let ended = client.input_ended || client.gone && !client.detached;
            let fed = matches!(client.role, Role::Attached(Attach { stdin: true, .. }));
            // A terminal is not closed by the end of its client's input.
            if self.stdin_once && fed && ended && client.input.is_empty() && self.streams.console.is_none() {
                self.streams.stdin = None;
            }
        }
    }

    /// After the payload's end: reads what is left, whoever listens. Its whole pid namespace is dead, so what is not
    /// there now will never come, or comes from somebody outside who was handed an end of a pipe.
    pub(super) fn finish(&mut self, ear: Ear<'_>) {
        (self.streams.stdin, self.streams.held) = (None, None);
        for (stream, mut left) in [Stream::Stdout, Stream::Stderr].into_iter().zip(left(&self.streams)) {
            while left > 0 {
                match self.drain(stream, ear) {
                    0 => break,
                    length => left = left.saturating_sub(length as u64),
                }
            }
        }
        self.streams = Streams::none();
    }

    /// Reads a chunk of a stream to the log and the clients; its length. 0: there was nothing, or it has ended.
    fn drain(&mut self, name: Stream, ear: Ear<'_>) -> usize {
        let stream = match name {
            Stream::Stdout => &mut self.streams.stdout,
            Stream::Stderr => &mut self.streams.stderr,
        };
        let Some(fd) = stream else { return 0 };
        if self.buffer.len() < READ_BYTES {
            self.buffer = vec![0; READ_BYTES]; // untouched until somebody says so much
        }
        let length = match rustix::io::read(fd, &mut self.buffer) {
            Err(Errno::AGAIN | Errno::INTR) => return 0,
            // A terminal says EIO when its last user is gone.
            Ok(0) | Err(_) => {
                *stream = None;
                return 0;
            }
            Ok(length) => length,
        };
        if length >= PIPE_BYTES {
            self.streams.widen();
        }
        ear(name, &self.buffer[..length]);
        let (kind, said) = (if name == Stream::Stdout { b'O' } else { b'E' }, &self.buffer[..length]);
        for client in &mut self.clients {
            let listens = match (client.role, name) {
                (Role::Attached(which), Stream::Stdout) => which.stdout,
                (Role::Attached(which), Stream::Stderr) => which.stderr,
                _ => false,
            };
            if listens {
                said.chunks(MAX_CHUNK_BYTES).for_each(|piece| client.send(kind, piece));
            }
        }
        length
    }
}

/// It has heard its last word.
fn is_done(client: &Client) -> bool {
    client.role == Role::Leaving && client.has_heard_all()
}

/// What is in the payload's pipes now. A terminal ends by itself: it is hung up together with its session.
fn left(streams: &Streams) -> [u64; 2] {
    let bytes = |pipe: &Option<OwnedFd>| match pipe {
        Some(pipe) if streams.console.is_none() => rustix::io::ioctl_fionread(pipe).unwrap_or(u64::MAX),
        _ => u64::MAX,
    };
    [bytes(&streams.stdout), bytes(&streams.stderr)]
}

/// As a shell says it: the payload's own code, or 128 and the signal.
pub(super) fn exit_code(status: Option<WaitStatus>) -> Result<u8> {
    let code = |status: WaitStatus| status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal));
    status
        .and_then(code)
        .and_then(|code| u8::try_from(code).ok())
        .ok_or_else(|| Error::new(Kind::Internal, "the payload ended in a way that wait(2) does not know"))
}
