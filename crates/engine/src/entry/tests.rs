//! What is written is what is read, here and by others.

use super::read::Entry;
use super::*;
use api::LogStream;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

const STAMP: &[u8; STAMP_BYTES] = b"2026-01-02T03:04:05.678901234Z";

fn written(text: &[u8], attributes: &str) -> Vec<u8> {
    let mut line = Vec::new();
    begin(&mut line);
    escape(&mut line, text);
    line.extend(end(LogStream::Stderr, attributes, STAMP));
    line
}

#[test]
fn text_is_escaped_as_json_wants_it_and_other_bytes_as_lone_surrogates() {
    for (bytes, inside) in [
        (&b""[..], r""),
        (b"hello\n", r"hello\n"),
        (b"a \"quoted\" \\ path\r\n", r#"a \"quoted\" \\ path\r\n"#),
        (b"\x00\x08\x0c\t\x1f\x7f", "\\u0000\\b\\f\\t\\u001f\x7f"),
        ("über 漢字 😀\n".as_bytes(), r"über 漢字 😀\n"),
        (b"caf\xe9 \"x\"\n", r#"caf\udce9 \"x\"\n"#),
        (b"\xe6\xbc", r"\udce6\udcbc"),
        (b"\xed\xb2\x80", r"\udced\udcb2\udc80"), // what a lone surrogate would be as bytes
        ("\u{fffd}".as_bytes(), "\u{fffd}"),
    ] {
        let line =
            format!("{{\"log\":\"{inside}\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.678901234Z\"}}\n");
        assert_eq!(String::from_utf8(written(bytes, "")).unwrap(), line);
    }
}

#[test]
fn lines_of_other_programs_are_read_and_what_is_none_is_damaged() {
    let entry = |stream, time, attributes: &[(&str, &str)]| Entry {
        stream,
        time: Cow::Borrowed(time),
        attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    use LogStream::{Stderr, Stdout};
    for (line, expected) in [
        // Docker's: fewer digits, <, > and & escaped, the replacement character escaped.
        (
            r#"{"log":"\u003cb\u003e \ufffd\n","stream":"stdout","time":"2026-01-02T03:04:05.67Z"}"#,
            Some(("<b> \u{fffd}\n", entry(Stdout, "2026-01-02T03:04:05.67Z", &[]))),
        ),
        (
            r#"{"log":"\ud83d\ude00 \ud83d \u00fc\/","stream":"stderr","attrs":{"tag":"web","a":"b"},"time":"T"}"#,
            Some(("😀 \u{fffd} ü/", entry(Stderr, "T", &[("a", "b"), ("tag", "web")]))),
        ),
        (r#"{ "time": "T", "log": "x" }"#, Some(("x", entry(Stdout, "T", &[])))),
        (r#"{"log":"x","stream":"stdout","time":"T","more":[1]}"#, Some(("x", entry(Stdout, "T", &[])))),
        (r#"{"log":"x","stream":"stdout"}"#, None),
        (r#"{"log":7,"stream":"stdout","time":"T"}"#, None),
        (r#"{"log":"x","stream":"std{"log":"y","stream":"stdout","time":"T"}"#, None),
        (r#"{"log":"\u12"}"#, None),
        ("\0\0\0\0", None),
        ("", None),
    ] {
        let mut text = Vec::new();
        let line = format!("{line}\n");
        let found = next(line.as_bytes(), &mut text);
        match expected {
            Some((said, entry)) => {
                assert_eq!(found, Found::Entry(entry, line.len()), "{line}");
                assert_eq!(std::str::from_utf8(&text).unwrap(), said);
            }
            None => assert_eq!(found, Found::Damaged(line.len()), "{line}"),
        }
        assert_eq!(next(&line.as_bytes()[..line.len() - 1], &mut text), Found::Partial);
    }
}

#[test]
fn a_clock_tells_the_second_and_the_nanosecond() {
    let mut clock = Clock::new();
    for (second, nanosecond, stamp) in [
        (0, 7, "1970-01-01T00:00:00.000000007Z"),
        (1_767_323_045, 678_901_234, "2026-01-02T03:04:05.678901234Z"),
        (1_767_323_045, 999_999_999, "2026-01-02T03:04:05.999999999Z"),
        (1_767_323_046, 0, "2026-01-02T03:04:06.000000000Z"),
    ] {
        assert_eq!(clock.at(second, nanosecond), stamp.as_bytes());
    }
}

/// Bytes as payloads write them, and any others: text in pieces, with and without what must be escaped.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        "[ -~\n]{0,40}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_written_is_read(bytes in bytes(), tagged: bool) {
        let line = written(&bytes, if tagged { r#"{"tag":"x"}"# } else { "" });
        let mut text = Vec::new();
        let attributes = BTreeMap::from_iter(tagged.then(|| ("tag".to_owned(), "x".to_owned())));
        let entry = Entry { stream: LogStream::Stderr, time: String::from_utf8_lossy(STAMP), attributes };
        prop_assert_eq!(next(&line, &mut text), Found::Entry(entry, line.len()));
        prop_assert_eq!(text, bytes);
    }

    #[test]
    fn a_line_that_is_cut_anywhere_waits_for_its_rest(bytes in bytes()) {
        let line = written(&bytes, "");
        for length in 0..line.len() {
            prop_assert_eq!(next(&line[..length], &mut Vec::new()), Found::Partial);
        }
    }

    #[test]
    fn whatever_stands_in_a_file_is_passed(
        bytes in bytes(),
        changes in proptest::collection::vec(any::<(proptest::sample::Index, u8)>(), 1..5),
    ) {
        let mut file = [written(&bytes, ""), written(b"next\n", "")].concat();
        let length = file.len();
        changes.into_iter().for_each(|(place, byte)| file[place.index(length - 1)] = byte);
        let (mut at, mut text) = (0, Vec::new());
        while at < file.len() {
            match next(&file[at..], &mut text) {
                Found::Entry(_, length) | Found::Damaged(length) => {
                    prop_assert!(length > 0 && file[at + length - 1] == b'\n');
                    at += length;
                }
                Found::Partial => prop_assert!(false, "the file ends with a line"),
            }
        }
    }

    #[test]
    fn a_line_is_escaped_as_any_bytes_are(bytes in bytes()) {
        let (mut line, mut all) = (b"before".to_vec(), b"before".to_vec());
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        escape(&mut all, &bytes[..end.unwrap_or(0)]);
        prop_assert_eq!(escape_line(&mut line, &bytes), end);
        prop_assert_eq!(line, all);
    }

    #[test]
    fn text_is_escaped_exactly_as_serde_json_does_it(text: String) {
        let mut ours = b"\"".to_vec();
        escape(&mut ours, text.as_bytes());
        ours.push(b'"');
        prop_assert_eq!(String::from_utf8(ours).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn a_parser_that_knows_only_characters_reads_what_docker_would_have_written(bytes in bytes()) {
        let line = written(&bytes, "");
        // Lone surrogates are read as U+FFFD by Go; serde_json wants to be told.
        let text = String::from_utf8(line).unwrap();
        let known = text.replace("\\\\", "\\u005c");
        let known: String = known.split("\\udc").enumerate()
            .map(|(index, piece)| if index == 0 { piece.to_owned() } else { format!("\\ufffd{}", &piece[2..]) })
            .collect();
        let value: serde_json::Value = serde_json::from_str(&known).unwrap();
        let docker: String = bytes.utf8_chunks()
            .map(|chunk| format!("{}{}", chunk.valid(), "\u{fffd}".repeat(chunk.invalid().len())))
            .collect();
        prop_assert_eq!(value["log"].as_str().unwrap(), docker);
    }

    #[test]
    fn places_of_a_byte_are_found(bytes in proptest::collection::vec(0u8..4, 0..40), wanted in 0u8..4) {
        prop_assert_eq!(find(&bytes, wanted), bytes.iter().position(|byte| *byte == wanted));
        prop_assert_eq!(rfind(&bytes, wanted), bytes.iter().rposition(|byte| *byte == wanted));
    }
}
