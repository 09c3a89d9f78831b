//! How much disk a tree takes.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;

/// Bytes allocated for everything below `dir`, a file with several names counted once. Entries that vanish meanwhile
/// are not there; other file systems mounted inside are not counted.
pub fn disk_usage(dir: OwnedFd) -> io::Result<u64> {
    let top = rustix::fs::fstat(&dir)?;
    let mut bytes = blocks(&top);
    let mut linked = HashSet::new();
    let mut open = vec![dir];
    // Names of folders still to visit stand in `waiting` beside their parent's depth: only one chain of descriptors
    // is open at a time.
    let mut waiting: Vec<(usize, std::ffi::CString)> = Vec::new();
    visit(&open[0], top.st_dev, 0, &mut bytes, &mut linked, &mut waiting)?;
    while let Some((depth, name)) = waiting.pop() {
        open.truncate(depth + 1);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&open[depth], name.as_c_str(), flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno.into()),
            Ok(child) => {
                open.push(child);
                visit(&open[depth + 1], top.st_dev, depth + 1, &mut bytes, &mut linked, &mut waiting)?;
            }
        }
    }
    Ok(bytes)
}

fn visit(
    dir: &OwnedFd,
    device: u64,
    depth: usize,
    bytes: &mut u64,
    linked: &mut HashSet<u64>,
    waiting: &mut Vec<(usize, std::ffi::CString)>,
) -> io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if stat.st_dev != device || (!is_dir && stat.st_nlink > 1 && !linked.insert(stat.st_ino)) {
            continue;
        }
        *bytes += blocks(&stat);
        if is_dir {
            waiting.push((depth, name.to_owned()));
        }
    }
    Ok(())
}

fn blocks(stat: &rustix::fs::Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * 512
}
