//! Containers on networks: addresses, names, published ports, and that nothing of it stays.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, eventually, payload_of};
use rustix::process::{Signal, kill_process};
use std::io::{Read, Write};
use std::net::TcpStream;
use testkit::Isolazi;

/// The bridge of a network, as the kernel shows it.
fn device(isolazi: &Isolazi, network: &str) -> String {
    let id = isolazi.run(&["network", "inspect", "-f", "{{.Id}}", network]).ok();
    format!("isolazi-{}", &id[..7])
}

fn has_device(name: &str) -> bool {
    std::fs::metadata(format!("/sys/class/net/{name}")).is_ok()
}

/// A web server that says `text`.
fn serve(busybox: &Busybox, name: &str, flags: &[&str], text: &str) {
    let script = format!("mkdir /www; echo {text} >/www/index.html; exec httpd -f -p 80 -h /www");
    let flags = [&["-d", "--name", name], flags].concat();
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", &script])).ok();
}

/// What a web server says to a visitor.
fn visit(address: &str) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

#[test]
fn containers_reach_each_other_and_nothing_stays() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    serve(&busybox, "web", &["--network", "bridge"], "hello");
    let address = isolazi.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]).ok();
    let address = address.trim_end();
    let of_network = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    assert_eq!(isolazi.run(&["inspect", "-f", of_network, "web"]).ok().trim_end(), address);
    // The host reaches it, and another container.
    assert_eq!(eventually("an answer", || visit(&format!("{address}:80"))), "hello\n");
    let fetch = format!("wget -q -O - http://{address}/");
    let output = isolazi.run(&busybox.words(&["--rm", "--network", "bridge"], &["sh", "-c", &fetch]));
    assert_eq!(output.ok(), "hello\n");
    // It knows its own name, and the host's.
    let hosts = isolazi.run(&["exec", "web", "cat", "/etc/hosts"]).ok();
    let hostname = isolazi.run(&["exec", "web", "hostname"]).ok();
    assert!(hosts.contains(&format!("{address}\t{}\n", hostname.trim_end())), "{hosts}");
    assert!(hosts.contains("\thost.docker.internal host.containers.internal\n"), "{hosts}");
    let members = isolazi.run(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", "bridge"]).ok();
    assert_eq!(members, "web \n");

    let bridge = device(isolazi, "bridge");
    assert!(has_device(&bridge));
    isolazi.run(&["stop", "-t", "0", "web"]).ok();
    eventually("the bridge goes", || (!has_device(&bridge)).then_some(()));
    assert_eq!(isolazi.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"]).ok(), "\n");
    // It gets its place again, after its monitor was killed too.
    isolazi.run(&["start", "web"]).ok();
    assert_eq!(eventually("an answer", || visit(&format!("{address}:80"))), "hello\n");
    let monitor = common::parent(payload_of(isolazi, "web"));
    kill_process(monitor, Signal::KILL).unwrap();
    eventually("its end", || {
        let state = isolazi.run(&["ps", "-a", "--format", "{{.State}}"]).ok();
        (state != "running\n").then_some(())
    });
    eventually("the bridge goes", || {
        isolazi.run(&["ps", "-a"]).ok();
        (!has_device(&bridge)).then_some(())
    });
    isolazi.run(&["rm", "web"]).ok();
    busybox.holds_nothing();
}

#[test]
fn published_ports_lead_in_are_told_and_belong_to_one() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    serve(&busybox, "web", &["-p", "127.0.0.1::80", "-p", "[::1]::80", "--expose", "443"], "hello");
    let told = isolazi.run(&["port", "web", "80"]).ok();
    let places: Vec<&str> = told.lines().collect();
    assert!(places.len() == 2 && places[0].starts_with("127.0.0.1:") && places[1].starts_with("[::1]:"), "{told}");
    for place in &places {
        // Somebody listens from the start; the server behind it may need a moment.
        assert_eq!(eventually("an answer", || visit(place)), "hello\n");
    }
    let (_, number) = places[0].rsplit_once(':').unwrap();
    let ports = isolazi.run(&["ps", "--format", "{{.Ports}}"]).ok();
    assert_eq!(ports, format!("{}->80/tcp, {}->80/tcp, 443/tcp\n", places[0], places[1]));
    assert_eq!(isolazi.run(&["ps", "-q", "-f", "publish=80"]).ok().lines().count(), 1);
    assert_eq!(isolazi.run(&["ps", "-q", "-f", "publish=81"]).ok(), "");
    let binding = "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}";
    assert_eq!(isolazi.run(&["inspect", "-f", binding, "web"]).ok().trim_end(), number);

    // A second one cannot have it, and leaves nothing.
    let wish = format!("127.0.0.1:{number}:80");
    let words = busybox.words(&["--rm", "-p", &wish], &["true"]);
    isolazi.run(&words).fails(125, &format!("Error: Bind for 127.0.0.1:{number} failed: port is already allocated\n"));
    // It is free when its owner has gone, and a visitor hears so at once.
    isolazi.run(&["rm", "-f", "web"]).ok();
    assert_eq!(visit(places[0]), None);
    isolazi.run(&words).ok();
    busybox.holds_nothing();
}

