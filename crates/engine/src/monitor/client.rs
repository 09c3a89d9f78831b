//! One connection to a monitor: what its client wants, what it has still to hear, what it has still to give.
//!
//! A client that does not read has a queue of [`QUEUE_BYTES`]. While it is full the payload's output waits in its pipe, as
//! with any slow reader; a client that then takes nothing for [`STALL`] is cut off, and the payload goes on without it.
//! So a stopped client holds a payload up once, for that long. The log has every byte in any case.

use api::attach::{FromMonitor, MAX_WISH_BYTES, STDIN_WINDOW_BYTES, ToMonitor};
use api::{Attach, Wish};
use error::{Error, Kind, Result};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

/// What may wait for a client, in bytes, besides what its socket holds.
pub(super) const QUEUE_BYTES: usize = 256 * 1024;

/// How long a client with a full queue may take nothing.
pub(super) const STALL: Duration = Duration::from_secs(10);

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has not said.
    New,
    /// It takes part in the payload's streams.
    Attached(Attach),
    /// It waits for the end.
    Waiting,
    /// It waits for the next start.
    Restarting,
    /// As long as it is there the payload is frozen.
    Holding,
    /// It has heard all it wants to hear.
    Leaving,
}

/// A word of a client's that is not about its own streams.
#[derive(Debug)]
pub(super) enum Word {
    Wish(Wish),
    Signal(u8),
    Resize { rows: u16, columns: u16 },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    pub role: Role,
    /// Messages that its socket had no room for.
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// Since when it takes nothing although its queue is full.
    full_since: Option<Instant>,
    /// The beginning of a wish.
    wish: Vec<u8>,
    /// Input that the payload has not taken yet; never more than the window.
    pub input: Vec<u8>,
    /// It has no more input.
    pub input_ended: bool,
    /// Input bytes taken that it has not been told of.
    owed: usize,
    /// The connection is over.
    pub gone: bool,
    /// It goes on purpose, and the payload's input stays open.
    pub detached: bool,
}

impl Client {
    pub(super) fn new(socket: OwnedFd, role: Role) -> Self {
        Self {
            socket,
            role,
            queue: VecDeque::new(),
            queued_bytes: 0,
            full_since: None,
            wish: Vec::new(),
            input: Vec::new(),
            input_ended: false,
            owed: 0,
            gone: false,
            detached: false,
        }
    }

    /// For whoever takes it over.
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// What to wait for.
    pub(super) fn flags(&self) -> PollFlags {
        if self.queue.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Says a word, or keeps it until there is room.
    pub(super) fn say(&mut self, word: &FromMonitor<'_>) {
        let (kind, body) = word.encode();
        self.send(kind, &body);
    }

    /// Says its last word; the connection ends when it has been taken.
    pub(super) fn say_last(&mut self, word: &FromMonitor<'_>) {
        self.say(word);
        self.role = Role::Leaving;
    }

    /// Says that it is done and hands over a file; nobody whose connection is that young has a full socket.
    pub(super) fn give_last(&mut self, file: &OwnedFd) {
        let (kind, _) = FromMonitor::Done.encode();
        let sent = sys::socket::send(&self.socket, &[IoSlice::new(&[kind])], Some(file.as_fd()), SendFlags::DONTWAIT);
        self.gone |= sent.is_err();
        self.role = Role::Leaving;
    }

    /// Says a word that is its kind and body already.
    pub(super) fn send(&mut self, kind: u8, body: &[u8]) {
        if self.gone {
            return;
        }
        if self.queue.is_empty() {
            match self.try_send(&[IoSlice::new(&[kind]), IoSlice::new(body)]) {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => return self.gone = true,
            }
        }
        let message = [&[kind], body].concat();
        self.queued_bytes += message.len();
        self.queue.push_back(message);
        if self.is_full() {
            self.full_since.get_or_insert_with(Instant::now);
        }
    }

    /// May there be no more output for it now?
    pub(super) fn is_full(&self) -> bool {
        self.queued_bytes > QUEUE_BYTES
    }

    /// Has it nothing to hear any more?
    pub(super) fn has_heard_all(&self) -> bool {
        self.gone || self.queue.is_empty()
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self) {
        while let Some(message) = self.queue.front() {
            match self.try_send(&[IoSlice::new(message)]) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return self.gone = true,
            }
            self.queued_bytes -= self.queue.pop_front().map_or(0, |message| message.len());
            self.full_since = self.is_full().then(Instant::now);
        }
    }

