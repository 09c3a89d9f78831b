//! The one value through which this program talks: results to standard output, everything else to standard error.
//!
//! Output is gathered and written when it is much or when the command ends. A reader that left (`isolazi ps | head -0`)
//! is not an error to report: it ends the command as SIGPIPE would.

use error::{Error, Kind, Result};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Gathered output is written at this many bytes: a pipe's worth.
const FLUSH_AT_BYTES: usize = 64 * 1024;

/// Standard output and standard error.
#[derive(Debug, Default)]
pub(crate) struct Console {
    gathered: Vec<u8>,
    /// Bytes for standard error that are as many and as little urgent as results.
    gathered_errors: Vec<u8>,
    /// Writing failed: nothing more is tried.
    broken: Option<Errno>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Results.
    Out,
    /// Everything else.
    Err,
}

impl Stream {
    /// Its descriptor.
    pub(crate) fn fd(self) -> BorrowedFd<'static> {
        match self {
            Self::Out => rustix::stdio::stdout(),
            Self::Err => rustix::stdio::stderr(),
        }
    }
}

impl Console {
    /// Bytes of a result.
    pub(crate) fn out(&mut self, bytes: impl AsRef<[u8]>) {
        self.gathered.extend_from_slice(bytes.as_ref());
        if self.gathered.len() >= FLUSH_AT_BYTES {
            self.flush();
        }
    }

    /// One line of a result.
    pub(crate) fn line(&mut self, text: &str) {
        self.out(text);
        self.out("\n");
    }

    /// Bytes of another program's output, in the order in which it said them.
    pub(crate) fn say(&mut self, stream: Stream, bytes: impl AsRef<[u8]>) {
        let (same, other) = match stream {
            Stream::Out => (&mut self.gathered, &self.gathered_errors),
            Stream::Err => (&mut self.gathered_errors, &self.gathered),
        };
        if other.is_empty() {
            same.extend_from_slice(bytes.as_ref());
            if same.len() < FLUSH_AT_BYTES {
                return;
            }
            return self.flush();
        }
        self.flush();
        self.say(stream, bytes);
    }

    /// Text for the person, now, after all results so far.
    pub(crate) fn tell(&mut self, text: impl AsRef<[u8]>) {
        self.flush();
        // There is nobody left to tell when standard error itself is broken.
        let _ = write_all(Stream::Err, text.as_ref());
    }

    /// `Error: …` on one line and a `Hint: …` for each hint.
    pub(crate) fn complain(&mut self, error: &Error) {
        self.tell(describe(error));
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self) {
        if self.broken.is_none() && !self.gathered.is_empty() {
            self.broken = write_all(Stream::Out, &self.gathered).err();
        }
        self.gathered.clear();
        if !self.gathered_errors.is_empty() {
            // There is nobody left to tell when standard error itself is broken.
            let _ = write_all(Stream::Err, &self.gathered_errors);
        }
        self.gathered_errors.clear();
    }

    /// Has the reader of our results gone, or can they not be written?
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Writes what was gathered and says whether all results reached standard output.
    ///
    /// # Errors
    /// `Kind::Interrupted` when the reader left, otherwise what the write said.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.flush();
        match self.broken {
            None => Ok(()),
            Some(Errno::PIPE) => Err(Error::new(Kind::Interrupted, "the reader of standard output is gone")),
            Some(errno) => Err(Error::from(std::io::Error::from(errno)).context("can't write to standard output")),
        }
    }
}

/// A result that somebody else writes. Its end is the console's: until then a failure to write only stops the writer.
impl std::io::Write for Console {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out(bytes);
        if self.is_broken() { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Self::flush(self);
        if self.is_broken() { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// The lines that report an error.
pub(crate) fn describe(error: &Error) -> String {
    let mut text = format!("Error: {error}\n");
    for hint in &error.hints {
        text.push_str(&format!("Hint: {}\n", Error::invalid(hint.as_str()))); // Display escapes line breaks
    }
    text
}

/// Writes all of it, waiting where a non-blocking descriptor is full.
pub(crate) fn write_all(stream: Stream, mut bytes: &[u8]) -> Result<(), Errno> {
    use rustix::event::{PollFd, PollFlags, poll};
    while !bytes.is_empty() {
        match rustix::io::write(stream.fd(), bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // An interrupted wait is only a wasted round.
                let _ = poll(&mut [PollFd::from_borrowed_fd(stream.fd(), PollFlags::OUT)], None);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_each_hint_another() {
        let error = Error::not_found("no such file").context("can't read `a\nb`").hint("make it\nfirst").hint("or not");
        assert_eq!(describe(&error), "Error: can't read `a\\nb`: no such file\nHint: make it\\nfirst\nHint: or not\n");
    }
}
