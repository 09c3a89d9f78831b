//! A network namespace gets connected: bridges, addresses, what becomes of packets, published ports.
//!
//! All of it is kernel objects; who has which address, and which container is on which network, is written down elsewhere
//! (`engine::networks`). A network has one bridge and one table of nf_tables, both of the same name:
//!
//! ```text
//!  container            host
//!  eth0 ──(pair)── isov7 ─┐
//!  eth0 ──(pair)── isov8 ─┴─ isolazi-0a1b2c3   the bridge, with the gateways' addresses
//!                            table inet isolazi-0a1b2c3
//!                              maps   published ports → address and port of a container
//!                              chains what comes in goes to whom it is published for; what goes out looks as if it came
//!                                     from this machine; no other way leads in
//! ```
//! The pair goes with the container's namespace, whatever became of those who made it; the bridge and the table go with
//! the last container of their network.
#![cfg(target_os = "linux")]

mod bridge;
mod choice;
mod cidr;
pub mod dns;
mod endpoint;
mod ports;
pub mod proxy;
mod rules;

pub use bridge::{Bridge, Subnet, prepare, remove};
pub use choice::choose;
pub use cidr::Cidr;
pub use endpoint::{Endpoint, attach, mac_of};
pub use ports::{Protocol, Published, Reserved, reserve};
pub use rules::{publish, withdraw};
