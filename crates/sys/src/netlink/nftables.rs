//! nf_tables: what becomes of packets. Orders are gathered in a batch, which the kernel obeys wholly or not at all.
//!
//! Numbers are those of linux/netfilter/nf_tables.h; in attributes they are big-endian, in registers as the packet or the
//! machine has them.

use super::Conversation;
use super::message::{append, nest, push, push_text};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

/// `NFNL_SUBSYS_NFTABLES` in the upper byte of a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// `NFT_MSG_*`
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const DELETE_ELEMENT: u16 = 14;

/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;

/// `NFTA_LIST_ELEM`
const LIST_ELEMENT: u16 = 1;

/// `NFT_REG_VERDICT`, and the first of sixteen registers of four bytes each.
const VERDICT: u32 = 0;
const REGISTER: u32 = 8;

/// Where in its way a chain sees a packet, and after whom.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    /// `nat` or `filter`.
    pub kind: &'static str,
    /// `NF_INET_*`.
    pub point: Point,
    /// Smaller is earlier.
    pub priority: i32,
}

/// `NF_INET_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before it is known where a packet goes.
    PreRouting = 0,
    /// To this machine.
    Input = 1,
    /// Through this machine.
    Forward = 2,
    /// From this machine.
    Output = 3,
    /// On its way out.
    PostRouting = 4,
}

/// A set of keys, or a map of keys to values. Their parts are padded to four bytes each.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    /// Its name in the table.
    pub name: &'static str,
    /// What a key is made of.
    pub key: &'static [Field],
    /// What a value is made of; nothing in a set.
    pub value: &'static [Field],
    /// Keys are ends of intervals.
    pub intervals: bool,
}

/// A part of a key or value; the numbers are those of the program `nft`, which shows the set by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Four bytes.
    Ipv4 = 7,
    /// Sixteen bytes.
    Ipv6 = 8,
    /// One byte.
    Protocol = 12,
    /// Two bytes.
    Port = 13,
    /// Sixteen bytes.
    Device = 41,
}

impl Field {
    /// Bytes, padded.
    fn bytes(self) -> u32 {
        match self {
            Self::Ipv4 | Self::Protocol | Self::Port => 4,
            Self::Ipv6 | Self::Device => 16,
        }
    }
}

/// A key and its value, which is empty in a set.
pub type Element = (Vec<u8>, Vec<u8>);

