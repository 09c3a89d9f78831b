//! The words that a client and a container's monitor exchange, one per `SOCK_SEQPACKET` message.
//!
//! ```text
//! message = kind (1 byte) · body (up to 64 KiB)
//! client → monitor   Q a wish (JSON, in pieces: the head says whether more follows), the first word of a connection
//!                    I stdin bytes · C stdin closed · W rows cols (2 × u16, little endian) · S signal (1 byte) · D detach
//! monitor → client   R running · F failure (JSON) · O stdout bytes · E stderr bytes · X exit code (1 byte)
//!                    K stdin bytes taken (u32, little endian) · A done · N a note for people (text)
//! ```
//! The client that starts a monitor has a connection with it already, which is attached to all that its container has.
//! All others connect to the socket `socket` in the container's folder and say what they want ([`Wish`](crate::Wish)):
//! who attaches or executes hears R and then speaks of streams; a wish that only waits is answered by X; one that acts,
//! by A or F.
//!
//! A client has at most [`STDIN_WINDOW_BYTES`] of stdin under way that no `K` has acknowledged: so the queue never
//! fills with input that the payload does not read, and a signal or a new window size always gets through.
//!
//! After `F` or `X` nothing follows. A monitor that dies closes the socket without either: the client reports it.

use error::{Error, Result};

/// The largest body of stream bytes in one message; one pipe's worth, so a full pipe is one read and one send.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// The most stdin bytes that may be under way without an acknowledgement.
pub const STDIN_WINDOW_BYTES: usize = 2 * MAX_CHUNK_BYTES;

/// The longest wish, in bytes: the kernel takes 2 MiB of arguments and environment by default.
pub const MAX_WISH_BYTES: usize = 4 * 1024 * 1024;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToMonitor<'a> {
    /// A piece of a wish, in JSON.
    Wish {
        /// Another piece follows.
        more: bool,
        /// The text.
        piece: &'a [u8],
    },
    /// Bytes for the payload's standard input.
    Stdin(&'a [u8]),
    /// The client's standard input ended.
    StdinClosed,
    /// The client's window has this size.
    Resize {
        /// Lines of text.
        rows: u16,
        /// Characters in a line.
        columns: u16,
    },
    /// Send this signal to the payload.
    Signal(u8),
    /// The client goes; the payload stays.
    Detach,
}

/// What a monitor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromMonitor<'a> {
    /// The payload has been executed.
    Running,
    /// The payload could not be started; this is why, in words.
    Failed(Error),
    /// Bytes of its standard output (or of its terminal).
    Stdout(&'a [u8]),
    /// Bytes of its standard error.
    Stderr(&'a [u8]),
    /// So many bytes of standard input went to the payload (or nowhere, when it has closed it).
    StdinTaken(u32),
    /// It ended with this exit code (128 + n for signal n).
    Exited(u8),
    /// What was wished has been done.
    Done,
    /// Something that the user should know; not an end.
    Note(&'a str),
}

impl<'a> ToMonitor<'a> {
    /// The kind byte and the body, ready to be sent as one message.
    pub fn encode(self) -> ([u8; 5], &'a [u8]) {
        match self {
            Self::Wish { more, piece } => ([b'Q', more.into(), 0, 0, 0], piece),
            Self::Stdin(bytes) => ([b'I', 0, 0, 0, 0], bytes),
            Self::StdinClosed => ([b'C', 0, 0, 0, 0], &[]),
            Self::Resize { rows, columns } => {
                let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
                ([b'W', a, b, c, d], &[])
            }
            Self::Signal(number) => ([b'S', number, 0, 0, 0], &[]),
            Self::Detach => ([b'D', 0, 0, 0, 0], &[]),
        }
    }

    /// The message that [`encode`](Self::encode) made: a five-byte head, then the body.
    pub fn decode(message: &'a [u8]) -> Result<Self> {
        let Some((&[kind, a, b, c, d], body)) = message.split_first_chunk::<5>() else {
            return Err(Error::invalid("malformed attach message: too short"));
        };
        Ok(match kind {
            b'Q' => Self::Wish { more: a != 0, piece: body },
            b'I' => Self::Stdin(body),
            b'C' => Self::StdinClosed,
            b'W' => Self::Resize { rows: u16::from_le_bytes([a, b]), columns: u16::from_le_bytes([c, d]) },
            b'S' => Self::Signal(a),
            b'D' => Self::Detach,
            other => return Err(Error::invalid(format!("malformed attach message: unknown kind {other}"))),
        })
    }
}

impl<'a> FromMonitor<'a> {
    /// The kind byte, and the body that follows it in the same message.
    pub fn encode(&self) -> (u8, std::borrow::Cow<'a, [u8]>) {
        use std::borrow::Cow::{Borrowed, Owned};
        match self {
            Self::Running => (b'R', Borrowed(&[])),
            Self::Failed(error) => (b'F', Owned(serde_json::to_vec(error).expect("an error is plain strings"))),
            Self::Stdout(bytes) => (b'O', Borrowed(bytes)),
            Self::Stderr(bytes) => (b'E', Borrowed(bytes)),
            Self::StdinTaken(bytes) => (b'K', Owned(bytes.to_le_bytes().to_vec())),
            Self::Exited(code) => (b'X', Owned(vec![*code])),
            Self::Done => (b'A', Borrowed(&[])),
            Self::Note(text) => (b'N', Borrowed(text.as_bytes())),
        }
    }

    /// The message that [`encode`](Self::encode) made.
    pub fn decode(message: &'a [u8]) -> Result<Self> {
        let bad = |what: &str| Error::invalid(format!("malformed message from the monitor: {what}"));
        let Some((&kind, body)) = message.split_first() else { return Err(bad("empty")) };
        Ok(match (kind, body) {
            (b'R', _) => Self::Running,
            (b'F', json) => Self::Failed(serde_json::from_slice(json).map_err(|cause| bad(&cause.to_string()))?),
            (b'O', bytes) => Self::Stdout(bytes),
            (b'E', bytes) => Self::Stderr(bytes),
            (b'K', &[a, b, c, d]) => Self::StdinTaken(u32::from_le_bytes([a, b, c, d])),
            (b'X', &[code]) => Self::Exited(code),
            (b'A', _) => Self::Done,
            (b'N', text) => Self::Note(std::str::from_utf8(text).map_err(|_| bad("a note is no text"))?),
            _ => return Err(bad("unknown kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_the_wire() {
        for word in [
            ToMonitor::Wish { more: true, piece: b"{" },
            ToMonitor::Wish { more: false, piece: b"}" },
            ToMonitor::Stdin(b"abc"),
            ToMonitor::StdinClosed,
            ToMonitor::Resize { rows: 24, columns: 300 },
            ToMonitor::Signal(15),
            ToMonitor::Detach,
        ] {
            let (head, body) = word.encode();
            assert_eq!(ToMonitor::decode(&[&head, body].concat()).unwrap(), word);
        }
        for word in [
            FromMonitor::Running,
            FromMonitor::Failed(Error::invalid("x").hint("y")),
            FromMonitor::Stdout(b"out"),
            FromMonitor::Stderr(b""),
            FromMonitor::StdinTaken(65536),
            FromMonitor::Exited(137),
            FromMonitor::Done,
            FromMonitor::Note("so it is"),
        ] {
            let (kind, body) = word.encode();
            assert_eq!(FromMonitor::decode(&[&[kind], &*body].concat()).unwrap(), word);
        }
        assert!(ToMonitor::decode(b"I").is_err() && FromMonitor::decode(b"X").is_err());
    }
}
