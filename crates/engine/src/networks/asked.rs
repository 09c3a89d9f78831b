//! What a request says about networks, before anything is made.

use crate::Engine;
use api::{Create, DEFAULT_NETWORK, Network, Protocol, Publish};
use error::{Error, Kind, Result};
use oci::image::ContainerDefaults;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The same request, with networks by their names that are asked for by id.
///
/// # Errors
/// `NotFound` for one that is not there; `Unsupported` for an ordinary user, whose containers cannot join any yet.
pub(crate) fn settle<'a>(engine: &Engine, request: &'a Create) -> Result<Cow<'a, Create>> {
    let Network::Joined(wanted) = &request.network else { return Ok(Cow::Borrowed(request)) };
    let mut joined = wanted.clone();
    for wish in joined.iter_mut().filter(|wish| wish.network != DEFAULT_NETWORK) {
        let Some(found) = engine.networks.find(&wish.network)? else {
            let text = format!("network {} not found", wish.network);
            return Err(Error::not_found(text).hint("`isolazi network ls` shows which there are"));
        };
        wish.network = found.name;
    }
    must_have_networks(engine)?;
    if joined == *wanted {
        return Ok(Cow::Borrowed(request));
    }
    Ok(Cow::Owned(Create { network: Network::Joined(joined), ..request.clone() }))
}

/// Can whoever runs this make bridges of the host's?
pub(super) fn may_have_networks(engine: &Engine) -> Result<bool> {
    Ok(rustix::process::geteuid().is_root() && !engine.host()?.user_namespace)
}

/// # Errors
/// `Unsupported` for an ordinary user.
pub(super) fn must_have_networks(engine: &Engine) -> Result<()> {
    if may_have_networks(engine)? {
        return Ok(());
    }
    let text = "an ordinary user can't have networks of his own yet";
    Err(Error::new(Kind::Unsupported, text).hint("`--network host` and `--network none` can be had"))
}

/// With `-P`: a free port of the host for each that is exposed and not published yet.
pub(crate) fn with_exposed<'a>(request: &'a Create, image: &ContainerDefaults) -> Cow<'a, Create> {
    if !request.publish_all {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    let exposed: BTreeSet<(u16, Protocol)> = request
        .exposed_ports
        .iter()
        .chain(image.exposed_ports.iter().flatten().map(|(port, _)| port))
        .filter_map(|text| port(text))
        .flatten()
        .collect();
    for (container_port, protocol) in exposed {
        if !request.publish.iter().any(|p| (p.container_port, p.protocol) == (container_port, protocol)) {
            request.publish.push(Publish { host_ip: None, host_port: 0, container_port, protocol });
        }
    }
    Cow::Owned(request)
}

/// `80`, `80/tcp`, `5000-5010/udp`.
fn port(text: &str) -> Option<Vec<(u16, Protocol)>> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).map(|port| (port, protocol)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exposed_is_published_once() {
        let published = Publish { host_ip: None, host_port: 8080, container_port: 80, protocol: Protocol::Tcp };
        let request = Create {
            publish: vec![published],
            publish_all: true,
            exposed_ports: vec!["80/tcp".into(), "53/udp".into(), "7000-7001".into()],
            ..Create::default()
        };
        let all = with_exposed(&request, &ContainerDefaults::default()).into_owned().publish;
        let ports: Vec<(u16, u16)> = all.iter().map(|port| (port.host_port, port.container_port)).collect();
        assert_eq!(ports, [(8080, 80), (0, 53), (0, 7000), (0, 7001)]);
    }
}
