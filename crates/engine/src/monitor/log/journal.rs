//! A log in systemd's journal, by its native protocol: one datagram an entry.
//!
//! ```text
//! NAME=value\n
//! NAME\n · length (u64, little endian) · value · \n        a value that may have line breaks
//! ```

use super::Stream;
use crate::record::Record;
use error::{Error, Kind, Result, ResultExt};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a journal may be busy with one entry. After that it hangs, and the payload goes on without it.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Journal {
    socket: UnixDatagram,
    /// The fields that all entries share.
    head: Vec<u8>,
    entry: Vec<u8>,
    /// Why something is missing.
    pub failed: Option<Error>,
}

impl Journal {
    pub(super) fn connect(record: &Record, tag: Option<&str>) -> Result<Self> {
        let socket = UnixDatagram::unbound().context(|| "can't make a socket")?;
        if let Err(cause) = socket.connect(SOCKET) {
            let error = Error::new(Kind::Unavailable, "journald is not enabled on this host");
            return Err(error.hint(format!("`{SOCKET}`: {}", Error::from(cause))));
        }
        socket.set_write_timeout(Some(PATIENCE)).context(|| "can't limit a socket's patience")?;
        let id = &record.id[..12];
        let mut head = Vec::new();
        for (name, value) in [
            ("CONTAINER_ID", id),
            ("CONTAINER_ID_FULL", &record.id),
            ("CONTAINER_NAME", &record.name),
            ("CONTAINER_TAG", tag.unwrap_or(id)),
            ("IMAGE_NAME", &record.request.image),
            ("SYSLOG_IDENTIFIER", tag.unwrap_or(id)),
        ] {
            field(&mut head, name, value.as_bytes());
        }
        Ok(Self { socket, head, entry: Vec::new(), failed: None })
    }

    pub(super) fn send(&mut self, stream: Stream, piece: &[u8]) {
        let (message, is_whole) = match piece.strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (piece, false),
        };
        self.entry.clear();
        self.entry.extend_from_slice(&self.head);
        // Informational, and an error: as Docker has it.
        field(&mut self.entry, "PRIORITY", if stream == Stream::Stdout { b"6" } else { b"3" });
        if !is_whole {
            field(&mut self.entry, "CONTAINER_PARTIAL_MESSAGE", b"true");
        }
        field(&mut self.entry, "MESSAGE", message);
        if let Err(cause) = self.deliver() {
            let error = Error::from(cause).context("can't write to the journal");
            self.failed.get_or_insert(error);
        }
    }

    fn deliver(&self) -> io::Result<()> {
        match self.socket.send(&self.entry) {
            Ok(_) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                // It was waited for once; from now on it gets what it takes.
                self.socket.set_nonblocking(true)?;
                Err(cause)
            }
            // A journal that was started anew may have another socket.
            Err(_) => {
                self.socket.connect(SOCKET)?;
                self.socket.send(&self.entry).map(drop)
            }
        }
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_a_length_when_they_have_line_breaks() {
        let mut out = Vec::new();
        field(&mut out, "A", b"x=y");
        field(&mut out, "B", b"1\n2");
        assert_eq!(out, b"A=x=y\nB\n\x03\0\0\0\0\0\0\x001\n2\n");
    }
}
