//! Network namespaces as machines: whatever a test does happens in those, and goes with them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use rustix::fd::AsFd;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use sys::netlink::{Pair, Route};
use sys::process::{enter_namespaces, leave_namespaces, namespace};

/// What is dropped on its way is not waited for any longer.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// A machine of its own.
pub struct Machine(File);

impl Machine {
    pub fn new() -> Self {
        let there = std::thread::spawn(|| {
            leave_namespaces(namespace::NETWORK).unwrap();
            Route::open().unwrap().take_up(1).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(there.join().unwrap())
    }

    /// Does it there.
    pub fn does<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                enter_namespaces(self.0.as_fd(), namespace::NETWORK).unwrap();
                act()
            });
            there.join().unwrap()
        })
    }

    pub fn namespace(&self) -> rustix::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// A cable to another one; both have that device, and an address on it.
    pub fn wire(&self, device: &str, address: &str, other: &Self, peer: &str, peer_address: &str) {
        self.does(|| {
            let mut route = Route::open().unwrap();
            let pair = Pair {
                name: device,
                bridge: 0,
                mtu: 1500,
                peer_namespace: other.namespace(),
                peer_name: peer,
                peer_mac: network::mac_of(peer_address.parse().unwrap()),
            };
            route.add_pair(&pair).unwrap();
        });
        self.address(device, address);
        other.address(peer, peer_address);
    }

    fn address(&self, device: &str, address: &str) {
        let address: IpAddr = address.parse().unwrap();
        self.does(|| {
            let mut route = Route::open().unwrap();
            let index = route.find(device).unwrap().unwrap().index;
            route.take_up(index).unwrap();
            route.add_ip(index, address, if address.is_ipv4() { 24 } else { 64 }).unwrap();
        });
    }

    /// Everything else goes by that one.
    pub fn goes_by(&self, device: &str, gateway: &str) {
        self.does(|| {
            let mut route = Route::open().unwrap();
            let index = route.find(device).unwrap().unwrap().index;
            route.add_default_route(index, gateway.parse().unwrap()).unwrap();
        });
    }

    /// Tells everybody who connects what his address is; for as long as the process lives.
    pub fn serves(&self, port: u16) {
        let listener = self.does(|| TcpListener::bind(("::", port)).unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let peer = connection.peer_addr().unwrap().ip().to_canonical();
                // Whoever has gone away hears nothing.
                let _ = connection.write_all(peer.to_string().as_bytes());
            }
        });
    }

    /// What is said there to who connects from here; `None` when nobody can be reached.
    pub fn hears(&self, address: &str) -> Option<String> {
        let address: SocketAddr = address.parse().unwrap();
        self.does(|| {
            let mut connection = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
            connection.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut text = String::new();
            connection.read_to_string(&mut text).ok()?;
            Some(text)
        })
    }
}
