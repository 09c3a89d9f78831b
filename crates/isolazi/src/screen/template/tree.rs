//! A parsed template. Everything remembers where it stood, and shows itself as Go does, for errors.

use super::functions::Function;
use super::value::Value;
use std::fmt::{self, Display, Formatter};

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// Shown as it is.
    Text(String),
    /// `{{pipeline}}`
    Action(Pipe),
    /// `{{if}}`
    If(Branch),
    /// `{{with}}`
    With(Branch),
    /// `{{range}}`
    Range(Branch),
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// What depends on a pipeline.
#[derive(Debug, PartialEq)]
pub(super) struct Branch {
    pub pipe: Pipe,
    pub then: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `$x := command | command`
#[derive(Debug, PartialEq)]
pub(super) struct Pipe {
    /// Variables that get its value.
    pub variables: Vec<String>,
    /// They exist already: `=`.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// A function and its arguments, or a single value.
#[derive(Debug, PartialEq)]
pub(super) struct Command {
    pub at: usize,
    pub terms: Vec<Term>,
}

/// A value.
#[derive(Debug, PartialEq)]
pub(super) struct Term {
    pub at: usize,
    pub what: What,
}

#[derive(Debug, PartialEq)]
pub(super) enum What {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `12`, `"a"`; the text is how it was written.
    Constant(Value, String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`
    Variable(String, Vec<String>),
    /// `(…)`
    Pipe(Pipe),
    /// `(…).A.B`
    Chain(Box<Term>, Vec<String>),
    /// `json`
    Function(Function),
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if i == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut Formatter<'_>, names: &[String]| names.iter().try_for_each(|name| write!(f, ".{name}"));
        match &self.what {
            What::Dot => f.write_str("."),
            What::Nil => f.write_str("nil"),
            What::Constant(_, written) => f.write_str(written),
            What::Field(names) => fields(f, names),
            What::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            What::Pipe(pipe) => write!(f, "({pipe})"),
            What::Chain(term, names) => {
                write!(f, "{term}")?;
                fields(f, names)
            }
            What::Function(function) => f.write_str(function.name()),
        }
    }
}
