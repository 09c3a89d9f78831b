//! A tree becomes an archive: what `cp`, `export` and `commit` give away.
//!
//! The tree may be a hostile container's that works meanwhile: each name is opened once, below its folder's descriptor
//! and never through a link; only what was opened is looked at and read. A file that shrinks while it is read is filled
//! up with zeros, for its size has been told; what vanishes is not in the archive.

mod header;

use crate::entry::Xattr;
use crate::flavour::Flavour;
use crate::limits::PATH_BYTES;
use crate::name::{OPAQUE, WHITEOUT, join, shown};
use error::{Error, Result, ResultExt};
use header::{BLOCK_BYTES, Head, kind};
use rustix::fs::{FileType, FsWord, Mode, OFlags, Stat, Timespec};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Bytes of a file moved at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// Folders in folders: each costs a descriptor, of the 1024 that a process has by default.
const DEPTH: usize = 512;

/// The kernel's own limits for the list of a file's attributes and for one of them, in bytes (xattr(7)).
const XATTR_BYTES: usize = 64 << 10;

/// File systems that hold no files but views of the kernel (statfs(2)): proc, sysfs, cgroups of both versions, devpts,
/// mqueue. Their folders are given without content.
const VIEWS: [FsWord; 6] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x1cd1, 0x1980_0202];

/// What was given away, and what was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of regular files.
    pub size: u64,
    /// Sockets: archives have no word for them.
    pub sockets: u64,
}

/// Writes entries of trees into one archive.
pub struct Packer<'a> {
    out: &'a mut dyn Write,
    /// Translate overlayfs's marks of this flavour into a layer's whiteouts.
    marks: Option<Flavour>,
    /// Paths that are left out, with all below them.
    omit: &'a dyn Fn(&[u8]) -> bool,
    /// By device and inode: the first name in the archive of what has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Where we are; after a failure, where it was.
    at: Vec<u8>,
    chunk: Vec<u8>,
    packed: Packed,
}

