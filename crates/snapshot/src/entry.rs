//! One entry of the archive, settled: what the parser found, with sizes, owners and times read again strictly.

use crate::limits::PATH_BYTES;
use crate::name::shown;
use crate::pax;
use error::{Error, Result};
use rustix::fs::Timespec;
use std::ffi::CString;
use tar_core::parse::ParsedEntry;
use tar_core::{EntryType, SparseEntry};

/// What to make, and with which metadata.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As the archive has it; [`crate::name::read`] reads it.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permissions with setuid, setgid and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timespec,
    pub(crate) xattrs: Vec<Xattr>,
}

/// An extended attribute.
#[derive(Debug)]
pub(crate) struct Xattr {
    pub(crate) name: CString,
    pub(crate) value: Vec<u8>,
}

/// What sort of file. Targets of links are as the archive has them.
#[derive(Debug)]
pub(crate) enum Kind {
    File { size: u64 },
    Sparse { size: u64, map: Vec<SparseEntry> },
    Dir,
    Symlink { target: CString },
    Hardlink { target: Vec<u8> },
    CharDevice { device: u64 },
    BlockDevice { device: u64 },
    Fifo,
}

/// A sparse map as the parser read it.
pub(crate) struct RawSparse {
    pub(crate) map: Vec<SparseEntry>,
    pub(crate) real_size: u64,
    /// Bytes of the entry's content that were the map itself (pax 1.0).
    pub(crate) map_bytes: u64,
}

/// The entry, and how many bytes of content follow it in the archive.
pub(crate) fn settle(parsed: &ParsedEntry, sparse: Option<RawSparse>) -> Result<(Entry, u64)> {
    let records = pax::records(parsed.pax.unwrap_or_default())?;
    let header = parsed.header.as_ustar();
    let wrong = |what: &str| Error::invalid(format!("invalid {what} of `{}` in the archive", shown(&parsed.path)));

    let mut size = pax::field(&header.size).and_then(|size| u64::try_from(size).ok()).ok_or_else(|| wrong("size"))?;
    let mut uid = pax::field(&header.uid).and_then(|id| u32::try_from(id).ok());
    let mut gid = pax::field(&header.gid).and_then(|id| u32::try_from(id).ok());
    let mut mtime = pax::field(&header.mtime).map(|seconds| Timespec { tv_sec: seconds, tv_nsec: 0 });
    let mut xattrs = Vec::new();
    for (key, value) in &records {
        match *key {
            b"size" => size = pax::decimal(value).ok_or_else(|| wrong("size"))?,
            b"uid" => uid = pax::decimal(value).and_then(|id| u32::try_from(id).ok()),
            b"gid" => gid = pax::decimal(value).and_then(|id| u32::try_from(id).ok()),
            b"mtime" => mtime = pax::time(value),
            _ => read_xattr(key, value, &mut xattrs).ok_or_else(|| wrong("extended attribute"))?,
        }
    }
    let kind = kind(parsed, size, sparse)?;
    // Only files have content; the size field of others means nothing (as in Go's and GNU's readers).
    let content = match &kind {
        Kind::File { .. } => size,
        Kind::Sparse { map, .. } => map.iter().map(|piece| piece.length).sum(),
        _ => 0,
    };
    let entry = Entry {
        path: parsed.path.to_vec(),
        kind,
        mode: parsed.mode & 0o7777,
        // The kernel's "no id" is no owner.
        uid: uid.filter(|id| *id != u32::MAX).ok_or_else(|| wrong("owner"))?,
        gid: gid.filter(|id| *id != u32::MAX).ok_or_else(|| wrong("group"))?,
        mtime: mtime.ok_or_else(|| wrong("time"))?,
        xattrs,
    };
    Ok((entry, content))
}

fn kind(parsed: &ParsedEntry, size: u64, sparse: Option<RawSparse>) -> Result<Kind> {
    let wrong = |why: &str| Error::invalid(format!("invalid entry `{}` in the archive: {why}", shown(&parsed.path)));
    let target = || match parsed.link_target.as_deref() {
        None | Some([]) => Err(wrong("a link without a target")),
        Some(target) if target.len() > PATH_BYTES => Err(wrong("the target is too long")),
        Some(target) => Ok(target.to_vec()),
    };
    let device = || match (parsed.dev_major, parsed.dev_minor) {
        // The kernel's ranges: 12 bits and 20 bits.
        (Some(major @ 0..=0xfff), Some(minor @ 0..=0xf_ffff)) => Ok(rustix::fs::makedev(major, minor)),
        _ => Err(wrong("no such device number")),
    };
    let is_file = matches!(parsed.entry_type, EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse);
    if let Some(sparse) = sparse {
        return if is_file { sparse_file(size, sparse).map_err(wrong) } else { Err(wrong("only files are sparse")) };
    }
    Ok(match parsed.entry_type {
        // Before ustar a folder was a file whose name ends with a slash.
        EntryType::Regular if parsed.header.as_ustar().typeflag[0] == 0 && parsed.path.ends_with(b"/") => Kind::Dir,
        EntryType::Regular | EntryType::Continuous => Kind::File { size },
        EntryType::Directory => Kind::Dir,
        EntryType::Symlink => {
            Kind::Symlink { target: CString::new(target()?).map_err(|_| wrong("the target holds a zero byte"))? }
        }
        EntryType::Link => Kind::Hardlink { target: target()? },
        EntryType::Char => Kind::CharDevice { device: device()? },
        EntryType::Block => Kind::BlockDevice { device: device()? },
        EntryType::Fifo => Kind::Fifo,
        other => return Err(wrong(&format!("unknown type `{}`", other.to_byte().escape_ascii()))),
    })
}

/// Pieces must be in order, inside the file, and together exactly what the archive holds.
fn sparse_file(size: u64, sparse: RawSparse) -> std::result::Result<Kind, &'static str> {
    let (mut end, mut held) = (0u64, 0u64);
    for piece in &sparse.map {
        if piece.offset < end {
            return Err("the sparse map is out of order");
        }
        end = piece.offset.checked_add(piece.length).ok_or("the sparse map is too large")?;
        held += piece.length; // no overflow: at most `end`
    }
    if end > sparse.real_size || i64::try_from(sparse.real_size).is_err() {
        return Err("the sparse map is larger than the file");
    }
    if size.checked_sub(sparse.map_bytes) != Some(held) {
        return Err("the sparse map does not match the content");
    }
    Ok(Kind::Sparse { size: sparse.real_size, map: sparse.map })
}

/// `SCHILY.xattr.<name>` holds the raw value, `LIBARCHIVE.xattr.<name>` it in base64 (bsdtar writes both).
fn read_xattr(key: &[u8], value: &[u8], xattrs: &mut Vec<Xattr>) -> Option<()> {
    let (name, value) = if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        (name.to_vec(), value.to_vec())
    } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
        (percent_decoded(name)?, pax::base64(value)?)
    } else {
        return Some(());
    };
    let name = CString::new(name).ok().filter(|name| !name.is_empty())?;
    xattrs.retain(|known| known.name != name);
    xattrs.push(Xattr { name, value });
    Some(())
}

fn percent_decoded(name: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = [*bytes.next()?, *bytes.next()?];
        decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some(decoded)
}
