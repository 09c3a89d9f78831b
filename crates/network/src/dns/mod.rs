//! Names of containers for containers: a small server of DNS inside a container's own network namespace.
//!
//! It listens on 127.0.0.11 there, as Docker's does, on ports of its own: what the container sends to port 53 of that address
//! is sent on by a rule in its namespace, so that its payload may have port 53 itself. What is not known here is asked of the
//! machine's own servers, from the machine's own network.

mod message;

use error::{Error, Kind, Result, ResultExt};
use message::{Code, Question, kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use sys::netlink::nftables::{Batch, Fact, Header, Hook, Nftables, Point, Step, register};
use sys::process::{enter_namespaces, namespace};

/// Where containers ask.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// How long nobody may ask until the process is not needed any more.
const IDLE: Duration = Duration::from_secs(10);

/// How long a server of the machine may think, and how often all of them are asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;

/// Questions that wait for servers of the machine at once; more are dropped, as datagrams are.
const MOST_WAITING: usize = 256;

/// What a thread that waits needs.
const STACK_BYTES: usize = 128 << 10;

/// The largest message over UDP that is taken (RFC 6891), and over TCP.
const UDP_BYTES: usize = 4096;
const TCP_BYTES: usize = 64 << 10;

/// The sockets that containers ask.
#[derive(Debug)]
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// Who is who.
pub trait Zone: Sync {
    /// The addresses of a name; `None` if it is none of ours.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// The name of an address; `None` if it is none of ours.
    fn name(&self, address: IpAddr) -> Option<String>;
}

/// Listens in that namespace. A thread of its own goes there and ends.
///
/// # Errors
/// `Unsupported` when the kernel has no nf_tables.
pub fn listen(container: BorrowedFd<'_>) -> Result<Sockets> {
    let there = || -> Result<Sockets> {
        let words = || "can't serve names in the container";
        enter_namespaces(container, namespace::NETWORK).map_err(sys::kernel::error).context(words)?;
        // Its init takes the loopback device up, too; whoever comes first.
        sys::netlink::Route::open()
            .and_then(|mut route| route.take_up(1))
            .map_err(sys::kernel::error)
            .context(words)?;
        let sockets = Sockets {
            udp: UdpSocket::bind((SERVER, 0)).context(words)?,
            tcp: TcpListener::bind((SERVER, 0)).context(words)?,
        };
        let ports = [
            (17, sockets.udp.local_addr().context(words)?.port()),
            (6, sockets.tcp.local_addr().context(words)?.port()),
        ];
        Nftables::open()
            .and_then(|mut kernel| kernel.commit(rules(ports)))
            .map_err(sys::kernel::error)
            .context(words)?;
        Ok(sockets)
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(there);
        thread.join().map_err(|_| Error::new(Kind::Internal, "serving names failed"))?
    })
}

/// What goes to port 53 of the server's address goes to the port where it is.
fn rules(ports: [(u8, u16); 2]) -> Batch<'static> {
    let mut batch = Batch::new("isolazi-names");
    batch.table();
    batch.chain("asked", Some(Hook { kind: "nat", point: Point::Output, priority: -100 }));
    let (r, after) = (register(0), register(1));
    for (protocol, port) in ports {
        let steps = [
            Step::Meta(r, Fact::Family),
            Step::Is(r, &[2]),
            Step::Load(r, Header::Network, 16, 4),
            Step::Is(r, &SERVER.octets()),
            Step::Meta(r, Fact::Protocol),
            Step::Is(r, &[protocol]),
            Step::Load(r, Header::Transport, 2, 2),
            Step::Is(r, &53_u16.to_be_bytes()),
            Step::Put(r, &SERVER.octets()),
            Step::Put(after, &port.to_be_bytes()),
            Step::Redirect { v6: false, address: r, port: after },
        ];
        batch.rule("asked", &steps);
    }
    batch
}

