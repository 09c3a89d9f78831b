//! A connection to systemd's D-Bus interface: over a message bus, or by systemd's own socket where there is no bus.

use super::message::{Call, Message, START_BYTES, Writer, rest_of};
use error::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long systemd may take, in all, for what is asked over one connection. A machine that starts up has a long queue
/// of jobs; runc and crun wait as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is read before the first message, in bytes: a few short lines.
const MOST_GREETING_BYTES: usize = 4096;

const BUS: &str = "org.freedesktop.DBus";
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Which systemd is asked: the machine's, or that of an ordinary user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Systemd {
    /// The user whose manager it is; absent: the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The message bus's socket.
    pub bus: PathBuf,
    /// The manager's own socket, which is there also without a bus.
    pub private: PathBuf,
}

impl Systemd {
    /// The machine's, for root.
    pub fn of_machine() -> Self {
        Self { user: None, bus: "/run/dbus/system_bus_socket".into(), private: "/run/systemd/private".into() }
    }

    /// A user's. `folder` is what `XDG_RUNTIME_DIR` names, usually `/run/user/<uid>`.
    pub fn of_user(uid: u32, folder: &Path) -> Self {
        Self { user: Some(uid), bus: folder.join("bus"), private: folder.join("systemd/private") }
    }

    pub(super) fn connect(&self) -> Result<Connection> {
        let first = match Connection::open(&self.bus) {
            Ok(mut connection) => return connection.register().map(|()| connection),
            Err(cause) => cause,
        };
        // Only that there is no bus; one that refuses us has its reasons.
        let absent =
            |cause: &std::io::Error| matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        let failed = match absent(&first).then(|| Connection::open(&self.private)) {
            Some(Ok(connection)) => return Ok(connection),
            Some(Err(cause)) if !absent(&cause) => cause,
            _ => first,
        };
        let words = || format!("can't reach systemd at `{}`", self.bus.display());
        let error = Err::<(), _>(failed).context(words).expect_err("made as one");
        Err(error.hint(match self.user {
            None => "does systemd run here? Without it use the cgroup driver `cgroupfs`",
            Some(_) => "log in as this user, so that systemd and D-Bus run for it, or use the cgroup driver `cgroupfs`",
        }))
    }
}

/// An open connection.
pub(super) struct Connection {
    stream: UnixStream,
    deadline: Instant,
    serial: u32,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
}

impl Connection {
    /// Connects and says who we are: `EXTERNAL` without a name means whoever the kernel says. In a user namespace any
    /// number we could give would be the wrong one.
    fn open(path: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        let mut connection = Self { stream, deadline: Instant::now() + PATIENCE, serial: 0, signals: Vec::new() };
        connection.stream.set_write_timeout(Some(PATIENCE))?;
        connection.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\n")?;
        let mut greeting = Vec::new();
        // `DATA` asks for the name, `OK <id>` takes us.
        while !greeting.starts_with(b"OK") {
            greeting.clear();
            while !greeting.ends_with(b"\r\n") {
                let mut byte = [0];
                connection.fill(&mut byte)?;
                greeting.push(byte[0]);
                if greeting.len() > MOST_GREETING_BYTES {
                    return Err(ErrorKind::InvalidData.into());
                }
            }
            if !greeting.starts_with(b"OK") && !greeting.starts_with(b"DATA") {
                return Err(ErrorKind::PermissionDenied.into());
            }
        }
        connection.stream.write_all(b"BEGIN\r\n")?;
        Ok(connection)
    }

    /// A bus wants to be greeted, and passes on only those signals that were asked for; systemd, on a bus, sends them
    /// only to those who subscribed.
    fn register(&mut self) -> Result<()> {
        let of_bus = |member, signature, body| Call {
            destination: BUS,
            path: "/org/freedesktop/DBus",
            interface: BUS,
            member,
            signature,
            body,
        };
        self.call(&of_bus("Hello", "", Writer::default()))?;
        let mut rule = Writer::default();
        rule.text(&format!(
            "type='signal',sender='{SYSTEMD}',path='{MANAGER_PATH}',interface='{MANAGER}',member='JobRemoved'"
        ));
        self.call(&of_bus("AddMatch", "s", rule))?;
        self.manager("Subscribe", "", Writer::default()).map(drop)
    }

