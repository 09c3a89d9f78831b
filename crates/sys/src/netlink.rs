//! Network devices and their addresses: a small client of rtnetlink(7).
//!
//! ```text
//! message   = length u32 · kind u16 · flags u16 · sequence u32 · port u32 · body · attributes   (native endian)
//! attribute = length u16 · kind u16 · value, padded to 4 bytes
//! ```
//! One request, all its answers, then the next; only the kernel is heard.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{connect, netlink::SocketAddrNetlink, recv, send, socket_with};

/// More than the kernel puts into one datagram (it fills 32 KiB when the reader's buffer is as large).
const BUFFER_BYTES: usize = 64 << 10;

/// The most messages that answer one request: addresses of a host with tens of thousands of devices.
const MAX_MESSAGES: usize = 1 << 20;

/// How often a list is asked for again that changed while it was read.
const MAX_DUMPS: u32 = 16;

/// Bytes of the header of a message.
const HEADER_BYTES: usize = 16;

/// `RTEXT_FILTER_SKIP_STATS` of linux/rtnetlink.h: without counters an answer stays small.
const SKIP_STATISTICS: u32 = 1 << 3;

/// `NLM_F_DUMP_INTR` of linux/netlink.h: the list changed while it was read.
const INTERRUPTED: u16 = 0x10;

/// `IFLA_NEW_IFINDEX` of linux/if_link.h (to be set since kernel 5.13).
const NEW_INDEX: u16 = 49;

/// A conversation with the kernel about one network namespace, which it keeps alive.
#[derive(Debug)]
pub struct Route {
    socket: OwnedFd,
    sequence: u32,
}

/// A network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Is it up?
    pub up: bool,
}

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `AF_INET`, `AF_INET6` …
    pub family: u8,
    /// Bits of the network.
    pub prefix: u8,
    /// `RT_SCOPE_*`: 0 is global.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
    /// The address itself, its peer and broadcast address, its metric, its origin: `IFA_*` and the bytes.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

impl Route {
    /// About the network namespace of this thread.
    pub fn open() -> Result<Self, Errno> {
        // Protocol 0 is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        // Connected to port 0, it hears the kernel alone.
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// About another one. A thread of its own goes there and ends, so that nobody has to come back.
    pub fn open_in(namespace: impl AsFd) -> Result<Self, Errno> {
        let namespace = namespace.as_fd();
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                crate::process::enter_namespaces(namespace, crate::process::namespace::NETWORK)?;
                Self::open()
            });
            there.join().expect("neither call panics")
        })
    }

    /// The device of that name; `None` when there is none.
    pub fn find(&mut self, name: &str) -> Result<Option<Link>, Errno> {
        let mut body = interface(0, 0, 0);
        push_name(&mut body, name);
        self.find_by(body)
    }

    /// The device with that number; `None` when there is none.
    pub fn find_index(&mut self, index: u32) -> Result<Option<Link>, Errno> {
        self.find_by(interface(index, 0, 0))
    }

    fn find_by(&mut self, mut body: Vec<u8>) -> Result<Option<Link>, Errno> {
        push(&mut body, libc::IFLA_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
        let mut link = None;
        let asked = self.ask(libc::RTM_GETLINK, 0, &body, |kind, body| {
            if kind == libc::RTM_NEWLINK
                && let (Some(index), Some(flags)) = (u32_at(body, 4), u32_at(body, 8))
            {
                link = Some(Link { index, up: flags & libc::IFF_UP.unsigned_abs() != 0 });
            }
        });
        match asked {
            Ok(()) => Ok(link),
            Err(Errno::NODEV) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Takes a device up.
    pub fn take_up(&mut self, index: u32) -> Result<(), Errno> {
        let up = libc::IFF_UP.unsigned_abs();
        self.ask(libc::RTM_NEWLINK, 0, &interface(index, up, up), |_, _| {})
    }

    /// Moves a device to another namespace under that name (`%d` becomes a free number) and number. The kernel takes it
    /// down and forgets its addresses.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken there, `EBUSY` when the number is, `EINVAL` for a device that cannot be moved.
    pub fn move_link(&mut self, index: u32, namespace: impl AsFd, name: &str, new_index: u32) -> Result<(), Errno> {
        let mut body = interface(index, 0, 0);
        push_name(&mut body, name);
        push(&mut body, libc::IFLA_NET_NS_FD, &namespace.as_fd().as_raw_fd().to_ne_bytes());
        push(&mut body, NEW_INDEX, &new_index.to_ne_bytes());
        self.ask(libc::RTM_NEWLINK, 0, &body, |_, _| {})
    }

    /// All addresses of a device, in the kernel's order.
    ///
    /// # Errors
    /// `EINTR` when the list changes again and again while it is read.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Errno> {
        for _ in 0..MAX_DUMPS {
            let mut found = Vec::new();
            let flags = libc::NLM_F_ROOT | libc::NLM_F_MATCH;
            let dumped = self.ask(libc::RTM_GETADDR, flags, &[0; 8], |kind, body| {
                if kind == libc::RTM_NEWADDR && u32_at(body, 4) == Some(index) {
                    found.extend(Address::parse(body));
                }
            });
            match dumped {
                Ok(()) => return Ok(found),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::INTR)
    }

    /// Gives a device one more address.
    pub fn add_address(&mut self, index: u32, address: &Address) -> Result<(), Errno> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.ask(libc::RTM_NEWADDR, flags, &address.body(index), |_, _| {})
    }

    /// Sends a request and hands each answer (kind and body) to `take`, up to the last one.
    fn ask(&mut self, kind: u16, flags: i32, body: &[u8], mut take: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let message = message(kind, flags, self.sequence, body)?;
        rustix::io::retry_on_intr(|| send(&self.socket, &message, SendFlags::empty()))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut interrupted = false;
        for _ in 0..MAX_MESSAGES {
            let (_, length) = rustix::io::retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::TRUNC))?;
            let mut rest = buffer.get(..length).ok_or(Errno::MSGSIZE)?;
            while let Some((message, after)) = split(rest) {
                rest = after;
                if message.sequence != self.sequence {
                    // Left over from a request that was given up.
                    continue;
                }
                interrupted |= message.flags & INTERRUPTED != 0;
                match i32::from(message.kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => return end(message.body, interrupted),
                    _ => take(message.kind, message.body),
                }
            }
        }
        Err(Errno::TOOBIG)
    }
}

