//! HTTP/1.1 as far as a test's server needs it: one request read, one answer written, with every way of breaking off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Bytes of one body chunk that is made up while it is written.
const CHUNK_BYTES: usize = 64 << 10;

/// What the client sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `HEAD`, `POST` …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names as sent, in order.
    pub headers: Vec<(String, String)>,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().expect("a split has a first part")
    }

    /// `N` of `Range: bytes=N-`.
    pub fn range_start(&self) -> Option<usize> {
        self.header("Range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }

    /// Reads the next request of a connection; `None` if the client has closed it.
    pub(crate) fn read(from: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        let length: u64 = request.header("Content-Length").map_or(0, |text| text.parse().unwrap_or(0));
        from.take(length).read_to_end(&mut request.body).ok()?;
        Some(request)
    }
}

/// What the server sends: `Answer::new(429).header("Retry-After", "1")`.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Content-Length` is added from the body unless it is among them.
    pub headers: Vec<(String, String)>,
    /// What comes after the headers.
    pub body: Body,
    /// How far it comes.
    pub ending: Ending,
}

/// A body, also one too large to hold.
#[derive(Debug, Clone)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// One byte so many times.
    Repeated(u8, u64),
}

/// Where the answer breaks off, counted in bytes of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All is sent; the connection stays open for the next request.
    Whole,
    /// Closed in order (FIN) after so many bytes.
    CloseAfter(u64),
    /// Reset (RST) after so many bytes.
    ResetAfter(u64),
    /// Silent for a while after so many bytes, then goes on.
    StallAfter(u64, Duration),
}

impl Answer {
    /// An empty answer.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Vec::new()), ending: Ending::Whole }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Bytes(bytes.into());
        self
    }

    /// A body of any size that nobody has to hold.
    #[must_use]
    pub fn repeated(mut self, byte: u8, count: u64) -> Self {
        self.body = Body::Repeated(byte, count);
        self
    }

    /// Sets where it breaks off.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Writes the answer; says whether the connection lives on. A client that has gone away is what some tests want.
    pub(crate) fn write(&self, to: &mut TcpStream, head_only: bool) -> bool {
        let length = self.body.len();
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Length")) {
            head += &format!("Content-Length: {length}\r\n");
        }
        head += "\r\n";
        if to.write_all(head.as_bytes()).is_err() || head_only {
            return head_only;
        }
        match self.ending {
            Ending::Whole => self.body.write(to, 0, length).is_ok(),
            Ending::StallAfter(count, time) => {
                let first = self.body.write(to, 0, count.min(length));
                std::thread::sleep(time);
                first.is_ok() && self.body.write(to, count.min(length), length).is_ok()
            }
            Ending::CloseAfter(count) => {
                let sent = self.body.write(to, 0, count.min(length));
                // Shut down in both directions; if that fails the client has closed already.
                let _ = sent.and_then(|()| to.shutdown(Shutdown::Both));
                false
            }
            Ending::ResetAfter(count) => {
                // What is sent but not yet read is thrown away by a reset: give the client time to read it.
                let _ = self.body.write(to, 0, count.min(length));
                std::thread::sleep(Duration::from_millis(50));
                // Linger of zero makes the close a reset: socket(7).
                rustix::net::sockopt::set_socket_linger(to, Some(Duration::ZERO)).expect("a socket can linger");
                false
            }
        }
    }
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Repeated(_, count) => *count,
        }
    }

    fn write(&self, to: &mut TcpStream, from: u64, until: u64) -> std::io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let at = |position: u64| usize::try_from(position).expect("within a slice's length");
                to.write_all(&bytes[at(from)..at(until)])?;
            }
            Self::Repeated(byte, _) => {
                let chunk = vec![*byte; CHUNK_BYTES];
                let mut left = until - from;
                while left > 0 {
                    let part = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
                    to.write_all(&chunk[..part])?;
                    left -= part as u64;
                }
            }
        }
        to.flush()
    }
}
