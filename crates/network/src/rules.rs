//! What becomes of packets: the table of a network.
//!
//! The rules are made once; a container only adds elements to maps and takes them out again.

use crate::{Bridge, Protocol, Published};
use error::{Error, Kind, Result, ResultExt};
use rustix::io::Errno;
use std::net::IpAddr;
use sys::netlink::nftables::{Batch, Fact, Field, Header, Hook, Nftables, Point, Set, Step, register};
use sys::netlink::octets;

/// Ports that are published on all addresses of this machine, and on one of them.
const PORTS: [Set; 4] = [
    Set { name: "ports4", key: &[Field::Protocol, Field::Port], value: &[Field::Ipv4, Field::Port], intervals: false },
    Set {
        name: "ports4-at",
        key: &[Field::Ipv4, Field::Protocol, Field::Port],
        value: &[Field::Ipv4, Field::Port],
        intervals: false,
    },
    Set { name: "ports6", key: &[Field::Protocol, Field::Port], value: &[Field::Ipv6, Field::Port], intervals: false },
    Set {
        name: "ports6-at",
        key: &[Field::Ipv6, Field::Protocol, Field::Port],
        value: &[Field::Ipv6, Field::Port],
        intervals: false,
    },
];

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`
const V4: &[u8] = &[2];
const V6: &[u8] = &[10];

/// `RTN_LOCAL`
const LOCAL: [u8; 4] = 2_u32.to_ne_bytes();

/// Bits of a connection's state: established, related (`NF_CT_STATE_BIT`).
const KNOWN: [u8; 4] = 0b110_u32.to_ne_bytes();

/// `IPS_DST_NAT`: its destination was changed.
const REDIRECTED: [u8; 4] = (1_u32 << 5).to_ne_bytes();

/// Priorities as those of iptables: `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`, `NF_IP_PRI_FILTER`.
const BEFORE_ROUTING: Hook = Hook { kind: "nat", point: Point::PreRouting, priority: -100 };
const AFTER_ROUTING: Hook = Hook { kind: "nat", point: Point::PostRouting, priority: 100 };
const THROUGH: Hook = Hook { kind: "filter", point: Point::Forward, priority: 0 };

/// Makes the table of a network anew.
pub(crate) fn make(bridge: &Bridge) -> Result<()> {
    let words = || format!("can't make the table `{}` of nf_tables", bridge.name);
    let mut kernel = Nftables::open().map_err(without_nftables).context(words)?;
    // One that was left is removed before: its rules would be there twice.
    match kernel.commit(removal(bridge)) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(without_nftables(errno)).context(words),
    }
    kernel.commit(table(bridge)).map_err(without_nftables).context(words)
}

fn removal(bridge: &Bridge) -> Batch<'_> {
    let mut batch = Batch::new(&bridge.name);
    batch.remove_table();
    batch
}

fn without_nftables(errno: Errno) -> Error {
    match errno {
        Errno::PROTONOSUPPORT | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOENT => {
            Error::new(Kind::Unsupported, "this kernel has no nf_tables, or not all of it")
                .hint("`modprobe nf_tables` loads it; `--network none` and `--network host` do without")
        }
        errno => sys::kernel::error(errno),
    }
}

fn table(bridge: &Bridge) -> Batch<'_> {
    let mut batch = Batch::new(&bridge.name);
    batch.table();
    PORTS.iter().for_each(|set| batch.set(set));
    batch.chain("published", Some(BEFORE_ROUTING));
    batch.chain("outbound", Some(AFTER_ROUTING));
    batch.chain("forwarded", Some(THROUGH));
    let r = register(0);
    // The name fills a register of 16 bytes: the whole of it is compared.
    let name = device(&bridge.name);
    let from_us = [Step::Meta(r, Fact::InputDevice), Step::Is(r, &name)];
    let to_us = [Step::Meta(r, Fact::OutputDevice), Step::Is(r, &name)];
    let from_others = [Step::Meta(r, Fact::InputDevice), Step::IsNot(r, &name)];
    let to_others = [Step::Meta(r, Fact::OutputDevice), Step::IsNot(r, &name)];

    for (family, [any, one], destination) in
        [(V4, ["ports4", "ports4-at"], (16, 4)), (V6, ["ports6", "ports6-at"], (24, 16))]
    {
        // What a container sends to this machine goes to the socket there, as what this machine sends to itself.
        let meant = [
            from_others[0],
            from_others[1],
            Step::Meta(r, Fact::Family),
            Step::Is(r, family),
            Step::KindOfDestination(r),
            Step::Is(r, &LOCAL),
        ];
        let v6 = family == V6;
        let after_address = register(if v6 { 4 } else { 1 });
        let redirect = Step::Redirect { v6, address: r, port: after_address };
        let at = |place: u32| {
            [Step::Meta(register(place), Fact::Protocol), Step::Load(register(place + 1), Header::Transport, 2, 2)]
        };
        batch.rule("published", &[&meant[..], &at(0), &[Step::Map(any, r, r), redirect]].concat());
        let address = Step::Load(r, Header::Network, destination.0, destination.1);
        let behind = if v6 { 4 } else { 1 };
        batch.rule("published", &[&meant[..], &[address], &at(behind), &[Step::Map(one, r, r), redirect]].concat());
    }

    let pass = [Step::Accept];
    batch.rule("forwarded", &[&from_us[..], &to_us, &pass].concat());
    if bridge.internal {
        batch.rule("forwarded", &[&from_us[..], &[Step::Drop]].concat());
        batch.rule("forwarded", &[&to_us[..], &[Step::Drop]].concat());
        return batch;
    }
    let known = [Step::ConnectionState(r), Step::Mask(r, &KNOWN), Step::IsNot(r, &[0; 4])];
    let redirected = [Step::ConnectionStatus(r), Step::Mask(r, &REDIRECTED), Step::IsNot(r, &[0; 4])];
    batch.rule("forwarded", &[&to_us[..], &known, &pass].concat());
    batch.rule("forwarded", &[&to_us[..], &redirected, &pass].concat());
    batch.rule("forwarded", &[&to_us[..], &[Step::Drop]].concat());
    for subnet in &bridge.subnets {
        let (family, offset) = if subnet.subnet.is_ipv4() { (V4, 12) } else { (V6, 8) };
        let first = octets(subnet.subnet.address);
        let length = u32::try_from(first.len()).expect("an address is short");
        let mask = mask(subnet.subnet.prefix, first.len());
        let inside = [
            Step::Meta(r, Fact::Family),
            Step::Is(r, family),
            Step::Load(r, Header::Network, offset, length),
            Step::Mask(r, &mask),
            Step::Is(r, &first),
        ];
        batch.rule("outbound", &[&inside[..], &to_others, &[Step::Masquerade]].concat());
    }
    batch
}

/// The name of a device, as the kernel keeps it in a register.
fn device(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    bytes
}

fn mask(prefix: u8, length: usize) -> Vec<u8> {
    let bit = |place: usize| if place < prefix.into() { 0x80 >> (place % 8) } else { 0 };
    (0..length).map(|byte| (byte * 8..byte * 8 + 8).map(bit).sum()).collect()
}

/// Sends what comes in for these ports to a container; all of them or none. `addresses`: the container's.
///
/// # Errors
/// `Conflict` when another container of the network has one of them.
pub fn publish(bridge: &str, ports: &[Published], addresses: &[IpAddr]) -> Result<()> {
    let mut batch = Batch::new(bridge);
    for (set, key, value) in ports.iter().flat_map(|port| elements(port, addresses)) {
        batch.add(set, &key, &value, true);
    }
    commit(batch, || format!("can't publish ports of `{bridge}`"))
}

/// Takes them back; those that are not there are none.
pub fn withdraw(bridge: &str, ports: &[Published], addresses: &[IpAddr]) -> Result<()> {
    for (set, key, _) in ports.iter().flat_map(|port| elements(port, addresses)) {
        // One by one: an absent one would keep all others.
        let mut batch = Batch::new(bridge);
        batch.remove(set, &key);
        match commit(batch, || format!("can't withdraw ports of `{bridge}`")) {
            Err(error) if error.kind == Kind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn commit(batch: Batch<'_>, words: impl Fn() -> String) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let committed = Nftables::open().and_then(|mut kernel| kernel.commit(batch));
    committed.map_err(sys::kernel::error).context(words)
}

/// In which map, under which key, with which value a published port stands: of each family that it and the container have.
fn elements(port: &Published, addresses: &[IpAddr]) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let families = addresses.iter().filter(|address| port.host_ip.is_none_or(|ip| ip.is_ipv4() == address.is_ipv4()));
    // What is published on loopback addresses comes in by no device.
    let families = families.filter(|_| !port.host_ip.is_some_and(|ip| ip.is_loopback()));
    let element = |address: &IpAddr| {
        let mut value = octets(*address);
        value.extend(padded_port(port.container_port));
        let mut key = port.host_ip.filter(|ip| !ip.is_unspecified()).map(octets).unwrap_or_default();
        let set = match (address.is_ipv4(), key.is_empty()) {
            (true, true) => "ports4",
            (true, false) => "ports4-at",
            (false, true) => "ports6",
            (false, false) => "ports6-at",
        };
        key.extend([number(port.protocol), 0, 0, 0]);
        key.extend(padded_port(port.host_port));
        (set, key, value)
    };
    families.map(element).collect()
}

fn padded_port(port: u16) -> [u8; 4] {
    let [a, b] = port.to_be_bytes();
    [a, b, 0, 0]
}

/// `IPPROTO_*`
fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stands_where_its_address_says() {
        let port = |host_ip: Option<&str>| Published {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port: 8080,
            container_port: 80,
            protocol: Protocol::Udp,
        };
        let addresses: [IpAddr; 2] = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let names = |ip| elements(&port(ip), &addresses).into_iter().map(|(set, ..)| set).collect::<Vec<_>>();
        assert_eq!(names(None), ["ports4", "ports6"]);
        assert_eq!(names(Some("0.0.0.0")), ["ports4"]);
        assert_eq!(names(Some("192.0.2.1")), ["ports4-at"]);
        assert_eq!(names(Some("2001:db8::1")), ["ports6-at"]);
        assert_eq!(names(Some("127.0.0.1")), Vec::<&str>::new());
        let (_, key, value) = elements(&port(Some("192.0.2.1")), &addresses).remove(0);
        assert_eq!(key, [192, 0, 2, 1, 17, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        assert_eq!(value, [10, 0, 0, 2, 0, 80, 0, 0]);
    }

    #[test]
    fn masks_have_the_prefixs_bits() {
        assert_eq!(mask(20, 4), [255, 255, 240, 0]);
        assert_eq!(mask(0, 4), [0; 4]);
        assert_eq!(mask(64, 16), [[255; 8], [0; 8]].concat());
    }
}
