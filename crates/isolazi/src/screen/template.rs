//! `--format`: the common part of Go's templates, over a JSON object of fields.
//!
//! `{{.Names}}`, `{{.Client.Version}}`, `{{json .}}`, `{{json .Labels}}`, `{{upper .State}}`, `{{lower .State}}`,
//! `{{.Label "key"}}`; `table ` before a template keeps the headings; `json` is short for `{{json .}}`. Anything else is
//! a clear error rather than a wrong answer.

use crate::screen::table;
use error::{Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A parsed `--format`.
#[derive(Debug, PartialEq)]
pub(crate) struct Format {
    /// Headings, and aligned columns.
    table: bool,
    pieces: Vec<Piece>,
}

/// What a template can name of one object in a list.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// `.ID`, `.Names` …
    pub fields: Map<String, Value>,
    /// For `.Label "key"`: the `Labels` field shows them joined by commas, which a value may hold itself.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Action {
        function: Function,
        path: Vec<String>,
    },
    /// `{{.Label "key"}}`
    Label(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Plain,
    Json,
    Upper,
    Lower,
}

impl Format {
    /// Parses what the user gave.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = if text == "json" { "{{json .}}" } else { text };
        let (table, text) = match text.strip_prefix("table ") {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            push_text(&mut pieces, before);
            let Some((action, after)) = after.split_once("}}") else {
                return Err(Error::invalid(format!("invalid format `{text}`: `{{{{` without `}}}}`")));
            };
            pieces.push(parse_action(action)?);
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Self { table, pieces })
    }

    /// One line (or so) a row. `headings` are (field, heading) pairs, for `table`; they also say which fields exist
    /// when there is no row.
    pub(crate) fn render(&self, rows: &[Row], headings: &[(&str, &str)]) -> Result<String> {
        let mut lines = Vec::with_capacity(rows.len() + 1);
        let fields = headings.iter().map(|&(field, heading)| (field.to_owned(), Value::from(heading))).collect();
        let names = Row { fields, labels: BTreeMap::new() };
        let heading = self.line(&names, true)?; // an unknown field is an error even where nothing is listed
        if self.table {
            lines.push(heading);
        }
        for row in rows {
            lines.push(self.line(row, false)?);
        }
        if self.table {
            return Ok(table::align(&lines));
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }

    /// The template filled with one object of fields.
    pub(crate) fn one(&self, fields: Map<String, Value>) -> Result<String> {
        self.line(&Row { fields, labels: BTreeMap::new() }, false)
    }

    fn line(&self, row: &Row, heading: bool) -> Result<String> {
        let mut line = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Label(key) if heading => line.push_str(key),
                Piece::Label(key) => line.push_str(row.labels.get(key).map_or("", String::as_str)),
                Piece::Action { function: Function::Json, path } if path.is_empty() => {
                    let object = serde_json::to_string(&row.fields).expect("strings and numbers always make JSON");
                    line.push_str(&object);
                }
                Piece::Action { function, path } => {
                    let value = find(&row.fields, path)?;
                    let function = if heading { Function::Plain } else { *function };
                    line.push_str(&show(function, value));
                }
            }
        }
        Ok(line)
    }
}

/// Literal text, with `\t` and `\n` meant as in Go's list formats.
fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.replace("\\t", "\t").replace("\\n", "\n")));
    }
}

