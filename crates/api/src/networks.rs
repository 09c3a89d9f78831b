//! Networks: which ones a container is on, and which of its ports can be reached from outside.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// The name of the network that containers are on if nobody says otherwise.
pub const DEFAULT_NETWORK: &str = "bridge";

/// Which network a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The host's own.
    #[default]
    Host,
    /// Only a loopback interface.
    None,
    /// These, by their names; the first one is the way to everywhere else.
    Joined(Vec<Connection>),
}

/// How a container is to be on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// The network's name.
    pub network: String,
    /// Addresses that it wants there, at most one of each family.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Other names that it has there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<[u8; 6]>,
}

impl Network {
    /// The network of that name, without any wish.
    pub fn named(network: &str) -> Self {
        Self::Joined(vec![Connection { network: network.to_owned(), ..Connection::default() }])
    }
}

/// What a port is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
    /// Associations.
    Sctp,
}

impl Protocol {
    /// As it is written behind a port.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A port of the host that leads to one of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// On which address of the host; on all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// The port there; 0 is any that is free.
    pub host_port: u16,
    /// The container's.
    pub container_port: u16,
    /// Of what.
    pub protocol: Protocol,
}

/// A network that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// Networks as `10.0.0.0/24`; chosen if there are none.
    pub subnets: Vec<String>,
    /// The bridge's addresses, each in one of the subnets.
    pub gateways: Vec<IpAddr>,
    /// Where in a subnet containers get their addresses.
    pub ranges: Vec<String>,
    /// Also IPv6, where no subnet of it is given.
    pub ipv6: bool,
    /// Nothing leads out of it.
    pub internal: bool,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// `com.docker.network.driver.mtu`, or `mtu`.
    pub options: BTreeMap<String, String>,
}

/// One network, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge`, `host`, `null`.
    pub driver: &'static str,
    /// RFC 3339.
    pub created: String,
    /// Has it addresses of IPv6?
    pub ipv6: bool,
    /// Does nothing lead out of it?
    pub internal: bool,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// Is nobody on it?
    pub dangling: bool,
}
