//! What comes to a published port gets to the container whole, and so does what it answers; whoever comes and goes.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use network::proxy::{Route, serve};
use network::{Protocol, Published, Reserved, reserve};
use rustix::fd::AsFd;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A published port on a loopback address; what comes to it goes to `target`. It is served until the test ends.
fn published(protocol: Protocol, target: SocketAddr) -> SocketAddr {
    let port =
        Published { host_ip: Some(Ipv4Addr::LOCALHOST.into()), host_port: 0, container_port: target.port(), protocol };
    let Reserved { published, sockets } = reserve(&[port]).unwrap().remove(0);
    std::thread::spawn(move || {
        let routes: Vec<Route<'_>> =
            sockets.iter().map(|socket| Route { socket: socket.as_fd(), protocol, target }).collect();
        serve(&routes).unwrap();
    });
    (Ipv4Addr::LOCALHOST, published.host_port).into()
}

/// A server that does the same with everybody.
fn server(act: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let act = act.clone();
            std::thread::spawn(move || act(connection.unwrap()));
        }
    });
    address
}

fn visit(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.set_write_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Bytes that tell where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from((place ^ (place >> 8) ^ (place >> 16)) & 0xff).unwrap()).collect()
}

#[test]
fn megabytes_go_both_ways_at_once_and_each_side_may_end_first() {
    // It says what it hears, and ends when it has heard the end.
    let echo = server(|mut connection| {
        let mut copy = connection.try_clone().unwrap();
        std::io::copy(&mut connection, &mut copy).unwrap();
        copy.shutdown(Shutdown::Write).unwrap();
    });
    let port = published(Protocol::Tcp, echo);
    let sent = pattern(8 << 20);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let sent = &sent;
            scope.spawn(move || {
                let mut connection = visit(port);
                let mut writer = connection.try_clone().unwrap();
                let writing = scope.spawn(move || {
                    writer.write_all(sent).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut heard = Vec::new();
                connection.read_to_end(&mut heard).unwrap();
                writing.join().unwrap();
                assert!(heard == *sent, "{} bytes", heard.len());
            });
        }
    });
    // The container says all and ends; the client may go on.
    let greeting = server(|mut connection| {
        connection.write_all(b"hello").unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        connection.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "still here");
    });
    let mut connection = visit(published(Protocol::Tcp, greeting));
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    connection.write_all(b"still here").unwrap();
}

#[test]
fn who_breaks_off_is_heard_on_the_other_side() {
    let resets = server(|connection| {
        rustix::net::sockopt::set_socket_linger(&connection, Some(Duration::ZERO)).unwrap();
    });
    let mut connection = visit(published(Protocol::Tcp, resets));
    assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Nobody is at home.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut connection = visit(published(Protocol::Tcp, nobody));
    assert_eq!(connection.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reader_who_sleeps_holds_up_nobody_but_himself() {
    let talks = server(|mut connection| {
        let piece = pattern(1 << 20);
        // For as long as somebody hears.
        while connection.write_all(&piece).is_ok() {}
    });
    let port = published(Protocol::Tcp, talks);
    let asleep = visit(port);
    let mut awake = visit(port);
    let mut heard = vec![0; 32 << 20];
    awake.read_exact(&mut heard).unwrap();
    assert!(heard[..1 << 20] == pattern(1 << 20));
    drop(asleep);
}

#[test]
fn a_thousand_are_carried_at_once() {
    let echo = server(|mut connection| {
        let mut copy = connection.try_clone().unwrap();
        // Who leaves in the middle is none of our business.
        let _ = std::io::copy(&mut connection, &mut copy);
    });
    let port = published(Protocol::Tcp, echo);
    let mut all: Vec<TcpStream> = (0..1000).map(|_| visit(port)).collect();
    for (number, connection) in (0_u32..).zip(&mut all) {
        connection.write_all(&number.to_be_bytes()).unwrap();
    }
    for (number, connection) in (0_u32..).zip(&mut all) {
        let mut heard = [0; 4];
        connection.read_exact(&mut heard).unwrap();
        assert_eq!(u32::from_be_bytes(heard), number);
    }
}

#[test]
fn datagrams_find_their_senders() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        loop {
            let (length, sender) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..length], sender).unwrap();
        }
    });
    let port = published(Protocol::Udp, address);
    let clients: Vec<UdpSocket> = (0..10).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for (number, client) in (0_u8..).zip(&clients) {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(port).unwrap();
        client.send(&[number; 1400]).unwrap();
    }
    for (number, client) in (0_u8..).zip(&clients) {
        let mut heard = [0; 2000];
        assert_eq!(client.recv(&mut heard).unwrap(), 1400);
        assert_eq!(heard[..1400], [number; 1400]);
    }
}
