//! The column of ports: `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 9000-9002/tcp`.

use api::{ContainerSummary, Publish};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Consecutive ports that lead to consecutive ones, told as one.
struct Run {
    place: String,
    host: Option<u16>,
    container: u16,
    protocol: &'static str,
    count: u16,
}

impl Run {
    fn goes_on_with(&self, next: &Self) -> bool {
        let follows = |first: u16, next: u16| first.checked_add(self.count) == Some(next);
        let on_host = match (self.host, next.host) {
            (None, None) => true,
            (Some(first), Some(next)) => follows(first, next),
            _ => false,
        };
        on_host && self.place == next.place && self.protocol == next.protocol && follows(self.container, next.container)
    }

    fn told(&self) -> String {
        let range = |first: u16| match self.count {
            1 => first.to_string(),
            count => format!("{first}-{}", first + (count - 1)),
        };
        let inside = format!("{}/{}", range(self.container), self.protocol);
        self.host.map_or(inside.clone(), |host| format!("{}:{}->{inside}", self.place, range(host)))
    }
}

/// Of one that runs; what is exposed and not published stands without an arrow.
pub(super) fn told(container: &ContainerSummary) -> String {
    if !container.state.is_alive() {
        return String::new();
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut add = |next: Run| match runs.iter_mut().find(|run| run.goes_on_with(&next)) {
        Some(run) => run.count += 1,
        None => runs.push(next),
    };
    let mut published = container.ports.clone();
    published.sort_by_key(|port| (port.container_port, port.protocol));
    for Publish { host_ip, host_port, container_port, protocol } in &published {
        let places = host_ip.map_or_else(|| vec!["0.0.0.0".to_owned(), "[::]".to_owned()], |ip| vec![shown(ip)]);
        for place in places {
            add(Run { place, host: Some(*host_port), container: *container_port, protocol: protocol.name(), count: 1 });
        }
    }
    for (protocol, port) in exposed(container) {
        if !published.iter().any(|p| (p.container_port, p.protocol.name()) == (port, protocol)) {
            add(Run { place: String::new(), host: None, container: port, protocol, count: 1 });
        }
    }
    runs.iter().map(Run::told).collect::<Vec<_>>().join(", ")
}

fn shown(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

fn exposed(container: &ContainerSummary) -> BTreeSet<(&'static str, u16)> {
    let mut all = BTreeSet::new();
    for text in &container.exposed {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let protocol = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol);
        if let (Ok(first), Ok(last), Some(protocol)) = (first.parse::<u16>(), last.parse::<u16>(), protocol) {
            all.extend((first..=last).map(|port| (protocol, port)));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Protocol, State};

    #[test]
    fn neighbours_are_told_as_one() {
        let port = |host_ip: Option<&str>, host_port, container_port| Publish {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port,
            container_port,
            protocol: Protocol::Tcp,
        };
        let container = ContainerSummary {
            state: State::Running,
            ports: vec![port(None, 8080, 80), port(Some("127.0.0.1"), 9001, 91), port(Some("127.0.0.1"), 9000, 90)],
            exposed: vec!["80/tcp".into(), "53/udp".into(), "7000-7002/tcp".into()],
            ..ContainerSummary::default()
        };
        assert_eq!(
            told(&container),
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:9000-9001->90-91/tcp, 7000-7002/tcp, 53/udp"
        );
        assert_eq!(told(&ContainerSummary { state: State::Exited, ..container }), "");
    }
}
