//! Network devices that move: real ones, between namespaces of the tests' own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use error::Kind;
use oci::runtime::NetDevice;
use runtime::net_devices::move_in;
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeMap;
use std::process::Command;
use sys::process::{enter_namespaces, leave_namespaces, namespace};

/// Does it in a thread in a new network namespace, which stands for the host's, with a second one for the container.
fn between_namespaces<T: Send>(act: impl FnOnce(OwnedFd) -> T + Send) -> T {
    let fresh = || {
        leave_namespaces(namespace::NETWORK).unwrap();
        OwnedFd::from(std::fs::File::open("/proc/thread-self/ns/net").unwrap())
    };
    std::thread::scope(|scope| {
        let container = scope.spawn(fresh).join().unwrap();
        let host = scope.spawn(move || {
            fresh();
            act(container)
        });
        host.join().unwrap()
    })
}

/// `ip` in this thread's namespace.
#[track_caller]
fn ip(line: &str) -> String {
    let output = Command::new("ip").args(line.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `ip` in the other namespace.
#[track_caller]
fn ip_in(namespace: impl AsFd, line: &str) -> String {
    let namespace = namespace.as_fd();
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            enter_namespaces(namespace, namespace::NETWORK).unwrap();
            ip(line)
        });
        there.join().unwrap()
    })
}

fn devices(pairs: &[(&str, &str)]) -> BTreeMap<String, NetDevice> {
    pairs.iter().map(|&(name, target)| (name.to_owned(), NetDevice { name: target.to_owned() })).collect()
}

/// The names of all devices but the loopback one.
fn names(listing: &str) -> Vec<&str> {
    listing.lines().filter_map(|line| line.split([' ', '@']).next()).filter(|name| *name != "lo").collect()
}

/// The addresses of a device as `ip -o addr` has them: family, address, and what follows up to the scope.
fn addresses(listing: &str) -> Vec<String> {
    let address = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().skip(2).take_while(|word| *word != "scope").collect();
        words.join(" ")
    };
    listing.lines().map(address).collect()
}

#[test]
fn a_device_keeps_its_permanent_global_addresses_its_size_and_its_hardware_address_and_is_up() {
    between_namespaces(|container| {
        ip("link add eth7 type veth peer name peer7");
        ip("link set eth7 address 02:00:00:00:00:07 mtu 1400 up");
        ip("link set peer7 up");
        ip("addr add 10.7.0.1/24 broadcast 10.7.0.255 dev eth7");
        ip("addr add 10.7.0.2/24 dev eth7 label eth7:1");
        ip("addr add 10.7.1.1 peer 10.7.1.2/32 dev eth7 noprefixroute");
        ip("addr add 169.254.7.7/16 scope link dev eth7");
        ip("addr add 10.7.2.1/24 valid_lft 300 preferred_lft 300 dev eth7");
        ip("addr add fd07::1/64 dev eth7 nodad");
        ip("addr add fd07::2/64 dev eth7 nodad");
        let six = addresses(&ip("-o -6 addr show dev eth7 scope global"));
        move_in(&devices(&[("eth7", "net0")]), container.as_fd()).unwrap().keep();

        assert_eq!(names(&ip("-br link")), ["peer7"]);
        let link = ip_in(&container, "-o link show net0");
        assert!(link.contains("UP,LOWER_UP") && link.contains("mtu 1400"), "{link}");
        assert!(link.contains("link/ether 02:00:00:00:00:07"), "{link}");
        let four = ["inet 10.7.0.1/24 brd 10.7.0.255", "inet 10.7.1.1 peer 10.7.1.2/32", "inet 10.7.0.2/24"];
        assert_eq!(addresses(&ip_in(&container, "-o -4 addr show dev net0")), four);
        assert_eq!(addresses(&ip_in(&container, "-o -6 addr show dev net0 scope global")), six);
        assert_eq!(six, ["inet6 fd07::2/64", "inet6 fd07::1/64"]);
        // The address without a route of its own has none here either.
        assert_eq!(ip_in(&container, "-4 route").split_whitespace().next(), Some("10.7.0.0/24"));
        assert_eq!(ip_in(&container, "-4 route").lines().count(), 1);
    });
}

