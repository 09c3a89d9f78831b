//! One layer's story: begin a folder, inflate and hash in this thread, put files in a second, compare the digest,
//! commit.

use crate::archive::Archive;
use crate::attributes::{Birth, Skipped};
use crate::building::Building;
use crate::flavour::Flavour;
use crate::inflate::{self, Pieces};
use crate::limits::Limits;
use crate::place::Placer;
use crate::store::{FACTS, FS, Facts, Store};
use crate::tree::Tree;
use error::{Error, Result, ResultExt};
use oci::Digest;
use oci::digest::Hasher;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The layer was here, or another process has just finished it: nothing was done.
    pub already: bool,
    /// Bytes of regular files.
    pub size: u64,
    /// What could not be had and was left out.
    pub skipped: Skipped,
}

/// Name of the list of implied folders inside a layer.
pub(crate) const IMPLIED: &str = "implied";

impl Store {
    /// Unpacks one layer from its blob (gzip, zstd or plain tar, told by its bytes) and commits it under its diff ID.
    ///
    /// `content` is read to its end, unless the layer is here already or something fails; `on_progress` hears how many
    /// of its bytes are read. Layers can be unpacked side by side. Killed at any moment, it leaves nothing that
    /// counts as a layer.
    pub fn unpack(
        &self,
        diff_id: &Digest,
        content: &mut dyn Read,
        limits: &Limits,
        on_progress: &dyn Fn(u64),
    ) -> Result<Unpacked> {
        let words = || format!("can't unpack layer `{}`", diff_id.short());
        let already = Unpacked { already: true, ..Unpacked::default() };
        if self.contains(diff_id)? {
            return Ok(already);
        }
        let Some(building) = Building::begin(&self.dir, &diff_id.hex()).context(words)? else { return Ok(already) };
        let unpacked = fill(&building, self.flavour, diff_id, content, limits, on_progress).map_err(full_disk);
        let unpacked = unpacked.context(words)?;
        building.commit().map_err(full_disk).context(words)?;
        Ok(unpacked)
    }
}

fn fill(
    building: &Building,
    flavour: Flavour,
    diff_id: &Digest,
    content: &mut dyn Read,
    limits: &Limits,
    on_progress: &dyn Fn(u64),
) -> Result<Unpacked> {
    let root = make_root(building.dir()).context(|| "can't make the layer's root")?;
    let (feed, pieces) = inflate::channel();
    let mut hash = Hasher::new();
    let (inflated, placed) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("unpack".into());
        let placing = thread.spawn_scoped(scope, move || place_all(root, flavour, &pieces, limits.entries));
        let placing = placing.context(|| "can't start a thread")?;
        let inflated = inflate::inflate(content, &feed, limits, on_progress, &mut |piece| hash.update(piece));
        drop(feed); // an inflater that failed ends the other side too
        let placed = placing.join().unwrap_or_else(|_| Err(Error::new(error::Kind::Internal, "unpacking panicked")));
        Ok::<_, Error>((inflated, placed))
    })?;
    // A broken blob ends both: its own error is the cause.
    inflated?;
    let placed = placed?;
    let digest = hash.finish();
    if digest != *diff_id {
        return Err(Error::invalid(format!("its content is `{digest}`, not `{diff_id}`"))
            .hint("the image's layer and configuration do not belong together; ask who published it"));
    }
    write_file(
        building.dir(),
        IMPLIED,
        &placed.implied.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect::<Vec<_>>(),
    )?;
    let facts = serde_json::to_vec(&placed.facts).expect("plain numbers are valid JSON");
    write_file(building.dir(), FACTS, &facts)?;
    Ok(Unpacked { already: false, size: placed.facts.size, skipped: placed.skipped })
}

struct Placed {
    facts: Facts,
    implied: Vec<Vec<u8>>,
    skipped: Skipped,
}

/// Runs in a thread of its own, which it frees from the umask.
fn place_all(root: OwnedFd, flavour: Flavour, pieces: &Pieces, most: u64) -> Result<Placed> {
    let exact_modes = sys::umask::clear_for_this_thread().is_ok(); // else modes are set afterwards
    let birth =
        Birth { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw(), exact_modes };
    let mut placer = Placer { tree: Tree::new(root, flavour), birth, skipped: Skipped::default(), size: 0 };
    let mut archive = Archive::new(pieces);
    let mut entries = 0;
    while let Some(entry) = archive.next()? {
        entries += 1;
        if entries > most {
            return Err(Error::invalid(format!("the archive has more than {most} entries")));
        }
        placer.place(&entry, &mut archive)?;
    }
    archive.drain()?;
    let facts = Facts { size: placer.size, entries };
    Ok(Placed { facts, implied: placer.tree.finish()?, skipped: placer.skipped })
}

/// The layer's root: `root:root 0755` whatever umask, setgid bit or default ACL the folder above has.
fn make_root(dir: BorrowedFd) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o755);
    rustix::fs::mkdirat(dir, FS, mode)?;
    let root = rustix::fs::openat(dir, FS, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::fs::fremovexattr(&root, c"system.posix_acl_default") {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno.into()),
    }
    rustix::fs::fchown(&root, Some(Uid::ROOT), Some(Gid::ROOT))?;
    rustix::fs::fchmod(&root, mode)?;
    Ok(root)
}

pub(crate) fn write_file(dir: BorrowedFd, name: &str, bytes: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let words = || format!("can't write `{name}`");
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600)).map_err(io::Error::from);
    std::fs::File::from(file.context(words)?).write_all(bytes).context(words)
}

fn full_disk(error: Error) -> Error {
    if error.kind == error::Kind::Unavailable && error.messages.iter().any(|message| message.contains("space")) {
        return error.hint("free some disk space: unused images can be removed with `rmi`");
    }
    error
}
