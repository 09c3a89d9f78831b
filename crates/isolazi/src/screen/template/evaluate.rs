//! A tree and a value become text.

use super::functions::{Function, Takes};
use super::tree::{Branch, Command, Node, Pipe, Term, What};
use super::value::{Shape, Value};
use std::fmt::Display;

/// The most that one template may write.
const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Actions, and turns of loops: some seconds of work at worst.
const MAX_STEPS: usize = 2_000_000;

/// Fills the template with `data`. An error is in Go's words:
/// `template: :1:2: executing "" at <.Foo>: can't evaluate field Foo in type container`.
pub(super) fn evaluate(source: &str, nodes: &[Node], data: &Value, of: Of) -> Result<String, String> {
    let variables = vec![("$", data.clone())];
    let mut run = Run { source, of, variables, out: String::new(), steps: 0 };
    run.walk(data, nodes)?;
    Ok(run.out)
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A row of a list.
    Row,
    /// The names of its columns, which functions leave as they are.
    Headings,
    /// A whole document, for which errors speak of JSON, as Docker's do.
    Document,
}

struct Run<'a> {
    source: &'a str,
    of: Of,
    variables: Vec<(&'a str, Value)>,
    out: String,
    steps: usize,
}

/// Where a loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, String>;

impl<'a> Run<'a> {
    /// An error, and where.
    fn fail<T>(&self, at: usize, what: &dyn Display, complaint: impl Display) -> Done<T> {
        Err(format!("{}: {complaint}", place(self.source, at, what)))
    }

