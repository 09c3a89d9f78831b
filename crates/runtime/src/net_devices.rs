//! Network devices of the host that a container gets (config-linux.md, "Network Devices", of runtime-spec 1.3).
//!
//! A device lives in one namespace at a time. When the container's ends, the kernel moves physical devices back to the
//! first namespace and destroys virtual ones; the specification forbids a runtime to do more.

use error::{Error, Kind, Result, ResultExt};
use oci::runtime::NetDevice;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use sys::netlink::{Address, Link, Route};

/// `IFNAMSIZ` of linux/if.h: a name and its NUL.
const MAX_NAME_BYTES: usize = 16;

/// Devices of one container: more than any machine has slots for.
const MAX_DEVICES: usize = 256;

/// How many numbers are tried for a device in its new namespace: each device there can have taken one.
const MAX_INDEXES: u32 = 4096;

/// `RT_SCOPE_UNIVERSE` of linux/rtnetlink.h.
const GLOBAL: u8 = 0;

/// `IFA_F_*` of linux/if_addr.h: the address was given by somebody and has no end.
const PERMANENT: u32 = 0x80;

/// Those flags that say what an address is for, not how it fares: no duplicate detection, home address, mother of
/// temporary addresses, no route of its own, joins multicast groups.
const LASTING: u32 = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;

/// Can this be asked for at all?
///
/// # Errors
/// `Invalid` with the field.
pub fn check(devices: &BTreeMap<String, NetDevice>, has_own_network_namespace: bool) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    if !has_own_network_namespace {
        return Err(Error::invalid("config.json: `linux.netDevices`: devices need a network namespace to move to"));
    }
    if devices.len() > MAX_DEVICES {
        return Err(Error::invalid(format!("config.json: `linux.netDevices`: more than {MAX_DEVICES} devices")));
    }
    let mut targets = BTreeSet::new();
    for (name, device) in devices {
        let invalid = |field: &str, why: String| Error::invalid(format!("config.json: `{field}`: {why}"));
        let field = field(name);
        if let Some(why) = wrong(name) {
            return Err(invalid(&field, format!("`{name}` is no name of a network device: {why}")));
        }
        let target = target(name, device);
        let of_target = format!("{field}.name");
        if let Some(why) = wrong(target) {
            return Err(invalid(&of_target, format!("`{target}` is no name of a network device: {why}")));
        }
        if !device.name.is_empty() && !may_be_given(target) {
            return Err(invalid(&of_target, format!("`{target}`: `%` stands only before a `d`, once")));
        }
        if !is_template(target) && !targets.insert(target) {
            return Err(invalid(&of_target, format!("another device is to be `{target}` already")));
        }
    }
    Ok(())
}

/// Why the kernel would refuse a name (`dev_valid_name`).
fn wrong(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("it would be a folder"),
        _ if name.len() >= MAX_NAME_BYTES => Some("it is longer than 15 bytes"),
        _ if name.contains(['/', ':', '\0']) => Some("a slash, a colon or a NUL is in it"),
        _ if name.contains(|c: char| c.is_ascii_whitespace() || c == '\x0b') => Some("a blank is in it"),
        _ => None,
    }
}

/// `%d` stands for a number that the kernel chooses.
fn may_be_given(name: &str) -> bool {
    match name.split_once('%') {
        None => true,
        Some((_, rest)) => rest.starts_with('d') && !rest.contains('%'),
    }
}

fn is_template(name: &str) -> bool {
    name.contains('%')
}

fn target<'a>(name: &'a str, device: &'a NetDevice) -> &'a str {
    if device.name.is_empty() { name } else { &device.name }
}

fn field(name: &str) -> String {
    format!("linux.netDevices.{name}")
}

/// Moves every device into the namespace, with its permanent global addresses, and takes it up.
///
/// # Errors
/// With the field: `NotFound` for a device that the host does not have, `AlreadyExists` for a name that the namespace
/// has already. What was moved is back then.
pub fn move_in(devices: &BTreeMap<String, NetDevice>, network_namespace: BorrowedFd<'_>) -> Result<Moved> {
    let mut moved = Moved::nothing(network_namespace)?;
    let mut found = Vec::new();
    for (name, device) in devices {
        found.push(moved.look_up(name, target(name, device)).context(|| format!("config.json: `{}`", field(name)))?);
    }
    for device in found {
        let field = field(&device.name);
        moved.carry(device).context(|| format!("config.json: `{field}`"))?;
    }
    Ok(moved)
}