impl Sockets {
    /// What is to be waited for.
    pub fn as_fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.udp.as_fd(), self.tcp.as_fd()]
    }

    /// Answers until nobody has asked for a while. `servers`: whom to ask what is not known here; none, if nobody is to be.
    ///
    /// # Errors
    /// When nothing can be waited for.
    pub fn serve(&self, zone: &dyn Zone, servers: &[SocketAddr]) -> Result<()> {
        let words = || "can't serve names";
        self.udp.set_nonblocking(true).context(words)?;
        self.tcp.set_nonblocking(true).context(words)?;
        let waiting = AtomicUsize::new(0);
        let idle = Timespec::try_from(IDLE).map_err(|_| Error::invalid("that is no time"))?;
        std::thread::scope(|scope| {
            loop {
                let mut fds = self.as_fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
                match poll(&mut fds, Some(&idle)) {
                    Ok(0) if waiting.load(Ordering::Relaxed) == 0 => return Ok(()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(std::io::Error::from(errno)).context(words),
                }
                let mut message = [0; UDP_BYTES];
                while let Ok((length, sender)) = self.udp.recv_from(&mut message) {
                    let Some(question) = Question::parse(&message[..length]) else { continue };
                    if let Some(answer) = known(&question, zone, servers) {
                        // Who has gone away hears nothing.
                        let _ = self.udp.send_to(&answer, sender);
                        continue;
                    }
                    let asked = message[..length].to_vec();
                    let answer = move || {
                        let answer = forward(&asked, servers).unwrap_or_else(|| question.nothing(Code::ServerFailure));
                        let _ = self.udp.send_to(&answer, sender);
                    };
                    behind(scope, &waiting, answer);
                }
                while let Ok((connection, _)) = self.tcp.accept() {
                    // It ends when it has said nothing for a while.
                    behind(scope, &waiting, move || drop(talk(connection, zone, servers)));
                }
            }
        })
    }
}

/// Does it in a thread, if there are not too many.
fn behind<'scope, 'env>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    waiting: &'env AtomicUsize,
    act: impl FnOnce() + Send + 'scope,
) where
    'env: 'scope,
{
    if waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING {
        let act = move || {
            act();
            waiting.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, act).is_ok() {
            return;
        }
    }
    waiting.fetch_sub(1, Ordering::Relaxed);
}

/// What can be answered at once.
fn known(question: &Question, zone: &dyn Zone, servers: &[SocketAddr]) -> Option<Vec<u8>> {
    if let Some(name) = question.reverse().and_then(|address| zone.name(address)) {
        return Some(question.name_is(&name));
    }
    if question.kind != kind::PTR
        && let Some(addresses) = zone.addresses(&question.name)
    {
        return Some(question.addresses(&addresses));
    }
    servers.is_empty().then(|| question.nothing(Code::NoSuchName))
}

/// Asks the machine's servers one after the other; each question has a socket, and so a port, of its own.
fn forward(asked: &[u8], servers: &[SocketAddr]) -> Option<Vec<u8>> {
    for server in std::iter::repeat_n(servers, ROUNDS).flatten() {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let ask = || -> std::io::Result<Vec<u8>> {
            let socket = UdpSocket::bind(any)?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.send(asked)?;
            let mut answer = vec![0; TCP_BYTES];
            loop {
                let length = socket.recv(&mut answer)?;
                // Somebody else's answer is none.
                if length >= 12 && answer[..2] == asked[..2] {
                    answer.truncate(length);
                    return Ok(answer);
                }
            }
        };
        // One that cannot be reached is passed over.
        if let Ok(answer) = ask() {
            return Some(answer);
        }
    }
    None
}

/// Questions over a connection, each with its length before it (RFC 7766).
fn talk(mut client: TcpStream, zone: &dyn Zone, servers: &[SocketAddr]) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(IDLE))?;
    client.set_write_timeout(Some(IDLE))?;
    loop {
        let asked = read_message(&mut client)?;
        let Some(question) = Question::parse(&asked) else { return Ok(()) };
        let answer = known(&question, zone, servers)
            .or_else(|| servers.iter().find_map(|server| forward_whole(&asked, *server).ok()))
            .unwrap_or_else(|| question.nothing(Code::ServerFailure));
        write_message(&mut client, &answer)?;
    }
}

fn forward_whole(asked: &[u8], server: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect_timeout(&server, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    write_message(&mut connection, asked)?;
    read_message(&mut connection)
}

fn read_message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    from.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(to: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), message].concat())
}
