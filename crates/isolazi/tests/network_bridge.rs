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
