//! This terminal and a container's monitor: bytes, window sizes and signals flow until the payload ends.
//!
//! ```text
//! stdin ──► Stdin ┐                     ┌ Stdout ──► stdout
//! SIGWINCH ► Resize ├─► monitor socket ─┤ Stderr ──► stderr
//! signals ─► Signal ┘                   └ Exited ──► our exit code
//! ```
//!
//! One loop over poll(2) (epoll refuses regular files). Nothing in it waits for one direction while the other could
//! move: what cannot be sent or written yet is kept, and its source is not read meanwhile.

pub(crate) mod detach_keys;
pub(crate) mod output;
pub(crate) mod terminal;

use crate::console::Stream;
use crate::exit;
use api::attach::{FromMonitor, MAX_CHUNK_BYTES, STDIN_WINDOW_BYTES, ToMonitor};
use detach_keys::{DetachKeys, Seen};
use error::{Error, Kind, Result, ResultExt};
use output::Output;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::collections::VecDeque;
use std::io::IoSlice;
use sys::signal::{Inbox, number};

/// Signals that are handed on. Left out: what stops and continues this process (job control is the shell's), and
/// `SIGWINCH` without a terminal (a server may take it for an order; this window is none of its business).
pub(crate) const FORWARDED: [u8; 7] =
    [number::HUP, number::INT, number::QUIT, number::USR1, number::USR2, number::ALRM, number::TERM];
/// Signals that end us while the terminal is raw: keys are the payload's, so these come from elsewhere and mean that
/// this terminal or its user is gone. The payload has a terminal of its own and goes on.
const LEAVING: [u8; 4] = [number::HUP, number::INT, number::QUIT, number::TERM];
/// Signals kept for a monitor that does not read: more says nothing new.
const MAX_QUEUED: usize = 64;

/// How this terminal takes part.
#[derive(Debug)]
pub(crate) struct Manner {
    /// Standard input belongs to the payload.
    pub interactive: bool,
    /// The payload has a terminal.
    pub tty: bool,
    /// Hand signals on.
    pub forward_signals: bool,
    /// Show what it says.
    pub stdout: bool,
    /// Show what it complains of.
    pub stderr: bool,
    /// What detaches, where there is a terminal.
    pub detach_keys: DetachKeys,
}

/// How the conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The payload ended with this exit code.
    Exited(u8),
    /// The user left with the detach keys; the payload goes on.
    Detached,
    /// A signal, or a reader that left, ended us; the payload goes on.
    Signalled(u8),
}

impl End {
    /// The exit code that says so.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Detached => exit::SUCCESS,
            Self::Signalled(signal) => exit::of_signal(signal),
        }
    }
}

/// Relays until the payload ends. `name` is the container's, for complaints.
pub(crate) fn attach(socket: &OwnedFd, name: &str, manner: Manner) -> Result<End> {
    let is_raw = manner.tty && manner.interactive;
    let mut catch = Vec::new();
    if manner.tty {
        catch.push(number::WINCH);
    }
    if is_raw {
        catch.extend(LEAVING);
    } else if manner.forward_signals {
        catch.extend(FORWARDED);
    }
    let inbox = Inbox::open(&catch).map_err(std::io::Error::from).context(|| "can't catch signals")?;
    let raw = is_raw.then(terminal::Raw::enter).flatten();
    let mut relay = Relay {
        socket,
        inbox,
        name,
        stdin_open: manner.interactive,
        manner,
        under_way: 0,
        outgoing: VecDeque::new(),
        out: Output::new(Stream::Out),
        err: Output::new(Stream::Err),
        end: None,
        note: None,
    };
    if relay.manner.tty {
        relay.resize(); // it may have changed since the container was made
    }
    let end = relay.run();
    drop(raw); // before anything else is said
    if let Some(note) = relay.note {
        // Nobody there to read it: so be it.
        let _ = crate::console::write_all(Stream::Err, format!("{note}\n").as_bytes());
    }
    end
}

/// `is_wanted`: standard input is for a terminal; then it must be one.
///
/// # Errors
/// In both of Docker's wordings, with a way out.
pub(crate) fn check_terminal(is_wanted: bool, way_out: &str) -> Result<()> {
    if !is_wanted || terminal::terminals().stdin {
        return Ok(());
    }
    let text = "the input device is not a TTY: cannot attach stdin to a TTY-enabled container because stdin is not a \
                terminal";
    Err(Error::invalid(text).hint(way_out))
}

/// Has a program that draws on its whole terminal draw anew: only a size that changes is told to it.
pub(crate) fn redraw(socket: &OwnedFd, window: Option<(u16, u16)>) {
    let Some((rows, columns)) = window else { return };
    let (head, body) = ToMonitor::Resize { rows: rows.saturating_add(1), columns }.encode();
    // The true size comes next. A monitor that is gone is found out by who talks to it then.
    let _ = sys::socket::send(socket, &[IoSlice::new(&head), IoSlice::new(body)], None, SendFlags::empty());
}

