//! A container gets on its networks when it starts, and off when it ends.
//!
//! What it is about to have is written down before anybody makes it, so that whoever finds its monitor dead can give all of
//! it back.

use super::zone::ContainersZone;
use super::{Definition, Locked, Networks, addresses, zone};
use crate::etc;
use crate::record::{self, Record, file};
use api::{DEFAULT_NETWORK, Network, Protocol, Publish};
use error::{Error, Kind, Result, ResultExt};
use network::{Endpoint, Published, Reserved, dns, proxy};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, sockopt};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::Path;
use sys::netlink::Route;

/// `network.json` of a container: what it has while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Connected {
    /// [`record::VERSION`].
    pub version: u32,
    /// One for each network, in their order.
    pub endpoints: Vec<OnNetwork>,
    /// With the ports that they really are; they lead to the first endpoint.
    pub ports: Vec<Publish>,
}

/// What it has on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnNetwork {
    /// The network's name.
    pub network: String,
    /// And id.
    pub network_id: String,
    /// Of itself: 64 hexadecimal digits.
    pub id: String,
    /// The bridge.
    pub bridge: String,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// The device inside.
    pub device: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its addresses, with the prefix of their network.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The bridge's.
    pub gateways: Vec<IpAddr>,
    /// Does nothing lead out of it?
    pub internal: bool,
    /// Other names that it has there.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// All names that it has there besides its own.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Connected {
    /// Of the container in that folder; nothing, if it does not run or is on no network.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        Ok(record::read(&dir.join(file::NETWORK))?.unwrap_or_default())
    }

    /// Are containers on its networks known by name?
    fn has_names(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.network != DEFAULT_NETWORK)
    }

    fn place(&self) -> etc::Place {
        let all = self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        etc::Place {
            addresses: all.map(|(address, _)| *address).collect(),
            gateways: self.endpoints.first().map(|endpoint| endpoint.gateways.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.addresses.iter().any(|(own, _)| *own == address))
    }
}

/// A container's networks, as its monitor has them: its ports are its own for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Connection {
    connected: Connected,
    ports: Vec<Reserved>,
    /// Where it asks for names; made when its namespace is there.
    names: OnceCell<dns::Sockets>,
}

impl Connection {
    /// Takes ports and addresses for a container that is about to start, and makes its bridges; `None` if it is to be on no
    /// network.
    ///
    /// # Errors
    /// `Conflict` for a port or an address that somebody has, `NotFound` for a network. Nothing is kept then.
    pub(crate) fn begin(dir: &Path, record: &Record) -> Result<Option<Self>> {
        let Network::Joined(wanted) = &record.request.network else { return Ok(None) };
        let ports: Vec<Published> = record.request.publish.iter().map(published).collect();
        let reserved = network::reserve(&ports)?;
        let ports: Vec<Published> = reserved.iter().map(|reserved| reserved.published).collect();
        let networks = networks_of(dir)?;
        let locked = networks.lock()?;
        let mut connected =
            Connected { version: record::VERSION, endpoints: Vec::new(), ports: ports.iter().map(publish).collect() };
        let mut definitions = Vec::new();
        for (place, wish) in wanted.iter().enumerate() {
            let definition = locked.get(&wish.network)?;
            if definitions.contains(&definition) {
                let text = format!("container is to be on network {} twice", definition.name);
                return Err(Error::invalid(text));
            }
            connected.endpoints.push(endpoint(&locked, &definition, record, wish, place)?);
            definitions.push(definition);
        }
        record::replace(&dir.join(file::NETWORK), &connected)?;
        let made = make(&locked, &connected, &definitions, &ports, &record.id)
            .and_then(|()| crate::create::write_hosts(dir, &record.request, &connected.place()));
        if let Err(error) = made {
            // The first failure is the one to tell; what cannot be given back now is by who removes the container.
            let _ = give_back(&locked, dir, &connected, &record.id);
            return Err(error);
        }
        Ok(Some(Self { connected, ports: reserved, names: OnceCell::new() }))
    }