    fn try_send(&self, parts: &[IoSlice<'_>]) -> Result<bool, Errno> {
        match sys::socket::send(&self.socket, parts, None, SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// When it will have taken nothing for too long.
    pub(super) fn cut_off_at(&self) -> Option<Instant> {
        self.full_since.map(|since| since + STALL)
    }

    /// Cuts it off if it has taken nothing for too long: it hears the beginning of what was said, and that there is more.
    pub(super) fn cut_off_if_stalled(&mut self, now: Instant, name: &str) {
        if self.cut_off_at().is_none_or(|at| now < at) {
            return;
        }
        self.queue.clear();
        self.full_since = None;
        let text = format!("output was not read for {} s: the connection to container {name} is cut", STALL.as_secs());
        let error = Error::new(Kind::Unavailable, text).hint(format!("`isolazi logs {name}` has all of it"));
        let (kind, body) = FromMonitor::Failed(error).encode();
        // Its socket is full, so it is the only message that waits.
        let message = [&[kind], &*body].concat();
        self.queued_bytes = message.len();
        self.queue.push_back(message);
        self.role = Role::Leaving;
    }

    /// Tells how much input was taken. A client that does not listen is not told more.
    pub(super) fn settle(&mut self) {
        if self.owed > 0 && self.queue.is_empty() {
            let taken = u32::try_from(std::mem::take(&mut self.owed)).expect("no more than the window is owed");
            self.say(&FromMonitor::StdinTaken(taken));
        }
    }

    /// So much of its input went to the payload, or nowhere.
    pub(super) fn took(&mut self, bytes: usize) {
        self.input.drain(..bytes);
        self.owed += bytes;
        if self.input.is_empty() {
            self.input.shrink_to(0);
        }
    }

    /// One message of its. A client that breaks the rules is as good as gone.
    pub(super) fn hear(&mut self, buffer: &mut [u8]) -> Option<Word> {
        let length = match sys::socket::receive(&self.socket, buffer, RecvFlags::DONTWAIT) {
            Ok((length @ 1.., _)) => length,
            Err(Errno::AGAIN) => return None,
            Ok(_) | Err(_) => {
                self.gone = true;
                return None;
            }
        };
        if self.role == Role::Leaving {
            return None;
        }
        match ToMonitor::decode(&buffer[..length]) {
            Ok(ToMonitor::Wish { more, piece }) if self.wish.len() + piece.len() <= MAX_WISH_BYTES => {
                self.wish.extend_from_slice(piece);
                if more { None } else { self.take_wish() }
            }
            Ok(ToMonitor::Stdin(bytes))
                if self.feeds() && self.input.len() + self.owed + bytes.len() <= STDIN_WINDOW_BYTES =>
            {
                self.input.extend_from_slice(bytes);
                None
            }
            Ok(ToMonitor::StdinClosed) => {
                self.input_ended = true;
                None
            }
            Ok(ToMonitor::Resize { rows, columns }) => Some(Word::Resize { rows, columns }),
            Ok(ToMonitor::Signal(number)) => Some(Word::Signal(number)),
            Ok(ToMonitor::Detach) => {
                (self.gone, self.detached) = (true, true);
                None
            }
            Ok(ToMonitor::Stdin(_) | ToMonitor::Wish { .. }) | Err(_) => {
                self.gone = true;
                None
            }
        }
    }

    fn take_wish(&mut self) -> Option<Word> {
        let text = std::mem::take(&mut self.wish);
        if self.role != Role::New {
            self.gone = true;
            return None;
        }
        match Wish::from_json(&text) {
            Ok(wish) => Some(Word::Wish(wish)),
            Err(error) => {
                self.say_last(&FromMonitor::Failed(error));
                None
            }
        }
    }

    fn feeds(&self) -> bool {
        matches!(self.role, Role::Attached(Attach { stdin: true, .. }))
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_cut_off_hears_the_beginning_and_why() {
        let (ours, theirs) = sys::socket::message_pair().unwrap();
        let mut client = Client::new(ours, Role::Attached(Attach::ALL));
        while !client.is_full() {
            client.send(b'O', &[b'x'; 60_000]);
        }
        let full = Instant::now();
        client.cut_off_if_stalled(full, "box");
        assert!(client.is_full() && client.role == Role::Attached(Attach::ALL));
        client.cut_off_if_stalled(full + STALL, "box");
        assert!(!client.is_full() && !client.has_heard_all() && client.role == Role::Leaving);
        let mut buffer = vec![0; 64 * 1024];
        let mut last = None;
        while let Ok((length @ 1.., _)) = sys::socket::receive(&theirs, &mut buffer, RecvFlags::DONTWAIT) {
            client.flush();
            last = Some(buffer[..length].to_vec());
        }
        assert!(client.has_heard_all() && !client.is_full() && client.cut_off_at().is_none());
        let last = last.unwrap();
        match FromMonitor::decode(&last).unwrap() {
            FromMonitor::Failed(error) => assert!(error.to_string().ends_with("container box is cut"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