    fn step(&mut self) -> Done<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(format!("template: : more than {MAX_STEPS} steps"));
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Done<()> {
        if self.out.len() + text.len() > MAX_OUTPUT_BYTES {
            return Err(format!("template: : more than {} MiB of output", MAX_OUTPUT_BYTES >> 20));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn walk(&mut self, dot: &Value, nodes: &'a [Node]) -> Done<Flow> {
        for node in nodes {
            self.step()?;
            let flow = match node {
                Node::Text(text) => self.write(text).map(|()| Flow::On),
                Node::Action(pipe) => self.action(dot, pipe).map(|()| Flow::On),
                Node::If(branch) => self.choose(dot, branch, false),
                Node::With(branch) => self.choose(dot, branch, true),
                Node::Range(branch) => self.range(dot, branch),
                Node::Break => Ok(Flow::Break),
                Node::Continue => Ok(Flow::Continue),
            }?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn action(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<()> {
        let value = self.pipeline(dot, pipe)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        match &value {
            Value::Text(text) => self.write(text),
            value => self.write(&value.printed()),
        }
    }

    /// `if`, or `with`, which makes the value the new dot.
    fn choose(&mut self, dot: &Value, branch: &'a Branch, with: bool) -> Done<Flow> {
        let scope = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = match (value.is_true(), with) {
            (true, true) => self.walk(&value, &branch.then),
            (true, false) => self.walk(dot, &branch.then),
            (false, _) => self.walk(dot, &branch.otherwise),
        }?;
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'a Branch) -> Done<Flow> {
        let scope = self.variables.len();
        let value = self.commands(dot, &branch.pipe)?;
        let turns = match &value {
            Value::List(items) => {
                let items = items.iter().enumerate().map(|(i, item)| (Value::Int(as_int(i)), item.clone()));
                self.turns(branch, items)?
            }
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (Value::from(key.as_str()), value.clone()));
                self.turns(branch, entries)?
            }
            Value::Int(count) => {
                let numbers = (0..(*count).max(0)).map(|number| (Value::Int(number), Value::Int(number)));
                self.turns(branch, numbers)?
            }
            Value::Nil | Value::Null(_) => 0,
            other => {
                let at = branch.pipe.commands[0].at;
                return self.fail(at, &branch.pipe, format!("range can't iterate over {}", other.printed()));
            }
        };
        // What stands in `else` belongs to an outer loop, and so does its `break`.
        let flow = if turns == 0 { self.walk(dot, &branch.otherwise)? } else { Flow::On };
        self.variables.truncate(scope);
        Ok(flow)
    }

    /// Once for each pair of key and value; how often.
    fn turns(&mut self, branch: &'a Branch, pairs: impl Iterator<Item = (Value, Value)>) -> Done<usize> {
        let scope = self.variables.len();
        let mut turns = 0;
        for (key, value) in pairs {
            self.step()?;
            turns += 1;
            let given = match branch.pipe.variables.as_slice() {
                [] => vec![],
                [one] => vec![(one, value.clone())],
                [first, second, ..] => vec![(first, key), (second, value.clone())],
            };
            for (name, value) in given {
                self.set(name, value, branch.pipe.assigns);
            }
            let flow = self.walk(&value, &branch.then)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(turns)
    }

    /// Declares a variable, or assigns to the newest one of that name.
    fn set(&mut self, name: &'a str, value: Value, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| assigns && *known == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name, value)),
        }
    }

    /// The value of a pipeline, which its variables get, too.
    fn pipeline(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<Value> {
        let value = self.commands(dot, pipe)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<Value> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(dot, command, last)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    /// One command; `last` is what the one before it gave.
    fn command(&mut self, dot: &Value, command: &'a Command, last: Option<Value>) -> Done<Value> {
        self.step()?;
        let (first, arguments) = command.terms.split_first().expect("the parser makes no empty command");
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &first.what {
            What::Function(function) => self.call(dot, *function, command, arguments, last),
            What::Field(_) | What::Chain(..) => self.term(dot, first, arguments, last),
            What::Variable(_, names) if !names.is_empty() => self.term(dot, first, arguments, last),
            _ if has_arguments => self.fail(first.at, first, format!("can't give argument to non-function {first}")),
            What::Nil => self.fail(first.at, first, "nil is not a command"),
            _ => self.term(dot, first, &[], None),
        }
    }

    /// A value; arguments are for its last field, which must be a function then.
    fn term(&mut self, dot: &Value, term: &'a Term, arguments: &'a [Term], last: Option<Value>) -> Done<Value> {
        let (start, names) = match &term.what {
            What::Dot => return Ok(dot.clone()),
            What::Nil => return Ok(Value::Nil),
            What::Constant(value, _) => return Ok(value.clone()),
            What::Pipe(pipe) => {
                let scope = self.variables.len();
                let value = self.pipeline(dot, pipe)?;
                self.variables.truncate(scope);
                return Ok(value);
            }
            What::Function(function) => {
                let alone = Call { at: term.at, shown: term };
                return self.call_with(*function, &alone, Vec::new());
            }
            What::Field(names) => (dot.clone(), names),
            What::Variable(name, names) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => (value.clone(), names),
                None => return self.fail(term.at, term, format!("undefined variable: {name}")),
            },
            What::Chain(inner, names) => (self.term(dot, inner, &[], None)?, names),
        };
        let mut value = start;
        for (i, name) in names.iter().enumerate() {
            let is_last = i + 1 == names.len();
            let before = i.checked_sub(1).map(|before| names[before].as_str());
            value = match self.field(term, &value, name, before)? {
                Value::Lookup(texts) if is_last => {
                    let given = self.arguments(dot, term, arguments, last.clone(), |_| Takes::Text)?;
                    match given.as_slice() {
                        [Value::Text(key)] if self.of == Of::Headings => return Ok(heading_of_label(key).into()),
                        [Value::Text(key)] => {
                            return Ok(texts.get(&**key).map_or("", String::as_str).into());
                        }
                        given => {
                            let complaint = format!("wrong number of args for {name}: want 1 got {}", given.len());
                            return self.fail(term.at, term, complaint);
                        }
                    }
                }
                _ if is_last && (!arguments.is_empty() || last.is_some()) => {
                    let complaint = format!("{name} has arguments but cannot be invoked as function");
                    return self.fail(term.at, term, complaint);
                }
                value => value,
            };
        }
        Ok(value)
    }

    /// A key that is missing is nothing; a field that does not exist is a mistake.
    fn field(&self, term: &Term, value: &Value, name: &str, absent: Option<&str>) -> Done<Value> {
        let complaint = match value {
            Value::Struct(of) => match of.field(name) {
                Some(value) => return Ok(value),
                None if self.of == Of::Document => format!("map has no entry for key {name:?}"),
                None => format!("can't evaluate field {name} in type {}", of.name),
            },
            Value::Map(entries) => return Ok(entries.get(name).cloned().unwrap_or(Value::Nil)),
            Value::Nil | Value::Null(Shape::Map) => return Ok(Value::Nil),
            // Docker's JSON has no key for what it has not.
            Value::Null(Shape::Pointer) if self.of == Of::Document => match absent {
                Some(absent) => format!("map has no entry for key {absent:?}"),
                None => format!("nil data; no entry for key {name:?}"),
            },
            Value::Null(Shape::Pointer) => format!("nil pointer evaluating {name}"),
            other => format!("can't evaluate field {name} in type {}", other.kind()),
        };
        self.fail(term.at, term, complaint)
    }

    fn call(
        &mut self,
        dot: &Value,
        function: Function,
        command: &'a Command,
        arguments: &'a [Term],
        last: Option<Value>,
    ) -> Done<Value> {
        let count = arguments.len() + usize::from(last.is_some());
        if let Err(complaint) = function.check_count(count) {
            return self.fail(command.at, &command.terms[0], complaint);
        }
        let whole = Call { at: command.at, shown: command };
        if let Function::And | Function::Or = function {
            // The first that decides is the result, and those after it are not looked at.
            let mut value = Value::Nil;
            for argument in arguments {
                value = self.term(dot, argument, &[], None)?;
                if value.is_true() == (function == Function::Or) {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        if self.of == Of::Headings && function.keeps_headings() {
            let heading = arguments.first().map(|first| self.term(dot, first, &[], None)).transpose()?;
            return Ok(heading.or(last).unwrap_or(Value::Nil));
        }
        let of = &command.terms[0];
        let given = self.arguments(dot, of, arguments, last, |index| function.parameter(index))?;
        self.call_with(function, &whole, given)
    }

    fn call_with(&self, function: Function, call: &Call<'_>, arguments: Vec<Value>) -> Done<Value> {
        if let Err(complaint) = function.check_count(arguments.len()) {
            return self.fail(call.at, &function.name(), complaint);
        }
        match function.call(&arguments) {
            Ok(value) => Ok(value),
            Err(complaint) => {
                self.fail(call.at, &call.shown, format!("error calling {}: {complaint}", function.name()))
            }
        }
    }

    /// Values of the sort that the function `of` takes.
    fn arguments(
        &mut self,
        dot: &Value,
        of: &Term,
        terms: &'a [Term],
        last: Option<Value>,
        takes: impl Fn(usize) -> Takes,
    ) -> Done<Vec<Value>> {
        let mut given = Vec::with_capacity(terms.len() + 1);
        for term in terms {
            let value = self.term(dot, term, &[], None)?;
            let wanted = takes(given.len());
            match fit(value, wanted) {
                Ok(value) => given.push(value),
                Err(value) => return self.fail(term.at, term, misfit(term, &value, wanted)),
            }
        }
        if let Some(last) = last {
            let wanted = takes(given.len());
            match fit(last, wanted) {
                Ok(value) => given.push(value),
                Err(value) => {
                    let complaint = format!("wrong type for value; expected {}; got {}", words(wanted), value.kind());
                    return self.fail(of.at, of, complaint);
                }
            }
        }
        Ok(given)
    }
}

/// Where something is wrong: line, column in bytes, and what stands there.
pub(super) fn place(source: &str, at: usize, what: &dyn Display) -> String {
    let before = &source[..at];
    let (line, column) = match before.rfind('\n') {
        Some(end) => (1 + before.matches('\n').count(), at - end - 1),
        None => (1, at),
    };
    format!("template: :{line}:{column}: executing \"\" at <{what}>")
}

/// A function's call, as errors show it.
struct Call<'a> {
    at: usize,
    shown: &'a dyn Display,
}

fn as_int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Is it of that sort?
fn fit(value: Value, wanted: Takes) -> Result<Value, Value> {
    let fits = match wanted {
        Takes::Any => true,
        Takes::Text => matches!(value, Value::Text(_)),
        Takes::Int => matches!(value, Value::Int(_)),
        Takes::Texts => match &value {
            Value::List(items) => items.iter().all(|item| matches!(item, Value::Text(_))),
            value => value.is_nil(),
        },
    };
    if fits { Ok(value) } else { Err(value) }
}

fn misfit(term: &Term, value: &Value, wanted: Takes) -> String {
    match (&term.what, wanted) {
        (What::Nil, _) => format!("cannot assign nil to {}", words(wanted)),
        (What::Constant(..), Takes::Texts) => format!("can't handle {term} for arg of type {}", words(wanted)),
        (What::Constant(..), Takes::Int) => format!("expected integer; found {term}"),
        (What::Constant(..), _) => format!("expected {}; found {term}", words(wanted)),
        _ => format!("wrong type for value; expected {}; got {}", words(wanted), value.kind()),
    }
}

fn words(wanted: Takes) -> &'static str {
    match wanted {
        Takes::Any => "anything",
        Takes::Text => "string",
        Takes::Int => "int",
        Takes::Texts => "[]string",
    }
}

/// The last part of a label's name, in words.
fn heading_of_label(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).replace(['-', '_'], " ")
}
