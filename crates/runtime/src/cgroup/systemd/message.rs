//! D-Bus messages, as far as systemd and we need them: calls are written, answers and signals are read.
//!
//! ```text
//! l|B  type  flags  1  | body length | serial | array of (code, variant) header fields | pad to 8 | body
//! ```
//! <https://dbus.freedesktop.org/doc/dbus-specification.html>, "Message Protocol". Numbers are in this machine's order:
//! who answers runs on it, too.

use error::{Error, Kind, Result};

/// The most that is read of one message, in bytes. An answer of systemd has a few hundred.
const MOST_BYTES: usize = 1 << 20;
/// The fixed part of a message, in bytes; the length of the header fields ends it.
pub(super) const START_BYTES: usize = 16;
const ORDER: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };
const CALL: u8 = 1;
const PROTOCOL: u8 = 1;

/// Codes of header fields.
mod field {
    pub(super) const PATH: u8 = 1;
    pub(super) const INTERFACE: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ERROR_NAME: u8 = 4;
    pub(super) const REPLY_SERIAL: u8 = 5;
    pub(super) const DESTINATION: u8 = 6;
    pub(super) const SIGNATURE: u8 = 8;
}

/// Bytes with the alignments of the wire; every part begins at a multiple of 8, so that counting from its own start is
/// right.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_ne_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.align(8);
        self.0.extend(number.to_ne_bytes());
    }

    /// A boolean takes four bytes.
    pub(super) fn bool(&mut self, value: bool) {
        self.u32(value.into());
    }

    /// A string or an object path.
    pub(super) fn text(&mut self, text: &str) {
        self.u32(length(text.len()));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    pub(super) fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).expect("our signatures are short"));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// An array whose elements begin at multiples of `align`; its length does not count the gap before the first.
    pub(super) fn array(&mut self, align: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let place = self.0.len() - 4;
        self.align(align);
        let start = self.0.len();
        fill(self);
        let bytes = length(self.0.len() - start).to_ne_bytes();
        self.0[place..place + 4].copy_from_slice(&bytes);
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("what we write is far below 4 GiB")
}

/// A call of a method.
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) signature: &'a str,
    pub(super) body: Writer,
}

impl Call<'_> {
    pub(super) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut out = Writer(vec![ORDER, CALL, 0, PROTOCOL]);
        out.u32(length(self.body.0.len()));
        out.u32(serial);
        let texts = [
            (field::PATH, "o", self.path),
            (field::DESTINATION, "s", self.destination),
            (field::INTERFACE, "s", self.interface),
            (field::MEMBER, "s", self.member),
        ];
        out.array(8, |out| {
            for (code, signature, text) in texts {
                out.align(8);
                out.0.push(code);
                out.signature(signature);
                out.text(text);
            }
            if !self.signature.is_empty() {
                out.align(8);
                out.0.push(field::SIGNATURE);
                out.signature("g");
                out.signature(self.signature);
            }
        });
        out.align(8);
        out.0.extend(&self.body.0);
        out.0
    }
}

/// A message that came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Of the call that it answers.
    pub(super) reply_to: Option<u32>,
    /// Set in an answer that is an error.
    pub(super) error: Option<String>,
    /// The signal's name.
    pub(super) member: String,
    /// The body's leading strings, object paths and numbers (as text).
    pub(super) arguments: Vec<String>,
}

/// How many bytes follow the fixed part.
pub(super) fn rest_of(start: &[u8; START_BYTES]) -> Result<usize> {
    if start[0] != ORDER || start[3] != PROTOCOL {
        return Err(malformed("it is of another protocol"));
    }
    let mut reader = Reader { bytes: start, at: 4 };
    let body = reader.u32()? as usize;
    reader.u32()?;
    let fields = reader.u32()? as usize;
    match fields.checked_next_multiple_of(8).and_then(|fields| fields.checked_add(body)) {
        Some(rest) if rest <= MOST_BYTES => Ok(rest),
        _ => Err(malformed("it is too long")),
    }
}

