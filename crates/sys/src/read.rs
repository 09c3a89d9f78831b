//! Files of `/proc` and `/sys`, read with few system calls: what the kernel makes up has no size that would tell how much
//! to ask for, and whoever begins with little asks ten times.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most that [`small`] reads, in bytes: one page, which is what such a file has at most.
const SMALL_BYTES: usize = 4096;

/// The beginning of a file as text.
pub fn small(path: &CStr) -> Result<String, Errno> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; SMALL_BYTES];
    let length = rustix::io::read(&file, &mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// What is set aside for a text of unknown size, in bytes: mountinfo, or a configuration, of usual size.
const USUAL_BYTES: usize = 16 << 10;

/// All that there is to read, but not more than `most` bytes.
pub fn all(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a file that the kernel makes up.
pub fn text(path: &Path) -> io::Result<String> {
    let bytes = all(File::open(path)?, u64::MAX)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}
