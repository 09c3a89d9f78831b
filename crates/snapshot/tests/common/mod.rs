//! A raw tar writer, so that tests can write hostile headers exactly, and a store in a folder of its own.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

use error::Result;
use oci::Digest;
use snapshot::{Flavour, Limits, Store, Unpacked};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// One header and its content, as written: nothing is checked.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
    pub link: Vec<u8>,
    pub device: (u32, u32),
    pub content: Vec<u8>,
    /// What the header claims, if not the content's length.
    pub size: Option<u64>,
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
}

pub fn entry(kind: u8, name: impl AsRef<[u8]>) -> Entry {
    Entry {
        name: name.as_ref().to_vec(),
        kind,
        mode: if kind == b'5' { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: 1_000_000_000,
        link: Vec::new(),
        device: (0, 0),
        content: Vec::new(),
        size: None,
        pax: Vec::new(),
    }
}

pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    Entry { content: content.as_ref().to_vec(), ..entry(b'0', name) }
}

pub fn dir(name: impl AsRef<[u8]>) -> Entry {
    entry(b'5', name)
}

pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    Entry { link: target.as_ref().to_vec(), ..entry(b'2', name) }
}

pub fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    Entry { link: target.as_ref().to_vec(), ..entry(b'1', name) }
}

impl Entry {
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }
    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self { uid, gid, ..self }
    }
    pub fn mtime(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }
    pub fn device(self, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..self }
    }
    pub fn size(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }
    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.into(), value.as_ref().to_vec()));
        self
    }

    pub fn header(&self, magic: &[u8; 8]) -> [u8; 512] {
        let mut header = [0u8; 512];
        let name = &self.name[..self.name.len().min(100)];
        header[..name.len()].copy_from_slice(name);
        octal(&mut header[100..108], u64::from(self.mode));
        octal(&mut header[108..116], self.uid);
        octal(&mut header[116..124], self.gid);
        octal(&mut header[124..136], self.size.unwrap_or(self.content.len() as u64));
        octal(&mut header[136..148], u64::try_from(self.mtime).unwrap());
        header[156] = self.kind;
        let link = &self.link[..self.link.len().min(100)];
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(magic);
        octal(&mut header[329..337], u64::from(self.device.0));
        octal(&mut header[337..345], u64::from(self.device.1));
        header
    }
}

/// Octal with a zero byte, or GNU's base 256 where it doesn't fit.
fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}\0");
    if text.len() == field.len() {
        field.copy_from_slice(text.as_bytes());
        return;
    }
    let start = field.len() - 8.min(field.len());
    let bytes = value.to_be_bytes();
    let tail = &bytes[8 - (field.len() - start)..];
    field[start..].copy_from_slice(tail);
    field[0] |= 0x80;
}

pub const USTAR: &[u8; 8] = b"ustar\x0000";
pub const GNU: &[u8; 8] = b"ustar  \0";

pub fn sealed(mut header: [u8; 512]) -> [u8; 512] {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

pub fn padded(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

/// A record whose length counts itself.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Entries without an end mark.
pub fn open_tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        if !entry.pax.is_empty() {
            let records: Vec<u8> = entry.pax.iter().flat_map(|(key, value)| record(key, value)).collect();
            tar.extend(sealed(file("pax", &records).kind(b'x').header(USTAR)));
            tar.extend(records);
            padded(&mut tar);
        }
        tar.extend(sealed(entry.header(USTAR)));
        tar.extend(&entry.content);
        padded(&mut tar);
    }
    tar
}

impl Entry {
    pub fn kind(self, kind: u8) -> Self {
        Self { kind, ..self }
    }
}

pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = open_tar(entries);
    tar.extend([0; 1024]);
    tar
}

pub fn diff_id(tar: &[u8]) -> Digest {
    Digest::of(tar)
}

/// A folder that goes when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("snapshot-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
    pub fn store(&self) -> Store {
        Store::open(&self.0.join("snapshots"), Flavour::Privileged)
    }
    pub fn layer(&self, tar: &[u8]) -> PathBuf {
        self.0.join("snapshots").join(diff_id(tar).hex()).join("fs")
    }
    /// Unpacks and says where.
    pub fn unpacked(&self, entries: &[Entry]) -> PathBuf {
        let tar = tar(entries);
        unpack(&self.store(), &tar).unwrap();
        self.layer(&tar)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let parent = std::fs::File::open(self.0.parent().unwrap()).unwrap();
        sys::remove::remove_tree(parent.as_fd(), self.0.file_name().unwrap()).unwrap();
    }
}

/// Unpacks a tar whose diff ID is right.
pub fn unpack(store: &Store, tar: &[u8]) -> Result<Unpacked> {
    store.unpack(&diff_id(tar), &mut &*tar, &Limits::default(), &|_| {})
}

/// One line for each file below `root`, without times: `0755 0:0 dir a`.
pub fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    walk(root, root, &mut lines);
    lines.sort_by(|a, b| a.rsplit('\t').next().cmp(&b.rsplit('\t').next()));
    lines
}

fn walk(root: &Path, here: &Path, lines: &mut Vec<String>) {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let kind = meta.file_type();
        let what = if kind.is_dir() {
            "dir".to_owned()
        } else if kind.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).unwrap().display())
        } else if kind.is_char_device() {
            format!("char {}:{}", rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()))
        } else if kind.is_block_device() {
            format!("block {}:{}", rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()))
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("{:?}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
        };
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        lines.push(format!("{:04o} {}:{} {what}\t{name}", meta.mode() & 0o7777, meta.uid(), meta.gid()));
        if kind.is_dir() {
            walk(root, &path, lines);
        }
    }
}

pub fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 65536];
    match rustix::fs::lgetxattr(path, name, &mut value) {
        Ok(length) => Some(value[..length].to_vec()),
        Err(rustix::io::Errno::NODATA) => None,
        Err(errno) => panic!("{name} of {}: {errno}", path.display()),
    }
}

pub fn is_opaque(path: &Path) -> bool {
    xattr(path, "trusted.overlay.opaque").as_deref() == Some(b"y")
}
