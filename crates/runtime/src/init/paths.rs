//! Paths of the container: opened, and made where they are absent, without ever leaving its root.
//!
//! Every look-up goes through the kernel's own walk inside the root and refuses magic links (`/proc/self/fd/…`), so
//! nothing that an image or a racing neighbour puts there leads out. A link to nothing is followed as if its target
//! were there, as Docker does: many images have an `/etc/resolv.conf` that points into an empty `/run`.

use crate::plan::{Node, NodeKind};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, makedev, mkdirat, mknodat, openat2,
    readlinkat_raw, statat, symlinkat,
};
use rustix::io::Errno;
use std::ffi::CStr;

/// Longest path that a step may name (`PATH_MAX` of linux/limits.h).
const PATH_MAX: usize = 4096;

/// Longest name of a file with its NUL (`NAME_MAX` of linux/limits.h).
const NAME_MAX: usize = 255 + 1;

/// How many links to nothing are followed on one way, as many as the kernel follows in all (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What is made at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

/// Opens a path of the container: `..` and links end at its root, magic links are refused. The working directory must
/// be the container's root: to the kernel it is what "in root" means (openat2(2), `RESOLVE_IN_ROOT`).
pub(super) fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    resolve(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// The same for a directory that must be where its name says: a link anywhere on the way is refused.
pub(super) fn make_plain_dirs(path: &CStr) -> Result<OwnedFd, Errno> {
    let plain = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        resolve(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
    };
    match plain() {
        Err(Errno::NOENT) => {
            make_dirs(path)?;
            plain()
        }
        other => other,
    }
}

fn resolve(path: &CStr, flags: OFlags, how: ResolveFlags) -> Result<OwnedFd, Errno> {
    loop {
        // EAGAIN: something was renamed while `..` was being resolved (openat2(2)).
        match openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Opens a directory; makes it and its parents when they are absent.
pub(crate) fn make_dirs(path: &CStr) -> Result<OwnedFd, Errno> {
    make(path, Kind::Directory)
}

/// Opens a file of any kind; makes an empty one, and its parents, when it is absent.
pub(crate) fn make_file(path: &CStr) -> Result<OwnedFd, Errno> {
    make(path, Kind::File)
}

/// Makes a link; whatever is there already stays.
pub(super) fn make_link(to: &CStr, path: &CStr) -> Result<(), Errno> {
    let (dir, name) = make_parent(path)?;
    match symlinkat(to, dir, name.as_c()?) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Makes a device node or pipe; one that is there already and is the same is left (config-linux.md, "Devices").
pub(super) fn make_node(node: &Node) -> Result<(), Errno> {
    let (dir, name) = make_parent(node.path.c())?;
    let name = name.as_c()?;
    let kind = match node.kind {
        NodeKind::Character => FileType::CharacterDevice,
        NodeKind::Block => FileType::BlockDevice,
        NodeKind::Fifo => FileType::Fifo,
    };
    let (major, minor) = node.device;
    let device = makedev(major, minor);
    match mknodat(&dir, name, kind, Mode::from_raw_mode(node.mode), device) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let there = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let same =
                FileType::from_raw_mode(there.st_mode) == kind && (kind == FileType::Fifo || there.st_rdev == device);
            return if same { Ok(()) } else { Err(Errno::EXIST) };
        }
        Err(errno) => return Err(errno),
    }
    if (node.uid, node.gid) != (0, 0) {
        chownat(&dir, name, Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// The directory of a path, made when absent, and the name in it.
fn make_parent(path: &CStr) -> Result<(OwnedFd, PathBuffer<NAME_MAX>), Errno> {
    let bytes = path.to_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or(Errno::INVAL)?;
    let mut parent = PathBuffer::<PATH_MAX>::new();
    parent.push(&bytes[..slash.max(1)])?;
    let mut name = PathBuffer::<NAME_MAX>::new();
    name.push(&bytes[slash + 1..])?;
    if matches!(name.bytes(), b"" | b"." | b"..") {
        return Err(Errno::INVAL);
    }
    Ok((make_dirs(parent.as_c()?)?, name))
}

fn make(path: &CStr, kind: Kind) -> Result<OwnedFd, Errno> {
    match open(path, flags(kind)) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    match make_last(path, kind) {
        // More than the last is absent; or there is a link to nothing.
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut way = PathBuffer::<PATH_MAX>::new();
    way.push(path.to_bytes())?;
    for _ in 0..MAX_LINKS {
        if let Some(end) = walk(&mut way, kind)? {
            return Ok(end);
        }
    }
    Err(Errno::LOOP)
}

/// Most often only the last part of the way is absent, and the rest need not be walked step by step.
fn make_last(path: &CStr, kind: Kind) -> Result<OwnedFd, Errno> {
    let bytes = path.to_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or(Errno::NOENT)?;
    let name = &bytes[slash + 1..];
    if matches!(name, b"" | b"." | b"..") {
        return Err(Errno::NOENT);
    }
    let mut parent = PathBuffer::<PATH_MAX>::new();
    parent.push(&bytes[..slash.max(1)])?;
    // What follows the last slash is a C string as it is.
    let name = CStr::from_bytes_until_nul(&path.to_bytes_with_nul()[slash + 1..]).map_err(|_| Errno::INVAL)?;
    make_one(&open(parent.as_c()?, flags(Kind::Directory))?, name, kind)?;
    open(path, flags(kind))
}

fn flags(kind: Kind) -> OFlags {
    match kind {
        Kind::Directory => OFlags::PATH | OFlags::DIRECTORY,
        Kind::File => OFlags::PATH,
    }
}

/// Makes whatever is absent on the way. `None`: at a link to nothing, `way` is now the path to try instead.
fn walk(way: &mut PathBuffer<PATH_MAX>, kind: Kind) -> Result<Option<OwnedFd>, Errno> {
    let bytes = way.bytes();
    let mut dir = open(c"/", flags(Kind::Directory))?;
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(|byte| *byte != b'/').map(|slashes| at + slashes) {
        let end = bytes[start..].iter().position(|byte| *byte == b'/').map_or(bytes.len(), |length| start + length);
        let rest = &bytes[end..];
        let kind = if rest.iter().all(|byte| *byte == b'/') { kind } else { Kind::Directory };
        let mut name = PathBuffer::<NAME_MAX>::new();
        name.push(&bytes[start..end])?;
        make_one(&dir, name.as_c()?, kind)?;
        let mut prefix = PathBuffer::<PATH_MAX>::new();
        prefix.push(&bytes[..end])?;
        // By the whole prefix, so that a link among the parents is resolved inside the root.
        match open(prefix.as_c()?, flags(kind)) {
            Ok(next) => dir = next,
            // It is there and yet leads nowhere.
            Err(Errno::NOENT) => {
                *way = link_target(&dir, name.as_c()?, &bytes[..start], rest)?;
                return Ok(None);
            }
            Err(errno) => return Err(errno),
        }
        at = end;
    }
    Ok(Some(dir))
}

fn make_one(dir: &OwnedFd, name: &CStr, kind: Kind) -> Result<(), Errno> {
    let made = match kind {
        Kind::Directory => mkdirat(dir, name, Mode::from_raw_mode(0o755)),
        Kind::File => mknodat(dir, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0),
    };
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Where the link `name` says that one should go: `parent` (with its slash) counts unless it says an absolute path.
fn link_target(dir: impl AsFd, name: &CStr, parent: &[u8], rest: &[u8]) -> Result<PathBuffer<PATH_MAX>, Errno> {
    let mut buffer = [0; PATH_MAX];
    let length = readlinkat_raw(dir, name, &mut buffer[..])?;
    let target = &buffer[..length];
    let mut new = PathBuffer::new();
    if target.first() != Some(&b'/') {
        new.push(parent)?;
    }
    new.push(target)?;
    new.push(rest)?;
    Ok(new)
}

/// A path on the stack: the init must not allocate.
struct PathBuffer<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> PathBuffer<N> {
    fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    fn push(&mut self, more: &[u8]) -> Result<(), Errno> {
        let end = self.length + more.len();
        // One byte stays for the NUL.
        if end >= N {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes[self.length..end].copy_from_slice(more);
        self.length = end;
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn as_c(&self) -> Result<&CStr, Errno> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno::INVAL)
    }
}
