//! Virtual devices are made, joined to a bridge and removed.

use super::Route;
use super::message::{Attributes, nest, push, push_name, u32_at};
use super::route::interface;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::net::IpAddr;

/// `VETH_INFO_PEER` of linux/veth.h.
const PEER: u16 = 1;

/// `IFLA_BR_FORWARD_DELAY` of linux/if_link.h.
const FORWARD_DELAY: u16 = 1;

/// A bridge: what a switch is among machines.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// Its name, at most 15 bytes.
    pub name: &'a str,
    /// Its own address; without one it takes the lowest of its members', and changes it when they come and go.
    pub mac: [u8; 6],
    /// Bytes of the largest packet.
    pub mtu: u32,
}

/// Two devices: what goes into one comes out of the other (veth(4)). Ours is up when they are made, its peer is not.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The name of ours, at most 15 bytes.
    pub name: &'a str,
    /// The number of the bridge that ours belongs to.
    pub bridge: u32,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// Where the other one is.
    pub peer_namespace: BorrowedFd<'a>,
    /// Its name there.
    pub peer_name: &'a str,
    /// Its address.
    pub peer_mac: [u8; 6],
}

/// A device, as a list tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The number of the bridge it belongs to; 0 is none.
    pub bridge: u32,
}

impl Route {
    /// Makes a bridge and takes it up.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken, `EOPNOTSUPP` when the kernel has no bridges.
    pub fn add_bridge(&mut self, bridge: &Bridge<'_>) -> Result<(), Errno> {
        let mut body = up();
        push_name(&mut body, bridge.name);
        push(&mut body, libc::IFLA_MTU, &bridge.mtu.to_ne_bytes());
        push(&mut body, libc::IFLA_ADDRESS, &bridge.mac);
        nest(&mut body, libc::IFLA_LINKINFO, |body| {
            push(body, libc::IFLA_INFO_KIND, b"bridge");
            // A new member forwards at once: nobody listens for loops that cannot be.
            nest(body, libc::IFLA_INFO_DATA, |body| push(body, FORWARD_DELAY, &0_u32.to_ne_bytes()));
        });
        self.make(&body)
    }

