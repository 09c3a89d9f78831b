//! The functions of Go's templates, and those that Docker adds.

use super::printf;
use super::texts::{html, js, pad, single, split, title, truncate, urlquery};
use super::value::{Shape, Value};
use std::cmp::Ordering;

/// The longest text that a function may make: a template must not fill the memory.
pub(super) const MAX_TEXT_BYTES: usize = 4 << 20;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Eq,
    Ge,
    Gt,
    Html,
    Index,
    Join,
    Js,
    Json,
    Le,
    Len,
    Lower,
    Lt,
    Ne,
    Not,
    Or,
    Pad,
    Print,
    Printf,
    Println,
    Slice,
    Split,
    Title,
    Truncate,
    Upper,
    Urlquery,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Any,
    Text,
    Int,
    Texts,
}

/// Parameters, and whether more of the last sort may follow.
type Signature = (&'static [Takes], bool);

const TABLE: &[(&str, Function, Signature)] = &[
    ("and", Function::And, (&[Takes::Any], true)),
    ("eq", Function::Eq, (&[Takes::Any], true)),
    ("ge", Function::Ge, (&[Takes::Any, Takes::Any], false)),
    ("gt", Function::Gt, (&[Takes::Any, Takes::Any], false)),
    ("html", Function::Html, (&[], true)),
    ("index", Function::Index, (&[Takes::Any], true)),
    ("join", Function::Join, (&[Takes::Texts, Takes::Text], false)),
    ("js", Function::Js, (&[], true)),
    ("json", Function::Json, (&[Takes::Any], false)),
    ("le", Function::Le, (&[Takes::Any, Takes::Any], false)),
    ("len", Function::Len, (&[Takes::Any], false)),
    ("lower", Function::Lower, (&[Takes::Text], false)),
    ("lt", Function::Lt, (&[Takes::Any, Takes::Any], false)),
    ("ne", Function::Ne, (&[Takes::Any, Takes::Any], false)),
    ("not", Function::Not, (&[Takes::Any], false)),
    ("or", Function::Or, (&[Takes::Any], true)),
    ("pad", Function::Pad, (&[Takes::Text, Takes::Int, Takes::Int], false)),
    ("print", Function::Print, (&[], true)),
    ("printf", Function::Printf, (&[Takes::Text], true)),
    ("println", Function::Println, (&[], true)),
    ("slice", Function::Slice, (&[Takes::Any], true)),
    ("split", Function::Split, (&[Takes::Text, Takes::Text], false)),
    ("title", Function::Title, (&[Takes::Text], false)),
    ("truncate", Function::Truncate, (&[Takes::Text, Takes::Int], false)),
    ("upper", Function::Upper, (&[Takes::Text], false)),
    ("urlquery", Function::Urlquery, (&[], true)),
];

impl Function {
    /// The function of that name.
    pub(super) fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|(known, ..)| *known == name).map(|&(_, function, _)| function)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    /// The parameter at that place; what is beyond the named ones takes anything.
    pub(super) fn parameter(self, index: usize) -> Takes {
        self.row().2.0.get(index).copied().unwrap_or(Takes::Any)
    }

    /// Is that a number of arguments that it takes? Otherwise the complaint.
    pub(super) fn check_count(self, count: usize) -> Result<(), String> {
        let (name, _, (parameters, variadic)) = self.row();
        let wanted = parameters.len();
        match variadic {
            true if count < wanted => {
                Err(format!("wrong number of args for {name}: want at least {wanted} got {count}"))
            }
            false if count != wanted => Err(format!("wrong number of args for {name}: want {wanted} got {count}")),
            _ => Ok(()),
        }
    }

    /// Does it leave the heading of a column as it is?
    pub(super) fn keeps_headings(self) -> bool {
        matches!(self, Self::Json | Self::Split | Self::Join | Self::Title | Self::Lower | Self::Upper | Self::Truncate)
    }

    fn row(self) -> &'static (&'static str, Self, Signature) {
        TABLE.iter().find(|(_, function, _)| *function == self).expect("every function is in the table")
    }

    /// Its result. The arguments are as many, and of the sort, that it takes.
    pub(super) fn call(self, arguments: &[Value]) -> Result<Value, String> {
        let text = |index: usize| match arguments.get(index) {
            Some(Value::Text(text)) => &**text,
            _ => "", // checked by the caller
        };
        let int = |index: usize| match arguments.get(index) {
            Some(Value::Int(number)) => *number,
            _ => 0, // the same
        };
        let ordered =
            |holds: fn(Ordering) -> bool| order(&arguments[0], &arguments[1]).map(|order| holds(order).into());
        match self {
            // Where the others need not be looked at, the evaluator has stopped.
            Self::And | Self::Or => Ok(arguments.last().cloned().unwrap_or(Value::Nil)),
            Self::Not => Ok((!arguments[0].is_true()).into()),
            Self::Eq => equals_any(&arguments[0], &arguments[1..]).map(Value::from),
            Self::Ne => equal(&arguments[0], &arguments[1]).map(|same| (!same).into()),
            Self::Lt => ordered(Ordering::is_lt),
            Self::Le => ordered(Ordering::is_le),
            Self::Gt => ordered(Ordering::is_gt),
            Self::Ge => ordered(Ordering::is_ge),
            Self::Len => length(&arguments[0]),
            Self::Index => index(&arguments[0], &arguments[1..]),
            Self::Slice => slice(&arguments[0], &arguments[1..]),
            Self::Print => limited(print(arguments)?),
            Self::Println => limited(println(arguments)?),
            Self::Printf => limited(printf::printf(text(0), &arguments[1..], MAX_TEXT_BYTES)?),
            Self::Html => limited(html(&print(arguments)?)),
            Self::Js => limited(js(&print(arguments)?)),
            Self::Urlquery => limited(urlquery(&print(arguments)?)),
            Self::Json => limited(arguments[0].json()),
            Self::Split => Ok(split(text(0), text(1))),
            Self::Join => limited(join(&arguments[0], text(1))?),
            Self::Title => Ok(title(text(0)).into()),
            Self::Lower => Ok(text(0).chars().map(|c| single(c, c.to_lowercase())).collect::<String>().into()),
            Self::Upper => Ok(text(0).chars().map(|c| single(c, c.to_uppercase())).collect::<String>().into()),
            Self::Pad => pad(text(0), int(1), int(2)),
            Self::Truncate => truncate(text(0), int(1)),
        }
    }
}