    /// Calls a method of systemd's manager; the answer's arguments.
    pub(super) fn manager(&mut self, member: &str, signature: &str, body: Writer) -> Result<Vec<String>, Error> {
        self.call(&Call { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER, member, signature, body })
    }

    fn call(&mut self, call: &Call) -> Result<Vec<String>> {
        self.serial += 1;
        let bytes = call.encode(self.serial);
        self.stream.write_all(&bytes).context(|| format!("can't call systemd's `{}`", call.member))?;
        loop {
            let message = self.receive()?;
            match message.reply_to {
                Some(serial) if serial == self.serial => {}
                Some(_) => continue,
                None => {
                    // Of systemd's own socket come all signals; no other one is waited for.
                    if message.member == "JobRemoved" {
                        self.signals.push(message);
                    }
                    continue;
                }
            }
            return match message.error {
                None => Ok(message.arguments),
                Some(name) => Err(refused(&name, message.arguments.first().map_or("", String::as_str))),
            };
        }
    }

    /// Waits until systemd is done with a job; its result, `done` if all went well.
    pub(super) fn wait_for_job(&mut self, job: &str) -> Result<String> {
        // JobRemoved(u id, o job, s unit, s result)
        let result = |message: &Message| {
            let is_it = message.member == "JobRemoved" && message.arguments.get(1).is_some_and(|path| path == job);
            is_it.then(|| message.arguments.get(3).cloned().unwrap_or_default())
        };
        let mut found = self.signals.iter().find_map(result);
        self.signals.clear();
        loop {
            match found {
                Some(result) => return Ok(result),
                None => found = result(&self.receive()?),
            }
        }
    }

    fn receive(&mut self) -> Result<Message> {
        let mut start = [0; START_BYTES];
        let words = || "can't hear from systemd";
        self.fill(&mut start).context(words)?;
        let mut bytes = start.to_vec();
        bytes.resize(START_BYTES + rest_of(&start)?, 0);
        self.fill(&mut bytes[START_BYTES..]).context(words)?;
        Message::decode(&bytes)
    }

    /// Reads exactly as many bytes, before the deadline.
    fn fill(&mut self, mut bytes: &mut [u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                // What a socket says whose time is over.
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}

fn refused(name: &str, text: &str) -> Error {
    let kind = match name.rsplit('.').next() {
        Some("AccessDenied" | "InteractiveAuthorizationRequired") => Kind::Denied,
        Some("NoSuchUnit") => Kind::NotFound,
        Some("UnitExists") => Kind::AlreadyExists,
        Some("InvalidArgs" | "PropertyReadOnly") => Kind::Invalid,
        Some("ServiceUnknown" | "NoReply" | "Timeout") => Kind::Unavailable,
        _ => Kind::Internal,
    };
    let text = text.trim().trim_end_matches('.');
    Error::new(kind, if text.is_empty() { name } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A folder of this test's own; what it is asked for as a bus is answered with `answer`.
    fn asked(name: &str, answer: Option<&'static [u8]>) -> Error {
        let folder = std::env::temp_dir().join(format!("isolazi-bus-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let systemd = Systemd::of_user(7, &folder);
        let peer = answer.map(|answer| {
            let listener = UnixListener::bind(&systemd.bus).unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                // Who has heard enough closes, and then there is nobody to write to.
                let _ = stream.write_all(answer);
                let _ = stream.read_to_end(&mut Vec::new());
            })
        });
        let error = systemd.connect().map(drop).unwrap_err();
        peer.map(std::thread::JoinHandle::join).transpose().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        error
    }

    #[test]
    fn without_a_bus_the_error_says_what_to_do() {
        let error = asked("absent", None);
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.to_string().starts_with("can't reach systemd at `"), "{error}");
        assert!(error.hints[0].starts_with("log in as this user"), "{:?}", error.hints);
    }

    #[test]
    fn a_peer_that_is_no_bus_is_left() {
        const LONG: &[u8] = &[b'x'; 2 * MOST_GREETING_BYTES];
        for (name, answer, kind) in [
            ("refusing", &b"REJECTED EXTERNAL\r\n"[..], Kind::Denied),
            ("endless", LONG, Kind::Invalid),
            ("foreign", b"DATA\r\nOK 1\r\nHTTP/1.1 400 Bad Request\r\n\r\n", Kind::Internal),
        ] {
            let error = asked(name, Some(answer));
            assert_eq!(error.kind, kind, "{name}: {error}");
        }
    }
}
