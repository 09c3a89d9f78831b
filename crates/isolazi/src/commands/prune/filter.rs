//! `--filter` of all that prunes: `until`, `label`, `label!`.

use crate::commands::filters::{bad, boolean, label, pair, unknown};
use crate::screen::time;
use api::Prune;
use error::{Error, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// All conditions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    /// Those that the engine looks at.
    pub prune: Prune,
    /// Of images: only those without a name, or all.
    pub dangling: Option<bool>,
    /// Of volumes: those with a name, too.
    pub all: Option<bool>,
    /// As typed.
    pub texts: Vec<String>,
}

impl Filters {
    /// From `key=value` texts; `known`: keys besides the labels.
    pub(crate) fn parse<'a>(texts: impl Iterator<Item = &'a str>, known: &[&str]) -> Result<Self> {
        let now = Timestamp::now();
        let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = pair(text)?;
            let bad = || bad(text);
            match key {
                "label" => filters.prune.labels.push(label(value)),
                "label!" => filters.prune.not_labels.push(label(value)),
                key if !known.contains(&key) => {
                    return Err(unknown(key, &[&["label", "label!"], known].concat().join(", ")));
                }
                "until" if filters.prune.until.is_some() => {
                    return Err(Error::invalid("more than one until filter specified"));
                }
                "until" => {
                    let point = time::parse_point(value, now, &zone).ok_or_else(bad)?;
                    filters.prune.until = Some(format!("{point:.9}"));
                }
                "dangling" => filters.dangling = Some(boolean(value).ok_or_else(bad)?),
                _ => filters.all = Some(boolean(value).ok_or_else(bad)?),
            }
            filters.texts.push(text.to_owned());
        }
        Ok(filters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_times_and_labels() {
        let parse = |texts: &[&str]| Filters::parse(texts.iter().copied(), &["until", "dangling"]);
        let filters = parse(&["until=2026-08-20T10:00:00Z", "label=a", "label!=b=c=d", "dangling=0"]).unwrap();
        let labels = (vec![("a".to_owned(), None)], vec![("b".to_owned(), Some("c=d".to_owned()))]);
        assert_eq!(filters.prune.until.as_deref(), Some("2026-08-20T10:00:00.000000000Z"));
        assert_eq!((filters.prune.labels, filters.prune.not_labels), labels);
        assert_eq!((filters.dangling, filters.texts.len()), (Some(false), 4));
        for (texts, complaint) in [
            (&["until"][..], "invalid filter 'until': expected key=value"),
            (&["until=soon"], "invalid filter 'until=soon'"),
            (&["until=1h", "until=2h"], "more than one until filter specified"),
            (&["dangling=x"], "invalid filter 'dangling=x'"),
            (&["name=x"], "invalid filter 'name'"),
            (&["all=1"], "invalid filter 'all'"),
        ] {
            assert_eq!(parse(texts).unwrap_err().to_string(), complaint);
        }
    }
}
