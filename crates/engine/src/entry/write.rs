//! How an entry is written: `begin`, `escape` or `escape_line`, `end`.

use super::{HEAD, scan};
use api::LogStream;
use std::time::{SystemTime, UNIX_EPOCH};

/// The length of a time stamp: RFC 3339 with nanoseconds, UTC.
pub(crate) const STAMP_BYTES: usize = "2026-01-02T03:04:05.678901234Z".len();

/// Where its nanoseconds stand.
const NANOSECONDS: std::ops::Range<usize> = 20..29;

/// Begins an entry.
#[inline]
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(HEAD);
}

/// What ends an entry. `attributes`: empty, or a JSON object.
pub(crate) fn end(stream: LogStream, attributes: &str, stamp: &[u8; STAMP_BYTES]) -> Vec<u8> {
    let stream = match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    };
    let stamp = std::str::from_utf8(stamp).expect("a stamp is digits and signs");
    let attributes = if attributes.is_empty() { String::new() } else { format!(r#","attrs":{attributes}"#) };
    format!("\",\"stream\":\"{stream}\"{attributes},\"time\":\"{stamp}\"}}\n").into_bytes()
}

/// Writes the first line, with its break, as the inside of a JSON string; its length. `None`: there is no line break, and
/// nothing was written. Looks at each byte once, if it is a line like most.
#[inline]
pub(crate) fn escape_line(out: &mut Vec<u8>, bytes: &[u8]) -> Option<usize> {
    let plain = scan::plain(bytes, false);
    if bytes.get(plain) == Some(&b'\n') {
        out.extend_from_slice(&bytes[..plain]);
        out.extend_from_slice(b"\\n");
        return Some(plain + 1);
    }
    let end = plain + scan::find(&bytes[plain..], b'\n')?;
    escape(out, &bytes[..=end]);
    Some(end + 1)
}

/// Writes bytes as the inside of a JSON string.
#[inline]
pub(crate) fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = scan::plain(bytes, false);
    let (plain, rest) = bytes.split_at(plain);
    out.extend_from_slice(plain);
    if std::str::from_utf8(rest).is_ok() {
        escape_text(out, rest);
    } else {
        escape_binary(out, rest);
    }
}

/// Text has long runs of what can stand as it is.
fn escape_text(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(&byte) = text.first() {
        let (written, length) = &ESCAPES[usize::from(byte)];
        let done = match length {
            2 => {
                out.extend_from_slice(&written[..2]);
                1
            }
            &LONGEST_ESCAPE if byte < 0x80 => {
                out.extend_from_slice(&written[..LONGEST_ESCAPE]);
                1
            }
            _ => {
                let plain = scan::plain(text, true);
                out.extend_from_slice(&text[..plain]);
                plain
            }
        };
        text = &text[done..];
    }
}

/// In other bytes nothing can be foreseen, so there is as little as possible to be decided at each.
fn escape_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let (mut at, mut end) = (0, out.len());
    out.resize(end + bytes.len() * LONGEST_ESCAPE + ESCAPES[0].0.len(), 0);
    while let Some(&byte) = bytes.get(at) {
        let character = if byte < 0xc2 { 0 } else { character(&bytes[at..]) };
        if character > 0 {
            out[end..end + character].copy_from_slice(&bytes[at..at + character]);
            (at, end) = (at + character, end + character);
        } else {
            let (written, length) = &ESCAPES[usize::from(byte)];
            out[end..end + written.len()].copy_from_slice(written);
            (at, end) = (at + 1, end + length);
        }
    }
    out.truncate(end);
}

const LONGEST_ESCAPE: usize = r"\u0000".len();

/// How each byte is written, and how long that is: 1 for what stands as it is, 2 or 6 for an escape. Bytes above ASCII have
/// theirs unless they are part of a character.
static ESCAPES: [([u8; 8], usize); 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [([0; 8], 1); 256];
    let mut byte: u8 = 0;
    loop {
        let (upper, lower) = (DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]);
        let (first, second, length) = match byte {
            0x08 => (b'\\', b'b', 2),
            b'\t' => (b'\\', b't', 2),
            b'\n' => (b'\\', b'n', 2),
            0x0c => (b'\\', b'f', 2),
            b'\r' => (b'\\', b'r', 2),
            b'"' | b'\\' => (b'\\', byte, 2),
            0x00..0x20 | 0x80.. => (b'\\', b'u', LONGEST_ESCAPE),
            _ => (byte, 0, 1),
        };
        let [third, fourth] = if byte < 0x80 { *b"00" } else { *b"dc" };
        table[byte as usize] = ([first, second, third, fourth, upper, lower, 0, 0], length);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// The length of the UTF-8 character at the beginning; 0 if there is none.
fn character(bytes: &[u8]) -> usize {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 0,
    };
    match bytes.get(..length).map(std::str::from_utf8) {
        Some(Ok(_)) => length,
        _ => 0,
    }
}

/// Tells the time as a stamp; the calendar is asked once a second.
#[derive(Debug)]
pub(crate) struct Clock {
    second: u64,
    stamp: [u8; STAMP_BYTES],
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { second: 0, stamp: *b"1970-01-01T00:00:00.000000000Z" }
    }

    /// Now.
    pub(crate) fn now(&mut self) -> &[u8; STAMP_BYTES] {
        // A clock before 1970 is wrong anyhow.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at(now.as_secs(), now.subsec_nanos())
    }

    pub(super) fn at(&mut self, second: u64, mut nanosecond: u32) -> &[u8; STAMP_BYTES] {
        if second != self.second {
            let calendar = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
            // Years after 9999 have none.
            let text = format!("{:.9}", calendar.unwrap_or_default());
            self.stamp.copy_from_slice(text.as_bytes());
            self.second = second;
        }
        for place in NANOSECONDS.rev() {
            self.stamp[place] = b'0' + u8::try_from(nanosecond % 10).expect("a digit");
            nanosecond /= 10;
        }
        &self.stamp
    }
}
