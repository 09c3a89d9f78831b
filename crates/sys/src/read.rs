//! Small files of `/proc` and `/sys`, read with three system calls.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::ffi::CStr;

/// The most that [`small`] reads, in bytes: one page, which is what such a file has at most.
const SMALL_BYTES: usize = 4096;

/// The beginning of a file as text.
pub fn small(path: &CStr) -> Result<String, Errno> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; SMALL_BYTES];
    let length = rustix::io::read(&file, &mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
