//! A template's text becomes words: literal text, delimiters, and what stands between them. The rules and the
//! complaints are those of Go's text/template, whose templates people bring along.

/// What sort of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Between actions; may be empty after trimming, then it is left out.
    Text,
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// Blanks between words of an action.
    Space,
    /// `if`, `end` …
    Keyword,
    /// `json`, `printf` …
    Identifier,
    /// `.Name`
    Field,
    /// `.`
    Dot,
    /// `$`, `$x`
    Variable,
    /// `true`, `false`
    Bool,
    /// `nil`
    Nil,
    /// `12`, `1.5`, `0x1f`
    Number,
    /// `'a'`
    Char,
    /// `"a"`
    Quoted,
    /// `` `a` ``
    Raw,
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// Any other sign.
    Sign,
    /// The end.
    Eof,
    /// The text is none of these; the word is the complaint.
    Fault,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What it is.
    pub sort: Sort,
    /// Byte at which it begins.
    pub at: usize,
    /// As written (for [`Sort::Text`], trimmed).
    pub text: String,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// All words; the last one is [`Sort::Eof`] or [`Sort::Fault`].
pub(super) fn words(source: &str) -> Vec<Word> {
    let mut lexer = Lexer { source, at: 0, words: Vec::new() };
    let last = match lexer.run() {
        Ok(()) => (Sort::Eof, String::new()),
        Err(complaint) => (Sort::Fault, complaint),
    };
    let at = lexer.at;
    lexer.words.push(Word { sort: last.0, at, text: last.1 });
    lexer.words
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    words: Vec<Word>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The next `len` bytes are a word.
    fn push(&mut self, sort: Sort, len: usize) {
        let text = self.source[self.at..self.at + len].to_owned();
        self.words.push(Word { sort, at: self.at, text });
        self.at += len;
    }

    fn run(&mut self) -> Result<(), String> {
        let mut trim_left = false;
        loop {
            if trim_left {
                self.at += self.rest().len() - self.rest().trim_start_matches(BLANKS).len();
            }
            let Some(len) = self.rest().find(OPEN) else {
                let len = self.rest().len();
                if len > 0 {
                    self.push(Sort::Text, len);
                }
                return Ok(());
            };
            let trims = has_trim_marker(&self.rest()[len + OPEN.len()..]);
            let text = &self.rest()[..len];
            let kept = if trims { text.trim_end_matches(BLANKS).len() } else { len };
            let after = self.at + len;
            if kept > 0 {
                self.push(Sort::Text, kept);
            }
            self.at = after;
            let marker = if trims { 2 } else { 0 };
            if self.rest()[OPEN.len() + marker..].starts_with("/*") {
                trim_left = self.comment(OPEN.len() + marker)?;
                continue;
            }
            self.push(Sort::Open, OPEN.len());
            self.at += marker;
            trim_left = self.action()?;
        }
    }

    /// `{{/* … */}}`; says whether blanks after it go. `before` are the bytes up to its `/*`.
    fn comment(&mut self, before: usize) -> Result<bool, String> {
        let Some(end) = self.rest()[before..].find("*/") else { return Err("unclosed comment".to_owned()) };
        let after = before + end + 2;
        let (len, trims) = match close(&self.rest()[after..]) {
            Some(found) => found,
            None => return Err("comment ends before closing delimiter".to_owned()),
        };
        self.at += after + len;
        Ok(trims)
    }

    /// What stands between the delimiters, and the closing one; says whether blanks after it go.
    fn action(&mut self) -> Result<bool, String> {
        let mut parens = 0usize;
        loop {
            if let Some((len, trims)) = close(self.rest()) {
                if parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                self.at += len - CLOSE.len();
                self.push(Sort::Close, CLOSE.len());
                return Ok(trims);
            }
            let Some(first) = self.peek() else { return Err("unclosed action".to_owned()) };
            match first {
                _ if BLANKS.contains(&first) => self.space(),
                '=' => self.push(Sort::Assign, 1),
                ':' if self.rest().starts_with(":=") => self.push(Sort::Declare, 2),
                ':' => return Err("expected :=".to_owned()),
                '|' => self.push(Sort::Pipe, 1),
                '(' => {
                    parens += 1;
                    self.push(Sort::LeftParen, 1);
                }
                ')' => {
                    parens = parens.checked_sub(1).ok_or("unexpected right paren")?;
                    self.push(Sort::RightParen, 1);
                }
                '"' => self.quoted(Sort::Quoted, "quoted string")?,
                '\'' => self.quoted(Sort::Char, "character constant")?,
                '`' => self.raw()?,
                '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                    self.name(Sort::Field, Sort::Dot)?;
                }
                '$' => self.name(Sort::Variable, Sort::Variable)?,
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                _ if is_letter(first) => self.identifier()?,
                '!'..='~' => self.push(Sort::Sign, 1),
                _ => return Err(format!("unrecognized character in action: {}", code_point(first))),
            }
        }
    }

    /// Blanks, but not the one that belongs to a closing trim marker.
    fn space(&mut self) {
        let mut len = 0;
        while self.rest()[len..].starts_with(BLANKS) && close(&self.rest()[len..]).is_none() {
            len += 1;
        }
        self.push(Sort::Space, len);
    }

    fn quoted(&mut self, sort: Sort, what: &str) -> Result<(), String> {
        let quote = self.rest().as_bytes()[0];
        let bytes = self.rest().as_bytes();
        let mut len = 1;
        loop {
            match bytes.get(len) {
                None | Some(b'\n') => return Err(format!("unterminated {what}")),
                Some(b'\\') => len += 1,
                Some(&byte) if byte == quote => break,
                Some(_) => {}
            }
            len += 1;
        }
        self.push(sort, len + 1);
        Ok(())
    }

    fn raw(&mut self) -> Result<(), String> {
        let Some(len) = self.rest()[1..].find('`') else { return Err("unterminated raw quoted string".to_owned()) };
        self.push(Sort::Raw, len + 2);
        Ok(())
    }

    /// `.Name` or `$name`; `bare` when there is only the sign.
    fn name(&mut self, sort: Sort, bare: Sort) -> Result<(), String> {
        let len = 1 + word_len(&self.rest()[1..]);
        self.push(if len == 1 { bare } else { sort }, len);
        self.check_end()
    }

    fn identifier(&mut self) -> Result<(), String> {
        let len = word_len(self.rest());
        let sort = match &self.rest()[..len] {
            "true" | "false" => Sort::Bool,
            "nil" => Sort::Nil,
            word if KEYWORDS.contains(&word) => Sort::Keyword,
            _ => Sort::Identifier,
        };
        self.push(sort, len);
        self.check_end()
    }

    /// A name ends before a blank or one of a few signs.
    fn check_end(&self) -> Result<(), String> {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | '(' | ')') => Ok(()),
            Some(c) if BLANKS.contains(&c) => Ok(()),
            Some(_) if self.rest().starts_with(CLOSE) => Ok(()),
            Some(c) => Err(format!("bad character {}", code_point(c))),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let text = self.rest().as_bytes();
        let mut len = usize::from(matches!(text[0], b'+' | b'-'));
        let hex = text[len..].starts_with(b"0x") || text[len..].starts_with(b"0X");
        while let Some(&byte) = text.get(len) {
            let is_part = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
            // The sign of an exponent.
            let is_sign = !hex && matches!(byte, b'+' | b'-') && matches!(text[len - 1], b'e' | b'E') && len > 1;
            if !is_part && !is_sign {
                break;
            }
            // `1.x` is a number with something wrong after it; `1.5.x` is two words.
            if byte == b'.' && text[..len].contains(&b'.') {
                break;
            }
            len += 1;
        }
        let written = &self.rest()[..len];
        let digits = written.trim_start_matches(['+', '-']);
        let body = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
        let is_letter_part =
            |c: char| c.is_ascii_alphabetic() && !(hex && c.is_ascii_hexdigit()) && !matches!(c, 'e' | 'E');
        let based = body.len() == digits.len() && ["0b", "0B", "0o", "0O"].iter().any(|base| digits.starts_with(base));
        let body = if based { &digits[2..] } else { body };
        if body.is_empty() || body.contains(is_letter_part) || !body.contains(|c: char| c.is_ascii_hexdigit()) {
            return Err(format!("bad number syntax: {written:?}"));
        }
        self.push(Sort::Number, len);
        Ok(())
    }
}

/// Does an action begin so that the blanks before it go: `{{- `?
fn has_trim_marker(action: &str) -> bool {
    action.strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANKS))
}

/// Does the action end here? The bytes of its end, and whether the blanks after it go: ` -}}`.
fn close(rest: &str) -> Option<(usize, bool)> {
    if rest.starts_with(CLOSE) {
        return Some((CLOSE.len(), false));
    }
    let after_blank = rest.strip_prefix(BLANKS)?;
    (after_blank.starts_with("-}}")).then_some((1 + 1 + CLOSE.len(), true))
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn word_len(text: &str) -> usize {
    text.find(|c| !is_letter(c)).unwrap_or(text.len())
}

/// `U+00E9 'é'`
fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if c.is_control() { number } else { format!("{number} '{c}'") }
}
