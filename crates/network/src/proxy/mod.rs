//! Carries what comes to a published port of this machine's own to a container: from loopback addresses, from this machine
//! itself, and from containers. (What comes by other devices is sent on by nf_tables, and never gets here.)
//!
//! One process of one thread, which waits for everything at once. Bytes of connections go from socket to socket inside the
//! kernel; everything has a limit:
//!
//! ```text
//! connections      as many as there are descriptors; then nobody is let in until one ends
//! bytes on the way one pipe for each direction, only while something is in it
//! datagrams        a socket for each sender, at most MOST_SENDERS, gone after SILENCE
//! ```

mod tcp;
mod udp;

use crate::{Protocol, Published};
use error::{Error, Result, ResultExt};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tcp::{Connection, Pipes, State};
use udp::Senders;

/// How long nobody may be there until the process is not needed any more.
const IDLE: Duration = Duration::from_secs(10);

/// How many connections one wake-up lets in, and how often one is served before it is another's turn.
const AT_A_TIME: usize = 64;

/// A socket of this machine, and where what comes to it goes.
#[derive(Debug)]
pub struct Route<'a> {
    /// Bound; it listens, if it is one for connections.
    pub socket: BorrowedFd<'a>,
    /// Of what it is.
    pub protocol: Protocol,
    /// The container's.
    pub target: SocketAddr,
}

/// Where what comes to that published port goes: to the container's address of the same family, if it has one.
pub fn target(port: &Published, socket_is_ipv4: bool, addresses: &[IpAddr]) -> Option<SocketAddr> {
    let same = addresses.iter().find(|address| address.is_ipv4() == socket_is_ipv4);
    same.or(addresses.first()).map(|address| SocketAddr::new(*address, port.container_port))
}

/// What is waited for: listening sockets by their place, then both ends of connections, then senders' sockets.
const FIRST_CONNECTION: u64 = 1 << 32;
const FIRST_SENDER: u64 = 1 << 62;

struct Proxy<'a> {
    routes: &'a [Route<'a>],
    epoll: OwnedFd,
    connections: HashMap<u64, Connection>,
    next: u64,
    pipes: Pipes,
    senders: Senders,
    /// Were listening sockets left alone for want of descriptors?
    is_full: bool,
    /// Connections that had more to say when it was another's turn.
    again: Vec<u64>,
}

/// Carries until nobody has been there for a while.
///
/// # Errors
/// When nothing can be waited for.
pub fn serve(routes: &[Route<'_>]) -> Result<()> {
    let words = || "can't carry what comes to published ports";
    // A connection needs two descriptors, and more while it carries. With fewer there are fewer connections.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let create = epoll::create(epoll::CreateFlags::CLOEXEC);
    let mut proxy = Proxy {
        routes,
        epoll: create.map_err(std::io::Error::from).context(words)?,
        connections: HashMap::new(),
        next: 0,
        pipes: Pipes::default(),
        senders: Senders::default(),
        is_full: false,
        again: Vec::new(),
    };
    proxy.listen(true).map_err(std::io::Error::from).context(words)?;
    let mut idle_since = Instant::now();
    let mut events = Vec::with_capacity(AT_A_TIME);
    loop {
        let limit = if proxy.again.is_empty() { Duration::from_secs(1) } else { Duration::ZERO };
        let limit = Timespec::try_from(limit).map_err(|_| Error::invalid("a second is no time"))?;
        events.clear();
        match epoll::wait(&proxy.epoll, spare_capacity(&mut events), Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
        for place in std::mem::take(&mut proxy.again) {
            proxy.carry(place);
        }
        for event in &events {
            proxy.happened(event.data.u64());
        }
        proxy.senders.forget_silent(Instant::now());
        if !proxy.connections.is_empty() || !proxy.senders.is_empty() || !events.is_empty() {
            idle_since = Instant::now();
        } else if proxy.is_full {
            // It was others who had all descriptors: there is nobody here whose end could be waited for.
            proxy.listen(true).map_err(std::io::Error::from).context(words)?;
        } else if idle_since.elapsed() > IDLE {
            return Ok(());
        }
    }
}

impl Proxy<'_> {
    fn happened(&mut self, data: u64) {
        match data {
            FIRST_SENDER.. => self.senders.answer(data - FIRST_SENDER, self.routes),
            FIRST_CONNECTION.. => self.carry((data - FIRST_CONNECTION) / 2),
            place => self.come_in(usize::try_from(place).unwrap_or(usize::MAX)),
        }
    }

    /// Waits for the listening sockets, or leaves them alone.
    fn listen(&mut self, listens: bool) -> Result<(), Errno> {
        for (place, route) in (0_u64..).zip(self.routes) {
            let data = epoll::EventData::new_u64(place);
            if listens {
                epoll::add(&self.epoll, route.socket, data, epoll::EventFlags::IN)?;
            } else {
                epoll::delete(&self.epoll, route.socket)?;
            }
        }
        self.is_full = !listens;
        Ok(())
    }

    fn come_in(&mut self, place: usize) {
        let Some(route) = self.routes.get(place) else { return };
        if route.protocol == Protocol::Udp {
            self.senders.take(place, route, self.epoll.as_fd());
            return;
        }
        for _ in 0..AT_A_TIME {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match acceptfrom_with(route.socket, flags) {
                Ok((client, _)) => self.begin(client, route.target),
                // Until a connection ends there is nothing to be done for more.
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // A failure is that of a descriptor which is not waited for: the next look tries again.
                    let _ = self.listen(false);
                    return;
                }
                // Nobody any more, or one who gave up.
                Err(_) => return,
            }
        }
    }

    /// A client that cannot be carried hears it by a reset.
    fn begin(&mut self, client: OwnedFd, target: SocketAddr) {
        let connection = match Connection::begin(client, target) {
            Ok(connection) => connection,
            Err(client) => return tcp::reset(&client),
        };
        let place = self.next;
        self.next += 1;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        for (end, socket) in (0..).zip(connection.sockets()) {
            let data = epoll::EventData::new_u64(FIRST_CONNECTION + place * 2 + end);
            if epoll::add(&self.epoll, socket, data, flags).is_err() {
                return connection.abort();
            }
        }
        self.connections.insert(place, connection);
    }

    fn carry(&mut self, place: u64) {
        let Some(connection) = self.connections.get_mut(&place) else { return };
        match connection.carry(&mut self.pipes, AT_A_TIME) {
            State::Waits => return,
            State::HasMore => return self.again.push(place),
            State::Over => {}
            State::Broken => {
                if let Some(connection) = self.connections.remove(&place) {
                    connection.abort();
                }
            }
        }
        // Its descriptors go with it, and out of what is waited for.
        self.connections.remove(&place);
        if self.is_full {
            // What fails for want of memory is tried again when the next one ends, or nobody is left.
            let _ = self.listen(true);
        }
    }
}
