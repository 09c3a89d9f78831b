//! Conversations with the kernel by netlink(7): network devices and addresses, and what becomes of packets.
//!
//! One request, all its answers, then the next; only the kernel is heard.

mod device;
mod message;
pub mod nftables;
mod route;

pub use device::{Bridge, Device, Pair, octets};
pub use route::{Address, Link, Route};

use message::{message, split, u32_at};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{connect, netlink::SocketAddrNetlink, recv, send, socket_with};

/// More than the kernel puts into one datagram (it fills 32 KiB when the reader's buffer is as large).
const BUFFER_BYTES: usize = 64 << 10;

/// The most messages that answer one request: addresses of a host with tens of thousands of devices.
const MAX_MESSAGES: usize = 1 << 20;

/// `NLM_F_DUMP_INTR` of linux/netlink.h: the list changed while it was read.
const INTERRUPTED: u16 = 0x10;

/// A conversation about one network namespace, which it keeps alive.
#[derive(Debug)]
struct Conversation {
    socket: OwnedFd,
    sequence: u32,
}

impl Conversation {
    /// About the network namespace of this thread; `None` is NETLINK_ROUTE, which has the number 0.
    fn open(protocol: Option<Protocol>) -> Result<Self, Errno> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // Connected to port 0, it hears the kernel alone.
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// About another one. A thread of its own goes there and ends, so that nobody has to come back.
    fn open_in(namespace: impl AsFd, protocol: Option<Protocol>) -> Result<Self, Errno> {
        let namespace = namespace.as_fd();
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                crate::process::enter_namespaces(namespace, crate::process::namespace::NETWORK)?;
                Self::open(protocol)
            });
            there.join().expect("neither call panics")
        })
    }

    fn sequence(&self) -> u32 {
        self.sequence
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends several orders at once, of which the one with the number `last` is acknowledged.
    ///
    /// # Errors
    /// The first one in the order of the answers.
    fn send_batch(&mut self, datagram: &[u8], last: u32) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| send(&self.socket, datagram, SendFlags::empty()))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut first_error = None;
        for _ in 0..MAX_MESSAGES {
            let (_, length) = rustix::io::retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::TRUNC))?;
            let mut rest = buffer.get(..length).ok_or(Errno::MSGSIZE)?;
            while let Some((message, after)) = split(rest) {
                rest = after;
                if i32::from(message.kind) != libc::NLMSG_ERROR {
                    continue;
                }
                if let Err(errno) = end(message.body, false) {
                    first_error.get_or_insert(errno);
                }
                if message.sequence == last {
                    return first_error.map_or(Ok(()), Err);
                }
            }
        }
        Err(Errno::TOOBIG)
    }

    /// Sends a request and hands each answer (kind and body) to `take`, up to the last one.
    fn ask(&mut self, kind: u16, flags: i32, body: &[u8], mut take: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
        let message = message(kind, flags, self.next_sequence(), body)?;
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
