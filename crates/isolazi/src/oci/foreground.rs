//! A payload in the foreground: signals go to it, its terminal is relayed to ours, its exit code becomes ours.
//!
//! ```text
//! our stdin ──► pending ──► console ──► our stdout        (only with a terminal; else the payload has our streams)
//! signals ────► pidfd; SIGWINCH ──► size of the console
//! pidfd ──────► the end
//! ```
//! The payload's terminal leaves line ends as they are written, and ours makes them whole: so a redirected output has no
//! carriage returns, as with runc.

use crate::attach::FORWARDED;
use crate::attach::output::Output;
use crate::attach::terminal::{self, Raw};
use crate::console::Stream;
use crate::exit;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::ConsoleSize;
use runtime::Running;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::termios::{Winsize, tcsetwinsize};
use sys::signal::{Inbox, number};

/// What is read from a terminal at once, in bytes: about what its driver keeps.
const CHUNK_BYTES: usize = 4096;
/// Ctrl-D, which a terminal takes for the end of input (termios(3), VEOF).
const END_OF_INPUT: u8 = 4;

/// The size of our terminal's window, if we have one: a payload should find its own as large from the beginning.
pub(super) fn window() -> Option<ConsoleSize> {
    terminal::window().map(|(rows, columns)| ConsoleSize { height: rows.into(), width: columns.into() })
}

/// Starts a payload and stays until it ends; its exit code, or 128 and the number of the signal that ended it.
pub(super) fn run(start: impl FnOnce() -> Result<Running>) -> Result<u8> {
    // Before the start, so that no signal from now on ends us and leaves the payload alone.
    let mut signals = FORWARDED.to_vec();
    signals.push(number::WINCH);
    let inbox = Inbox::open(&signals).map_err(std::io::Error::from).context(|| "can't catch signals")?;
    let Running { pidfd, console, .. } = start()?;
    let raw = console.as_ref().and_then(|_| Raw::enter_for_plain_lines());
    let relayed = relay(&pidfd, console, &inbox);
    drop(raw); // before anything is said
    if relayed.is_err() {
        // Nobody would hear of its end.
        let _ = sys::process::signal(&pidfd, 9);
    }
    let code = wait(&pidfd)?;
    relayed.map(|()| code)
}

fn relay(pidfd: &OwnedFd, console: Option<OwnedFd>, inbox: &Inbox) -> Result<()> {
    if let Some(console) = &console {
        // Ours alone: nobody else is surprised that it does not wait.
        let flags = fcntl_getfl(console).and_then(|flags| fcntl_setfl(console, flags | OFlags::NONBLOCK));
        flags.map_err(|errno| lost(errno, "set up"))?;
    }
    let is_relayed = console.is_some();
    let mut relay = Relay {
        pidfd,
        inbox,
        stdin_open: is_relayed,
        console,
        pending: Vec::new(),
        out: Output::new(Stream::Out),
        ended: false,
    };
    relay.resize();
    while relay.turn()? {}
    Ok(())
}

struct Relay<'a> {
    pidfd: &'a OwnedFd,
    inbox: &'a Inbox,
    /// The controlling end of the payload's terminal, until nobody has the other end.
    console: Option<OwnedFd>,
    stdin_open: bool,
    /// Keys that the terminal has not taken yet; no more are read meanwhile.
    pending: Vec<u8>,
    out: Output,
    /// The payload has ended; what it wrote may still be on its way.
    ended: bool,
}

