//! `--format`: Go's text/template as far as people use it with Docker, over what a command knows.
//!
//! ```text
//! text ─ lexer ─► words ─ parser ─► tree ─┐
//! document ─ from ─► value ───────────────┴─ evaluate ─► text
//! ```
//! Everything but `define`, `template`, `block`, `call` and complex numbers is there, with Go's words for what is wrong.
//! `table ` before a template keeps the headings; `json` is short for `{{json .}}`.

mod check;
mod evaluate;
mod from;
mod functions;
mod lexer;
mod parser;
mod printf;
#[cfg(test)]
mod tests;
mod texts;
mod tree;
mod value;

pub(crate) use from::of;
pub(crate) use value::{Struct, Value};

use crate::screen::table;
use error::{Error, Result};
use evaluate::Of;
use std::collections::BTreeMap;
use std::rc::Rc;
use tree::Node;

/// The longest template that is looked at.
const MAX_TEMPLATE_BYTES: usize = 64 << 10;

/// A parsed template.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    source: String,
    nodes: Vec<Node>,
}

impl Template {
    /// Parses what the user gave.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(fault(&format!("template: : longer than {} KiB", MAX_TEMPLATE_BYTES >> 10)));
        }
        let source = if text == "json" { "{{json .}}" } else { text }.to_owned();
        let nodes = parser::parse(&source).map_err(|complaint| fault(&complaint))?;
        Ok(Self { source, nodes })
    }

    /// The template filled with a document.
    pub(crate) fn fill(&self, document: &Value) -> Result<String> {
        self.evaluate(document, Of::Document)
    }

    fn evaluate(&self, value: &Value, of: Of) -> Result<String> {
        evaluate::evaluate(&self.source, &self.nodes, value, of).map_err(|complaint| fault(&complaint))
    }
}

fn fault(complaint: &str) -> Error {
    Error::invalid(format!("template parsing error: {complaint}"))
}

/// The format of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Format {
    /// Headings, and aligned columns.
    table: bool,
    /// `json`: all fields, whatever they cost to have.
    json: bool,
    template: Template,
}

/// What a template can name of one object in a list.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// `.ID`, `.Names` …
    pub fields: Vec<(&'static str, Value)>,
    /// For `.Label "key"`: the `Labels` field shows them joined by commas, which a value may hold itself.
    pub labels: BTreeMap<String, String>,
}

/// What errors call a row.
const ROW: &str = "row";
/// What `.Label "key"` is.
const LABEL: &str = "Label";

impl Format {
    /// Parses what the user gave.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (table, text) = match text.strip_prefix("table") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(Self { table, json: text == "json", template: Template::parse(&with_breaks(text.trim_matches(' ')))? })
    }

    /// Does it name that field, or show all of them?
    pub(crate) fn uses(&self, field: &str) -> bool {
        self.json || self.names(field)
    }

    /// Does it name that field? `json` alone does not.
    pub(crate) fn names(&self, field: &str) -> bool {
        !self.json
            && check::fields(&self.template.nodes).iter().any(|used| used.name == field || used.name == check::ALL)
    }

    /// One line (or so) a row. `headings` are (field, heading) pairs, for `table`; they also say which fields exist, even
    /// where nothing is listed.
    pub(crate) fn render(&self, rows: &[Row], headings: &[(&'static str, &str)]) -> Result<String> {
        self.check(headings)?;
        let mut lines = Vec::with_capacity(rows.len() + 1);
        if self.table {
            let names = headings.iter().map(|&(field, heading)| (field, heading.into()));
            lines.push(self.template.evaluate(&value_of(names.collect(), BTreeMap::new()), Of::Headings)?);
        }
        for row in rows {
            lines.push(self.template.evaluate(&value_of(row.fields.clone(), row.labels.clone()), Of::Row)?);
        }
        if self.table {
            return Ok(table::align(&lines));
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }

    /// Is every field known?
    fn check(&self, headings: &[(&'static str, &str)]) -> Result<()> {
        let is_known =
            |name: &str| [LABEL, check::ALL].contains(&name) || headings.iter().any(|(known, _)| *known == name);
        let Some(unknown) = check::fields(&self.template.nodes).into_iter().find(|used| !is_known(&used.name)) else {
            return Ok(());
        };
        let names: Vec<_> = headings.iter().map(|(name, _)| *name).collect();
        let place = evaluate::place(&self.template.source, unknown.at, &unknown.shown);
        let complaint = format!("{place}: can't evaluate field {} in type {ROW}", unknown.name);
        Err(fault(&complaint).hint(format!("the fields are {}", names.join(", "))))
    }
}

/// A row as templates see it: its fields by name, as Docker's JSON has them.
fn value_of(mut fields: Vec<(&'static str, Value)>, labels: BTreeMap<String, String>) -> Value {
    fields.sort_by_key(|(name, _)| *name);
    fields.push((LABEL, Value::Lookup(Rc::new(labels))));
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Value::Struct(Rc::new(Struct { name: ROW, fields, absent: Vec::new() }))
}

/// `\t` and `\n` mean what they say in the formats of lists; inside the quotes of an action they do anyhow.
fn with_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, part) in text.split("{{").enumerate() {
        let (action, rest) = match part.split_once("}}") {
            _ if i == 0 => ("", part),
            Some((action, rest)) => (action, rest),
            None => (part, ""),
        };
        if i > 0 {
            out.push_str("{{");
            out.push_str(action);
            if action.len() < part.len() {
                out.push_str("}}");
            }
        }
        out.push_str(&rest.replace("\\t", "\t").replace("\\n", "\n"));
    }
    out
}
