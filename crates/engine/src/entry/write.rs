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
pub(crate) fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = scan::plain(bytes, false);
    out.extend_from_slice(&bytes[..plain]);
    let rest = &bytes[plain..];
    match rest {
        [] => {}
        _ if std::str::from_utf8(rest).is_ok() => escape_text(out, rest),
        _ => {
            for chunk in rest.utf8_chunks() {
                escape_text(out, chunk.valid().as_bytes());
                chunk.invalid().iter().for_each(|byte| escape_as(out, b"dc", *byte));
            }
        }
    }
}

/// The same for bytes that are UTF-8.
fn escape_text(out: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let plain = scan::plain(text, true);
        out.extend_from_slice(&text[..plain]);
        let Some((special, rest)) = text[plain..].split_first() else { return };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => escape_as(out, b"00", *control),
        }
        text = rest;
    }
}

fn escape_as(out: &mut Vec<u8>, high: &[u8; 2], byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let [upper, lower] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
    out.extend_from_slice(&[b'\\', b'u', high[0], high[1], upper, lower]);
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
