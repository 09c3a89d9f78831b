//! Ports of this machine that belong to a container: sockets that hold them.

use error::{Error, Kind, Result};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many connections may wait to be taken up.
const BACKLOG: i32 = 1024;

/// How often a free port is looked for that is free for IPv4 and IPv6.
const ATTEMPTS: u32 = 64;

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

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of this machine that leads to one of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// On which address of this machine; without one on all, of IPv4 and IPv6.
    pub host_ip: Option<IpAddr>,
    /// The port there; 0 is any.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// Of what.
    pub protocol: Protocol,
}

/// A port that is ours for as long as this value lives.
#[derive(Debug)]
pub struct Reserved {
    /// With the port that it really is.
    pub published: Published,
    /// One for each family.
    pub sockets: Vec<OwnedFd>,
}

/// Takes these ports, all or none.
///
/// # Errors
/// `Conflict` for one that somebody has, `Denied` for one that only root may have.
pub fn reserve(ports: &[Published]) -> Result<Vec<Reserved>> {
    ports.iter().map(reserve_one).collect()
}

fn reserve_one(port: &Published) -> Result<Reserved> {
    let ips = match port.host_ip {
        Some(ip) => vec![ip],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    };
    for attempt in 1.. {
        match sockets(port, &ips) {
            Ok((host_port, sockets)) => {
                return Ok(Reserved { published: Published { host_port, ..*port }, sockets });
            }
            // Free for one family and not for the other.
            Err((_, Errno::ADDRINUSE)) if port.host_port == 0 && attempt < ATTEMPTS => {}
            Err((ip, errno)) => return Err(refused(port, ip, errno)),
        }
    }
    unreachable!("the last attempt returns")
}

fn refused(port: &Published, ip: IpAddr, errno: Errno) -> Error {
    let place = SocketAddr::new(ip, port.host_port);
    match errno {
        Errno::ADDRINUSE => Error::new(Kind::Conflict, format!("Bind for {place} failed: port is already allocated")),
        Errno::ADDRNOTAVAIL => {
            Error::new(Kind::Invalid, format!("Bind for {place} failed: this machine has no such address"))
        }
        Errno::ACCESS => Error::new(Kind::Denied, format!("Bind for {place} failed: permission denied")).hint(
            "an ordinary user may have ports from 1024 on: `sysctl net.ipv4.ip_unprivileged_port_start` says which",
        ),
        errno => sys::kernel::error(errno).context(format!("Bind for {place} failed")),
    }
}

/// The first one finds the port, the others take the same.
fn sockets(port: &Published, ips: &[IpAddr]) -> Result<(u16, Vec<OwnedFd>), (IpAddr, Errno)> {
    let mut number = port.host_port;
    let mut found = Vec::new();
    for &ip in ips {
        match socket(port.protocol, SocketAddr::new(ip, number)) {
            Ok(socket) => {
                number = bound_port(&socket).map_err(|errno| (ip, errno))?;
                found.push(socket);
            }
            // A machine without IPv6 has nobody who would come by it.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if ips.len() > 1 && ip.is_ipv6() => {}
            Err(errno) => return Err((ip, errno)),
        }
    }
    Ok((number, found))
}

fn socket(protocol: Protocol, address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, protocol, listens) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP, true),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP, false),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP, true),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(protocol))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if listens {
        // Connections of the last owner that linger are no reason to wait.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    if listens {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

fn bound_port(socket: &OwnedFd) -> Result<u16, Errno> {
    let address = getsockname(socket)?;
    SocketAddr::try_from(address).map(|address| address.port()).map_err(|_| Errno::AFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_ip: Option<&str>, host_port: u16, protocol: Protocol) -> Published {
        Published { host_ip: host_ip.map(|ip| ip.parse().unwrap()), host_port, container_port: 80, protocol }
    }

    #[test]
    fn a_port_is_taken_on_both_families_and_by_nobody_else() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let held = reserve(&[port(None, 0, protocol)]).unwrap().remove(0);
            let number = held.published.host_port;
            assert!(number != 0 && held.sockets.len() == 2, "{held:?}");
            for (ip, place) in [(None, "0.0.0.0"), (Some("127.0.0.1"), "127.0.0.1"), (Some("::1"), "[::1]")] {
                let error = reserve(&[port(ip, number, protocol)]).unwrap_err();
                let words = format!("Bind for {place}:{number} failed: port is already allocated");
                assert_eq!((error.kind, error.to_string()), (Kind::Conflict, words));
            }
            drop(held);
            reserve(&[port(None, number, protocol)]).unwrap();
        }
        let error = reserve(&[port(Some("192.0.2.1"), 1, Protocol::Tcp)]).unwrap_err();
        assert_eq!(error.to_string(), "Bind for 192.0.2.1:1 failed: this machine has no such address");
    }
}
