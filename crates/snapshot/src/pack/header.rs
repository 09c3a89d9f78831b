//! How an entry is written: a ustar header, and before it a pax one for what ustar has no room for (POSIX.1-2017, pax,
//! "ustar Interchange Format" and "pax Extended Header").
//!
//! ```text
//! name 100 · mode 8 · uid 8 · gid 8 · size 12 · mtime 12 · sum 8 · type 1 · link 100 · magic 8 · names 64 · device 16
//! ```

use crate::entry::Xattr;
use rustix::fs::Timespec;

pub(super) const BLOCK_BYTES: usize = 512;

/// Bytes of a name and of a link's target.
const NAME_BYTES: usize = 100;

/// The greatest values of the fields: octal digits, one byte less than the field has.
const MAX_ID: u32 = 0o777_7777;
const MAX_LARGE: u64 = 0o777_7777_7777;

/// Types of entries.
pub(super) mod kind {
    pub(crate) const FILE: u8 = b'0';
    pub(crate) const HARD_LINK: u8 = b'1';
    pub(crate) const SYMLINK: u8 = b'2';
    pub(crate) const CHAR_DEVICE: u8 = b'3';
    pub(crate) const BLOCK_DEVICE: u8 = b'4';
    pub(crate) const FOLDER: u8 = b'5';
    pub(crate) const FIFO: u8 = b'6';
    pub(super) const PAX: u8 = b'x';
}

/// What a header tells.
pub(super) struct Head<'a> {
    pub kind: u8,
    pub name: &'a [u8],
    /// Of a link; empty otherwise.
    pub target: &'a [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: Timespec,
    /// Major and minor number.
    pub device: (u32, u32),
    pub xattrs: &'a [Xattr],
}

impl Head<'_> {
    /// The blocks before an entry's content.
    pub(super) fn encode(&self) -> Vec<u8> {
        let records = self.records();
        let mut blocks = Vec::new();
        if !records.is_empty() {
            let head = Head {
                kind: kind::PAX,
                name: b"pax",
                target: b"",
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: records.len() as u64,
                mtime: Timespec { tv_sec: 0, tv_nsec: 0 },
                device: (0, 0),
                xattrs: &[],
            };
            blocks.extend_from_slice(&head.ustar());
            blocks.extend_from_slice(&records);
            blocks.resize(blocks.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        blocks.extend_from_slice(&self.ustar());
        blocks
    }

    /// The pax records: empty for most.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut add = |key: &[u8], value: &[u8]| records.extend_from_slice(&record(key, value));
        if !fits(self.name) {
            add(b"path", self.name);
        }
        if !fits(self.target) {
            add(b"linkpath", self.target);
        }
        for (key, id) in [(b"uid", self.uid), (b"gid", self.gid)] {
            if id > MAX_ID {
                add(key, id.to_string().as_bytes());
            }
        }
        if self.size > MAX_LARGE {
            add(b"size", self.size.to_string().as_bytes());
        }
        let Timespec { tv_sec, tv_nsec } = self.mtime;
        if tv_nsec != 0 || !u64::try_from(tv_sec).is_ok_and(|seconds| seconds <= MAX_LARGE) {
            add(b"mtime", time(tv_sec, tv_nsec).as_bytes());
        }
        for Xattr { name, value } in self.xattrs {
            add(&[b"SCHILY.xattr.", name.as_bytes()].concat(), value);
        }
        records
    }

    fn ustar(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        // What does not fit is in a record, which wins.
        put(0, &self.name[..self.name.len().min(NAME_BYTES)]);
        put(157, &self.target[..self.target.len().min(NAME_BYTES)]);
        let id = |id: u32| if id > MAX_ID { 0 } else { id };
        for (at, number) in [(100, self.mode), (108, id(self.uid)), (116, id(self.gid))] {
            put(at, format!("{number:07o}").as_bytes());
        }
        let mtime = u64::try_from(self.mtime.tv_sec).ok();
        for (at, number) in [(124, Some(self.size)), (136, mtime)] {
            let number = number.filter(|number| *number <= MAX_LARGE).unwrap_or(0);
            put(at, format!("{number:011o}").as_bytes());
        }
        put(148, b"        "); // the sum counts itself as blanks
        put(156, &[self.kind]);
        put(257, b"ustar\x0000");
        put(329, format!("{:07o}", self.device.0).as_bytes());
        put(337, format!("{:07o}", self.device.1).as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// Readers disagree about what bytes above ASCII mean in a header; in a record they are what they are.
fn fits(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES && name.is_ascii()
}

/// `<length> <key>=<value>\n`, where the length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Seconds with a fraction; -2 seconds and 0.5 are -1.5.
fn time(seconds: i64, nanoseconds: i64) -> String {
    let (sign, seconds, nanoseconds) = match (seconds < 0, nanoseconds) {
        (false, _) => ("", seconds.unsigned_abs(), nanoseconds),
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (true, _) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
    };
    if nanoseconds == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{nanoseconds:09}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pax;

    #[test]
    fn a_record_counts_itself() {
        for length in 0..2000 {
            let value = vec![b'v'; length];
            let record = record(b"k", &value);
            assert_eq!(pax::records(&record).unwrap(), [(&b"k"[..], &value[..])]);
        }
    }

    #[test]
    fn times_are_read_back_as_they_were() {
        for (tv_sec, tv_nsec) in [(0, 0), (1, 1), (12, 500_000_000), (-1, 0), (-2, 500_000_000), (-1, 999_999_999)] {
            let text = time(tv_sec, tv_nsec);
            assert_eq!(pax::time(text.as_bytes()), Some(Timespec { tv_sec, tv_nsec }), "{text}");
        }
    }
}
