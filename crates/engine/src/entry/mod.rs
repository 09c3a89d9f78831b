//! An entry of a log, in the form of Docker's json-file: a line of output, or a piece of a long one.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}
//! {"log":"hello\n","stream":"stderr","attrs":{"tag":"web"},"time":"2026-01-02T03:04:05.678901234Z"}
//! ```
//! JSON holds text, payloads write bytes. A byte 0xNN that is no part of any UTF-8 character is written as the lone
//! surrogate `\udcNN`: Go, jq and others read U+FFFD, which is what Docker would have put there, Python reads what its
//! `surrogateescape` turns back into the byte, and so do we. Nothing is lost.

mod read;
mod scan;
mod write;

pub(crate) use read::{Found, next};
pub(crate) use scan::{find, rfind};
pub(crate) use write::{Clock, STAMP_BYTES, begin, end, escape, escape_line};

/// How an entry begins.
const HEAD: &[u8] = br#"{"log":""#;

#[cfg(test)]
mod tests;
