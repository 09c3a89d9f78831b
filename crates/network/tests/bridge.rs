//! What gets through a bridge, and what does not: on namespaces that stand for machines.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Machine;
use network::{Bridge, Endpoint, Protocol, Published, Subnet};
use std::net::IpAddr;
use sys::netlink::Route;

fn bridge(name: &str, subnets: &[&str]) -> Bridge {
    let subnet = |text: &&str| {
        let subnet: network::Cidr = text.parse().unwrap();
        Subnet { subnet, gateway: subnet.nth(1).unwrap(), range: None }
    };
    Bridge { name: name.to_owned(), subnets: subnets.iter().map(subnet).collect(), internal: false, mtu: 1500 }
}

/// A container with the second address of each subnet.
fn container(host: &Machine, bridge: &Bridge, number: u128) -> Machine {
    let machine = Machine::new();
    let address = |subnet: &Subnet| subnet.subnet.nth(number).unwrap();
    let endpoint = Endpoint {
        bridge: bridge.name.clone(),
        mtu: bridge.mtu,
        device: "eth0".to_owned(),
        mac: network::mac_of(address(&bridge.subnets[0])),
        addresses: bridge.subnets.iter().map(|subnet| (address(subnet), subnet.subnet.prefix)).collect(),
        gateways: bridge.subnets.iter().map(|subnet| subnet.gateway).collect(),
    };
    host.does(|| {
        let mut route = Route::open().unwrap();
        let index = network::prepare(bridge, &mut route).unwrap();
        network::attach(&endpoint, index, &mut route, machine.namespace()).unwrap();
    });
    machine
}

/// A machine with a neighbour that knows the way to its containers.
fn neighbours() -> (Machine, Machine) {
    let (host, client) = (Machine::new(), Machine::new());
    host.wire("wan", "192.0.2.1", &client, "wan", "192.0.2.9");
    host.wire("wan6", "2001:db8::1", &client, "wan6", "2001:db8::9");
    client.goes_by("wan", "192.0.2.1");
    client.goes_by("wan6", "2001:db8::1");
    (host, client)
}

#[test]
fn a_published_port_leads_in_and_the_way_out_is_open() {
    let (host, client) = neighbours();
    let bridge = bridge("isolazi-test", &["10.77.0.0/24", "fd77::/64"]);
    let web = container(&host, &bridge, 2);
    web.serves(80);
    client.serves(443);
    let addresses: [IpAddr; 2] = ["10.77.0.2".parse().unwrap(), "fd77::2".parse().unwrap()];
    let port = |host_ip: Option<&str>, host_port| Published {
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        host_port,
        container_port: 80,
        protocol: Protocol::Tcp,
    };
    let ports = [port(None, 8080), port(Some("192.0.2.1"), 8081), port(Some("2001:db8::1"), 8081)];
    host.does(|| network::publish("isolazi-test", &ports, &addresses).unwrap());
    let taken = host.does(|| network::publish("isolazi-test", &ports[1..2], &addresses).unwrap_err());
    assert_eq!(taken.kind, error::Kind::AlreadyExists, "{taken}");

    // With the client's own address.
    for place in ["192.0.2.1:8080", "192.0.2.1:8081"] {
        assert_eq!(client.hears(place).as_deref(), Some("192.0.2.9"), "{place}");
    }
    for place in ["[2001:db8::1]:8080", "[2001:db8::1]:8081"] {
        assert_eq!(client.hears(place).as_deref(), Some("2001:db8::9"), "{place}");
    }
    // The machine itself reaches its container; a neighbour who knows the way does not.
    assert_eq!(host.hears("10.77.0.2:80").as_deref(), Some("10.77.0.1"));
    assert_eq!(client.hears("10.77.0.2:80"), None);
    assert_eq!(client.hears("[fd77::2]:80"), None);
    // What goes out looks as if it came from the machine.
    assert_eq!(web.hears("192.0.2.9:443").as_deref(), Some("192.0.2.1"));
    assert_eq!(web.hears("[2001:db8::9]:443").as_deref(), Some("2001:db8::1"));

    host.does(|| network::withdraw("isolazi-test", &ports, &addresses).unwrap());
    host.does(|| network::withdraw("isolazi-test", &ports, &addresses).unwrap());
    assert_eq!(client.hears("192.0.2.1:8080"), None);
    host.does(|| {
        network::remove("isolazi-test").unwrap();
        network::remove("isolazi-test").unwrap();
        let devices = Route::open().unwrap().devices().unwrap();
        assert!(devices.iter().all(|device| !device.name.starts_with("isolazi")), "{devices:?}");
    });
}

#[test]
fn networks_do_not_meet_and_an_internal_one_has_no_way_out() {
    let (host, client) = neighbours();
    client.serves(443);
    let (one, other) = (bridge("isolazi-one", &["10.1.0.0/24"]), bridge("isolazi-two", &["10.2.0.0/24"]));
    let inner = Bridge { internal: true, ..bridge("isolazi-in", &["10.3.0.0/24"]) };
    let (a, b, c) = (container(&host, &one, 2), container(&host, &one, 3), container(&host, &other, 2));
    let (d, e) = (container(&host, &inner, 2), container(&host, &inner, 3));
    for machine in [&a, &b, &c, &d, &e] {
        machine.serves(80);
    }
    assert_eq!(a.hears("10.1.0.3:80").as_deref(), Some("10.1.0.2"));
    assert_eq!(d.hears("10.3.0.3:80").as_deref(), Some("10.3.0.2"));
    for (from, to) in [(&a, "10.2.0.2:80"), (&c, "10.1.0.2:80"), (&a, "10.3.0.2:80"), (&d, "10.1.0.2:80")] {
        assert_eq!(from.hears(to), None, "{to}");
    }
    assert_eq!(a.hears("192.0.2.9:443").as_deref(), Some("192.0.2.1"));
    assert_eq!(d.hears("192.0.2.9:443"), None);
}

#[test]
fn a_pair_goes_with_its_container() {
    let host = Machine::new();
    let bridge = bridge("isolazi-gone", &["10.5.0.0/24"]);
    let first = container(&host, &bridge, 2);
    let members = || {
        host.does(|| {
            let devices = Route::open().unwrap().devices().unwrap();
            let bridge = devices.iter().find(|device| device.name == "isolazi-gone").unwrap().index;
            devices.iter().filter(|device| device.bridge == bridge).count()
        })
    };
    let _second = container(&host, &bridge, 3);
    assert_eq!(members(), 2);
    drop(first);
    let begin = std::time::Instant::now();
    while members() != 1 {
        assert!(begin.elapsed().as_secs() < 20);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The same address again, at once.
    container(&host, &bridge, 2);
}