/// Waits until the payload has been executed, then leaves it alone.
pub(crate) fn detach(socket: &OwnedFd, name: &str) -> Result<()> {
    let mut buffer = vec![0; MAX_CHUNK_BYTES + 1];
    loop {
        let (length, _) =
            sys::socket::receive(socket, &mut buffer, RecvFlags::empty()).map_err(|errno| lost(name, errno))?;
        if length == 0 {
            return Err(died(name));
        }
        match FromMonitor::decode(&buffer[..length])? {
            FromMonitor::Failed(error) => return Err(error),
            FromMonitor::Running | FromMonitor::Exited(_) => break,
            FromMonitor::Stdout(_)
            | FromMonitor::Stderr(_)
            | FromMonitor::StdinTaken(_)
            | FromMonitor::Done
            | FromMonitor::Note(_) => {}
        }
    }
    let (head, body) = ToMonitor::Detach.encode();
    match sys::socket::send(socket, &[IoSlice::new(&head), IoSlice::new(body)], None, SendFlags::empty()) {
        // A payload that was so quick needs no farewell.
        Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(lost(name, errno)),
    }
}

struct Relay<'a> {
    socket: &'a OwnedFd,
    inbox: Inbox,
    name: &'a str,
    manner: Manner,
    stdin_open: bool,
    /// Bytes of standard input that the payload has not taken yet; when they are many, no more are read.
    under_way: usize,
    /// Messages that the monitor has not taken yet; standard input is not read while there are any.
    outgoing: VecDeque<Vec<u8>>,
    out: Output,
    err: Output,
    /// Known, but there may be output left to write.
    end: Option<End>,
    /// What the user should know, once his terminal is as it was.
    note: Option<String>,
}