/// The last message carries a negative errno, or 0.
fn end(body: &[u8], interrupted: bool) -> Result<(), Errno> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(error) if error < 0 => Err(Errno::from_raw_os_error(error.saturating_neg())),
        _ if interrupted => Err(Errno::INTR),
        _ => Ok(()),
    }
}

impl Address {
    /// Of an `ifaddrmsg` with its attributes.
    fn parse(body: &[u8]) -> Option<Self> {
        let (&[family, prefix, flags, scope, ..], rest) = body.split_at_checked(8)? else { return None };
        let mut address = Self { family, prefix, scope, flags: flags.into(), attributes: Vec::new() };
        for (kind, value) in Attributes(rest) {
            match kind {
                // What fits no byte comes here, with the rest.
                libc::IFA_FLAGS => address.flags = u32_at(value, 0)?,
                // Names the device, or says how long the address lives.
                libc::IFA_LABEL | libc::IFA_CACHEINFO => {}
                _ => address.attributes.push((kind, value.to_owned())),
            }
        }
        Some(address)
    }

    fn body(&self, index: u32) -> Vec<u8> {
        let mut body = vec![self.family, self.prefix, 0, self.scope];
        body.extend(index.to_ne_bytes());
        push(&mut body, libc::IFA_FLAGS, &self.flags.to_ne_bytes());
        for (kind, value) in &self.attributes {
            push(&mut body, *kind, value);
        }
        body
    }
}

/// An `ifinfomsg`.
fn interface(index: u32, flags: u32, change: u32) -> Vec<u8> {
    [0, index, flags, change].into_iter().flat_map(u32::to_ne_bytes).collect()
}

fn push_name(body: &mut Vec<u8>, name: &str) {
    let mut value = name.as_bytes().to_vec();
    value.push(0);
    push(body, libc::IFLA_IFNAME, &value);
}

fn push(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).expect("our values are a name, a number or an address");
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The end of a request is acknowledged, or a list's last message.
fn message(kind: u16, flags: i32, sequence: u32, body: &[u8]) -> Result<Vec<u8>, Errno> {
    let list = flags & libc::NLM_F_ROOT != 0;
    let flags = flags | libc::NLM_F_REQUEST | if list { 0 } else { libc::NLM_F_ACK };
    let flags = u16::try_from(flags).map_err(|_| Errno::INVAL)?;
    let length = u32::try_from(HEADER_BYTES + body.len()).map_err(|_| Errno::INVAL)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    Ok(message)
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

/// The first message of a datagram, and what comes after it.
fn split(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let body = datagram.get(HEADER_BYTES..length)?;
    let (kind, flags, sequence) = (u16_at(datagram, 4)?, u16_at(datagram, 6)?, u32_at(datagram, 8)?);
    let rest = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Message { kind, flags, sequence, body }, rest))
}

/// Attributes one after the other; ends at the first that is none.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)?;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_all_but_its_label_and_its_age() {
        let address = Address {
            family: 2,
            prefix: 24,
            scope: 0,
            flags: 0x280,
            attributes: vec![(libc::IFA_LOCAL, vec![10, 0, 0, 1]), (libc::IFA_ADDRESS, vec![10, 0, 0, 2])],
        };
        let mut body = address.body(7);
        assert_eq!(u32_at(&body, 4), Some(7));
        push(&mut body, libc::IFA_LABEL, b"eth0:1\0");
        push(&mut body, libc::IFA_CACHEINFO, &[0; 16]);
        assert_eq!(Address::parse(&body), Some(address));
    }

    #[test]
    fn what_is_cut_short_or_lies_about_its_length_is_not_read() {
        let whole = message(libc::RTM_NEWADDR, 0, 9, &[1, 2, 3, 4]).unwrap();
        let (first, rest) = split(&whole).unwrap();
        assert_eq!((first.kind, first.sequence, first.body, rest), (libc::RTM_NEWADDR, 9, &[1, 2, 3, 4][..], &[][..]));
        for length in 0..whole.len() {
            assert!(split(&whole[..length]).is_none(), "{length}");
        }
        for length in [0_u32, 15, 21, u32::MAX] {
            let mut lying = whole.clone();
            lying[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(split(&lying).is_none(), "{length}");
        }
        for bytes in [&[][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4]] {
            assert_eq!(Attributes(bytes).next(), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_loopback_device_has_number_1_and_its_address() {
        // A namespace of the thread's own, so that nothing of this machine matters.
        let (link, none, addresses) = std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                crate::process::leave_namespaces(crate::process::namespace::NETWORK).unwrap();
                let mut route = Route::open().unwrap();
                route.take_up(1).unwrap();
                (route.find("lo").unwrap(), route.find("nothing").unwrap(), route.addresses(1).unwrap())
            });
            there.join().unwrap()
        });
        assert_eq!((link, none), (Some(Link { index: 1, up: true }), None));
        let local = addresses.iter().find(|address| address.family == 2).unwrap();
        assert_eq!((local.prefix, &local.attributes[0].1[..]), (8, &[127, 0, 0, 1][..]));
    }
}