fn limited(text: String) -> Result<Value, String> {
    if text.len() > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(text.into()) }
}

pub(super) fn too_long() -> String {
    format!("a text of more than {} MiB", MAX_TEXT_BYTES >> 20)
}

/// Go's fmt.Sprint: a blank between two operands that are no text.
fn print(operands: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut after_text = true;
    for operand in operands {
        let is_text = matches!(operand, Value::Text(_));
        if !after_text && !is_text {
            out.push(' ');
        }
        print_operand(operand, &mut out)?;
        after_text = is_text;
    }
    Ok(out)
}

/// Go's fmt.Sprintln: blanks between all, and a line break.
fn println(operands: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for (i, operand) in operands.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        print_operand(operand, &mut out)?;
    }
    out.push('\n');
    Ok(out)
}

fn print_operand(operand: &Value, out: &mut String) -> Result<(), String> {
    match operand {
        Value::Nil => out.push_str("<nil>"),
        operand => operand.print(out),
    }
    if out.len() > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(()) }
}

/// Is the first equal to any of the others?
fn equals_any(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (a, b) if a.is_nil() || b.is_nil() => Ok(a.is_nil() && b.is_nil()),
        (a, b) if a.kind() != b.kind() => Err("incompatible types for comparison".to_owned()),
        (a, _) => Err(format!("non-comparable type {}", a.printed())),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => Ok(a.total_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (a, b) if a.kind() == b.kind() => Err("invalid type for comparison".to_owned()),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Null(Shape::List | Shape::Map) => 0,
        Value::Nil | Value::Null(_) => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `index x 1 2` is `x[1][2]`.
fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Nil | Value::Null(Shape::Pointer), _) => {
                return Err("index of untyped nil".to_owned());
            }
            (Value::Map(entries), Value::Text(key)) => {
                entries.get(&**key).cloned().unwrap_or_else(|| Value::missing_like(entries))
            }
            (Value::Null(Shape::Map), Value::Text(_)) => Value::from(""),
            (Value::Map(_) | Value::Null(Shape::Map), key) => {
                return Err(format!("value has type {}; should be string", key.kind()));
            }
            (Value::List(items), Value::Int(at)) => position(*at, items.len()).map(|at| items[at].clone())?,
            (Value::Null(Shape::List), Value::Int(at)) => {
                return Err(format!("index out of range: {at}"));
            }
            (Value::Text(text), Value::Int(at)) => {
                position(*at, text.len()).map(|at| Value::Int(i64::from(text.as_bytes()[at])))?
            }
            (Value::List(_) | Value::Text(_) | Value::Null(_), key) => {
                return Err(format!("cannot index slice/array with type {}", key.kind()));
            }
            (other, _) => return Err(format!("can't index item of type {}", other.kind())),
        };
    }
    Ok(value)
}

fn position(at: i64, length: usize) -> Result<usize, String> {
    usize::try_from(at).ok().filter(|&at| at < length).ok_or_else(|| format!("index out of range: {at}"))
}

/// `slice x 1 2` is `x[1:2]`; of text, in bytes.
fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Null(Shape::List) => 0,
        Value::Nil | Value::Null(_) => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.kind())),
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    if bounds.len() == 3 && matches!(value, Value::Text(_)) {
        return Err("cannot 3-index slice a string".to_owned());
    }
    let mut ends = [0, length, length];
    for (end, bound) in ends.iter_mut().zip(bounds) {
        let Value::Int(at) = bound else {
            return Err(format!("cannot index slice/array with type {}", bound.kind()));
        };
        let within = usize::try_from(*at).ok().filter(|&at| at <= length);
        *end = within.ok_or_else(|| format!("index out of range: {at}"))?;
    }
    let [from, to, limit] = ends;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > limit {
        return Err(format!("invalid slice index: {to} > {limit}"));
    }
    Ok(match value {
        Value::Text(text) => String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned().into(),
        Value::List(items) => Value::List(items[from..to].into()),
        other => other.clone(),
    })
}

fn join(list: &Value, separator: &str) -> Result<String, String> {
    let mut out = String::new();
    let items: &[Value] = if let Value::List(items) = list { items } else { &[] };
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        print_operand(item, &mut out)?;
    }
    Ok(out)
}
