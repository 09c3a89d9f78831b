//! `events --filter`: one key's values are alternatives, different keys must all hold; labels must all hold.

use crate::commands::filters::{Label, any, has_labels, label, pair, unknown};
use api::Event;
use error::Result;
use oci::reference::Reference;

/// All conditions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    containers: Vec<String>,
    events: Vec<String>,
    images: Vec<String>,
    labels: Vec<Label>,
    kinds: Vec<String>,
    volumes: Vec<String>,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = pair(text)?;
            let value = value.to_owned();
            match key.trim() {
                "container" => filters.containers.push(value),
                "event" => filters.events.push(value),
                "image" => filters.images.push(value),
                "type" => filters.kinds.push(value),
                "volume" => filters.volumes.push(value),
                "label" => filters.labels.push(label(&value)),
                key => return Err(unknown(key, "container, event, image, label, type and volume")),
            }
        }
        Ok(filters)
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, event: &Event) -> bool {
        let Self { containers, events, images, labels, kinds, volumes } = self;
        let attributes = &event.actor.attributes;
        let is_of = |kind: &str, wanted: &str| {
            let name = attributes.get("name").is_some_and(|name| name == wanted);
            event.kind == kind && (name || !wanted.is_empty() && event.actor.id.starts_with(wanted))
        };
        any(containers, |wanted| is_of("container", wanted.strip_prefix('/').unwrap_or(wanted)))
            && any(volumes, |wanted| event.kind == "volume" && event.actor.id == *wanted)
            // `exec_start: sh` is an `exec_start`.
            && any(events, |wanted| event.action.split(": ").next() == Some(wanted) || event.action == *wanted)
            && any(images, |wanted| is_of_image(wanted, event))
            && any(kinds, |wanted| event.kind == *wanted)
            && has_labels(attributes, labels)
    }
}

/// Of the image itself, or of a container of it; with or without tag and registry.
fn is_of_image(wanted: &str, event: &Event) -> bool {
    let key = if event.kind == "image" { "name" } else { "image" };
    let Some(name) = event.actor.attributes.get(key) else { return false };
    let same = || match (wanted.parse::<Reference>(), name.parse::<Reference>()) {
        (Ok(wanted), Ok(name)) => wanted == name,
        _ => false,
    };
    name == wanted || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(':')) || same()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Actor;

    #[test]
    fn filters_hold_as_dockers_do() {
        let event = |kind: &str, action: &str, id: &str, attributes: &[(&str, &str)]| Event {
            kind: kind.into(),
            action: action.into(),
            actor: Actor {
                id: id.into(),
                attributes: attributes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            },
            ..Event::default()
        };
        let start = event("container", "start", "ab12", &[("name", "web"), ("image", "alpine:3"), ("a", "1")]);
        let exec = event("container", "exec_start: sh -c x", "ab12", &[("name", "web"), ("image", "alpine:3")]);
        let pull = event("image", "pull", "alpine:latest", &[("name", "alpine:latest")]);
        let volume = event("volume", "create", "data", &[]);
        let all = [("start", &start), ("exec", &exec), ("pull", &pull), ("volume", &volume)];
        for (filters, accepted) in [
            (&[][..], "start exec pull volume"),
            (&["container=web"], "start exec"),
            (&["container=/web"], "start exec"),
            (&["container=ab"], "start exec"),
            (&["container=x"], ""),
            (&["event=start"], "start"),
            (&["event=exec_start"], "exec"),
            (&["event=start", "event=pull"], "start pull"),
            (&["event=start", "type=image"], ""),
            (&["type=volume"], "volume"),
            (&["volume=data"], "volume"),
            (&["image=alpine"], "start exec pull"),
            (&["image=alpine:3"], "start exec"),
            (&["image=docker.io/library/alpine:latest"], "pull"),
            (&["label=a"], "start"),
            (&["label=a=2"], ""),
            (&["label=a=1", "label=b"], ""),
        ] {
            let parsed = Filters::parse(filters.iter().copied()).unwrap();
            let names: Vec<&str> =
                all.iter().filter(|(_, event)| parsed.accept(event)).map(|(name, _)| *name).collect();
            assert_eq!(names.join(" "), accepted, "{filters:?}");
        }
        for (text, complaint) in
            [("start", "invalid filter 'start': expected key=value"), ("colour=red", "invalid filter 'colour'")]
        {
            assert_eq!(Filters::parse([text].into_iter()).unwrap_err().to_string(), complaint);
        }
    }
}