impl<'a> Packer<'a> {
    /// Entries of files as they are.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let (links, packed) = (HashMap::new(), Packed::default());
        Self { out, marks: None, omit: &|_| false, links, at: Vec::new(), chunk: vec![0; CHUNK_BYTES], packed }
    }

    /// Entries of a layer, from the upper folder of an overlay. `omit`: paths that are left out.
    pub fn of_layer(out: &'a mut dyn Write, flavour: Flavour, omit: &'a dyn Fn(&[u8]) -> bool) -> Self {
        Self { marks: Some(flavour), omit, ..Self::new(out) }
    }

    /// Gives what `item` stands for (any descriptor, `O_PATH` too) that name, and what is below it names below that.
    pub fn item(&mut self, item: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        let item = rustix::io::fcntl_dupfd_cloexec(item, 0).map_err(io::Error::from)?;
        let packed = match self.opened(item, name) {
            Ok(Some(folder)) => self.walk(folder, name),
            other => other.map(drop),
        };
        packed.map_err(|error| self.failed(error))
    }

    /// Only a folder itself, as the root of the archive: its owner, mode and attributes.
    pub fn root(&mut self, folder: BorrowedFd<'_>) -> Result<()> {
        let stat = rustix::fs::fstat(folder).map_err(io::Error::from)?;
        let xattrs = xattrs(folder)?;
        self.head(&stat, kind::FOLDER, b"./", Head { xattrs: &xattrs, ..EMPTY })
    }

    /// Only what is in a folder, by names that begin there.
    pub fn content(&mut self, folder: BorrowedFd<'_>) -> Result<()> {
        let folder = reopen(folder, OFlags::DIRECTORY)?;
        self.walk(folder, b"").map_err(|error| self.failed(error))
    }

    fn failed(&self, error: Error) -> Error {
        error.context(format!("can't pack `{}`", shown(&self.at)))
    }

    /// Ends the archive with its two empty blocks.
    pub fn finish(self) -> Result<Packed> {
        self.out
            .write_all(&[0; 2 * BLOCK_BYTES])
            .and_then(|()| self.out.flush())
            .context(|| "can't write the archive")?;
        Ok(self.packed)
    }

    /// All that is below a folder. Not by recursion: a hostile tree is as deep as the stack is not.
    fn walk(&mut self, folder: OwnedFd, name: &[u8]) -> Result<()> {
        let mut way = vec![Folder::open(folder, name.to_vec())?];
        while let Some(here) = way.last_mut() {
            let Some(inner) = here.left.pop() else {
                way.pop();
                continue;
            };
            let name = join(&here.name, inner.to_bytes());
            if (self.omit)(&name) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let item = match rustix::fs::openat(&here.fd, &inner, flags, Mode::empty()) {
                Err(Errno::NOENT) => continue, // its owner is at work
                other => other.map_err(io::Error::from)?,
            };
            let Some(folder) = self.opened(item, &name)? else { continue };
            if way.len() == DEPTH {
                return Err(Error::invalid(format!("deeper than {DEPTH} folders")));
            }
            way.push(Folder::open(folder, name)?);
        }
        Ok(())
    }

    /// Writes one entry. A folder that has to be walked is returned.
    fn opened(&mut self, item: OwnedFd, name: &[u8]) -> Result<Option<OwnedFd>> {
        name.clone_into(&mut self.at);
        if name.len() >= PATH_BYTES {
            return Err(Error::invalid(format!("longer than {PATH_BYTES} bytes")));
        }
        let stat = rustix::fs::fstat(&item).map_err(io::Error::from)?;
        if self.marks.is_some() {
            let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if last.starts_with(WHITEOUT) {
                return Err(Error::invalid("in a layer, names that begin with `.wh.` say that a file is gone"));
            }
            if crate::tree::is_whiteout(&stat) {
                let gone = [&name[..name.len() - last.len()], WHITEOUT, last].concat();
                return self.mark(&gone, &stat).map(|()| None);
            }
        }
        let file_type = FileType::from_raw_mode(stat.st_mode);
        match file_type {
            FileType::Directory => {
                let folder = reopen(item.as_fd(), OFlags::DIRECTORY)?;
                return Ok(self.folder(&folder, &stat, name)?.then_some(folder));
            }
            FileType::Socket => {
                self.packed.sockets += 1;
                return Ok(None);
            }
            _ => {}
        }
        let identity = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&identity).cloned() {
                let head = Head { target: &first, ..EMPTY };
                return self.head(&stat, kind::HARD_LINK, name, head).map(|()| None);
            }
            self.links.insert(identity, name.to_vec());
        }
        let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        match file_type {
            FileType::RegularFile => self.file(&item, &stat, name),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&item, c"", Vec::new()).map_err(io::Error::from)?;
                self.head(&stat, kind::SYMLINK, name, Head { target: target.as_bytes(), ..EMPTY })
            }
            FileType::Fifo => self.head(&stat, kind::FIFO, name, EMPTY),
            FileType::CharacterDevice => self.head(&stat, kind::CHAR_DEVICE, name, Head { device, ..EMPTY }),
            FileType::BlockDevice => self.head(&stat, kind::BLOCK_DEVICE, name, Head { device, ..EMPTY }),
            other => Err(Error::invalid(format!("unknown type {other:?}"))),
        }?;
        Ok(None)
    }

    /// A folder's own entry; whether it has content to be given.
    fn folder(&mut self, folder: &OwnedFd, stat: &Stat, name: &[u8]) -> Result<bool> {
        let xattrs = xattrs(folder.as_fd())?;
        self.head(stat, kind::FOLDER, &[name, b"/"].concat(), Head { xattrs: &xattrs, ..EMPTY })?;
        if let Some(flavour) = self.marks
            && crate::merge::is_opaque(folder.as_fd(), flavour)
        {
            self.mark(&join(name, OPAQUE), stat)?;
        }
        let system = rustix::fs::fstatfs(folder).map_err(io::Error::from)?;
        Ok(!VIEWS.contains(&system.f_type))
    }

    /// A file of a layer that only says something of the layers below.
    fn mark(&mut self, name: &[u8], stat: &Stat) -> Result<()> {
        let head = Head { kind: kind::FILE, name, mtime: mtime(stat)?, ..EMPTY };
        self.write(&head.encode())
    }

    fn file(&mut self, item: &OwnedFd, stat: &Stat, name: &[u8]) -> Result<()> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        // An empty one may be anything of procfs; there is nothing to be read, and no reason to open it.
        if size == 0 {
            return self.head(stat, kind::FILE, name, Head { xattrs: &xattrs(item.as_fd())?, ..EMPTY });
        }
        let file = File::from(reopen(item.as_fd(), OFlags::NONBLOCK)?);
        let xattrs = xattrs(file.as_fd())?;
        self.head(stat, kind::FILE, name, Head { size, xattrs: &xattrs, ..EMPTY })?;
        self.packed.size += size;
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = match (&file).read(&mut self.chunk[..wanted]) {
                Ok(0) => {
                    self.chunk[..wanted].fill(0);
                    wanted
                }
                Ok(read) => read,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause.into()),
            };
            self.out.write_all(&self.chunk[..read]).context(|| "can't write the archive")?;
            left -= read as u64;
        }
        let padding = usize::try_from(size.wrapping_neg() % BLOCK_BYTES as u64).expect("less than a block");
        self.write(&[0; BLOCK_BYTES][..padding])
    }

    fn head(&mut self, stat: &Stat, kind: u8, name: &[u8], head: Head<'_>) -> Result<()> {
        let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        self.write(&Head { kind, name, mode, uid, gid, mtime: mtime(stat)?, ..head }.encode())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context(|| "can't write the archive")
    }
}