    /// Its published ports' sockets.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ports.iter().flat_map(|port| &port.sockets).map(AsFd::as_fd)
    }

    /// The sockets that the container asks for names.
    pub(crate) fn name_sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.names.get().into_iter().flat_map(dns::Sockets::as_fds)
    }

    /// Answers who asks for names, until nobody has asked for a while: the life of a copy of the monitor.
    pub(crate) fn answer(&self, dir: &Path, record: &Record, monitor: Pid) -> i32 {
        let _ = sys::process::set_name(c"isolazi:names");
        let sockets: Vec<BorrowedFd<'_>> = self.name_sockets().collect();
        let (Some(names), Some(data)) = (self.names.get(), dir.parent().and_then(Path::parent)) else { return 1 };
        if !is_prepared(&sockets, monitor) {
            return 1;
        }
        let servers = zone::servers(record, &self.connected.endpoints);
        let zone = ContainersZone::new(data, self.connected.endpoints.clone());
        i32::from(names.serve(&zone, &servers).is_err())
    }

    /// Carries what comes to them, until nobody has been there for a while: the life of a copy of the monitor.
    pub(crate) fn carry(&self, monitor: Pid) -> i32 {
        let _ = sys::process::set_name(c"isolazi:ports");
        let sockets: Vec<BorrowedFd<'_>> = self.sockets().collect();
        if !is_prepared(&sockets, monitor) {
            return 1;
        }
        let addresses = self.connected.endpoints.first().map(only_addresses).unwrap_or_default();
        let mut routes = Vec::new();
        for Reserved { published, sockets } in &self.ports {
            for socket in sockets {
                let is_ipv4 = sockopt::socket_domain(socket).is_ok_and(|family| family == AddressFamily::INET);
                if let Some(target) = network::proxy::target(published, is_ipv4, &addresses)
                    && published.protocol != network::Protocol::Sctp
                {
                    routes.push(proxy::Route { socket: socket.as_fd(), protocol: published.protocol, target });
                }
            }
        }
        i32::from(proxy::serve(&routes).is_err())
    }

    /// Connects the namespace of a process that waits for it.
    pub(crate) fn attach(&self, process: Pid) -> Result<()> {
        let words = || "can't connect the container to its networks";
        let path = format!("/proc/{}/ns/net", process.as_raw_nonzero());
        let namespace: OwnedFd = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(std::io::Error::from)
            .context(words)?;
        let mut route = Route::open().map_err(sys::kernel::error).context(words)?;
        for endpoint in &self.connected.endpoints {
            let link = route.find(&endpoint.bridge).map_err(sys::kernel::error).context(words)?;
            let index = link.map(|link| link.index).ok_or_else(|| {
                Error::new(Kind::Unavailable, format!("somebody removed `{}`", endpoint.bridge)).context(words())
            })?;
            network::attach(&kernels(endpoint), index, &mut route, namespace.as_fd())?;
        }
        if self.connected.has_names() {
            // It starts once: there are none yet.
            let _ = self.names.set(dns::listen(namespace.as_fd())?);
        }
        Ok(())
    }
}

