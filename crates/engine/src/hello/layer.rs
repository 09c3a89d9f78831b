//! The layer of the built-in image: a tar archive (POSIX.1-2001, "ustar Interchange Format") written while it is read.

use error::{Error, Result};
use std::fs::File;
use std::io::{Cursor, Read};

/// Where the binary lies in the image.
pub(super) const PROGRAM: &str = "/isolazi";

const BLOCK_BYTES: usize = 512;

/// The largest file that ustar's eleven octal digits can tell.
const MAX_FILE_BYTES: u64 = (1 << 33) - 1;

const PASSWD: &str = "root:x:0:0:root:/:\nnobody:x:65534:65534:nobody:/:\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

/// Folders: those that a container needs to mount on, and `/etc`.
const FOLDERS: [(&str, u32); 5] =
    [("dev/", 0o755), ("etc/", 0o755), ("proc/", 0o755), ("sys/", 0o755), ("tmp/", 0o1777)];

/// The archive with the `size` bytes of `binary`, and how many bytes it has itself.
pub(super) fn tar(binary: &File, size: u64, mtime: u64) -> Result<(impl Read + use<'_>, u64)> {
    if size > MAX_FILE_BYTES {
        return Err(Error::invalid(format!("the binary has {size} bytes, more than {MAX_FILE_BYTES}")));
    }
    let mut start = Vec::new();
    for (name, mode) in FOLDERS {
        start.extend_from_slice(&header(name, b'5', mode, 0, mtime));
    }
    for (name, text) in [("etc/group", GROUP), ("etc/passwd", PASSWD)] {
        start.extend_from_slice(&header(name, b'0', 0o644, text.len() as u64, mtime));
        start.extend_from_slice(text.as_bytes());
        start.resize(start.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    start.extend_from_slice(&header(&PROGRAM[1..], b'0', 0o755, size, mtime));
    // Up to the next block, then the two empty blocks that end an archive.
    let end = vec![0; padding(size) + 2 * BLOCK_BYTES];
    let total = start.len() as u64 + size + end.len() as u64;
    Ok((Cursor::new(start).chain(binary.take(size)).chain(Cursor::new(end)), total))
}

fn padding(size: u64) -> usize {
    let over = size % BLOCK_BYTES as u64;
    let missing = if over == 0 { 0 } else { BLOCK_BYTES as u64 - over };
    usize::try_from(missing).expect("less than a block")
}

/// Everything belongs to root.
fn header(name: &str, kind: u8, mode: u32, size: u64, mtime: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{mtime:011o}"));
    put(148, "        "); // the checksum counts itself as blanks
    put(257, "ustar\x0000");
    put(265, "root");
    put(297, "root");
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