impl Relay<'_> {
    /// One wait and what it brought; false at the end.
    fn turn(&mut self) -> Result<bool> {
        if self.ended && !self.out.is_waiting() {
            // What the terminal holds at its payload's end is taken; what others write to it later isn't waited for.
            return self.read_console();
        }
        let ready = self.wait()?;
        if ready.signals {
            while let Some(signal) = self.inbox.next() {
                self.take_signal(signal);
            }
        }
        if ready.out {
            self.write(&[])?;
        }
        if ready.keys_wanted {
            self.send_keys()?;
        }
        if ready.console && !self.out.is_waiting() {
            self.read_console()?;
        }
        if ready.stdin {
            self.read_stdin()?;
        }
        self.ended |= ready.end;
        Ok(true)
    }

    fn wait(&self) -> Result<Ready> {
        let writing = self.out.is_waiting();
        let mut terminal = PollFlags::empty();
        terminal.set(PollFlags::IN, !writing && !self.ended);
        terminal.set(PollFlags::OUT, !self.pending.is_empty() && !self.ended);
        let wants_keys = self.stdin_open && self.console.is_some() && self.pending.is_empty() && !self.ended;
        // A descriptor that is asked nothing still reports hang-ups and would wake us for ever: it is left out.
        let mut fds = Vec::with_capacity(5);
        let mut add = |fd, flags| {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            fds.len() - 1
        };
        let signals = add(self.inbox.as_fd(), PollFlags::IN);
        let end = (!self.ended).then(|| add(self.pidfd.as_fd(), PollFlags::IN));
        let console = self.console.as_ref().filter(|_| !terminal.is_empty()).map(|fd| add(fd.as_fd(), terminal));
        let stdin = wants_keys.then(|| add(rustix::stdio::stdin(), PollFlags::IN));
        let out = writing.then(|| add(Stream::Out.fd(), PollFlags::OUT));
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::from(std::io::Error::from(errno)).context("can't wait for the container")),
        }
        let happened = |index: Option<usize>| index.map_or(PollFlags::empty(), |index| fds[index].revents());
        let console = happened(console);
        Ok(Ready {
            signals: !happened(Some(signals)).is_empty(),
            end: !happened(end).is_empty(),
            // A hang-up is found out by reading.
            console: console.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            keys_wanted: console.contains(PollFlags::OUT),
            stdin: !happened(stdin).is_empty(),
            out: !happened(out).is_empty(),
        })
    }

    fn take_signal(&mut self, signal: u8) {
        if signal == number::WINCH {
            self.resize();
        } else if self.ended {
            // Nothing is left but output that nobody takes: the user need not wait for it.
            self.out.abandon();
        } else {
            // A payload that has just ended gets none: its end is what comes next.
            let _ = sys::process::signal(self.pidfd, signal);
        }
    }

    /// The payload's terminal gets the size of ours.
    fn resize(&self) {
        if let (Some(console), Some((rows, columns))) = (&self.console, terminal::window()) {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            // It may be gone already.
            let _ = tcsetwinsize(console, size);
        }
    }

    /// Some of what the payload shows; false when there is nothing now.
    fn read_console(&mut self) -> Result<bool> {
        let Some(console) = &self.console else { return Ok(false) };
        let mut chunk = [0; CHUNK_BYTES];
        match rustix::io::read(console, &mut chunk) {
            // EIO: nobody has the other end any more (pty(7)).
            Ok(0) | Err(Errno::IO) => {
                self.console = None;
                Ok(false)
            }
            Ok(count) => self.write(&chunk[..count]).map(|()| true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(lost(errno, "read from")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write(bytes).map_err(|errno| {
            self.out.abandon();
            let error = Error::from(std::io::Error::from(errno)).context("can't write to standard output");
            // As if SIGPIPE had ended us.
            if errno == Errno::PIPE { Error { kind: Kind::Interrupted, ..error } } else { error }
        })
    }

    fn read_stdin(&mut self) -> Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            // A terminal that is gone (EIO) or a directory has no more bytes than an empty file.
            Ok(0) | Err(_) => {
                self.stdin_open = false;
                self.pending.push(END_OF_INPUT);
            }
            Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
        }
        self.send_keys()
    }

    /// Sends as many keys as the terminal takes now.
    fn send_keys(&mut self) -> Result<()> {
        let Some(console) = &self.console else {
            self.pending.clear();
            return Ok(());
        };
        while !self.pending.is_empty() {
            match rustix::io::write(console, &self.pending) {
                Ok(0) | Err(Errno::AGAIN | Errno::INTR) => break,
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::IO) => self.pending.clear(),
                Err(errno) => return Err(lost(errno, "write to")),
            }
        }
        Ok(())
    }
}

/// What can move.
struct Ready {
    signals: bool,
    end: bool,
    console: bool,
    keys_wanted: bool,
    stdin: bool,
    out: bool,
}

fn wait(pidfd: &OwnedFd) -> Result<u8> {
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
    let status = status.map_err(std::io::Error::from).context(|| "can't wait for the container's process")?;
    let code = status.as_ref().and_then(|status| status.exit_status());
    let signal = status.as_ref().and_then(|status| status.terminating_signal());
    match (code.map(u8::try_from), signal.map(u8::try_from)) {
        (Some(Ok(code)), _) => Ok(code),
        (_, Some(Ok(signal))) => Ok(exit::of_signal(signal)),
        _ => Err(Error::new(Kind::Internal, "the container's process ended in no known way")),
    }
}

