//! Rust sources as `tidy` sees them: comments, literals and tests blanked out, so that a plain search finds code only.
//!
//! This is no parser. It knows just enough of Rust's lexical rules to keep every line where it was.

/// What stands before an item that only tests have.
const TEST_MARK: &str = "#[cfg(test)]";

/// A source file without what is not code. Lines and columns are those of the original.
pub(crate) struct Source {
    /// Code only: comments and the insides of literals are spaces.
    pub code: String,
    /// The same without items under `#[cfg(test)]`.
    pub shipped: String,
}

/// A function and the lines from its `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Self {
        let code = blank_text(text);
        let shipped = blank_tests(&code);
        Self { code, shipped }
    }

    /// Names in `#[cfg(test)] mod name;`: whole files that only tests have.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let declared = |(at, _): (usize, &str)| {
            let rest = self.code[at + TEST_MARK.len()..].trim_start().strip_prefix("mod ")?;
            Some(rest.split_once(';')?.0.to_owned()).filter(|name| name.bytes().all(is_word))
        };
        self.code.match_indices(TEST_MARK).filter_map(declared).collect()
    }

    /// Functions with a body, outside of tests.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code = &self.shipped;
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let begins_word = at == 0 || !is_word(code.as_bytes()[at - 1]);
            let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !begins_word || name.is_empty() {
                continue; // `fn(…)` is a type
            }
            let Some(body) = code[at..].find(['{', ';']).map(|offset| at + offset) else { continue };
            if code.as_bytes()[body] == b';' {
                continue; // a declaration, or an array type in the signature: too rare to matter
            }
            let lines = code[at..=closing_brace(code, body)].lines().count();
            found.push(Function { name, line: line_of(code, at), lines });
        }
        found
    }
}

/// The line (from 1) of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Replaces comments and the insides of string and character literals by spaces.
fn blank_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => end_of_line(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => end_of_block(bytes, at),
            b'"' => end_of_string(bytes, at),
            b'r' if (at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b')
                && raw_hashes(bytes, at).is_some() =>
            {
                end_of_raw(bytes, at)
            }
            b'\'' => end_of_char(bytes, at),
            _ => at,
        };
        if end == at {
            at += 1;
            continue;
        }
        blank(&mut out[at..end]);
        at = end;
    }
    String::from_utf8(out).expect("only whole literals and comments were replaced, by spaces")
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn end_of_block(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(bytes.len())
}

fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// The number of `#` if a raw string begins here.
fn raw_hashes(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn end_of_raw(bytes: &[u8], at: usize) -> usize {
    let hashes = raw_hashes(bytes, at).expect("the caller looked");
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = at + 2 + hashes;
    let length = bytes[body..].windows(close.len()).position(|window| window == close);
    length.map_or(bytes.len(), |length| body + length + close.len())
}

/// `'a'` and `'\n'` end; the `'a` of a lifetime does not, and stays.
fn end_of_char(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|byte| *byte == b'\'');
        return close.map_or(bytes.len(), |length| at + 3 + length + 1);
    }
    let width = match bytes.get(at + 1) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at }
}

/// Blanks each item that follows `#[cfg(test)]`.
fn blank_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(TEST_MARK) {
        let Some(stop) = code[at..].find(['{', ';']).map(|offset| at + offset) else { continue };
        let end = if code.as_bytes()[stop] == b';' { stop } else { closing_brace(code, stop) };
        blank(&mut out[at..=end]);
    }
    String::from_utf8(out).expect("items were replaced whole, by spaces")
}

/// The offset of the brace that closes the one at `open`; the last byte if none does.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return offset;
        }
    }
    code.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let cases = [
            ("a // b.unwrap()\nc", "a              \nc"),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"f("q\"{", g)"#, "f(      , g)"),
            (r##"f(r#"a"b{"#, g)"##, "f(         , g)"),
            ("f('{', '\\'', 'é', &'a x)", "f(   ,     ,     , &'a x)"),
            ("for x in r", "for x in r"),
        ];
        for (text, code) in cases {
            assert_eq!(blank_text(text), code, "{text}");
        }
    }

    #[test]
    fn items_under_cfg_test_are_not_shipped() {
        let source = Source::parse("fn a() { x }\n#[cfg(test)]\nmod tests { fn b() { y.unwrap() } }\nfn c() {}\n");
        assert!(source.code.contains("unwrap"));
        assert!(!source.shipped.contains("unwrap"));
        assert!(source.shipped.contains("fn c()"));
    }

    #[test]
    fn modules_of_tests_are_known_by_name() {
        let source = Source::parse("mod a;\n#[cfg(test)]\nmod golden;\n#[cfg(test)]\nmod tests { mod b; }\n");
        assert_eq!(source.test_modules(), ["golden"]);
    }

    #[test]
    fn functions_are_counted_from_signature_to_brace() {
        let source =
            Source::parse("\nimpl A {\n    fn one(&self,\n    ) -> u8 {\n        if x { y }\n    }\n}\nfn two() {}\n");
        let found: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one".to_owned(), 3, 4), ("two".to_owned(), 8, 1)]);
    }
}
