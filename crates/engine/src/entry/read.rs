//! How an entry is read: our own and Docker's at a glance, those of others by a JSON parser.

use super::{HEAD, scan};
use api::LogStream;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An entry without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Which stream it came from.
    pub stream: LogStream,
    /// RFC 3339, as it is written.
    pub time: Cow<'a, str>,
    /// What else is known of it: its tag.
    pub attributes: BTreeMap<String, String>,
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// An entry of so many bytes; its text was put into the buffer.
    Entry(Entry<'a>, usize),
    /// A line of so many bytes that is none.
    Damaged(usize),
    /// No whole line.
    Partial,
}

/// The entry at the beginning of `bytes`; its text becomes the content of `text`.
#[inline]
pub(crate) fn next<'a>(bytes: &'a [u8], text: &mut Vec<u8>) -> Found<'a> {
    text.clear();
    if let Some((entry, length)) = usual(bytes, text) {
        return Found::Entry(entry, length);
    }
    let Some(end) = scan::find(bytes, b'\n') else { return Found::Partial };
    text.clear();
    match unusual(&bytes[..end], text) {
        Some(entry) => Found::Entry(entry, end + 1),
        None => Found::Damaged(end + 1),
    }
}

/// One in the order of fields that we and Docker write.
#[inline]
fn usual<'a>(bytes: &'a [u8], text: &mut Vec<u8>) -> Option<(Entry<'a>, usize)> {
    let string = bytes.strip_prefix(HEAD)?;
    let rest = &string[unescape(string, text)?..];
    let rest = rest.strip_prefix(br#","stream":"std"#)?;
    let (stream, rest) = match rest.split_first_chunk::<3>()? {
        (b"out", rest) => (LogStream::Stdout, rest),
        (b"err", rest) => (LogStream::Stderr, rest),
        _ => return None,
    };
    let rest = rest.strip_prefix(br#"","time":""#)?;
    let time = &rest[..scan::quote_or_backslash(rest)?];
    let rest = rest[time.len()..].strip_prefix(b"\"}\n")?;
    let time = Cow::Borrowed(std::str::from_utf8(time).ok()?);
    Some((Entry { stream, time, attributes: BTreeMap::new() }, bytes.len() - rest.len()))
}

/// Any other.
fn unusual<'a>(line: &'a [u8], text: &mut Vec<u8>) -> Option<Entry<'a>> {
    #[derive(Deserialize)]
    struct Line<'a> {
        /// Not a string: that of JSON has no place for all bytes.
        #[serde(borrow)]
        log: &'a RawValue,
        #[serde(default, borrow)]
        stream: Cow<'a, str>,
        #[serde(borrow)]
        time: Cow<'a, str>,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let Line { log, stream, time, attrs } = serde_json::from_slice(line).ok()?;
    unescape(log.get().as_bytes().strip_prefix(b"\"")?, text)?;
    let stream = if stream == "stderr" { LogStream::Stderr } else { LogStream::Stdout };
    Some(Entry { stream, time, attributes: attrs })
}

/// Adds what a JSON string says to `out`. The string begins behind its first quote; the result is the length to behind
/// its last one. `None`: it does not end.
#[inline]
fn unescape(string: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let plain = scan::quote_or_backslash(&string[at..])?;
        out.extend_from_slice(&string[at..at + plain]);
        at += plain;
        // Where there is one escape there are often more.
        while let Some([b'\\', escape]) = string[at..].first_chunk() {
            at += 2;
            match escape {
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'b' => out.push(0x08),
                b'f' => out.push(0x0c),
                b'u' => at += unescape_unit(&string[at..], out)?,
                itself => out.push(*itself),
            }
        }
        match string.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => return None, // cut within an escape
            _ => {}
        }
    }
}

/// What stands behind `\u`; how many bytes that were.
#[inline]
fn unescape_unit(string: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let unit = hex(string)?;
    match unit {
        // A byte that is a character by itself, and one that was no part of any.
        0x00..0x80 | 0xdc80..0xdd00 => {
            out.push(unit.to_le_bytes()[0]);
            Some(4)
        }
        _ => Some(unescape_character(unit, &string[4..], out)),
    }
}

/// A unit of UTF-16, which may need a second one.
fn unescape_character(unit: u32, rest: &[u8], out: &mut Vec<u8>) -> usize {
    let second = rest.strip_prefix(b"\\u").and_then(hex).filter(|second| (0xdc00..0xe000).contains(second));
    let (code, length) = match (unit, second) {
        (0xd800..0xdc00, Some(second)) => (0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00), 10),
        _ => (unit, 4),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

#[inline]
fn hex(string: &[u8]) -> Option<u32> {
    let digits = string.first_chunk::<4>()?.map(|digit| DIGITS[usize::from(digit)]);
    let value = digits[0] << 12 | digits[1] << 8 | digits[2] << 4 | digits[3];
    (value <= 0xffff).then_some(value)
}

/// The value of each hexadecimal digit; what is none makes every number too large.
static DIGITS: [u32; 256] = {
    let mut table = [0x10000; 256];
    let mut value: u32 = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
