//! `ps --filter`: one key's values are alternatives, different keys must all hold; labels must all hold.

use crate::commands::filters::{Label, any, bad, has_labels, label, pair, pattern, unknown};
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
    labels: Vec<Label>,
    exited: Vec<u8>,
    volumes: Vec<String>,
    networks: Vec<String>,
    published: Vec<Ports>,
    exposed: Vec<Ports>,
    health: Vec<String>,
    /// Containers; once they are found, their times.
    before: Vec<String>,
    since: Vec<String>,
}

/// `80`, `80/udp`, `8000-8010/tcp`
#[derive(Debug, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
    protocol: String,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let (key, value) = pair(text)?;
            match key.trim() {
                "id" => filters.ids.push(pattern(value)?),
                "name" => filters.names.push(pattern(value)?),
                "status" => filters.statuses.push(status(value)?),
                "ancestor" => filters.ancestors.push(value.to_owned()),
                "label" => filters.labels.push(label(value)),
                "exited" => filters.exited.push(value.parse().map_err(|_| bad(text))?),
                "volume" => filters.volumes.push(value.to_owned()),
                "network" => filters.networks.push(value.to_owned()),
                "publish" => filters.published.push(ports(value).ok_or_else(|| bad(text))?),
                "expose" => filters.exposed.push(ports(value).ok_or_else(|| bad(text))?),
                "health" if HEALTH.contains(&value) => filters.health.push(value.to_owned()),
                "health" => return Err(bad(text)),
                "before" => filters.before.push(value.to_owned()),
                "since" => filters.since.push(value.to_owned()),
                key => {
                    return Err(unknown(
                        key,
                        "ancestor, before, exited, expose, health, id, label, name, network, publish, since, status and \
                         volume",
                    ));
                }
            }
        }
        Ok(filters)
    }

    /// Whoever asks for a state wants to see it, running or not.
    pub(super) fn ask_for_states(&self) -> bool {
        !self.statuses.is_empty() || !self.exited.is_empty()
    }

    /// Must mounts be known?
    pub(super) fn ask_for_mounts(&self) -> bool {
        !self.volumes.is_empty()
    }

    /// Must published ports be known?
    pub(super) fn ask_for_published(&self) -> bool {
        !self.published.is_empty()
    }

    /// Must exposed ports be known?
    pub(super) fn ask_for_exposed(&self) -> bool {
        !self.exposed.is_empty()
    }

    /// Finds the containers that others are to be older or newer than.
    pub(super) fn resolve(mut self, all: &[ContainerSummary]) -> Result<Self> {
        for wanted in self.before.iter_mut().chain(&mut self.since) {
            let by_id = || all.iter().find(|container| !wanted.is_empty() && container.id.starts_with(&**wanted));
            let found = all.iter().find(|container| container.name == *wanted).or_else(by_id);
            let found = found.ok_or_else(|| Error::not_found(format!("No such container: {wanted}")))?;
            wanted.clone_from(&found.created);
        }
        Ok(self)
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, container: &ContainerSummary) -> bool {
        let Self { ids, names, statuses, ancestors, labels, exited, .. } = self;
        let Self { volumes, networks, published, exposed, health, before, since, .. } = self;
        let health_now = if container.health.is_empty() { "none" } else { &container.health };
        any(ids, |id| id.is_match(&container.id))
            // Docker's names begin with a slash, and people write `^/web$`.
            && any(names, |name| name.is_match(&container.name) || name.is_match(&format!("/{}", container.name)))
            && any(statuses, |status| status.as_ref() == Some(&container.state))
            && any(ancestors, |ancestor| is_ancestor(ancestor, container))
            && has_labels(&container.labels, labels)
            && any(exited, |code| container.state == State::Exited && container.exit_code == Some(*code))
            && any(volumes, |wanted| container.mounts.iter().any(|m| m.name == *wanted || m.target == *wanted))
            && any(networks, |wanted| container.network.split(',').any(|own| own == wanted))
            && any(published, |wanted| container.ports.iter().any(|own| wanted.meet(&Ports::of(own))))
            && any(exposed, |wanted| container.exposed.iter().filter_map(|own| ports(own)).any(|own| wanted.meet(&own)))
            && any(health, |wanted| wanted == health_now)
            && before.iter().all(|time| container.created < *time)
            && since.iter().all(|time| container.created > *time)
    }
}

/// What health checks can say.
const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

impl Ports {
    fn of(published: &api::Publish) -> Self {
        let port = published.container_port;
        Self { first: port, last: port, protocol: published.protocol.name().to_owned() }
    }

    /// Have they one in common?
    fn meet(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }
}

fn ports(text: &str) -> Option<Ports> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let is_known = ["tcp", "udp", "sctp"].contains(&protocol);
    (is_known && first <= last).then(|| Ports { first, last, protocol: protocol.to_owned() })
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
        _ => Err(bad(&format!("status={text}"))),
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
    use api::Mounted;

    #[test]
    fn filters_hold_as_dockers_do() {
        let web = ContainerSummary {
            id: "0123456789abcdef".repeat(4),
            name: "web-1".into(),
            image: "alpine".into(),
            image_id: format!("sha256:{}", "ab".repeat(32)),
            created: "2026-08-20T10:00:00Z".into(),
            state: State::Exited,
            exit_code: Some(3),
            labels: [("a".to_owned(), "1".to_owned())].into(),
            network: "host".into(),
            mounts: vec![Mounted { name: "data".into(), is_volume: true, target: "/var/data".into() }],
            exposed: vec!["80/tcp".into(), "8000-8010/udp".into()],
            ..ContainerSummary::default()
        };
        let older = ContainerSummary { name: "db".into(), created: "2026-08-20T09:00:00Z".into(), ..web.clone() };
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
            (&["volume=data"], true),
            (&["volume=/var/data"], true),
            (&["volume=/var"], false),
            (&["network=host"], true),
            (&["network=none"], false),
            (&["health=none"], true),
            (&["health=healthy"], false),
            (&["expose=80"], true),
            (&["expose=80/udp"], false),
            (&["expose=1-100/tcp"], true),
            (&["expose=8010-9000/udp"], true),
            (&["publish=80"], false),
            (&["since=db"], true),
            (&["before=db"], false),
            (&["before=web-1"], false),
        ] {
            let parsed = Filters::parse(filters.iter().copied()).unwrap();
            let parsed = parsed.resolve(&[web.clone(), older.clone()]).unwrap();
            assert_eq!(parsed.accept(&web), holds, "{filters:?}");
        }
        for (text, complaint) in [
            ("name", "invalid filter 'name': expected key=value"),
            ("status=up", "invalid filter 'status=up'"),
            ("exited=x", "invalid filter 'exited=x'"),
            ("colour=red", "invalid filter 'colour'"),
            ("health=good", "invalid filter 'health=good'"),
            ("expose=x", "invalid filter 'expose=x'"),
            ("publish=80/icmp", "invalid filter 'publish=80/icmp'"),
            ("expose=9-8", "invalid filter 'expose=9-8'"),
        ] {
            assert_eq!(Filters::parse([text].into_iter()).unwrap_err().to_string(), complaint);
        }
        let nobody = Filters::parse(["before=nobody"].into_iter()).unwrap().resolve(&[]).unwrap_err();
        assert_eq!(nobody.to_string(), "No such container: nobody");
    }
}
