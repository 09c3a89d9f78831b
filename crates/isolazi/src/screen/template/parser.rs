//! Words become a tree.

use super::functions::Function;
use super::lexer::{self, Sort, Word};
use super::tree::{Branch, Command, Node, Pipe, Term, What};
use super::value::Value;
use std::iter;

/// Blocks and parentheses may stand in each other this deep; parser and evaluator call themselves for each.
const MAX_DEPTH: usize = 100;

/// The tree of a template, or what is wrong with it, in Go's words: `template: :1: unexpected EOF`.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, String> {
    let words = lexer::words(source);
    let variables = vec!["$".to_owned()];
    let mut parser = Parser { source, words, next: 0, variables, depth: 0, ranges: 0 };
    match parser.list(&[]) {
        Ok((nodes, _)) => Ok(nodes),
        Err(complaint) => Err(format!("template: :{}: {complaint}", parser.line())),
    }
}

struct Parser<'a> {
    source: &'a str,
    words: Vec<Word>,
    /// Index of the next word.
    next: usize,
    /// Names in scope.
    variables: Vec<String>,
    depth: usize,
    /// `range`s that we are inside of.
    ranges: usize,
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Eof,
    End,
    Else,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    /// The line of the word that was read last.
    fn line(&self) -> usize {
        let at = self.words[self.next.saturating_sub(1)].at;
        1 + self.source[..at].matches('\n').count()
    }

    fn peek(&self) -> &Word {
        &self.words[self.next]
    }

    /// The last word comes again and again.
    fn take(&mut self) -> Word {
        let word = self.words[self.next].clone();
        self.next = (self.next + 1).min(self.words.len() - 1);
        word
    }

    fn skip_space(&mut self) {
        while self.peek().sort == Sort::Space {
            self.next += 1;
        }
    }

    fn take_after_space(&mut self) -> Word {
        self.skip_space();
        self.take()
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels deep"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Nodes up to one of these endings; none are allowed at the top.
    fn list(&mut self, endings: &[Ending]) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        loop {
            let word = self.take();
            match word.sort {
                Sort::Text => nodes.push(Node::Text(word.text)),
                Sort::Open => match self.action()? {
                    Ok(node) => nodes.push(node),
                    Err(ending) if endings.contains(&ending) => return Ok((nodes, ending)),
                    Err(Ending::Else) if !endings.is_empty() => {
                        return Err("expected end; found {{else}}".to_owned());
                    }
                    Err(ending) => {
                        return Err(format!(
                            "unexpected {{{{{}}}}}",
                            if ending == Ending::Else { "else" } else { "end" }
                        ));
                    }
                },
                Sort::Eof if endings.is_empty() => return Ok((nodes, Ending::Eof)),
                _ => return Err(unexpected(&word, "")),
            }
        }
    }

    /// What follows `{{`, up to its `}}`; the error inside is the end of the list that it stands in.
    fn action(&mut self) -> Parsed<Result<Node, Ending>> {
        self.skip_space();
        if self.peek().sort != Sort::Keyword {
            return self.pipeline("command", Sort::Close).map(|pipe| Ok(Node::Action(pipe)));
        }
        let keyword = self.take();
        match keyword.text.as_str() {
            "if" => self.control("if").map(|branch| Ok(Node::If(branch))),
            "with" => self.control("with").map(|branch| Ok(Node::With(branch))),
            "range" => self.control("range").map(|branch| Ok(Node::Range(branch))),
            "end" => {
                self.expect_close("end")?;
                Ok(Err(Ending::End))
            }
            "else" => {
                self.skip_space();
                // `else if` is read by who asked for an ending.
                if !(self.peek().sort == Sort::Keyword && matches!(self.peek().text.as_str(), "if" | "with")) {
                    self.expect_close("else")?;
                }
                Ok(Err(Ending::Else))
            }
            word @ ("break" | "continue") => {
                self.expect_close(word)?;
                if self.ranges == 0 {
                    return Err(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                Ok(Ok(if word == "break" { Node::Break } else { Node::Continue }))
            }
            word => Err(format!("{{{{{word}}}}} is not supported: a format is one template")),
        }
    }

    fn expect_close(&mut self, context: &str) -> Parsed<()> {
        let word = self.take_after_space();
        if word.sort == Sort::Close { Ok(()) } else { Err(unexpected(&word, context)) }
    }

    /// What follows `if`, `with` or `range`, up to its `end`.
    fn control(&mut self, keyword: &str) -> Parsed<Branch> {
        self.deeper(|parser| {
            let scope = parser.variables.len();
            let pipe = parser.pipeline(keyword, Sort::Close)?;
            parser.ranges += usize::from(keyword == "range");
            let (then, ending) = parser.list(&[Ending::End, Ending::Else])?;
            parser.ranges -= usize::from(keyword == "range");
            let otherwise = if ending == Ending::Else { parser.otherwise(keyword)? } else { Vec::new() };
            parser.variables.truncate(scope);
            Ok(Branch { pipe, then, otherwise })
        })
    }

    /// What follows `{{else`: one more condition, whose `end` is ours, too, or a list.
    fn otherwise(&mut self, keyword: &str) -> Parsed<Vec<Node>> {
        let next = self.peek();
        if next.sort != Sort::Keyword {
            return Ok(self.list(&[Ending::End])?.0);
        }
        if next.text != keyword {
            return Err(unexpected(next, "else"));
        }
        self.next += 1;
        let branch = self.control(keyword)?;
        Ok(vec![if keyword == "if" { Node::If(branch) } else { Node::With(branch) }])
    }

    /// Commands up to `end`, which is taken.
    fn pipeline(&mut self, context: &str, end: Sort) -> Parsed<Pipe> {
        let (variables, assigns) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let word = self.take_after_space();
            match word.sort {
                sort if sort == end => break,
                Sort::Bool
                | Sort::Char
                | Sort::Dot
                | Sort::Field
                | Sort::Identifier
                | Sort::Number
                | Sort::Nil
                | Sort::Raw
                | Sort::Quoted
                | Sort::Variable
                | Sort::LeftParen => {
                    self.next -= 1;
                    commands.push(self.command()?);
                }
                _ => return Err(unexpected(&word, context)),
            }
        }
        if commands.is_empty() {
            return Err(format!("missing value for {context}"));
        }
        let is_value = |command: &Command| {
            matches!(command.terms[0].what, What::Constant(..) | What::Dot | What::Nil) // it takes no argument
        };
        if let Some(index) = commands.iter().skip(1).position(is_value) {
            return Err(format!("non executable command in pipeline stage {}", index + 2));
        }
        // They are in scope after the pipeline, not in it.
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and for `range` `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        let mut names = Vec::new();
        loop {
            self.skip_space();
            let before = self.next;
            if self.peek().sort != Sort::Variable {
                return Ok((Vec::new(), false));
            }
            let name = self.take().text;
            self.skip_space();
            match (self.peek().sort, self.peek().text.as_str()) {
                (Sort::Declare | Sort::Assign, _) => {
                    let assigns = self.take().sort == Sort::Assign;
                    names.push(name);
                    if let Some(unknown) = names.iter().find(|name| assigns && !self.variables.contains(name)) {
                        return Err(format!("undefined variable {unknown:?}"));
                    }
                    return Ok((names, assigns));
                }
                (Sort::Sign, ",") => {
                    names.push(name);
                    if context != "range" || names.len() > 1 {
                        return Err(format!("too many declarations in {context}"));
                    }
                    self.next += 1;
                }
                _ if names.is_empty() => {
                    self.next = before; // an ordinary variable
                    return Ok((Vec::new(), false));
                }
                (Sort::Close, _) => {
                    // `{{range $i, $x}}`: Go takes it for values without a pipeline.
                    return Err(format!("missing value for {context}"));
                }
                _ => return Err("range can only initialize variables".to_owned()),
            }
        }
    }

    /// Terms up to `|`, `)` or `}}`; `|` is taken.
    fn command(&mut self) -> Parsed<Command> {
        self.skip_space();
        let at = self.peek().at;
        let mut terms = Vec::new();
        loop {
            self.skip_space();
            terms.extend(self.operand()?);
            let word = self.peek();
            match word.sort {
                Sort::Space => continue,
                Sort::Close | Sort::RightParen => break,
                Sort::Pipe => {
                    self.next += 1;
                    break;
                }
                _ => return Err(unexpected(word, "operand")),
            }
        }
        if terms.is_empty() { Err("empty command".to_owned()) } else { Ok(Command { at, terms }) }
    }

    /// A term and the fields that follow it; none at the end of a command.
    fn operand(&mut self) -> Parsed<Option<Term>> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        if self.peek().sort != Sort::Field {
            return Ok(Some(term));
        }
        // Go says of a chain that it stands where its second link stands.
        let at = self.peek().at;
        let is_field =
            |parser: &mut Self| (parser.peek().sort == Sort::Field).then(|| parser.take().text[1..].to_owned());
        let mut names: Vec<String> = iter::from_fn(|| is_field(self)).collect();
        match &mut term.what {
            What::Field(fields) | What::Variable(_, fields) => fields.append(&mut names),
            What::Constant(..) | What::Nil | What::Dot => {
                return Err(format!("unexpected . after term {:?}", term.to_string()));
            }
            _ => return Ok(Some(Term { at, what: What::Chain(Box::new(term), names) })),
        }
        Ok(Some(Term { at, ..term }))
    }

    fn term(&mut self) -> Parsed<Option<Term>> {
        let Word { sort, at, text } = self.take();
        let what = match sort {
            Sort::Identifier => match Function::find(&text) {
                Some(function) => What::Function(function),
                None => return Err(format!("function {text:?} not defined")),
            },
            Sort::Dot => What::Dot,
            Sort::Nil => What::Nil,
            Sort::Variable if self.variables.contains(&text) => What::Variable(text, Vec::new()),
            Sort::Variable => return Err(format!("undefined variable {text:?}")),
            Sort::Field => What::Field(vec![text[1..].to_owned()]),
            Sort::Bool => What::Constant(Value::Bool(text == "true"), text),
            Sort::Number => What::Constant(number(&text)?, text),
            Sort::Quoted => What::Constant(unquoted(&text)?.into(), text),
            Sort::Raw => What::Constant(text[1..text.len() - 1].into(), text),
            Sort::Char => What::Constant(character(&text)?, text),
            Sort::LeftParen => {
                What::Pipe(self.deeper(|parser| parser.pipeline("parenthesized pipeline", Sort::RightParen))?)
            }
            _ => {
                self.next -= usize::from(!matches!(sort, Sort::Eof | Sort::Fault));
                return Ok(None);
            }
        };
        Ok(Some(Term { at, what }))
    }
}

/// A word that cannot stand here.
fn unexpected(word: &Word, context: &str) -> String {
    let shown = match word.sort {
        Sort::Fault => return word.text.clone(),
        Sort::Eof => "EOF".to_owned(),
        Sort::Keyword | Sort::Dot | Sort::Nil => format!("<{}>", word.text),
        _ if word.text.chars().count() > 10 => {
            format!("{:?}...", word.text.chars().take(10).collect::<String>())
        }
        _ => format!("{:?}", word.text),
    };
    if context.is_empty() { format!("unexpected {shown}") } else { format!("unexpected {shown} in {context}") }
}

/// Go's numbers: decimal, `0x`, `0o`, `0b`, a leading zero for octal, underscores between digits.
fn number(text: &str) -> Parsed<Value> {
    let bad = || format!("illegal number syntax: {text:?}");
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let clean = digits.replace('_', "").to_ascii_lowercase();
    let (base, body) = match clean.as_bytes() {
        [b'0', b'x', ..] => (16, &clean[2..]),
        [b'0', b'o', ..] => (8, &clean[2..]),
        [b'0', b'b', ..] => (2, &clean[2..]),
        [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => (8, &clean[1..]),
        _ => (10, clean.as_str()),
    };
    if base == 10 && body.contains(['.', 'e']) {
        let value: f64 = body.parse().map_err(|_| bad())?;
        return if value.is_finite() { Ok(Value::Float(value * f64::from(sign))) } else { Err(bad()) };
    }
    match i128::from_str_radix(body, base) {
        Ok(value) => {
            i64::try_from(value * i128::from(sign)).map(Value::Int).map_err(|_| format!("integer overflow: {text:?}"))
        }
        Err(cause) if matches!(cause.kind(), std::num::IntErrorKind::PosOverflow) => {
            Err(format!("integer overflow: {text:?}"))
        }
        Err(_) => Err(bad()),
    }
}

/// `'a'` is its code point's number.
fn character(text: &str) -> Parsed<Value> {
    let inside = unquoted(text).map_err(|_| format!("malformed character constant: {text}"))?;
    let mut chars = inside.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Value::Int(i64::from(u32::from(c)))),
        _ => Err(format!("malformed character constant: {text}")),
    }
}

/// What Go's strconv.Unquote makes of a quoted text.
fn unquoted(text: &str) -> Parsed<String> {
    let bad = || "invalid syntax".to_owned();
    let quote = text.chars().next().ok_or_else(bad)?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = &text[1..text.len() - 1];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next().ok_or_else(bad)?;
        let mut code = |skip: usize, digits: usize, base| -> Parsed<u32> {
            let text = rest.get(skip..skip + digits).ok_or_else(bad)?;
            rest = &rest[skip + digits..];
            u32::from_str_radix(text, base).map_err(|_| bad())
        };
        let byte = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            _ if escape == quote => u8::try_from(quote).map_err(|_| bad())?,
            'x' => u8::try_from(code(1, 2, 16)?).map_err(|_| bad())?,
            '0'..='7' => u8::try_from(code(0, 3, 8)?).map_err(|_| bad())?,
            'u' | 'U' => {
                let c = char::from_u32(code(1, if escape == 'u' { 4 } else { 8 }, 16)?).ok_or_else(bad)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(bad()),
        };
        if !matches!(escape, 'x' | '0'..='7') {
            rest = &rest[escape.len_utf8()..];
        }
        bytes.push(byte);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
