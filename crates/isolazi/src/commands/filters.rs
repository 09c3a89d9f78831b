//! What the filters of all lists share: values of one key are alternatives, different keys must all hold; labels must all
//! hold.

use error::{Error, Result};
use regex_lite::Regex;
use std::collections::BTreeMap;

/// `key=value`.
pub(crate) fn pair(text: &str) -> Result<(&str, &str)> {
    text.split_once('=').ok_or_else(|| Error::invalid(format!("invalid filter '{text}': expected key=value")))
}

/// A key that nobody knows.
pub(crate) fn unknown(key: &str, known: &str) -> Error {
    Error::invalid(format!("invalid filter '{key}'")).hint(format!("known filters are {known}"))
}

/// A value that means nothing.
pub(crate) fn bad(text: &str) -> Error {
    Error::invalid(format!("invalid filter '{text}'"))
}

/// A label, with a value or with any.
pub(crate) type Label = (String, Option<String>);

pub(crate) fn label(text: &str) -> Label {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// A regular expression; a text that is none is meant literally.
pub(crate) fn pattern(text: &str) -> Result<Regex> {
    Regex::new(text)
        .or_else(|_| Regex::new(&regex_lite::escape(text)))
        .map_err(|_| Error::invalid("invalid filter: too long"))
}

/// One of them, or there are none to hold.
pub(crate) fn any<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

/// All of them.
pub(crate) fn has_labels(labels: &BTreeMap<String, String>, wanted: &[Label]) -> bool {
    wanted
        .iter()
        .all(|(key, wanted)| labels.get(key).is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value)))
}
