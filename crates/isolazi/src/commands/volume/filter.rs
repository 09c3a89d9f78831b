//! `volume ls --filter`: one key's values are alternatives, different keys must all hold; labels must all hold.

use crate::commands::filters::{Label, any, bad, boolean, has_labels, label, pair, pattern, unknown};
use api::VolumeSummary;
use error::Result;
use regex_lite::Regex;

/// All conditions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Option<bool>,
    drivers: Vec<String>,
    labels: Vec<Label>,
    names: Vec<Regex>,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = pair(text)?;
            match key {
                "dangling" => filters.dangling = Some(boolean(value).ok_or_else(|| bad(text))?),
                "driver" => filters.drivers.push(value.to_owned()),
                "label" => filters.labels.push(label(value)),
                "name" => filters.names.push(pattern(value)?),
                key => return Err(unknown(key, "dangling, driver, label and name")),
            }
        }
        Ok(filters)
    }

    /// Must be known who uses them?
    pub(super) fn ask_for_users(&self) -> bool {
        self.dangling.is_some()
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, volume: &VolumeSummary) -> bool {
        self.dangling.is_none_or(|dangling| dangling == volume.users.is_empty())
            && any(&self.drivers, |driver| driver == "local")
            && has_labels(&volume.labels, &self.labels)
            && any(&self.names, |name| name.is_match(&volume.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_as_dockers_do() {
        let data = VolumeSummary {
            name: "data".into(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
            users: vec!["0123".into()],
            ..VolumeSummary::default()
        };
        for (filters, holds) in [
            (&[][..], true),
            (&["dangling=false"], true),
            (&["dangling=1"], false),
            (&["driver=local"], true),
            (&["driver=far"], false),
            (&["driver=far", "driver=local"], true),
            (&["label=a"], true),
            (&["label=a=1"], true),
            (&["label=a=2"], false),
            (&["label=a", "label=b"], false),
            (&["name=at"], true),
            (&["name=^at"], false),
            (&["name=x", "name=d.t"], true),
            (&["name=data("], false),
        ] {
            assert_eq!(Filters::parse(filters.iter().copied()).unwrap().accept(&data), holds, "{filters:?}");
        }
        for (text, complaint) in [
            ("name", "invalid filter 'name': expected key=value"),
            ("dangling=maybe", "invalid filter 'dangling=maybe'"),
            ("colour=red", "invalid filter 'colour'"),
        ] {
            assert_eq!(Filters::parse([text].into_iter()).unwrap_err().to_string(), complaint);
        }
    }
}