/// One step of a rule: it goes on to the next one, or the packet is not meant.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// Register ← a fact about the packet: `NFT_META_*`.
    Meta(u32, Fact),
    /// Register ← so many bytes of a header, from there on.
    Load(u32, Header, u32, u32),
    /// Register ← what kind of address the packet goes to: `RTN_*`, with this kind of route alone.
    KindOfDestination(u32),
    /// Register ← the state of the packet's connection, a bit for each.
    ConnectionState(u32),
    /// Register ← the status of the packet's connection, a bit for each.
    ConnectionStatus(u32),
    /// Register ← these bytes.
    Put(u32, &'a [u8]),
    /// Keeps those bits of what the registers hold from there on, in the order of the bytes.
    Mask(u32, &'a [u8]),
    /// Goes on if the register begins so.
    Is(u32, &'a [u8]),
    /// Goes on if it does not.
    IsNot(u32, &'a [u8]),
    /// Goes on if what the registers hold from there on is in the set.
    In(&'static str, u32),
    /// Goes on if it is not.
    NotIn(&'static str, u32),
    /// The same in a map; register ← its value.
    Map(&'static str, u32, u32),
    /// Sends the packet to the address and port in these registers; of that family.
    Redirect {
        /// Is the address one of IPv6?
        v6: bool,
        /// The register of the address.
        address: u32,
        /// The register of the port.
        port: u32,
    },
    /// Lets it look as if it came from here.
    Masquerade,
    /// Lets it pass this chain.
    Accept,
    /// It goes nowhere.
    Drop,
}

/// `NFT_META_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The name of the device it came in by: 16 bytes.
    InputDevice = 6,
    /// And leaves by.
    OutputDevice = 7,
    /// `NFPROTO_*`: one byte.
    Family = 15,
    /// `IPPROTO_*`: one byte.
    Protocol = 16,
}

/// `NFT_PAYLOAD_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// That of IP.
    Network = 1,
    /// That of TCP, UDP and their like.
    Transport = 2,
}

/// The register with that place, of 0 to 15.
pub const fn register(place: u32) -> u32 {
    REGISTER + place
}

/// Orders about one table, which the kernel obeys wholly or not at all.
#[derive(Debug)]
pub struct Batch<'a> {
    table: &'a str,
    orders: Vec<(u16, i32, Vec<u8>)>,
}

impl<'a> Batch<'a> {
    /// Nothing yet.
    pub fn new(table: &'a str) -> Self {
        Self { table, orders: Vec::new() }
    }

    /// Is there nothing to be done?
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Makes the table; one that is there stays as it is.
    pub fn table(&mut self) {
        let body = self.begin();
        self.orders.push((NEW_TABLE, libc::NLM_F_CREATE, body));
    }

    /// Removes the table with all that is in it; `ENOENT` when there is none.
    pub fn remove_table(&mut self) {
        let body = self.begin();
        self.orders.push((DELETE_TABLE, 0, body));
    }

    /// Makes a chain, which accepts what no rule of it drops.
    pub fn chain(&mut self, name: &str, hook: Option<Hook>) {
        let mut body = self.begin();
        push_text(&mut body, 3, name);
        if let Some(hook) = hook {
            nest(&mut body, 4, |body| {
                push_number(body, 1, hook.point as u32);
                push(body, 2, &hook.priority.to_be_bytes());
            });
            push_text(&mut body, 7, hook.kind);
        }
        self.orders.push((NEW_CHAIN, libc::NLM_F_CREATE, body));
    }

    /// Adds a rule to the end of a chain.
    pub fn rule(&mut self, chain: &str, steps: &[Step<'_>]) {
        let mut body = self.begin();
        push_text(&mut body, 2, chain);
        nest(&mut body, 4, |body| {
            for step in steps {
                nest(body, LIST_ELEMENT, |body| expression(body, step));
            }
        });
        self.orders.push((NEW_RULE, libc::NLM_F_CREATE | libc::NLM_F_APPEND, body));
    }

    /// Makes a set or a map.
    pub fn set(&mut self, set: &Set) {
        const INTERVAL: u32 = 0x4;
        const MAP: u32 = 0x8;
        let mut body = self.begin();
        push_text(&mut body, 2, set.name);
        let flags = (u32::from(set.intervals) * INTERVAL) | (u32::from(!set.value.is_empty()) * MAP);
        push_number(&mut body, 3, flags);
        push_number(&mut body, 4, kind_of(set.key));
        push_number(&mut body, 5, length_of(set.key));
        if !set.value.is_empty() {
            push_number(&mut body, 6, kind_of(set.value));
            push_number(&mut body, 7, length_of(set.value));
        }
        // Any number will do that no other set of this batch has.
        push_number(&mut body, 10, u32::try_from(self.orders.len()).unwrap_or(u32::MAX));
        self.orders.push((NEW_SET, libc::NLM_F_CREATE, body));
    }

    /// Adds an element; `EEXIST` when the key has another value, or is there and `must_be_new`.
    pub fn add(&mut self, set: &str, key: &[u8], value: &[u8], must_be_new: bool) {
        let body = self.element(set, &[(key, value, false)]);
        let flags = libc::NLM_F_CREATE | if must_be_new { libc::NLM_F_EXCL } else { 0 };
        self.orders.push((NEW_ELEMENT, flags, body));
    }

    /// Adds all keys from one to the one before `end`.
    pub fn add_interval(&mut self, set: &str, begin: &[u8], end: &[u8]) {
        let body = self.element(set, &[(begin, &[], false), (end, &[], true)]);
        self.orders.push((NEW_ELEMENT, libc::NLM_F_CREATE, body));
    }

    /// Removes an element; `ENOENT` when it is not there.
    pub fn remove(&mut self, set: &str, key: &[u8]) {
        let body = self.element(set, &[(key, &[], false)]);
        self.orders.push((DELETE_ELEMENT, 0, body));
    }

    /// Removes an interval.
    pub fn remove_interval(&mut self, set: &str, begin: &[u8], end: &[u8]) {
        let body = self.element(set, &[(begin, &[], false), (end, &[], true)]);
        self.orders.push((DELETE_ELEMENT, 0, body));
    }

    fn element(&self, set: &str, elements: &[(&[u8], &[u8], bool)]) -> Vec<u8> {
        let mut body = self.begin();
        push_text(&mut body, 2, set);
        nest(&mut body, 3, |body| {
            for (key, value, is_end) in elements {
                nest(body, LIST_ELEMENT, |body| {
                    nest(body, 1, |body| push(body, 1, key));
                    if !value.is_empty() {
                        nest(body, 2, |body| push(body, 1, value));
                    }
                    if *is_end {
                        push_number(body, 3, 1);
                    }
                });
            }
        });
        body
    }

    /// An `nfgenmsg`, and the table: in all orders it is the first attribute.
    fn begin(&self) -> Vec<u8> {
        let mut body = vec![INET, 0, 0, 0];
        push_text(&mut body, 1, self.table);
        body
    }
}

/// A conversation with the kernel about the packets of one network namespace.
#[derive(Debug)]
pub struct Nftables(Conversation);

impl Nftables {
    /// About the network namespace of this thread.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` when the kernel has no netfilter.
    pub fn open() -> Result<Self, Errno> {
        Ok(Self(Conversation::open(Some(NETFILTER))?))
    }

    /// Does all of it, or nothing.
    ///
    /// # Errors
    /// That of the first order that cannot be obeyed.
    pub fn commit(&mut self, batch: Batch<'_>) -> Result<(), Errno> {
        let mut bytes = Vec::new();
        // Subsystem 10 is whom the batch is for.
        let bracket = [0, 0, 0, 10];
        append(&mut bytes, BATCH_BEGIN, 0, self.0.next_sequence(), &bracket)?;
        let count = batch.orders.len();
        for (place, (kind, flags, body)) in batch.orders.into_iter().enumerate() {
            // An order that fails is always answered; the last one is when all went well.
            let acknowledge = if place + 1 == count { libc::NLM_F_ACK } else { 0 };
            append(&mut bytes, SUBSYSTEM | kind, flags | acknowledge, self.0.next_sequence(), &body)?;
        }
        let last = self.0.sequence();
        append(&mut bytes, BATCH_END, 0, self.0.next_sequence(), &bracket)?;
        self.0.send_batch(&bytes, last)
    }

    /// The keys, and the values, of a set; `ENOENT` when there is none.
    pub fn elements(&mut self, table: &str, set: &str) -> Result<Vec<Element>, Errno> {
        use super::message::Attributes;
        let mut body = vec![INET, 0, 0, 0];
        push_text(&mut body, 1, table);
        push_text(&mut body, 2, set);
        let data = |bytes: &[u8]| Attributes(bytes).next().map(|(_, value)| value.to_owned()).unwrap_or_default();
        let mut found = Vec::new();
        let flags = libc::NLM_F_ROOT | libc::NLM_F_MATCH;
        self.0.ask(SUBSYSTEM | GET_ELEMENTS, flags, &body, |_, body| {
            let lists = Attributes(body.get(4..).unwrap_or_default()).filter(|(kind, _)| kind & 0x3fff == 3);
            for (_, element) in lists.flat_map(|(_, list)| Attributes(list)) {
                let part = |wanted| {
                    let part = Attributes(element).find(|(kind, _)| kind & 0x3fff == wanted);
                    part.map(|(_, value)| data(value)).unwrap_or_default()
                };
                found.push((part(1), part(2)));
            }
        })?;
        Ok(found)
    }
}

/// Six bits for each part, the last one lowest (`concat_subtype_add` of nft).
fn kind_of(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |kind, field| kind << 6 | *field as u32)
}

fn length_of(fields: &[Field]) -> u32 {
    match fields {
        // Alone it is not padded.
        [Field::Protocol] => 1,
        [Field::Port] => 2,
        _ => fields.iter().map(|field| field.bytes()).sum(),
    }
}

fn push_number(body: &mut Vec<u8>, kind: u16, number: u32) {
    push(body, kind, &number.to_be_bytes());
}

fn expression(body: &mut Vec<u8>, step: &Step<'_>) {
    // Direction: to a register from a set of numbered attributes.
    let mut make = |name: &str, fill: &dyn Fn(&mut Vec<u8>)| {
        push_text(body, 1, name);
        nest(body, 2, |body| fill(body));
    };
    let compare = |body: &mut Vec<u8>, register, operation, value: &[u8]| {
        push_number(body, 1, register);
        push_number(body, 2, operation);
        nest(body, 3, |body| push(body, 1, value));
    };
    let look_up = |body: &mut Vec<u8>, set: &str, source, inverted: bool| {
        push_text(body, 1, set);
        push_number(body, 2, source);
        push_number(body, 5, inverted.into());
    };
    let numbers = |body: &mut Vec<u8>, numbers: &[(u16, u32)]| {
        numbers.iter().for_each(|(kind, number)| push_number(body, *kind, *number));
    };
    match *step {
        Step::Meta(to, fact) => make("meta", &|body| numbers(body, &[(1, to), (2, fact as u32)])),
        Step::Load(to, header, offset, length) => {
            make("payload", &|body| numbers(body, &[(1, to), (2, header as u32), (3, offset), (4, length)]));
        }
        // Result: the kind of address; flag: of the destination.
        Step::KindOfDestination(to) => make("fib", &|body| numbers(body, &[(1, to), (2, 3), (3, 2)])),
        Step::ConnectionState(to) => make("ct", &|body| numbers(body, &[(1, to), (2, 0)])),
        Step::ConnectionStatus(to) => make("ct", &|body| numbers(body, &[(1, to), (2, 2)])),
        Step::Put(to, value) => make("immediate", &|body| {
            push_number(body, 1, to);
            nest(body, 2, |body| push(body, 1, value));
        }),
        Step::Mask(register, mask) => make("bitwise", &|body| {
            numbers(body, &[(1, register), (2, register)]);
            push_number(body, 3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            nest(body, 4, |body| push(body, 1, mask));
            nest(body, 5, |body| push(body, 1, &vec![0; mask.len()]));
        }),
        Step::Is(register, value) => make("cmp", &|body| compare(body, register, 0, value)),
        Step::IsNot(register, value) => make("cmp", &|body| compare(body, register, 1, value)),
        Step::In(set, source) => make("lookup", &|body| look_up(body, set, source, false)),
        Step::NotIn(set, source) => make("lookup", &|body| look_up(body, set, source, true)),
        Step::Map(set, source, to) => make("lookup", &|body| {
            push_text(body, 1, set);
            push_number(body, 2, source);
            push_number(body, 3, to);
        }),
        Step::Redirect { v6, address, port } => make("nat", &|body| {
            let family = if v6 { libc::NFPROTO_IPV6 } else { libc::NFPROTO_IPV4 };
            // Type 1 changes the destination.
            numbers(body, &[(1, 1), (2, family.unsigned_abs()), (3, address), (5, port)]);
        }),
        Step::Masquerade => make("masq", &|_| {}),
        Step::Accept => make("immediate", &|body| verdict(body, libc::NF_ACCEPT)),
        Step::Drop => make("immediate", &|body| verdict(body, libc::NF_DROP)),
    }
}

fn verdict(body: &mut Vec<u8>, code: i32) {
    push_number(body, 1, VERDICT);
    nest(body, 2, |body| nest(body, 2, |body| push(body, 1, &code.to_be_bytes())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{leave_namespaces, namespace};

    const PORTS: Set = Set {
        name: "ports",
        key: &[Field::Protocol, Field::Port],
        value: &[Field::Ipv4, Field::Port],
        intervals: false,
    };

    #[test]
    fn a_table_is_made_whole_or_not_at_all_and_removed() {
        let elements = std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                leave_namespaces(namespace::NETWORK).unwrap();
                let mut kernel = Nftables::open().unwrap();
                let mut batch = Batch::new("t");
                batch.table();
                batch.set(&PORTS);
                batch.set(&Set { name: "inside", key: &[Field::Ipv4], value: &[], intervals: true });
                batch.set(&Set { name: "ours", key: &[Field::Device], value: &[], intervals: false });
                batch.chain("pre", Some(Hook { kind: "nat", point: Point::PreRouting, priority: -100 }));
                batch.chain("post", Some(Hook { kind: "nat", point: Point::PostRouting, priority: 100 }));
                batch.chain("through", Some(Hook { kind: "filter", point: Point::Forward, priority: 0 }));
                let r = register(0);
                batch.rule(
                    "pre",
                    &[
                        Step::Meta(r, Fact::Family),
                        Step::Is(r, &[2]),
                        Step::KindOfDestination(r),
                        Step::Is(r, &2_u32.to_ne_bytes()),
                        Step::Meta(r, Fact::Protocol),
                        Step::Load(register(1), Header::Transport, 2, 2),
                        Step::Map("ports", r, r),
                        Step::Redirect { v6: false, address: r, port: register(1) },
                    ],
                );
                batch.rule(
                    "post",
                    &[
                        Step::Meta(r, Fact::Family),
                        Step::Is(r, &[2]),
                        Step::Load(r, Header::Network, 12, 4),
                        Step::In("inside", r),
                        Step::Meta(r, Fact::OutputDevice),
                        Step::IsNot(r, b"isolazi"),
                        Step::Masquerade,
                    ],
                );
                batch.rule(
                    "through",
                    &[
                        Step::ConnectionState(r),
                        Step::Mask(r, &6_u32.to_ne_bytes()),
                        Step::IsNot(r, &[0; 4]),
                        Step::Accept,
                    ],
                );
                batch.rule(
                    "through",
                    &[
                        Step::ConnectionStatus(r),
                        Step::Mask(r, &32_u32.to_ne_bytes()),
                        Step::IsNot(r, &[0; 4]),
                        Step::Accept,
                    ],
                );
                batch.rule("through", &[Step::Meta(r, Fact::InputDevice), Step::NotIn("ours", r), Step::Drop]);
                kernel.commit(batch).unwrap();

                let (key, value) = ([6, 0, 0, 0, 0x1f, 0x90, 0, 0], [10, 0, 0, 2, 0, 80, 0, 0]);
                let mut batch = Batch::new("t");
                batch.add("ports", &key, &value, true);
                batch.add_interval("inside", &[10, 0, 0, 0], &[10, 0, 1, 0]);
                batch.add("ours", b"isolazi0\0\0\0\0\0\0\0\0", &[], false);
                kernel.commit(batch).unwrap();
                // Of two orders, one cannot be obeyed: neither is.
                let mut batch = Batch::new("t");
                batch.add("ports", &[17, 0, 0, 0, 0, 53, 0, 0], &value, true);
                batch.add("ports", &key, &value, true);
                assert_eq!(kernel.commit(batch), Err(Errno::EXIST));
                let elements = kernel.elements("t", "ports").unwrap();
                let mut batch = Batch::new("t");
                batch.remove("ports", &key);
                batch.remove_interval("inside", &[10, 0, 0, 0], &[10, 0, 1, 0]);
                kernel.commit(batch).unwrap();
                assert_eq!(kernel.elements("t", "ports").unwrap(), []);
                let mut batch = Batch::new("t");
                batch.remove_table();
                kernel.commit(batch).unwrap();
                assert_eq!(kernel.elements("t", "ports"), Err(Errno::NOENT));
                elements
            });
            there.join().unwrap()
        });
        assert_eq!(elements, [(vec![6, 0, 0, 0, 0x1f, 0x90, 0, 0], vec![10, 0, 0, 2, 0, 80, 0, 0])]);
    }
}
