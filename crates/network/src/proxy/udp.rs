//! Datagrams: each sender gets a socket of its own towards the container, so that answers find their way back.

use super::{FIRST_SENDER, Route};
use rustix::event::epoll;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, recvfrom, send, sendto, socket_with,
};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a sender may be silent, and the container towards it, until it is forgotten (Docker's proxy: 90 s).
const SILENCE: Duration = Duration::from_secs(90);

/// Senders at once; then the one that was silent longest is forgotten.
const MOST_SENDERS: usize = 4096;

/// The largest datagram (udp(7)).
const LARGEST_BYTES: usize = 64 << 10;

/// How many datagrams one wake-up carries.
const AT_A_TIME: usize = 64;

#[derive(Debug)]
struct Sender {
    /// Of the route that it came by.
    place: usize,
    address: SocketAddr,
    /// Towards the container.
    socket: OwnedFd,
    heard: Instant,
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Senders {
    all: HashMap<u64, Sender>,
    numbers: HashMap<(usize, SocketAddr), u64>,
    next: u64,
    buffer: Vec<u8>,
}

impl Senders {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes what came to that route, and sends it on. What cannot be sent is lost, as datagrams are.
    pub(super) fn take(&mut self, place: usize, route: &Route<'_>, epoll: BorrowedFd<'_>) {
        self.buffer.resize(LARGEST_BYTES, 0);
        for _ in 0..AT_A_TIME {
            let Ok((_, length, address)) = recvfrom(route.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) else {
                return;
            };
            let Some(address) = address.and_then(|address| SocketAddr::try_from(address).ok()) else { continue };
            let Ok(number) = self.find(place, address, route, epoll) else { continue };
            if let Some(sender) = self.all.get_mut(&number) {
                sender.heard = Instant::now();
                // A container that does not listen has said so for the one before.
                let _ = send(&sender.socket, &self.buffer[..length], SendFlags::DONTWAIT);
            }
        }
    }

    fn find(
        &mut self,
        place: usize,
        address: SocketAddr,
        route: &Route<'_>,
        epoll: BorrowedFd<'_>,
    ) -> Result<u64, Errno> {
        if let Some(number) = self.numbers.get(&(place, address)) {
            return Ok(*number);
        }
        if self.all.len() >= MOST_SENDERS
            && let Some(silent) = self.all.iter().min_by_key(|(_, sender)| sender.heard).map(|(number, _)| *number)
        {
            self.forget(silent);
        }
        let family = if route.target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        connect(&socket, &route.target)?;
        let number = self.next;
        self.next += 1;
        epoll::add(epoll, &socket, epoll::EventData::new_u64(FIRST_SENDER + number), epoll::EventFlags::IN)?;
        self.numbers.insert((place, address), number);
        self.all.insert(number, Sender { place, address, socket, heard: Instant::now() });
        Ok(number)
    }

    /// Sends what the container says back to who asked.
    pub(super) fn answer(&mut self, number: u64, routes: &[Route<'_>]) {
        self.buffer.resize(LARGEST_BYTES, 0);
        for _ in 0..AT_A_TIME {
            let Some(sender) = self.all.get_mut(&number) else { return };
            match recv(&sender.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) => {
                    sender.heard = Instant::now();
                    if let Some(route) = routes.get(sender.place) {
                        let _ = sendto(route.socket, &self.buffer[..length], SendFlags::DONTWAIT, &sender.address);
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Nobody listens there: who sends again asks again.
                Err(_) => return self.forget(number),
            }
        }
    }

    pub(super) fn forget_silent(&mut self, now: Instant) {
        let silent = |sender: &Sender| now.saturating_duration_since(sender.heard) > SILENCE;
        let gone: Vec<u64> = self.all.iter().filter(|(_, sender)| silent(sender)).map(|(number, _)| *number).collect();
        gone.into_iter().for_each(|number| self.forget(number));
    }

    fn forget(&mut self, number: u64) {
        if let Some(sender) = self.all.remove(&number) {
            self.numbers.remove(&(sender.place, sender.address));
        }
    }
}