    /// Makes a pair. When the namespace of one ends, both are gone.
    ///
    /// # Errors
    /// `EEXIST` when a name is taken, `EOPNOTSUPP` when the kernel has no such pairs.
    pub fn add_pair(&mut self, pair: &Pair<'_>) -> Result<(), Errno> {
        let mut body = up();
        push_name(&mut body, pair.name);
        push(&mut body, libc::IFLA_MTU, &pair.mtu.to_ne_bytes());
        push(&mut body, libc::IFLA_MASTER, &pair.bridge.to_ne_bytes());
        nest(&mut body, libc::IFLA_LINKINFO, |body| {
            push(body, libc::IFLA_INFO_KIND, b"veth");
            nest(body, libc::IFLA_INFO_DATA, |body| {
                nest(body, PEER, |body| {
                    body.extend(interface(0, 0, 0)); // up it cannot be yet (`veth_open`)
                    push_name(body, pair.peer_name);
                    push(body, libc::IFLA_MTU, &pair.mtu.to_ne_bytes());
                    push(body, libc::IFLA_ADDRESS, &pair.peer_mac);
                    push(body, libc::IFLA_NET_NS_FD, &pair.peer_namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.make(&body)
    }

    fn make(&mut self, body: &[u8]) -> Result<(), Errno> {
        self.0.ask(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL, body, |_, _| {})
    }

    /// Removes a device; one that is gone already is as good as removed.
    pub fn remove(&mut self, index: u32) -> Result<(), Errno> {
        match self.0.ask(libc::RTM_DELLINK, 0, &interface(index, 0, 0), |_, _| {}) {
            Err(Errno::NODEV) => Ok(()),
            other => other,
        }
    }

    /// All devices.
    pub fn devices(&mut self) -> Result<Vec<Device>, Errno> {
        let mut body = interface(0, 0, 0);
        push(&mut body, libc::IFLA_EXT_MASK, &super::route::SKIP_STATISTICS.to_ne_bytes());
        self.list(libc::RTM_GETLINK, &body, |kind, body| {
            let (head, attributes) = body.split_at_checked(16).filter(|_| kind == libc::RTM_NEWLINK)?;
            let mut device = Device { index: u32_at(head, 4)?, name: String::new(), bridge: 0 };
            for (kind, value) in Attributes(attributes) {
                match kind {
                    libc::IFLA_IFNAME => device.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
                    libc::IFLA_MASTER => device.bridge = u32_at(value, 0)?,
                    _ => {}
                }
            }
            Some(device)
        })
    }

    /// Gives a device one more address, which counts at once: nobody else is asked whether he has it.
    ///
    /// # Errors
    /// `EEXIST` when it has it.
    pub fn add_ip(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<(), Errno> {
        /// `IFA_F_NODAD` of linux/if_addr.h.
        const NO_DUPLICATE_DETECTION: u32 = 0x02;
        let bytes = octets(address);
        let mut attributes = vec![(libc::IFA_LOCAL, bytes.clone())];
        if let IpAddr::V4(v4) = address {
            let all = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            attributes.push((libc::IFA_BROADCAST, (u32::from(v4) | all).to_be_bytes().to_vec()));
        }
        attributes.push((libc::IFA_ADDRESS, bytes));
        let family = family(address);
        self.add_address(index, &super::Address { family, prefix, scope: 0, flags: NO_DUPLICATE_DETECTION, attributes })
    }

    /// Sends everything that goes nowhere else through a device to a gateway.
    pub fn add_default_route(&mut self, index: u32, gateway: IpAddr) -> Result<(), Errno> {
        // rtmsg of rtnetlink(7): family, two prefixes, tos, main table, by an administrator, everywhere, unicast.
        let mut body = vec![family(gateway), 0, 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, 0, libc::RTN_UNICAST];
        body.extend([0; 4]);
        push(&mut body, libc::RTA_GATEWAY, &octets(gateway));
        push(&mut body, libc::RTA_OIF, &index.to_ne_bytes());
        self.0.ask(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body, |_, _| {})
    }

    /// Where unicast packets go, but for the default routes: networks with their prefixes, of all tables.
    pub fn destinations(&mut self) -> Result<Vec<(IpAddr, u8)>, Errno> {
        self.list(libc::RTM_GETROUTE, &[0; 12], |kind, body| {
            let (head, attributes) = body.split_at_checked(12).filter(|_| kind == libc::RTM_NEWROUTE)?;
            let (prefix, is_unicast) = (head[1], head[7] == libc::RTN_UNICAST);
            let destination = Attributes(attributes).find(|(kind, _)| *kind == libc::RTA_DST)?.1;
            let address = <[u8; 4]>::try_from(destination)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(destination).map(IpAddr::from));
            address.ok().filter(|_| is_unicast).map(|address| (address, prefix))
        })
    }
}

/// An `ifinfomsg` of a device that is to be up.
fn up() -> Vec<u8> {
    let is_up = libc::IFF_UP.unsigned_abs();
    interface(0, is_up, is_up)
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    family.try_into().expect("address families are small")
}

/// An address as packets have it.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{leave_namespaces, namespace};
    use rustix::fd::AsFd;

    /// A namespace of a thread's own, so that nothing of this machine matters.
    fn elsewhere<T: Send>(act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                leave_namespaces(namespace::NETWORK).unwrap();
                act()
            });
            there.join().unwrap()
        })
    }

    #[test]
    fn a_pair_joins_a_bridge_to_another_namespace() {
        let other = elsewhere(|| std::fs::File::open("/proc/thread-self/ns/net").unwrap());
        let (devices, networks, there, left) = elsewhere(|| {
            let mut route = Route::open().unwrap();
            route.add_bridge(&Bridge { name: "br", mac: [2, 0, 0, 0, 0, 1], mtu: 1400 }).unwrap();
            assert_eq!(route.add_bridge(&Bridge { name: "br", mac: [2, 0, 0, 0, 0, 1], mtu: 1400 }), Err(Errno::EXIST));
            let bridge = route.find("br").unwrap().unwrap();
            assert!(bridge.up);
            route.add_ip(bridge.index, [10, 9, 0, 1].into(), 24).unwrap();
            let pair = Pair {
                name: "ours",
                bridge: bridge.index,
                mtu: 1400,
                peer_namespace: other.as_fd(),
                peer_name: "eth0",
                peer_mac: [2, 0, 0, 0, 0, 2],
            };
            route.add_pair(&pair).unwrap();
            let mut inside = Route::open_in(&other).unwrap();
            let index = inside.find("eth0").unwrap().unwrap().index;
            inside.take_up(index).unwrap();
            inside.add_ip(index, [10, 9, 0, 2].into(), 24).unwrap();
            inside.add_ip(index, "fd00::2".parse().unwrap(), 64).unwrap();
            inside.add_default_route(index, [10, 9, 0, 1].into()).unwrap();
            let there = (inside.find("eth0").unwrap(), inside.destinations().unwrap());
            let (devices, networks) = (route.devices().unwrap(), route.destinations().unwrap());
            let ours = route.find("ours").unwrap().unwrap();
            route.remove(ours.index).unwrap();
            route.remove(ours.index).unwrap();
            (devices, networks, there, inside.find("eth0").unwrap())
        });
        let bridge = devices.iter().find(|device| device.name == "br").unwrap().index;
        assert!(devices.iter().any(|device| device.name == "ours" && device.bridge == bridge), "{devices:?}");
        assert!(networks.contains(&([10, 9, 0, 0].into(), 24)), "{networks:?}");
        assert!(there.0.is_some_and(|link| link.up));
        assert!(there.1.contains(&("fd00::".parse().unwrap(), 64)), "{:?}", there.1);
        assert_eq!(left, None);
    }
}
