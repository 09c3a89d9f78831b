//! The one error type of the workspace: what was tried, on what, why it failed, and what to do.
//!
//! A [`Kind`] decides exit codes and later HTTP statuses; texts are for people and never matched by code. The value
//! is plain data, so that it crosses process borders (monitor to command line, virtual machine to host) unharmed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of failure it is. Closed on purpose: a caller that must choose gets a value, not a new kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The object named does not exist.
    NotFound,
    /// An object of that name exists already.
    AlreadyExists,
    /// The object is in a state that forbids this (running, in use).
    Conflict,
    /// The request, reference, flag or document is wrong.
    Invalid,
    /// The kernel or a policy refused.
    Denied,
    /// A registry wants other credentials.
    Unauthorized,
    /// Something needed does not answer now (network, server, full disk); trying later may help.
    Unavailable,
    /// This kernel, machine or version cannot do it.
    Unsupported,
    /// The payload was found but cannot be executed: exit code 126.
    NotExecutable,
    /// The payload was not found in the container: exit code 127.
    CommandNotFound,
    /// The user ended it (Ctrl-C).
    Interrupted,
    /// A broken promise of our own or of the machine.
    Internal,
}

/// A failure, worded for the person who reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What a caller may act upon.
    pub kind: Kind,
    /// Outermost first: `can't pull X`, `can't reach Y`, `connection refused`.
    pub messages: Vec<String>,
    /// What the user could do, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// `std::result::Result` with our error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with one message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, messages: vec![message.into()], hints: Vec::new() }
    }

    /// `Kind::Invalid`, the most frequent one at the border.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// `Kind::NotFound`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Says, one floor higher, what was being tried.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.messages.insert(0, message.into());
        self
    }

    /// Adds what the user could do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// One line: `can't pull `x`: can't reach `y`: connection refused`. Line breaks inside a message (a hostile name, a
/// server's text) are escaped, so that an error is always one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, message) in self.messages.iter().enumerate() {
            if i > 0 {
                f.write_str(": ")?;
            }
            for c in message.chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { fmt::Write::write_char(f, c)? }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// An errno or io error becomes a message with the kind that users act upon.
impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match cause.kind() {
            Io::NotFound => Kind::NotFound,
            Io::AlreadyExists => Kind::AlreadyExists,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Kind::Denied,
            Io::StorageFull | Io::QuotaExceeded | Io::TimedOut | Io::ConnectionRefused | Io::ConnectionReset => {
                Kind::Unavailable
            }
            Io::InvalidInput | Io::InvalidData => Kind::Invalid,
            Io::Unsupported => Kind::Unsupported,
            Io::Interrupted => Kind::Interrupted,
            _ => Kind::Internal,
        };
        Self::new(kind, words(&cause))
    }
}

/// The system's words without Rust's ` (os error 2)`, in lower case as our messages are.
fn words(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// Adds context to any result whose error can become ours.
pub trait ResultExt<T> {
    /// Says what was being tried; use it where a floor is crossed, not on each line.
    fn context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn context<S: Into<String>>(self, message: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|cause| cause.into().context(message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_its_messages_hold() {
        let error = Error::invalid("bad name `a\nb`").context("can't unpack");
        assert_eq!(error.to_string(), "can't unpack: bad name `a\\nb`");
    }

    #[test]
    fn io_errors_lose_rusts_decoration() {
        let io = std::io::Error::from_raw_os_error(2);
        let error: Error = Err::<(), _>(io).context(|| "can't open `/x`").unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (Kind::NotFound, "can't open `/x`: no such file or directory")
        );
    }
}