#[test]
fn exposed_ports_are_published_when_asked_for() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    serve(&busybox, "web", &["-P", "--expose", "80", "--expose", "53/udp"], "hello");
    let told = isolazi.run(&["port", "web"]).ok();
    assert_eq!(told.lines().filter(|line| line.starts_with("80/tcp -> 0.0.0.0:")).count(), 1, "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("53/udp -> [::]:")).count(), 1, "{told}");
    let place = isolazi.run(&["port", "web", "80"]).ok().lines().next().unwrap().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(eventually("an answer", || visit(&place)), "hello\n");
    isolazi.run(&["rm", "-f", "web"]).ok();
    busybox.holds_nothing();
}

#[test]
fn a_container_may_be_on_several_networks_with_addresses_of_its_choice() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["network", "create", "--subnet", "10.92.0.0/24", "--ipv6", "one"]).ok();
    isolazi.run(&["network", "create", "--internal", "--subnet", "10.93.0.0/24", "-o", "mtu=1400", "two"]).ok();
    let networks = ["-d", "--name", "box", "--network", "one", "--network", "two"];
    let wishes = ["--ip", "10.92.0.9", "--mac-address", "02:00:00:00:00:09"];
    isolazi.run(&busybox.words(&[&networks[..], &wishes].concat(), &["sleep", "1000"])).ok();
    let shown = isolazi.run(&["exec", "box", "ip", "addr"]).ok();
    for part in ["inet 10.92.0.9/24", "inet 10.93.0.2/24", "02:00:00:00:00:09", "eth1@", "mtu 1400", "::2/64"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let routes = isolazi.run(&["exec", "box", "ip", "route"]).ok();
    assert!(routes.starts_with("default via 10.92.0.1 dev eth0"), "{routes}");
    let names = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(isolazi.run(&["inspect", "-f", names, "box"]).ok(), "one two \n");
    for (wish, why) in [
        ("one:ip=10.92.0.9", "10.92.0.9: Address already in use"),
        ("one:ip=10.92.0.1", "invalid address 10.92.0.1: it is none for containers of 10.92.0.0/24"),
        ("one:ip=10.99.0.1", "invalid address 10.99.0.1: it is none for containers of 10.92.0.0/24"),
        ("two:ip=fd00::1", "invalid address fd00::1: network two has no such addresses"),
    ] {
        let words = busybox.words(&["--rm", "--network", wish], &["true"]);
        isolazi.run(&words).fails(125, &format!("Error: {why}\n"));
    }
    let words = busybox.words(&["--rm", "--network", "one", "--network", "one"], &["true"]);
    isolazi.run(&words).fails(125, "Error: container is to be on network one twice\n");
    isolazi.run(&["rm", "-f", "box"]).ok();
    isolazi.run(&["network", "rm", "one", "two"]).ok();
    busybox.holds_nothing();
}

#[test]
fn containers_on_a_network_find_each_other_by_name() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let back = isolazi.run(&["network", "create", "back"]).ok();
    isolazi.run(&["network", "create", "other"]).ok();
    let start = |name: &str, network: &str| {
        let flags = ["-d", "--name", name, "--network", network, "--network-alias", &format!("{name}-too")];
        isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok().trim_end().to_owned()
    };
    let id = start("db", "back:alias=sql,alias=store");
    // By its id it is the same network.
    start("asker", &back[..12]);
    assert_eq!(isolazi.run(&["ps", "-f", "name=asker", "--format", "{{.Networks}}"]).ok(), "back\n");
    start("stranger", "other");
    let address = isolazi.run(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "db"]).ok();
    let address = address.trim_end();
    let ask = |container: &str, name: &str| isolazi.run(&["exec", container, "nslookup", name]);
    for name in ["db", "DB", "sql", "store", "db-too", "db.back", &id[..12]] {
        let told = ask("asker", name).ok();
        assert!(told.contains(&format!("Address: {address}\n")), "{name}: {told}");
    }
    let told = ask("asker", address).ok();
    assert!(told.contains("name = db.back\n"), "{told}");
    // The C library asks so, and a payload may have the port itself.
    isolazi.run(&["exec", "asker", "ping", "-c", "1", "-W", "5", "db"]).succeeds();
    let wish = ["exec", "-d", "asker", "nc", "-l", "-p", "53"];
    isolazi.run(&wish).ok();
    // Who is on another network is nobody, and so is who has ended, whatever his name was.
    assert_ne!(ask("stranger", "db").code, 0);
    isolazi.run(&["rename", "db", "base"]).ok();
    assert!(ask("asker", "base").ok().contains(address));
    assert_ne!(ask("asker", "db").code, 0);
    isolazi.run(&["kill", "base"]).ok();
    for name in ["base", "sql"] {
        assert_ne!(ask("asker", name).code, 0, "{name}");
    }
    isolazi.run(&["start", "base"]).ok();
    assert!(ask("asker", "sql").ok().contains(address));
    isolazi.run(&["rm", "-f", "base", "asker", "stranger"]).ok();
    let left = std::fs::read_dir(isolazi.root().join("networks/back/names")).unwrap().count();
    assert_eq!(left, 0);
    isolazi.run(&["network", "rm", "back", "other"]).ok();
    busybox.holds_nothing();
}
