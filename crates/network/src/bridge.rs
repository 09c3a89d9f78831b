//! The bridge of a network, and what makes this machine its router.

use crate::{Cidr, rules};
use error::{Error, Kind, Result, ResultExt};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use sys::netlink::nftables::{Batch, Nftables};
use sys::netlink::{Bridge as Device, Route};

/// `fe80::1`
const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// What a network is to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The name of the device and of the table: at most 15 bytes.
    pub name: String,
    /// Its addresses.
    pub subnets: Vec<Subnet>,
    /// Nothing leads out of it.
    pub internal: bool,
    /// Bytes of the largest packet.
    pub mtu: u32,
}

/// Addresses, and who among them leads to all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// All of them.
    pub subnet: Cidr,
    /// The bridge's own.
    pub gateway: IpAddr,
    /// Those that containers get, when they are not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Cidr>,
}

/// Makes what is missing of a network; the number of its bridge. Whoever calls this holds the network's lock.
///
/// # Errors
/// `Unsupported` when the kernel has no bridges or no nf_tables.
pub fn prepare(bridge: &Bridge, route: &mut Route) -> Result<u32> {
    let words = || format!("can't make the bridge `{}`", bridge.name);
    if let Some(link) = route.find(&bridge.name).map_err(sys::kernel::error).context(words)? {
        return Ok(link.index);
    }
    // First what keeps strangers out, then the way.
    rules::make(bridge)?;
    let device = Device { name: &bridge.name, mac: mac(bridge), mtu: bridge.mtu };
    match route.add_bridge(&device) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(Errno::OPNOTSUPP) => {
            let error = Error::new(Kind::Unsupported, "this kernel has no bridges").context(words());
            return Err(error.hint("`modprobe bridge` loads them; `--network none` and `--network host` do without"));
        }
        Err(errno) => return Err(sys::kernel::error(errno)).context(words),
    }
    let link = route.find(&bridge.name).map_err(sys::kernel::error).context(words)?;
    let index = link.ok_or_else(|| Error::new(Kind::Unavailable, "it was removed meanwhile").context(words()))?.index;
    for subnet in &bridge.subnets {
        let given = route.add_ip(index, subnet.gateway, subnet.subnet.prefix);
        given.map_err(sys::kernel::error).context(|| format!("can't give {} to `{}`", subnet.gateway, bridge.name))?;
        forward(subnet.subnet.is_ipv4())?;
    }
    if bridge.subnets.iter().any(|subnet| !subnet.subnet.is_ipv4()) {
        // Without one that counts at once, what comes from outside finds nobody for a second: a neighbour is asked for from
        // a link-local address (`ndisc_send_ns`), and the kernel's own is tried out first.
        let given = route.add_ip(index, LINK_LOCAL, 64);
        given.map_err(sys::kernel::error).context(|| format!("can't give {LINK_LOCAL} to `{}`", bridge.name))?;
    }
    Ok(index)
}

/// Lets this machine pass packets on.
fn forward(is_ipv4: bool) -> Result<()> {
    let path = if is_ipv4 { "/proc/sys/net/ipv4/ip_forward" } else { "/proc/sys/net/ipv6/conf/all/forwarding" };
    let is_on = std::fs::read_to_string(path).context(|| format!("can't read `{path}`"))?.trim() == "1";
    if is_on { Ok(()) } else { std::fs::write(path, "1").context(|| format!("can't write `{path}`")) }
}

/// Removes the bridge and the table. Whoever calls this holds the network's lock, and nobody is on it.
pub fn remove(name: &str) -> Result<()> {
    let words = || format!("can't remove the bridge `{name}`");
    let mut route = Route::open().map_err(sys::kernel::error).context(words)?;
    if let Some(link) = route.find(name).map_err(sys::kernel::error).context(words)? {
        route.remove(link.index).map_err(sys::kernel::error).context(words)?;
    }
    let mut batch = Batch::new(name);
    batch.remove_table();
    match Nftables::open().and_then(|mut kernel| kernel.commit(batch)) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(sys::kernel::error(errno)).context(|| format!("can't remove the table `{name}`")),
    }
}

/// One of our own, the same for the same network: locally administered, from its first gateway.
fn mac(bridge: &Bridge) -> [u8; 6] {
    bridge.subnets.first().map_or([2, 0x42, 0, 0, 0, 1], |subnet| crate::mac_of(subnet.gateway))
}