impl Relay<'_> {
    fn run(&mut self) -> Result<End> {
        let mut buffer = vec![0; MAX_CHUNK_BYTES + 1];
        loop {
            let writing = self.out.is_waiting() || self.err.is_waiting();
            if let (Some(end), false) = (self.end, writing) {
                return Ok(end);
            }
            let ready = self.wait(writing)?;
            if ready.inbox {
                while let Some(signal) = self.inbox.next() {
                    self.take_signal(signal);
                }
                self.send_queued()?;
            }
            if ready.out {
                self.write(Stream::Out, None)?;
            }
            if ready.err {
                self.write(Stream::Err, None)?;
            }
            if ready.socket_out {
                self.send_queued()?;
            }
            if ready.socket_in && self.end.is_none() {
                self.receive(&mut buffer)?;
            }
            if ready.stdin && self.end.is_none() {
                self.read_stdin(&mut buffer)?;
            }
        }
    }

    /// Waits until something can move.
    fn wait(&self, writing: bool) -> Result<Ready> {
        let running = self.end.is_none();
        let mut socket = PollFlags::empty();
        if running && !writing {
            socket |= PollFlags::IN;
        }
        if running && !self.outgoing.is_empty() {
            socket |= PollFlags::OUT;
        }
        let wants_stdin = running && self.stdin_open && self.outgoing.is_empty() && self.under_way < STDIN_WINDOW_BYTES;
        let stdin = rustix::stdio::stdin();
        // A descriptor that is asked nothing still reports hang-ups and would wake us for ever: it is left out.
        let mut fds = Vec::with_capacity(5);
        let mut add = |wanted: bool, fd, flags| {
            wanted.then(|| {
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                fds.len() - 1
            })
        };
        let inbox = add(true, self.inbox.as_fd(), PollFlags::IN);
        let socket = add(!socket.is_empty(), self.socket.as_fd(), socket);
        let stdin = add(wants_stdin, stdin, PollFlags::IN);
        let out = add(self.out.is_waiting(), Stream::Out.fd(), PollFlags::OUT);
        let err = add(self.err.is_waiting(), Stream::Err.fd(), PollFlags::OUT);
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::from(std::io::Error::from(errno)).context("can't wait for the container")),
        }
        let happened = |index: Option<usize>| index.map_or(PollFlags::empty(), |index| fds[index].revents());
        let is_ready = |index| !happened(index).is_empty();
        let ended = PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            inbox: is_ready(inbox),
            socket_in: !writing && happened(socket).intersects(PollFlags::IN | ended),
            socket_out: !self.outgoing.is_empty() && happened(socket).intersects(PollFlags::OUT | ended),
            stdin: is_ready(stdin),
            out: is_ready(out),
            err: is_ready(err),
        })
    }

    /// One message from the monitor.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<()> {
        let length = match sys::socket::receive(self.socket, buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(died(self.name)),
            Ok((length, _)) => length,
            // It left without having read all we said; what it said before is still to be read, and then its end.
            Err(Errno::AGAIN | Errno::CONNRESET) => return Ok(()),
            Err(errno) => return Err(lost(self.name, errno)),
        };
        match FromMonitor::decode(&buffer[..length])? {
            FromMonitor::Running | FromMonitor::Done => Ok(()),
            FromMonitor::Note(text) => {
                self.note = Some(text.to_owned());
                Ok(())
            }
            FromMonitor::Failed(error) => Err(error),
            FromMonitor::Stdout(bytes) if self.manner.stdout => self.write(Stream::Out, Some(bytes)),
            FromMonitor::Stderr(bytes) if self.manner.stderr => self.write(Stream::Err, Some(bytes)),
            FromMonitor::Stdout(_) | FromMonitor::Stderr(_) => Ok(()),
            FromMonitor::StdinTaken(bytes) => {
                self.under_way = self.under_way.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
                Ok(())
            }
            FromMonitor::Exited(code) => {
                self.end = Some(End::Exited(code));
                Ok(())
            }
        }
    }

    /// Writes what waits and then `bytes`, as much as can be written now.
    fn write(&mut self, stream: Stream, bytes: Option<&[u8]>) -> Result<()> {
        let output = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        match output.write(bytes.unwrap_or_default()) {
            Ok(()) => Ok(()),
            // As if SIGPIPE had ended us, which is what happens to Docker's command line: the payload goes on.
            Err(Errno::PIPE) => {
                output.abandon();
                self.leave(End::Signalled(number::PIPE));
                Ok(())
            }
            Err(errno) => {
                let what = if stream == Stream::Out { "standard output" } else { "standard error" };
                let error = Error::from(std::io::Error::from(errno)).context(format!("can't write to {what}"));
                output.abandon();
                self.leave(End::Detached);
                Err(error.hint(format!("container `{}` goes on; see `isolazi logs`", self.name)))
            }
        }
    }

    /// Some bytes of ours for the payload, or the news that there will be no more.
    fn read_stdin(&mut self, buffer: &mut [u8]) -> Result<()> {
        let room = MAX_CHUNK_BYTES.min(STDIN_WINDOW_BYTES - self.under_way);
        let read = match rustix::io::read(rustix::stdio::stdin(), &mut buffer[..room]) {
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => 0, // a terminal that is gone (EIO) or a directory has no more bytes than an empty file
        };
        if read == 0 {
            self.stdin_open = false;
            return self.send(ToMonitor::StdinClosed);
        }
        if !self.manner.tty {
            self.under_way += read;
            return self.send(ToMonitor::Stdin(&buffer[..read]));
        }
        match self.manner.detach_keys.filter(&buffer[..read]) {
            Seen::Bytes(bytes) if bytes.is_empty() => Ok(()),
            Seen::Bytes(bytes) => {
                self.under_way += bytes.len();
                self.send(ToMonitor::Stdin(&bytes))
            }
            Seen::Detach => {
                self.leave(End::Detached);
                Ok(())
            }
        }
    }

    fn take_signal(&mut self, signal: u8) {
        if signal == number::WINCH {
            self.resize();
        } else if self.end.is_some() {
            // Nothing is left but output that nobody takes: the user need not wait for it.
            self.out.abandon();
            self.err.abandon();
        } else if self.manner.tty && self.manner.interactive {
            self.leave(End::Signalled(signal));
        } else if self.outgoing.len() < MAX_QUEUED {
            self.queue(ToMonitor::Signal(signal));
        }
    }

    fn resize(&mut self) {
        if let Some((rows, columns)) = terminal::window()
            && self.outgoing.len() < MAX_QUEUED
        {
            self.queue(ToMonitor::Resize { rows, columns });
        }
    }

    /// Says farewell if it can be said at once; a closed socket says the same.
    fn leave(&mut self, end: End) {
        self.outgoing.clear();
        self.queue(ToMonitor::Detach);
        // Nothing to do about a monitor that is gone or does not listen: we go anyway.
        let _ = self.send_queued();
        self.end = Some(end);
    }

    fn queue(&mut self, word: ToMonitor<'_>) {
        let (head, body) = word.encode();
        self.outgoing.push_back([&head, body].concat());
    }

    fn send(&mut self, word: ToMonitor<'_>) -> Result<()> {
        if self.outgoing.is_empty() {
            let (head, body) = word.encode();
            if self.try_send(&[IoSlice::new(&head), IoSlice::new(body)])? {
                return Ok(());
            }
        }
        self.queue(word);
        Ok(())
    }

    fn send_queued(&mut self) -> Result<()> {
        while let Some(message) = self.outgoing.front() {
            if !self.try_send(&[IoSlice::new(message)])? {
                break;
            }
            self.outgoing.pop_front();
        }
        Ok(())
    }

    /// Did the monitor take it?
    fn try_send(&self, parts: &[IoSlice<'_>]) -> Result<bool> {
        match sys::socket::send(self.socket, parts, None, SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            // It has said its last word, which is still to be read.
            Err(Errno::PIPE | Errno::CONNRESET) => Ok(true),
            Err(errno) => Err(lost(self.name, errno)),
        }
    }
}

/// What can move.
struct Ready {
    inbox: bool,
    socket_in: bool,
    socket_out: bool,
    stdin: bool,
    out: bool,
    err: bool,
}

fn died(name: &str) -> Error {
    Error::new(Kind::Internal, format!("the monitor of container {name} died"))
}

fn lost(name: &str, errno: Errno) -> Error {
    Error::from(std::io::Error::from(errno)).context(format!("can't talk to the monitor of container {name}"))
}
