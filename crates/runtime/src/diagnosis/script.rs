//! The first line of a script (execve(2), "Interpreter scripts").

/// As much of it as the kernel reads (`BINPRM_BUF_SIZE` of linux/binfmts.h).
pub(super) const LINE: usize = 256;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Script<'a> {
    /// The path of an interpreter.
    Interpreter(&'a [u8]),
    /// The same, but the line ends as on Windows, and for the kernel that belongs to the name.
    CarriageReturn(&'a [u8]),
    /// The line begins with a byte order mark.
    ByteOrderMark,
    /// Text without such a line.
    NoLine,
}

/// Reads the first bytes of a file; `None`: no text.
pub(super) fn parse(head: &[u8]) -> Option<Script<'_>> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.strip_prefix(BYTE_ORDER_MARK).is_some_and(|line| line.starts_with(b"#!")) {
        return Some(Script::ByteOrderMark);
    }
    let Some(words) = line.strip_prefix(b"#!") else {
        let is_text = !head.is_empty() && std::str::from_utf8(line).is_ok() && !head.contains(&0);
        return is_text.then_some(Script::NoLine);
    };
    let mut words = words.split(|byte| matches!(byte, b' ' | b'\t' | 0)).filter(|word| !word.is_empty());
    let interpreter = words.next().unwrap_or_default();
    match interpreter.strip_suffix(b"\r") {
        Some(interpreter) => Some(Script::CarriageReturn(interpreter)),
        None => Some(Script::Interpreter(interpreter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_does() {
        for (head, expected) in [
            (&b"#!/bin/sh\necho\n"[..], Some(Script::Interpreter(b"/bin/sh"))),
            (b"#! /usr/bin/env  python3\n", Some(Script::Interpreter(b"/usr/bin/env"))),
            (b"#!/bin/sh", Some(Script::Interpreter(b"/bin/sh"))),
            (b"#!/bin/sh\r\necho\r\n", Some(Script::CarriageReturn(b"/bin/sh"))),
            (b"#!/usr/bin/env bash\r\n", Some(Script::Interpreter(b"/usr/bin/env"))),
            (b"#!\n", Some(Script::Interpreter(b""))),
            (b"\xef\xbb\xbf#!/bin/sh\n", Some(Script::ByteOrderMark)),
            (b"echo hi\n", Some(Script::NoLine)),
            (b"", None),
            (b"\x7fELF\x02\x01\x01\0", None),
            (b"\xff\xfe\n", None),
        ] {
            assert_eq!(parse(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }
}