impl Message {
    /// Reads a whole message.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut message = Self::default();
        let mut signature = String::new();
        let mut reader = Reader { bytes, at: START_BYTES - 4 };
        let end = START_BYTES + reader.u32()? as usize;
        while reader.at < end {
            reader.align(8);
            let code = reader.byte()?;
            let kind = reader.signature()?;
            let value = reader.value(kind.as_bytes().first().copied())?.ok_or_else(|| malformed("an unknown field"))?;
            match code {
                field::ERROR_NAME => message.error = Some(value),
                field::REPLY_SERIAL => message.reply_to = value.parse().ok(),
                field::MEMBER => message.member = value,
                field::SIGNATURE => signature = value,
                _ => {}
            }
        }
        reader.align(8);
        for kind in signature.bytes() {
            match reader.value(Some(kind))? {
                Some(value) => message.arguments.push(value),
                // Nobody wants what comes behind.
                None => break,
            }
        }
        Ok(message)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(count).ok_or_else(|| malformed("a length is wrong"))?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| malformed("it ends too early"))?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        self.align(4);
        let bytes = self.take(4)?;
        Ok(u32::from_ne_bytes(bytes.try_into().expect("four were taken")))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.u32()? as usize;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.byte()?;
        Ok(text)
    }

    fn signature(&mut self) -> Result<String> {
        let length = self.byte()?.into();
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.byte()?;
        Ok(text)
    }

    /// `None` for a kind that we never want to know. What lies in a variant is read as itself.
    fn value(&mut self, kind: Option<u8>) -> Result<Option<String>> {
        Ok(match kind {
            Some(b's' | b'o') => Some(self.text()?),
            Some(b'g') => Some(self.signature()?),
            Some(b'u') => Some(self.u32()?.to_string()),
            Some(b'v') => match self.signature()?.as_bytes() {
                [kind @ (b's' | b'o' | b'u')] => self.value(Some(*kind))?,
                _ => None,
            },
            _ => None,
        })
    }
}

fn malformed(what: &str) -> Error {
    Error::new(Kind::Internal, format!("can't read a D-Bus message: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Vec<u8> {
        let call = Call {
            destination: "org.a",
            path: "/a",
            interface: "org.a",
            member: "Do",
            signature: "su",
            body: {
                let mut body = Writer::default();
                body.text("x");
                body.u32(7);
                body
            },
        };
        call.encode(3)
    }

    #[test]
    fn a_call_is_laid_out_as_the_specification_says() {
        // Numbers in this machine's order.
        let number = |number: u32| number.to_ne_bytes();
        let start = [&[ORDER, 1, 0, 1][..], &number(12), &number(3), &number(72)].concat();
        let [one, two, five, seven] = [1, 2, 5, 7].map(number);
        let expected: &[&[u8]] = &[
            &start,
            &[b"\x01\x01o\0", &two[..], b"/a\0\0\0\0\0\0"].concat(),
            &[b"\x06\x01s\0", &five[..], b"org.a\0\0\0"].concat(),
            &[b"\x02\x01s\0", &five[..], b"org.a\0\0\0"].concat(),
            &[b"\x03\x01s\0", &two[..], b"Do\0\0\0\0\0\0"].concat(),
            b"\x08\x01g\0\x02su\0",
            &[&one[..], b"x\0\0\0", &seven[..]].concat(),
        ];
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(text(&hello()), text(&expected.concat()));
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = hello();
        let start: [u8; START_BYTES] = bytes[..START_BYTES].try_into().unwrap();
        assert_eq!(rest_of(&start).unwrap(), bytes.len() - START_BYTES);
        let message = Message::decode(&bytes).unwrap();
        let arguments = vec!["x".to_owned(), "7".to_owned()];
        assert_eq!(message, Message { member: "Do".to_owned(), arguments, ..Message::default() });
    }

    #[test]
    fn no_message_reads_beyond_its_end_or_loops() {
        let bytes = hello();
        for length in START_BYTES..bytes.len() {
            assert!(Message::decode(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                // Right or wrong, it is decided.
                let _ = Message::decode(&bytes);
            }
        }
        let mut start: [u8; START_BYTES] = bytes[..START_BYTES].try_into().unwrap();
        start[4..8].fill(0xff);
        assert_eq!(rest_of(&start).unwrap_err().to_string(), "can't read a D-Bus message: it is too long");
    }
}
