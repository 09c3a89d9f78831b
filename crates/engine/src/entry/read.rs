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
        if string[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
        match string.get(at - 1)? {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'u' => at += unescape_unit(&string[at..], out)?,
            itself => out.push(*itself),
        }
    }
}

/// What stands behind `\u`; how many bytes that were.
fn unescape_unit(string: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let unit = hex(string)?;
    let mut length = 4;
    let character = match unit {
        // A byte that was no UTF-8.
        0xdc80..=0xdcff => {
            out.push(unit.to_le_bytes()[0]);
            return Some(length);
        }
        0xd800..=0xdbff => {
            let second = string[4..].strip_prefix(b"\\u").and_then(hex).filter(|unit| (0xdc00..0xe000).contains(unit));
            length += if second.is_some() { 6 } else { 0 };
            second.and_then(|second| char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00)))
        }
        unit => char::from_u32(unit),
    };
    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(length)
}

fn hex(string: &[u8]) -> Option<u32> {
    let digits = string.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}