fn parse_action(action: &str) -> Result<Piece> {
    let action = action.strip_prefix("- ").unwrap_or(action);
    let action = action.strip_suffix(" -").unwrap_or(action).trim();
    let unsupported = || {
        Error::invalid(format!("invalid format: `{{{{{action}}}}}` is not supported"))
            .hint("use `{{.Field}}`, `{{json .}}`, `{{json .Field}}`, `{{upper .Field}}` or `{{lower .Field}}`")
    };
    let (function, operand) = match action.split_once(char::is_whitespace) {
        None => (Function::Plain, action),
        Some(("json", operand)) => (Function::Json, operand.trim()),
        Some(("upper", operand)) => (Function::Upper, operand.trim()),
        Some(("lower", operand)) => (Function::Lower, operand.trim()),
        Some((".Label", key)) => {
            let key = key.trim().strip_prefix('"').and_then(|key| key.strip_suffix('"')).ok_or_else(unsupported)?;
            return Ok(Piece::Label(key.to_owned()));
        }
        Some(_) => return Err(unsupported()),
    };
    let path = operand.strip_prefix('.').ok_or_else(unsupported)?;
    if path.is_empty() {
        if function != Function::Json {
            return Err(unsupported());
        }
        return Ok(Piece::Action { function, path: Vec::new() });
    }
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    if path.iter().any(|name| name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
        return Err(unsupported());
    }
    Ok(Piece::Action { function, path })
}

fn find<'a>(fields: &'a Map<String, Value>, path: &[String]) -> Result<&'a Value> {
    let unknown = || Error::invalid(format!("invalid format: unknown field `.{}`", path.join(".")));
    let (first, rest) = path.split_first().ok_or_else(unknown)?;
    let first = fields.get(first).ok_or_else(unknown)?;
    rest.iter().try_fold(first, |value, name| value.get(name)).ok_or_else(unknown)
}

fn show(function: Function, value: &Value) -> String {
    let plain = || match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match function {
        Function::Plain => plain(),
        Function::Json => value.to_string(),
        Function::Upper => plain().to_uppercase(),
        Function::Lower => plain().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &[(&str, &str)] = &[("ID", "CONTAINER ID"), ("Labels", "LABELS"), ("Names", "NAMES")];

    fn rows() -> Vec<Row> {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2,c=3".to_owned())]);
        let row = |id: &str, name: &str| Row {
            fields: [("ID", id), ("Labels", "a=1,b=2,c=3"), ("Names", name)]
                .map(|(k, v)| (k.to_owned(), Value::from(v)))
                .into_iter()
                .collect(),
            labels: labels.clone(),
        };
        vec![row("ab", "web"), row("cd", "db")]
    }

    #[test]
    fn the_common_templates_do_what_go_does() {
        for (format, text) in [
            ("{{.Names}}", "web\ndb\n"),
            ("{{ .ID }}\\t{{upper .Names}}", "ab\tWEB\ncd\tDB\n"),
            ("table {{.ID}}\\t{{.Names}}", "CONTAINER ID   NAMES\nab             web\ncd             db\n"),
            (
                "json",
                "{\"ID\":\"ab\",\"Labels\":\"a=1,b=2,c=3\",\"Names\":\"web\"}\n\
                 {\"ID\":\"cd\",\"Labels\":\"a=1,b=2,c=3\",\"Names\":\"db\"}\n",
            ),
            ("{{json .Names}}", "\"web\"\n\"db\"\n"),
            ("{{.Label \"b\"}}{{.Label \"c\"}}", "2,c=3\n2,c=3\n"),
            ("x", "x\nx\n"),
        ] {
            assert_eq!(Format::parse(format).unwrap().render(&rows(), HEADINGS).unwrap(), text, "{format}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (format, complaint) in [
            ("{{.Nmaes}}", "invalid format: unknown field `.Nmaes`"),
            ("{{.Names.First}}", "invalid format: unknown field `.Names.First`"),
            ("{{.Names", "invalid format `{{.Names`: `{{` without `}}`"),
            ("{{range .Names}}", "invalid format: `{{range .Names}}` is not supported"),
            ("{{}}", "invalid format: `{{}}` is not supported"),
            ("{{.}}", "invalid format: `{{.}}` is not supported"),
        ] {
            let error = Format::parse(format).and_then(|f| f.render(&[], HEADINGS)).unwrap_err();
            assert_eq!(error.to_string(), complaint);
        }
    }
}