fn lost(errno: Errno, what: &str) -> Error {
    Error::from(std::io::Error::from(errno)).context(format!("can't {what} the container's terminal"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::process::{Child, Command, Stdio};

    fn running(child: &Child, console: Option<OwnedFd>) -> Running {
        let pid = Pid::from_child(child);
        Running { pid, pidfd: pidfd_open(pid, PidfdFlags::empty()).unwrap(), console }
    }

    /// A shell as the payload, with a terminal of its own or our streams.
    fn shell(script: &str, terminal: bool) -> Running {
        let mut command = Command::new("setsid");
        if !terminal {
            return running(&command.args(["sh", "-c", script]).spawn().unwrap(), None);
        }
        let console = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&console).and_then(|()| unlockpt(&console)).unwrap();
        let name = ptsname(&console, Vec::new()).unwrap().into_string().unwrap();
        let stream = || Stdio::from(std::fs::File::options().read(true).write(true).open(&name).unwrap());
        command.args(["--ctty", "sh", "-c", script]).stdin(stream()).stdout(stream()).stderr(stream());
        running(&command.spawn().unwrap(), Some(console))
    }

    /// The command that starts this test's program again, for it is one test in a process of its own that holds a
    /// payload in the foreground: signals and the terminal belong to whole processes.
    fn again(test: &str) -> String {
        let program = std::env::current_exe().unwrap();
        format!("{} --exact oci::foreground::tests::{test} --nocapture in-front", program.display())
    }

    fn is_again() -> bool {
        std::env::args().any(|argument| argument == "in-front")
    }

    #[test]
    fn an_end_is_a_shells_exit_code() {
        for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
            assert_eq!(wait(&shell(script, false).pidfd).unwrap(), code, "{script}");
        }
    }

    #[test]
    fn a_terminal_is_relayed_and_given_back() {
        let script = "trap 'echo got-usr1' USR1; trap 'stty size' WINCH; stty size; read x; echo \"<$x>\"
            while :; do read y; done";
        if is_again() {
            sys::process::exit_now(run(|| Ok(shell(script, true))).unwrap().into());
        }
        let test = again("a_terminal_is_relayed_and_given_back");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("stty -g; {test}; echo code=$?; stty -g")]).env("PATH", "/usr/bin:/bin");
        let mut pty = testkit::Pty::spawn(&command, 24, 80);
        let before = pty.expect("\n").trim().to_owned();
        pty.expect("24 80");
        pty.send("typed\r");
        pty.expect("<typed>");
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pty.pid())).unwrap();
        let door = Pid::from_raw(children.trim().parse().unwrap()).unwrap();
        pty.resize(33, 101);
        pty.expect("33 101");
        kill_process(door, Signal::USR1).unwrap();
        pty.expect("got-usr1");
        pty.send("\x03again\r"); // the payload's terminal knows what Ctrl-C means, ours does not
        pty.expect("code=130");
        pty.expect("\n");
        assert_eq!(pty.expect("\n").trim(), before);
        assert_eq!(pty.wait().0, 0);
    }

    #[test]
    fn much_output_arrives_whole_though_its_writer_has_ended() {
        if is_again() {
            let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line-$i; done; exit 3";
            sys::process::exit_now(run(|| Ok(shell(script, true))).unwrap().into());
        }
        let test = again("much_output_arrives_whole_though_its_writer_has_ended");
        let output = Command::new("sh").args(["-c", &test]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("line-")).count();
        assert_eq!((output.status.code(), lines), (Some(3), 3000), "{text}");
    }

    #[test]
    fn without_a_terminal_the_payload_has_our_streams_and_gets_our_signals() {
        if is_again() {
            let script = "trap 'echo term; exit 9' TERM; read x; echo \"<$x>\"; while :; do sleep 0.05; done";
            sys::process::exit_now(run(|| Ok(shell(script, false))).unwrap().into());
        }
        let test = again("without_a_terminal_the_payload_has_our_streams_and_gets_our_signals");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {test}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"in\n").unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        assert!(lines.any(|line| line.unwrap() == "<in>"));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(lines.any(|line| line.unwrap() == "term"));
        assert_eq!(child.wait().unwrap().code(), Some(9));
    }
}
