//! What a template works on: values as Go has them, because people know how Go prints them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

/// A value. Copies are cheap: what is big is shared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing: a key that is missing, JSON's `null`.
    Nil,
    /// Null where there could have been a value of that shape.
    Null(Shape),
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Rc<str>),
    /// Values in their order.
    List(Rc<[Value]>),
    /// Values by key; any key may be missing.
    Map(Rc<BTreeMap<String, Value>>),
    /// Values by field; another field is a mistake.
    Struct(Rc<Struct>),
    /// A function from key to text: `.Label "key"`.
    Lookup(Rc<BTreeMap<String, String>>),
}

/// What a null stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A single thing.
    Pointer,
    /// A list.
    List,
    /// A map.
    Map,
}

/// Fields in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Struct {
    /// What it is, for errors: `container`.
    pub name: &'static str,
    /// Name and value.
    pub fields: Vec<(Cow<'static, str>, Value)>,
    /// Fields that it could have and does not: `.State.Health`. JSON does not show them; they are null or empty.
    pub absent: Vec<(&'static str, Value)>,
}

impl Struct {
    /// The field of that name. Docker's structs and their JSON differ in a few names; both are known.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        let find = |name: &str| match self.fields.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Some(value.clone()),
            None => self.absent.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
        };
        find(name).or_else(|| json_names(name).iter().find_map(|name| find(name)))
    }
}

/// How JSON calls a field of Docker's structs, where it has another name.
fn json_names(field: &str) -> &'static [&'static str] {
    match field {
        "ID" => &["Id", "id"],
        "NanoCPUs" => &["NanoCpus"],
        "CPUShares" => &["CpuShares"],
        "CPUPeriod" => &["CpuPeriod"],
        "CPUQuota" => &["CpuQuota"],
        "CPURealtimePeriod" => &["CpuRealtimePeriod"],
        "CPURealtimeRuntime" => &["CpuRealtimeRuntime"],
        "HostIP" => &["HostIp"],
        "DNS" => &["Dns"],
        "DNSOptions" => &["DnsOptions"],
        "DNSSearch" => &["DnsSearch"],
        // Of events.
        "Status" => &["status"],
        "From" => &["from"],
        "Scope" => &["scope"],
        "Time" => &["time"],
        "TimeNano" => &["timeNano"],
        _ => &[],
    }
}

impl Value {
    /// What Go calls its type, as far as people see it in errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil | Self::Null(Shape::Pointer) => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) | Self::Null(Shape::List) => "list",
            Self::Map(_) | Self::Null(Shape::Map) => "map",
            Self::Struct(of) => of.name,
            Self::Lookup(_) => "func",
        }
    }

    /// Null, or nothing at all?
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::Null(_))
    }

    /// What `if` makes of it: false, zero and what is empty are not true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil | Self::Null(_) => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Struct(_) | Self::Lookup(_) => true,
        }
    }

    /// A map's value for a key that is missing: nothing, of the kind its other values are of.
    pub(super) fn missing_like(entries: &BTreeMap<String, Self>) -> Self {
        match entries.values().next() {
            None | Some(Self::Text(_)) => Self::from(""),
            Some(Self::List(_) | Self::Null(Shape::List)) => Self::Null(Shape::List),
            Some(Self::Map(_) | Self::Null(Shape::Map)) => Self::Null(Shape::Map),
            Some(Self::Struct(_) | Self::Null(Shape::Pointer)) => Self::Null(Shape::Pointer),
            Some(Self::Bool(_)) => Self::Bool(false),
            Some(Self::Int(_)) => Self::Int(0),
            Some(Self::Float(_)) => Self::Float(0.0),
            Some(Self::Nil | Self::Lookup(_)) => Self::Nil,
        }
    }

    /// Appends it as Go's `%v` shows it.
    pub(super) fn print(&self, out: &mut String) {
        let sequence = |out: &mut String, open: &str, items: &mut dyn Iterator<Item = (&str, &Self)>, close: char| {
            out.push_str(open);
            for (i, (key, value)) in items.enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                if !key.is_empty() {
                    let _ = write!(out, "{key}:"); // a String takes everything
                }
                // Inside something a missing value has Go's other name.
                if *value == Self::Nil { out.push_str("<nil>") } else { value.print(out) }
            }
            out.push(close);
        };
        match self {
            Self::Nil => out.push_str("<no value>"),
            Self::Null(Shape::Pointer) => out.push_str("<nil>"),
            Self::Null(Shape::List) => out.push_str("[]"),
            Self::Null(Shape::Map) => out.push_str("map[]"),
            Self::Bool(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Float(value) => out.push_str(&shortest(*value)),
            Self::Text(text) => out.push_str(text),
            Self::List(items) => sequence(out, "[", &mut items.iter().map(|item| ("", item)), ']'),
            Self::Map(entries) => sequence(out, "map[", &mut entries.iter().map(|(k, v)| (k.as_str(), v)), ']'),
            Self::Struct(of) => sequence(out, "{", &mut of.fields.iter().map(|(_, value)| ("", value)), '}'),
            Self::Lookup(_) => out.push_str("<func>"),
        }
    }

    /// The same by itself.
    pub(super) fn printed(&self) -> String {
        let mut text = String::new();
        self.print(&mut text);
        text
    }

    /// In one line of JSON, as Docker's `json` gives it.
    pub(super) fn json(&self) -> String {
        let text = serde_json::to_string(self).expect("plain values always make JSON");
        // Go escapes what JavaScript takes for line breaks.
        text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    }
}