/// A copy of the monitor lives no longer than the monitor does. All else that this has open is none of its business: its
/// lock above all.
fn is_prepared(sockets: &[BorrowedFd<'_>], monitor: Pid) -> bool {
    let prepared = set_parent_process_death_signal(Some(Signal::KILL))
        .and_then(|()| sys::process::close_all_but_these(3, sockets));
    prepared.is_ok() && rustix::process::getppid() == Some(monitor)
}

/// As the kernel wants it. One on which nothing leads out is no way to everywhere else, and only the first one is.
fn kernels(endpoint: &OnNetwork) -> Endpoint {
    let is_way_out = endpoint.device == "eth0" && !endpoint.internal;
    Endpoint {
        bridge: endpoint.bridge.clone(),
        mtu: endpoint.mtu,
        device: endpoint.device.clone(),
        mac: endpoint.mac,
        addresses: endpoint.addresses.clone(),
        gateways: if is_way_out { endpoint.gateways.clone() } else { Vec::new() },
    }
}

fn endpoint(
    locked: &Locked<'_>,
    network: &Definition,
    record: &Record,
    wish: &api::Connection,
    place: usize,
) -> Result<OnNetwork> {
    let dir = locked.addresses(&network.name);
    addresses::sweep(&dir, &locked.networks.containers())?;
    let mut chosen = Vec::new();
    for subnet in &network.subnets {
        let wanted = wish.addresses.iter().find(|address| address.is_ipv4() == subnet.subnet.is_ipv4());
        chosen.push((addresses::choose(&dir, subnet, wanted.copied())?, subnet.subnet.prefix));
    }
    for wanted in &wish.addresses {
        if !chosen.iter().any(|(address, _)| address == wanted) {
            let text = format!("invalid address {wanted}: network {} has no such addresses", network.name);
            return Err(Error::invalid(text));
        }
    }
    let bridge = network.bridge();
    Ok(OnNetwork {
        network: network.name.clone(),
        network_id: network.id.clone(),
        id: crate::names::random_hex()?,
        mtu: bridge.mtu,
        bridge: bridge.name,
        device: format!("eth{place}"),
        mac: wish.mac.unwrap_or_else(|| network::mac_of(chosen[0].0)),
        addresses: chosen,
        gateways: network.subnets.iter().map(|subnet| subnet.gateway).collect(),
        internal: network.internal,
        names: zone::other_names(record, &network.name, &wish.aliases),
        aliases: wish.aliases.clone(),
    })
}

fn make(
    locked: &Locked<'_>,
    connected: &Connected,
    definitions: &[Definition],
    ports: &[Published],
    id: &str,
) -> Result<()> {
    let mut route =
        Route::open().map_err(sys::kernel::error).context(|| "can't talk to the kernel about network devices")?;
    for (endpoint, definition) in connected.endpoints.iter().zip(definitions) {
        for (address, _) in &endpoint.addresses {
            addresses::take(&locked.addresses(&endpoint.network), *address, id)?;
        }
        zone::give_names(&locked.folder(&endpoint.network), &endpoint.names, id)?;
        network::prepare(&definition.bridge(), &mut route)?;
    }
    match connected.endpoints.first() {
        Some(first) => network::publish(&first.bridge, ports, &only_addresses(first)),
        None => Ok(()),
    }
}

fn only_addresses(endpoint: &OnNetwork) -> Vec<IpAddr> {
    endpoint.addresses.iter().map(|(address, _)| *address).collect()
}

/// Gives back what the container in that folder had, if it had anything. Whoever calls this holds the container's lock.
pub(crate) fn disconnect(dir: &Path, id: &str) -> Result<()> {
    // A damaged one says nothing: what it had is swept when somebody wants an address.
    let Some(connected) = record::read::<Connected>(&dir.join(file::NETWORK)).unwrap_or_default() else {
        return Ok(());
    };
    let networks = networks_of(dir)?;
    let locked = networks.lock()?;
    give_back(&locked, dir, &connected, id)
}

fn give_back(locked: &Locked<'_>, dir: &Path, connected: &Connected, id: &str) -> Result<()> {
    let ports: Vec<Published> = connected.ports.iter().map(published).collect();
    if let Some(first) = connected.endpoints.first() {
        match network::withdraw(&first.bridge, &ports, &only_addresses(first)) {
            Err(error) if error.kind == Kind::NotFound => {}
            other => other?,
        }
    }
    for endpoint in &connected.endpoints {
        zone::take_names(&locked.folder(&endpoint.network), &endpoint.names, id)?;
        let addresses = locked.addresses(&endpoint.network);
        for (address, _) in &endpoint.addresses {
            addresses::give_back(&addresses, *address, id)?;
        }
        if addresses::owners(&addresses)?.is_empty() {
            network::remove(&endpoint.bridge)?;
        }
    }
    match std::fs::remove_file(dir.join(file::NETWORK)) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(cause).context(|| format!("can't remove `{}`", dir.join(file::NETWORK).display()))
        }
        _ => Ok(()),
    }
}

/// The networks beside the container in that folder.
fn networks_of(dir: &Path) -> Result<Networks> {
    let data = dir
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` is no container's folder", dir.display())))?;
    Ok(Networks::new(data))
}

fn published(port: &Publish) -> Published {
    let Publish { host_ip, host_port, container_port, protocol } = *port;
    let protocol = match protocol {
        Protocol::Tcp => network::Protocol::Tcp,
        Protocol::Udp => network::Protocol::Udp,
        Protocol::Sctp => network::Protocol::Sctp,
    };
    Published { host_ip, host_port, container_port, protocol }
}

fn publish(port: &Published) -> Publish {
    let Published { host_ip, host_port, container_port, protocol } = *port;
    let protocol = match protocol {
        network::Protocol::Tcp => Protocol::Tcp,
        network::Protocol::Udp => Protocol::Udp,
        network::Protocol::Sctp => Protocol::Sctp,
    };
    Publish { host_ip, host_port, container_port, protocol }
}
