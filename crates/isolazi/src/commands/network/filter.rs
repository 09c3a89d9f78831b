//! `--filter` of `network ls`.

use crate::commands::prune::filter::label;
use api::NetworkSummary;
use error::{Error, Result};
use regex_lite::Regex;

/// Values of one kind are alternatives, but for labels; kinds must all hold.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Vec<bool>,
    drivers: Vec<String>,
    ids: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    names: Vec<Regex>,
    scopes: Vec<String>,
    types: Vec<String>,
}

impl Filters {
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let bad = || Error::invalid(format!("invalid filter '{text}'"));
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Error::invalid(format!("invalid filter '{text}': expected key=value")))?;
            match key {
                "dangling" => filters.dangling.push(match value {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(bad()),
                }),
                "driver" => filters.drivers.push(value.to_owned()),
                "id" => filters.ids.push(value.to_owned()),
                "label" => filters.labels.push(label(value)),
                "name" => {
                    let pattern = Regex::new(value).or_else(|_| Regex::new(&regex_lite::escape(value)));
                    filters.names.push(pattern.map_err(|_| bad())?);
                }
                "scope" => filters.scopes.push(value.to_owned()),
                "type" if ["custom", "builtin"].contains(&value) => filters.types.push(value.to_owned()),
                "type" => return Err(bad()),
                _ => {
                    return Err(Error::invalid(format!("invalid filter '{key}'"))
                        .hint("known filters are dangling, driver, id, label, name, scope and type"));
                }
            }
        }
        Ok(filters)
    }

    pub(super) fn accept(&self, network: &NetworkSummary) -> bool {
        fn any<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
            conditions.is_empty() || conditions.iter().any(holds)
        }
        let kind = if ["bridge", "host", "none"].contains(&network.name.as_str()) { "builtin" } else { "custom" };
        any(&self.dangling, |wanted| *wanted == network.dangling)
            && any(&self.drivers, |wanted| wanted == network.driver)
            && any(&self.ids, |wanted| network.id.starts_with(wanted))
            && any(&self.names, |wanted| wanted.is_match(&network.name))
            && any(&self.scopes, |wanted| wanted == "local")
            && any(&self.types, |wanted| wanted == kind)
            && self.labels.iter().all(|(key, value)| match (network.labels.get(key), value) {
                (Some(actual), Some(wanted)) => actual == wanted,
                (actual, None) => actual.is_some(),
                (None, Some(_)) => false,
            })
    }
}
