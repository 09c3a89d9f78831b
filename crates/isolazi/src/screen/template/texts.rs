//! What the functions of templates do with text.

use super::functions::{MAX_TEXT_BYTES, too_long};
use super::value::Value;
use std::fmt::Write;

/// Go's strings.Split: an empty separator parts all characters.
pub(super) fn split(text: &str, separator: &str) -> Value {
    let parts: Vec<Value> = if separator.is_empty() {
        text.chars().map(|c| c.to_string().into()).collect()
    } else {
        text.split(separator).map(Value::from).collect()
    };
    Value::List(parts.into())
}

/// Go's strings.Title: the first letter of each word.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        let in_word = before == '_' || before.is_alphanumeric() || !before.is_ascii() && !before.is_whitespace();
        if in_word {
            out.push(c)
        } else {
            out.push(single(c, c.to_uppercase()))
        }
        before = c;
    }
    out
}

/// Go changes characters one by one: `ß`, which would become two, stays.
pub(super) fn single(c: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Blanks before and after, unless it is empty.
pub(super) fn pad(text: &str, before: i64, after: i64) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(text.into());
    }
    let blanks = |count: i64| match usize::try_from(count) {
        Ok(count) if count <= MAX_TEXT_BYTES => Ok(" ".repeat(count)),
        Ok(_) => Err(too_long()),
        Err(_) => Err("strings: negative Repeat count".to_owned()),
    };
    Ok(format!("{}{text}{}", blanks(before)?, blanks(after)?).into())
}

/// At most so many bytes; half a character becomes U+FFFD.
pub(super) fn truncate(text: &str, length: i64) -> Result<Value, String> {
    match usize::try_from(length) {
        Err(_) => Err(format!("runtime error: slice bounds out of range [:{length}]")),
        Ok(length) if text.len() < length => Ok(text.into()),
        Ok(length) => Ok(String::from_utf8_lossy(&text.as_bytes()[..length]).into_owned().into()),
    }
}

pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' | '\x7f' | '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c)); // a String takes everything
            }
            c => out.push(c),
        }
    }
    out
}

pub(super) fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            byte => {
                let _ = write!(out, "%{byte:02X}"); // a String takes everything
            }
        }
    }
    out
}
