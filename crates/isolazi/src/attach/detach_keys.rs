//! The keys that leave a container running: `ctrl-p,ctrl-q` unless told otherwise.

use error::{Error, Result};

/// Docker's default.
const DEFAULT: &str = "ctrl-p,ctrl-q";

/// A sequence of keys, and how much of it was just typed.
#[derive(Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// What typed bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// These are the payload's. (The beginning of the sequence is held back until it is known not to be one.)
    Bytes(Vec<u8>),
    /// The sequence was completed.
    Detach,
}

impl DetachKeys {
    /// `ctrl-a,b`: single characters, or `ctrl-` and one of `a`–`z @ [ \ ] ^ _`. `None` is the default; an empty text
    /// is no sequence at all.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        let text = text.unwrap_or(DEFAULT);
        let keys = text.split(',').filter(|_| !text.is_empty()).map(parse_key).collect::<Option<_>>();
        let keys = keys.ok_or_else(|| {
            Error::invalid(format!("invalid detach keys ({text})")).hint("for example `ctrl-p,ctrl-q` or `ctrl-@,x`")
        })?;
        Ok(Self { keys, matched: 0 })
    }

    /// Looks for the sequence in what was typed.
    pub(crate) fn filter(&mut self, typed: &[u8]) -> Seen {
        if self.keys.is_empty() {
            return Seen::Bytes(typed.to_vec());
        }
        let mut bytes = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte != self.keys[self.matched] {
                bytes.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Seen::Detach;
                }
            } else {
                bytes.push(byte);
            }
        }
        Seen::Bytes(bytes)
    }
}

fn parse_key(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        [b'c', b't', b'r', b'l', b'-', key] => match key {
            b'a'..=b'z' => Some(key - b'a' + 1),
            b'@' => Some(0),
            b'['..=b'_' => Some(key - b'[' + 27),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_detaches_even_in_pieces_and_everything_else_passes() {
        let bytes = |text: &[u8]| Seen::Bytes(text.to_vec());
        let mut keys = DetachKeys::parse(None).unwrap();
        assert_eq!(keys.filter(b"ls\n"), bytes(b"ls\n"));
        assert_eq!(keys.filter(b"a\x10"), bytes(b"a"));
        assert_eq!(keys.filter(b"b"), bytes(b"\x10b"));
        assert_eq!(keys.filter(b"\x10\x10"), bytes(b"\x10"));
        assert_eq!(keys.filter(b"\x11"), Seen::Detach);
        let mut off = DetachKeys::parse(Some("")).unwrap();
        assert_eq!(off.filter(b"\x10\x11"), bytes(b"\x10\x11"));
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(DetachKeys::parse(Some("ctrl-a,x,ctrl-@,ctrl-[,ctrl-_")).unwrap().keys, [1, b'x', 0, 27, 31]);
        for bad in ["ctrl-", "ctrl-A", "ab", "a,,b", "é"] {
            assert!(DetachKeys::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