/// A folder on the way.
struct Folder {
    fd: OwnedFd,
    name: Vec<u8>,
    /// What of it has still to be packed, the next one last.
    left: Vec<CString>,
}

impl Folder {
    fn open(fd: OwnedFd, name: Vec<u8>) -> io::Result<Self> {
        let mut left = sys::copy::names(fd.as_fd())?;
        // The same tree always becomes the same archive.
        left.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self { fd, name, left })
    }
}

/// What entries have in common: nothing.
const EMPTY: Head<'static> = Head {
    kind: 0,
    name: b"",
    target: b"",
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: Timespec { tv_sec: 0, tv_nsec: 0 },
    device: (0, 0),
    xattrs: &[],
};

fn mtime(stat: &Stat) -> Result<Timespec> {
    let tv_nsec = i64::try_from(stat.st_mtime_nsec).map_err(|_| Error::invalid("its time has too many nanoseconds"))?;
    Ok(Timespec { tv_sec: stat.st_mtime, tv_nsec })
}

/// Opens for reading what was looked at, and nothing that was put in its place since.
fn reopen(item: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | flags;
    Ok(rustix::fs::open(path_of(item), flags, Mode::empty())?)
}

fn path_of(item: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", item.as_raw_fd())).expect("digits hold no zero byte")
}

/// The attributes that belong to a file's content. By a path that means the descriptor, which may be one that gives no
/// other access.
fn xattrs(item: BorrowedFd<'_>) -> Result<Vec<Xattr>> {
    read_xattrs(&path_of(item)).context(|| "can't read its extended attributes")
}

fn read_xattrs(path: &CStr) -> io::Result<Vec<Xattr>> {
    // Most files have none, which the length alone tells.
    match rustix::fs::listxattr_query(path) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = vec![0; XATTR_BYTES];
    let length = rustix::fs::listxattr(path, &mut names[..])?;
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| sys::copy::is_content(name)) {
        let name = CString::new(name)?;
        let mut value = vec![0; XATTR_BYTES];
        match rustix::fs::getxattr(path, &name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(errno.into()),
        }
        found.push(Xattr { name, value });
    }
    Ok(found)
}
