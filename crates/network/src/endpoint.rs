//! A container's end of a network.

use error::{Error, Kind, Result, ResultExt};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::net::IpAddr;
use sys::netlink::{Pair, Route};

/// What a container has on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name of the bridge.
    pub bridge: String,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// The device inside: `eth0`.
    pub device: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its addresses, with the prefix of their network.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Who leads to everywhere else.
    pub gateways: Vec<IpAddr>,
}

/// Joins a namespace to the bridge with that number. Whoever calls this holds the network's lock.
///
/// # Errors
/// `Conflict` when the container has such a device already, `Unsupported` when the kernel has no pairs.
pub fn attach(endpoint: &Endpoint, index: u32, route: &mut Route, namespace: BorrowedFd<'_>) -> Result<()> {
    let words = || format!("can't connect the container to `{}`", endpoint.bridge);
    let pair = Pair {
        // The kernel finds a free number.
        name: "isov%d",
        bridge: index,
        mtu: endpoint.mtu,
        peer_namespace: namespace,
        peer_name: &endpoint.device,
        peer_mac: endpoint.mac,
    };
    match route.add_pair(&pair) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            return Err(Error::new(Kind::Conflict, format!("it has a device `{}`", endpoint.device)).context(words()));
        }
        Err(Errno::OPNOTSUPP) => {
            let error = Error::new(Kind::Unsupported, "this kernel has no veth devices").context(words());
            return Err(error.hint("`modprobe veth` loads them; `--network none` and `--network host` do without"));
        }
        Err(errno) => return Err(sys::kernel::error(errno)).context(words),
    }
    configure(endpoint, namespace).map_err(sys::kernel::error).context(words)
}

fn configure(endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut inside = Route::open_in(namespace)?;
    let index = inside.find(&endpoint.device)?.ok_or(Errno::NODEV)?.index;
    inside.take_up(index)?;
    for &(address, prefix) in &endpoint.addresses {
        inside.add_ip(index, address, prefix)?;
    }
    for &gateway in &endpoint.gateways {
        inside.add_default_route(index, gateway)?;
    }
    Ok(())
}

/// The hardware address that goes with an address: whoever remembers the one has the other. Locally administered.
pub fn mac_of(address: IpAddr) -> [u8; 6] {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
    };
    let [a, b, c, d] = octets;
    [2, 0x42, a, b, c, d]
}