/// From this exponent on Go shows a float with it.
const EXPONENT_FROM: i32 = 6;

/// The fewest digits that mean this number, as Go's `%v`.
pub(super) fn shortest(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("Rust writes an exponent when asked to");
    let exponent: i32 = exponent.parse().expect("an exponent is a small number");
    if value != 0.0 && !(-4..EXPONENT_FROM).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    format!("{value}")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// For the function `json`. Go's JSON has no `1.0`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_possible_truncation, reason = "compared before it is used")]
        let whole = |value: f64| Some(value as i64).filter(|&int| (int as f64) == value && value.abs() < 1e15);
        match self {
            Self::Nil | Self::Null(_) => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => match whole(*value) {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(*value),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Map(entries) => serializer.collect_map(entries.iter()),
            Self::Struct(of) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in of.fields.iter().filter(|(_, value)| !matches!(value, Self::Lookup(_))) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::Lookup(_) => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_go_prints_them() {
        let list = |items: &[Value]| Value::List(items.into());
        let map = |entries: &[(&str, Value)]| {
            Value::Map(Rc::new(entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()))
        };
        let of = Value::Struct(Rc::new(Struct {
            name: "x",
            fields: vec![
                ("A".into(), Value::Int(1)),
                ("B".into(), "b".into()),
                ("C".into(), Value::Lookup(Rc::default())),
            ],
            absent: vec![("D", Value::Null(Shape::Pointer))],
        }));
        for (value, text, json) in [
            (Value::Nil, "<no value>", "null"),
            (Value::Null(Shape::Pointer), "<nil>", "null"),
            (Value::Null(Shape::List), "[]", "null"),
            (Value::Null(Shape::Map), "map[]", "null"),
            (true.into(), "true", "true"),
            (Value::Int(-7), "-7", "-7"),
            (Value::Float(1.5), "1.5", "1.5"),
            (Value::Float(1.0), "1", "1"),
            (Value::Float(123_456.0), "123456", "123456"),
            (Value::Float(1_234_567.5), "1.2345675e+06", "1234567.5"),
            (Value::Float(0.00001), "1e-05", "0.00001"),
            ("a \"b\" <&>".into(), "a \"b\" <&>", "\"a \\\"b\\\" <&>\""),
            (list(&[Value::Int(1), "b".into(), Value::Nil]), "[1 b <nil>]", "[1,\"b\",null]"),
            (map(&[("b", true.into()), ("a", list(&[]))]), "map[a:[] b:true]", "{\"a\":[],\"b\":true}"),
            (of, "{1 b <func>}", "{\"A\":1,\"B\":\"b\"}"),
        ] {
            assert_eq!((value.printed().as_str(), value.json().as_str()), (text, json));
        }
    }
}
