//! Network devices, their addresses and routes: rtnetlink(7).

use super::Conversation;
use super::message::{Attributes, push, push_name, u32_at};
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;

/// How often a list is asked for again that changed while it was read.
const MAX_DUMPS: u32 = 16;

/// `RTEXT_FILTER_SKIP_STATS` of linux/rtnetlink.h: without counters an answer stays small.
pub(super) const SKIP_STATISTICS: u32 = 1 << 3;

/// `IFLA_NEW_IFINDEX` of linux/if_link.h (to be set since kernel 5.13).
const NEW_INDEX: u16 = 49;

/// A conversation with the kernel about the devices of one network namespace, which it keeps alive.
#[derive(Debug)]
pub struct Route(pub(super) Conversation);

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
        Ok(Self(Conversation::open(None)?))
    }

    /// About another one.
    pub fn open_in(namespace: impl AsFd) -> Result<Self, Errno> {
        Ok(Self(Conversation::open_in(namespace, None)?))
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
        let asked = self.0.ask(libc::RTM_GETLINK, 0, &body, |kind, body| {
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
        self.0.ask(libc::RTM_NEWLINK, 0, &interface(index, up, up), |_, _| {})
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
        self.0.ask(libc::RTM_NEWLINK, 0, &body, |_, _| {})
    }

    /// All addresses of a device, in the kernel's order.
    ///
    /// # Errors
    /// `EINTR` when the list changes again and again while it is read.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Errno> {
        self.list(libc::RTM_GETADDR, &[0; 8], |kind, body| {
            let is_its_own = kind == libc::RTM_NEWADDR && u32_at(body, 4) == Some(index);
            is_its_own.then(|| Address::parse(body)).flatten()
        })
    }

    /// A whole list, of which `take` makes what is wanted.
    ///
    /// # Errors
    /// `EINTR` when it changes again and again while it is read.
    pub(super) fn list<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        mut take: impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Errno> {
        for _ in 0..MAX_DUMPS {
            let mut found = Vec::new();
            let flags = libc::NLM_F_ROOT | libc::NLM_F_MATCH;
            match self.0.ask(kind, flags, body, |kind, body| found.extend(take(kind, body))) {
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
        self.0.ask(libc::RTM_NEWADDR, flags, &address.body(index), |_, _| {})
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
pub(super) fn interface(index: u32, flags: u32, change: u32) -> Vec<u8> {
    [0, index, flags, change].into_iter().flat_map(u32::to_ne_bytes).collect()
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
