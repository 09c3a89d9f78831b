//! `ps --filter`: one key's values are alternatives, different keys must all hold; labels must all hold.

use api::{ContainerSummary, State};
use error::{Error, Result};
use oci::reference::Reference;
use regex_lite::Regex;

/// All conditions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    ids: Vec<Regex>,
    names: Vec<Regex>,
    statuses: Vec<Option<State>>,
    ancestors: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    exited: Vec<u8>,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::invalid(format!("invalid filter '{text}': expected key=value")));
            };
            match key.trim() {
                "id" => filters.ids.push(pattern(value)?),
                "name" => filters.names.push(pattern(value)?),
                "status" => filters.statuses.push(status(value)?),
                "ancestor" => filters.ancestors.push(value.to_owned()),
                "label" => filters.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value.to_owned(), None),
                }),
                "exited" => filters.exited.push(value.parse().map_err(|_| bad_value(key, value))?),
                key => {
                    return Err(Error::invalid(format!("invalid filter '{key}'"))
                        .hint("known filters are id, name, status, ancestor, label and exited"));
                }
            }
        }
        Ok(filters)
    }

    /// Whoever asks for a state wants to see it, running or not.
    pub(super) fn ask_for_states(&self) -> bool {
        !self.statuses.is_empty() || !self.exited.is_empty()
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, container: &ContainerSummary) -> bool {
        let Self { ids, names, statuses, ancestors, labels, exited } = self;
        any(ids, |id| id.is_match(&container.id))
            // Docker's names begin with a slash, and people write `^/web$`.
            && any(names, |name| name.is_match(&container.name) || name.is_match(&format!("/{}", container.name)))
            && any(statuses, |status| status.as_ref() == Some(&container.state))
            && any(ancestors, |ancestor| is_ancestor(ancestor, container))
            && labels.iter().all(|(key, value)| match (container.labels.get(key), value) {
                (Some(actual), Some(wanted)) => actual == wanted,
                (actual, None) => actual.is_some(),
                (None, Some(_)) => false,
            })
            && any(exited, |code| container.state == State::Exited && container.exit_code == Some(*code))
    }
}

/// One of them, or there are none to hold.
fn any<T>(conditions: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

fn bad_value(key: &str, value: &str) -> Error {
    Error::invalid(format!("invalid filter '{key}={value}'"))
}

/// A regular expression; a text that is none is meant literally.
fn pattern(text: &str) -> Result<Regex> {
    Regex::new(text)
        .or_else(|_| Regex::new(&regex_lite::escape(text)))
        .map_err(|_| Error::invalid("invalid filter: too long"))
}

/// `None` is a state that Docker has and no container here ever is in.
fn status(text: &str) -> Result<Option<State>> {
    match text {
        "created" => Ok(Some(State::Created)),
        "running" => Ok(Some(State::Running)),
        "paused" => Ok(Some(State::Paused)),
        "restarting" => Ok(Some(State::Restarting)),
        "exited" => Ok(Some(State::Exited)),
        "dead" => Ok(Some(State::Dead)),
        "removing" => Ok(None),
        _ => Err(bad_value("status", text)),
    }
}

/// By name, with or without tag and registry, or by id.
fn is_ancestor(wanted: &str, container: &ContainerSummary) -> bool {
    let id = container.image_id.strip_prefix("sha256:").unwrap_or(&container.image_id);
    let wanted_id = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let same_name = || match (wanted.parse::<Reference>(), container.image.parse::<Reference>()) {
        (Ok(wanted), Ok(image)) => wanted == image,
        _ => false,
    };
    wanted == container.image || wanted_id.len() >= 12 && id.starts_with(wanted_id) || same_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_as_dockers_do() {
        let web = ContainerSummary {
            id: "0123456789abcdef".repeat(4),
            name: "web-1".into(),
            image: "alpine".into(),
            image_id: format!("sha256:{}", "ab".repeat(32)),
            command: Vec::new(),
            created: String::new(),
            started: String::new(),
            finished: String::new(),
            state: State::Exited,
            exit_code: Some(3),
            pid: None,
            error: String::new(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
        };
        for (filters, holds) in [
            (&[][..], true),
            (&["name=eb"], true),
            (&["name=^/web-1$"], true),
            (&["name=^/?web-1$"], true),
            (&["name=^web$"], false),
            (&["name=db", "name=web"], true),
            (&["name=web("], false),
            (&["id=0123"], true),
            (&["id=^abc"], false),
            (&["status=exited"], true),
            (&["status=running", "status=exited"], true),
            (&["status=paused"], false),
            (&["status=exited", "name=db"], false),
            (&["exited=3"], true),
            (&["exited=0"], false),
            (&["label=a"], true),
            (&["label=a=1"], true),
            (&["label=a", "label=b"], false),
            (&["label=a=2"], false),
            (&["ancestor=alpine"], true),
            (&["ancestor=alpine:latest"], true),
            (&["ancestor=docker.io/library/alpine"], true),
            (&["ancestor=alpine:3"], false),
            (&["ancestor=abababababab"], true),
        ] {
            let parsed = Filters::parse(filters.iter().copied()).unwrap();
            assert_eq!(parsed.accept(&web), holds, "{filters:?}");
        }
        for (text, complaint) in [
            ("name", "invalid filter 'name': expected key=value"),
            ("status=up", "invalid filter 'status=up'"),
            ("exited=x", "invalid filter 'exited=x'"),
            ("colour=red", "invalid filter 'colour'"),
        ] {
            assert_eq!(Filters::parse([text].into_iter()).unwrap_err().to_string(), complaint);
        }
    }
}