#[test]
fn a_device_that_was_down_is_up_and_a_number_that_is_taken_is_no_obstacle() {
    between_namespaces(|container| {
        ip("link add eth0 index 70 type veth peer name peer0");
        ip("link add eth1 index 71 type veth peer name peer1");
        ip_in(&container, "link add lan0 index 70 type veth peer name other0 index 71");
        let moved = move_in(&devices(&[("eth0", ""), ("eth1", "lan%d")]), container.as_fd()).unwrap();
        moved.keep();
        assert_eq!(names(&ip("-br link")), ["peer0", "peer1"]);
        let here = ip_in(&container, "-br link");
        let mut all = names(&here);
        all.sort_unstable();
        assert_eq!(all, ["eth0", "lan0", "lan1", "other0"]);
        for name in ["eth0", "lan1"] {
            let link = ip_in(&container, &format!("-o link show {name}"));
            assert!(link.contains(",UP"), "{link}");
        }
    });
}

#[test]
fn what_cannot_be_is_said_before_anything_moved() {
    between_namespaces(|container| {
        ip("link add eth0 type veth peer name peer0");
        ip_in(&container, "link add lan0 type veth peer name other0");
        let before = ip("-o link");
        for (pairs, kind, text) in [
            (
                [("eth0", ""), ("zz9", "")],
                Kind::NotFound,
                "config.json: `linux.netDevices.zz9`: there is no network device `zz9`",
            ),
            (
                [("eth0", ""), ("peer0", "lan0")],
                Kind::AlreadyExists,
                "config.json: `linux.netDevices.peer0`: the container has a network device `lan0` already",
            ),
        ] {
            let error = move_in(&devices(&pairs), container.as_fd()).unwrap_err();
            assert_eq!((error.kind, error.to_string().as_str()), (kind, text));
            assert_eq!(ip("-o link"), before);
        }
        let own = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        let error = move_in(&devices(&[("eth0", "x")]), own.as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "config.json: `linux.netDevices`: the network namespace is the host's");
        assert_eq!(ip("-o link"), before);
    });
}

#[test]
fn devices_go_back_as_they_were_when_one_of_them_cannot_go_or_they_are_not_kept() {
    between_namespaces(|container| {
        ip("link add eth0 type veth peer name peer0");
        ip("link add eth1 type veth peer name peer1");
        ip("link set eth0 up");
        ip("addr add 10.7.0.1/24 dev eth0");
        ip("addr add fd07::1/64 dev eth0 nodad");
        // A new link-local address takes its time to be sure of itself.
        ip("link set eth0 addrgenmode none");
        ip("addr flush dev eth0 scope link");
        let before = (ip("-o link"), ip("-o addr"));
        // The last in order, and the kernel moves no loopback device.
        let error = move_in(&devices(&[("eth0", "a"), ("eth1", "b"), ("lo", "c")]), container.as_fd()).unwrap_err();
        let text =
            "config.json: `linux.netDevices.lo`: can't move the device to the container as `c`: invalid argument";
        assert_eq!(error.to_string(), text);
        assert!(error.hints[0].starts_with("loopback, bridges"), "{:?}", error.hints);
        assert_eq!(ip("-o link"), before.0);
        assert_eq!(addresses(&ip("-o addr")), addresses(&before.1));

        drop(move_in(&devices(&[("eth0", "a"), ("eth1", "b")]), container.as_fd()).unwrap());
        assert_eq!(ip("-o link"), before.0);
        assert_eq!(addresses(&ip("-o addr")), addresses(&before.1));
        assert_eq!(names(&ip_in(&container, "-br link")), Vec::<&str>::new());
    });
}
