//! `--filter` of `network ls`.

use crate::commands::filters::{Label, any, bad, boolean, has_labels, label, pair, pattern, unknown};
use api::NetworkSummary;
use error::Result;
use regex_lite::Regex;

/// Values of one kind are alternatives, but for labels; kinds must all hold.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Vec<bool>,
    drivers: Vec<String>,
    ids: Vec<String>,
    labels: Vec<Label>,
    names: Vec<Regex>,
    scopes: Vec<String>,
    types: Vec<String>,
}

impl Filters {
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = pair(text)?;
            match key {
                "dangling" => filters.dangling.push(boolean(value).ok_or_else(|| bad(text))?),
                "driver" => filters.drivers.push(value.to_owned()),
                "id" => filters.ids.push(value.to_owned()),
                "label" => filters.labels.push(label(value)),
                "name" => filters.names.push(pattern(value)?),
                "scope" => filters.scopes.push(value.to_owned()),
                "type" if ["custom", "builtin"].contains(&value) => filters.types.push(value.to_owned()),
                "type" => return Err(bad(text)),
                key => return Err(unknown(key, "dangling, driver, id, label, name, scope and type")),
            }
        }
        Ok(filters)
    }

    pub(super) fn accept(&self, network: &NetworkSummary) -> bool {
        let kind = if ["bridge", "host", "none"].contains(&network.name.as_str()) { "builtin" } else { "custom" };
        any(&self.dangling, |wanted| *wanted == network.dangling)
            && any(&self.drivers, |wanted| wanted == network.driver)
            && any(&self.ids, |wanted| network.id.starts_with(wanted))
            && any(&self.names, |wanted| wanted.is_match(&network.name))
            && any(&self.scopes, |wanted| wanted == "local")
            && any(&self.types, |wanted| wanted == kind)
            && has_labels(&network.labels, &self.labels)
    }
}