/// Devices that were moved; dropped, they go back, unless they were kept.
#[derive(Debug)]
pub struct Moved {
    host: Side,
    container: Side,
    devices: Vec<Device>,
}

/// A network namespace and our conversation about it.
#[derive(Debug)]
struct Side {
    namespace: OwnedFd,
    route: Route,
}

#[derive(Debug)]
struct Device {
    name: String,
    target: String,
    /// In the host's namespace.
    link: Link,
    /// Its number in the container's.
    index: u32,
    addresses: Vec<Address>,
}

impl Moved {
    /// The container is complete: its devices stay.
    pub fn keep(mut self) {
        self.devices.clear();
    }

    fn nothing(network_namespace: BorrowedFd<'_>) -> Result<Self> {
        let words = || "can't move network devices into the container";
        let open = || -> std::io::Result<(Side, Side)> {
            let own = openat(CWD, c"/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let theirs = rustix::io::fcntl_dupfd_cloexec(network_namespace, 0)?;
            let host = Side { route: Route::open()?, namespace: own };
            let container = Side { route: Route::open_in(&theirs)?, namespace: theirs };
            Ok((host, container))
        };
        let (host, container) = open().context(words)?;
        let id =
            |side: &Side| fstat(&side.namespace).map(|stat| (stat.st_dev, stat.st_ino)).map_err(std::io::Error::from);
        if id(&host).context(words)? == id(&container).context(words)? {
            return Err(Error::invalid("config.json: `linux.netDevices`: the network namespace is the host's"));
        }
        Ok(Self { host, container, devices: Vec::new() })
    }

    /// All that must be known, and nothing touched: an address of IPv6 does not outlive its device's being down.
    fn look_up(&mut self, name: &str, target: &str) -> Result<Device> {
        let failed = |errno: Errno| Error::from(std::io::Error::from(errno)).context("can't ask the kernel");
        let link = self.host.route.find(name).map_err(failed)?.ok_or_else(|| {
            Error::not_found(format!("there is no network device `{name}`")).hint("`ip link` lists those of the host")
        })?;
        if !is_template(target) && self.container.route.find(target).map_err(failed)?.is_some() {
            return Err(Error::new(
                Kind::AlreadyExists,
                format!("the container has a network device `{target}` already"),
            ));
        }
        let addresses = self.host.route.addresses(link.index).map_err(failed)?;
        let (name, target) = (name.to_owned(), target.to_owned());
        Ok(Device { name, target, link, index: 0, addresses: lasting(addresses) })
    }

    fn carry(&mut self, mut device: Device) -> Result<()> {
        let failed = |what: String| move |errno: Errno| Error::from(std::io::Error::from(errno)).context(what);
        device.index =
            self.free_index(device.link.index).map_err(failed("can't find a free number for the device".to_owned()))?;
        let (index, target, addresses) = (device.index, device.target.clone(), device.addresses.clone());
        let moved = self.host.route.move_link(device.link.index, &self.container.namespace, &target, index);
        // A device that arrived and could not be renamed is an error, too, and must go back.
        if moved.is_ok() || self.host.route.find_index(device.link.index) == Ok(None) {
            self.devices.push(device);
        }
        moved.map_err(failed(format!("can't move the device to the container as `{target}`"))).map_err(|error| {
            match moved {
                Err(Errno::INVAL | Errno::OPNOTSUPP) => error
                    .hint("loopback, bridges, tunnels and other devices that belong to their namespace can't be moved"),
                Err(Errno::PERM) => error.hint("this needs CAP_NET_ADMIN in both network namespaces"),
                _ => error,
            }
        })?;
        settle(&mut self.container.route, index, &addresses, true)
            .map_err(failed("can't give the device its addresses back and take it up".to_owned()))
    }

    /// The number it has, or the next that is free, so that it is known where it went whatever name it gets.
    fn free_index(&mut self, from: u32) -> Result<u32, Errno> {
        for index in (from..).take(usize::try_from(MAX_INDEXES).unwrap_or(usize::MAX)) {
            if self.container.route.find_index(index)?.is_none() {
                return Ok(index);
            }
        }
        Err(Errno::NOSPC)
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        for device in self.devices.drain(..).rev() {
            // There is an error already, and nobody who could do more about this one. A device that is gone went with
            // the container.
            let Device { name, link, index, addresses, .. } = device;
            if self.container.route.move_link(index, self.host.namespace.as_fd(), &name, link.index).is_ok() {
                let _ = settle(&mut self.host.route, link.index, &addresses, link.up);
            }
        }
    }
}

/// What a device lost on its way.
fn settle(route: &mut Route, index: u32, addresses: &[Address], up: bool) -> Result<(), Errno> {
    for address in addresses {
        match route.add_address(index, address) {
            // A device that was down kept it, or an address of the kernel's own making came first.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    if up { route.take_up(index) } else { Ok(()) }
}

/// The permanent global addresses, in the order in which adding them gives this order again: IPv6 puts the last one
/// first.
fn lasting(addresses: Vec<Address>) -> Vec<Address> {
    let is_6 = |address: &Address| u16::from(address.family) == rustix::net::AddressFamily::INET6.as_raw();
    let kept = addresses.into_iter().filter(|address| address.flags & PERMANENT != 0 && address.scope == GLOBAL);
    let (six, mut all): (Vec<_>, Vec<_>) =
        kept.map(|address| Address { flags: address.flags & LASTING, ..address }).partition(is_6);
    all.extend(six.into_iter().rev());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(pairs: &[(&str, &str)]) -> BTreeMap<String, NetDevice> {
        pairs.iter().map(|&(name, target)| (name.to_owned(), NetDevice { name: target.to_owned() })).collect()
    }

    #[test]
    fn names_are_the_kernels_and_no_two_devices_become_one() {
        for good in [
            &[][..],
            &[("eth0", "")],
            &[("eth0", "eth1"), ("eth1", "eth0")],
            &[("a", "x%d"), ("b", "x%d")],
            &[("fifteen-bytes-x", "")],
        ] {
            check(&devices(good), true).unwrap();
        }
        for (pairs, text) in [
            (&[("", "x")][..], "`linux.netDevices.`: `` is no name of a network device: it is empty"),
            (&[("..", "x")], "`linux.netDevices...`: `..` is no name of a network device: it would be a folder"),
            (
                &[("eth0", ".")],
                "`linux.netDevices.eth0.name`: `.` is no name of a network device: it would be a folder",
            ),
            (
                &[("eth0", "a/b")],
                "`linux.netDevices.eth0.name`: `a/b` is no name of a network device: a slash, a colon or a NUL is in it",
            ),
            (
                &[("eth0", "sixteen-bytes-xx")],
                "`linux.netDevices.eth0.name`: `sixteen-bytes-xx` is no name of a network device: it is longer than 15 bytes",
            ),
            (
                &[("eth0", "a b")],
                "`linux.netDevices.eth0.name`: `a b` is no name of a network device: a blank is in it",
            ),
            (&[("eth0", "x%s")], "`linux.netDevices.eth0.name`: `x%s`: `%` stands only before a `d`, once"),
            (&[("eth0", "%d%d")], "`linux.netDevices.eth0.name`: `%d%d`: `%` stands only before a `d`, once"),
            (&[("eth0", ""), ("eth1", "eth0")], "`linux.netDevices.eth1.name`: another device is to be `eth0` already"),
        ] {
            let error = check(&devices(pairs), true).unwrap_err();
            assert_eq!((error.kind, error.to_string()), (Kind::Invalid, format!("config.json: {text}")));
        }
        let error = check(&devices(&[("eth0", "")]), false).unwrap_err();
        assert_eq!(error.to_string(), "config.json: `linux.netDevices`: devices need a network namespace to move to");
    }

    #[test]
    fn only_permanent_global_addresses_are_kept_without_their_fate() {
        let address = |family, scope, flags, last: u8| Address {
            family,
            prefix: 24,
            scope,
            flags,
            attributes: vec![(libc::IFA_LOCAL, vec![last])],
        };
        let kept = lasting(vec![
            address(2, 0, PERMANENT, 1),
            address(2, 0, PERMANENT | 1, 2),
            address(2, 253, PERMANENT, 3),
            address(2, 0, 0, 4),
            address(10, 0, PERMANENT | 0x200 | 0x40, 5),
            address(10, 0, PERMANENT, 6),
            address(10, 253, PERMANENT, 7),
        ]);
        assert_eq!(kept, [address(2, 0, 0, 1), address(2, 0, 0, 2), address(10, 0, 0, 6), address(10, 0, 0x200, 5)]);
    }
}
