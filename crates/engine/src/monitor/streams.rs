//! Standard input, output and error of a payload: pipes or a terminal, as the monitor holds them.

use error::{Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, openat};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

/// What a pipe holds at first.
pub(super) const PIPE_BYTES: usize = 64 * 1024;

/// What one holds whose payload is busy: what everybody may have (pipe(7)). Not from the beginning: the pipes of an
/// ordinary user have a limit together, also those of his shells, and it counts what they could hold.
const WIDE_PIPE_BYTES: usize = 1024 * 1024;

/// The monitor's ends, all non-blocking.
pub(super) struct Streams {
    /// Where input goes; `None` when there is none or it has ended.
    pub stdin: Option<OwnedFd>,
    /// Where output (or all of a terminal) comes from; `None` after its end.
    pub stdout: Option<OwnedFd>,
    /// Where errors come from; `None` after its end, and with a terminal.
    pub stderr: Option<OwnedFd>,
    /// The controlling end of a terminal, for its size.
    pub console: Option<OwnedFd>,
    /// The payload's end of it, as long as the payload lives: it may close all of its own and open another later.
    pub held: Option<OwnedFd>,
    /// The pipes for output hold more than others.
    is_wide: bool,
}

/// The payload's ends.
pub(super) struct PayloadEnds {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl PayloadEnds {
    /// In the order 0, 1, 2.
    pub(super) fn as_array(&self) -> [BorrowedFd<'_>; 3] {
        [self.stdin.as_fd(), self.stdout.as_fd(), self.stderr.as_fd()]
    }
}

impl Streams {
    /// None at all.
    pub(super) fn none() -> Self {
        Self { stdin: None, stdout: None, stderr: None, console: None, held: None, is_wide: false }
    }

    /// Pipes, or nothing yet when a terminal will come from the init.
    pub(super) fn new(tty: bool, interactive: bool) -> Result<(Self, Option<PayloadEnds>)> {
        let mut ours = Self::none();
        if tty {
            return Ok((ours, None));
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from).context(|| "can't make a pipe");
        let stdin = if interactive {
            let (read, write) = pipe()?;
            ours.stdin = Some(nonblocking(write)?);
            read
        } else {
            openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(std::io::Error::from)
                .context(|| "can't open `/dev/null`")?
        };
        let (out_read, stdout) = pipe()?;
        let (err_read, stderr) = pipe()?;
        ours.stdout = Some(nonblocking(out_read)?);
        ours.stderr = Some(nonblocking(err_read)?);
        Ok((ours, Some(PayloadEnds { stdin, stdout, stderr })))
    }

    /// Makes room for more output, so that a busy payload and we need not wait for each other so often.
    pub(super) fn widen(&mut self) {
        if !self.is_wide {
            self.is_wide = true;
            self.set_room(WIDE_PIPE_BYTES);
        }
    }

    /// Gives that room back.
    pub(super) fn narrow(&mut self) {
        if self.is_wide {
            self.is_wide = false;
            self.set_room(PIPE_BYTES);
        }
    }

    fn set_room(&self, bytes: usize) {
        for pipe in self.stdout.iter().chain(&self.stderr) {
            // Refused over the user's limit, for a terminal, and where more than that waits to be read.
            let _ = fcntl_setpipe_size(pipe, bytes);
        }
    }

    /// With the terminal that the init made, if it made one.
    pub(super) fn with_console(mut self, console: Option<OwnedFd>) -> Result<Self> {
        let Some(console) = console else { return Ok(self) };
        let copy = || console.try_clone().context(|| "can't copy the terminal's descriptor");
        self.stdin = Some(copy()?);
        self.stdout = Some(nonblocking(copy()?)?);
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        // One that has ended already has hung its terminal up.
        self.held = ioctl_tiocgptpeer(&console, flags).ok();
        self.console = Some(console);
        Ok(self)
    }
}

/// Only our end: the payload's is another open file description.
fn nonblocking(fd: OwnedFd) -> Result<OwnedFd> {
    let set = fcntl_getfl(&fd).and_then(|flags| fcntl_setfl(&fd, flags | OFlags::NONBLOCK));
    set.map_err(std::io::Error::from).context(|| "can't make a pipe non-blocking")?;
    Ok(fd)
}
