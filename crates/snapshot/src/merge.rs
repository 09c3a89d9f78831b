//! What a stack of layers shows at a path, as overlayfs would; and what it should show where a layer only implies a
//! folder: the metadata of the topmost layer that describes it.

use crate::flavour::Flavour;
use crate::name::{self, shown};
use crate::unpack::IMPLIED;
use error::{Result, ResultExt};
use rustix::fs::{AtFlags, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Bytes of a list of xattr names and of a value: the kernel's own limits (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const XATTR_BYTES: usize = 64 << 10;

/// A committed layer, opened to be looked at.
pub(crate) struct Layer {
    root: OwnedFd,
    implied: HashSet<Vec<u8>>,
    flavour: Flavour,
}

/// A folder of one layer, open.
pub(crate) struct Found {
    fd: OwnedFd,
    described: bool,
}

impl Layer {
    /// Opens a layer's folder; `None`: it is not there.
    pub(crate) fn open(dir: &Path, flavour: Flavour) -> Result<Option<Self>> {
        let words = || format!("can't open `{}`", dir.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(dir.join(crate::store::FS), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(io::Error::from).context(words)?,
        };
        let list = std::fs::read(dir.join(IMPLIED)).context(words)?;
        let implied = list.split_inclusive(|&byte| byte == 0).map(|path| path[..path.len() - 1].to_vec()).collect();
        Ok(Some(Self { root, implied, flavour }))
    }

    /// Has this folder no entry of its own here?
    pub(crate) fn implies(&self, path: &[u8]) -> bool {
        self.implied.contains(path)
    }

    /// An opaque root hides all layers below; overlayfs itself would not see that.
    pub(crate) fn hides_all(&self) -> bool {
        self.is_opaque(self.root.as_fd())
    }

    fn is_opaque(&self, folder: BorrowedFd) -> bool {
        is_opaque(folder, self.flavour)
    }

    /// The folder at a path, and whether layers below can be seen there.
    fn look(&self, path: &[u8]) -> io::Result<(Option<Found>, bool)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut here = rustix::fs::openat(&self.root, ".", flags, Mode::empty())?;
        let mut transparent = true;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            here = match rustix::fs::openat(&here, name, flags, Mode::empty()) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => return Ok((None, transparent)),
                Err(Errno::NOTDIR | Errno::LOOP) => return Ok((None, false)), // a whiteout, a file, a link
                Err(errno) => return Err(errno.into()),
            };
            transparent &= !self.is_opaque(here.as_fd());
        }
        Ok((Some(Found { fd: here, described: !self.implies(path) }), transparent))
    }
}

/// Does this folder hide what lower layers have in it?
pub(crate) fn is_opaque(folder: BorrowedFd, flavour: Flavour) -> bool {
    let mut value = [0; 1];
    matches!(rustix::fs::fgetxattr(folder, flavour.opaque(), &mut value), Ok(1)) && value == *b"y"
}

/// Folders, by path, whose metadata must be said again above all layers, with the folder that has it.
pub(crate) type Folders = BTreeMap<Vec<u8>, Found>;

/// Looks at all implied folders of these layers, bottom first.
pub(crate) fn settle(layers: &[Layer]) -> Result<Folders> {
    let mut folders = Folders::new();
    // The bottom layer's have nothing below. The root is the upper layer's matter.
    let implied: HashSet<&Vec<u8>> = layers.iter().skip(1).flat_map(|layer| &layer.implied).collect();
    for path in implied.into_iter().filter(|path| !path.is_empty()) {
        let mut found = find(layers, path)?;
        let shown_as_implied = found.first().is_some_and(|top| !top.described);
        if let Some(described) = found.iter().position(|folder| folder.described)
            && shown_as_implied
        {
            folders.insert(path.clone(), found.swap_remove(described));
        }
    }
    // The folders on the way to them are said again too, and must show what they showed before.
    let mut ancestors = HashSet::new();
    for path in folders.keys() {
        let mut path = path.as_slice();
        while !path.is_empty() {
            path = name::split(path).0;
            ancestors.insert(path.to_vec());
        }
    }
    ancestors.retain(|path| !folders.contains_key(path));
    for path in ancestors {
        let mut found = find(layers, &path)?;
        let best = found.iter().position(|folder| folder.described).unwrap_or(0);
        if best < found.len() {
            folders.insert(path, found.swap_remove(best));
        }
    }
    Ok(folders)
}

/// The layers' folders at a path that are visible in the stack, top first.
fn find(layers: &[Layer], path: &[u8]) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for layer in layers.iter().rev() {
        let (found, transparent) = layer.look(path).context(|| format!("can't look at `{}`", shown(path)))?;
        all.extend(found);
        if !transparent {
            break;
        }
    }
    Ok(all)
}

/// Makes the settled folders in `dir/name`.
pub(crate) fn write(dir: BorrowedFd, name: &str, folders: &Folders) -> Result<()> {
    write_all(dir, name, folders).context(|| "can't settle the folders that layers imply")
}

fn write_all(dir: BorrowedFd, name: &str, folders: &Folders) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::mkdirat(dir, name, Mode::RWXU)?;
    let root = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    // In the map's order parents come first; backwards, each is touched after what is in it.
    for path in folders.keys().filter(|path| !path.is_empty()) {
        rustix::fs::mkdirat(&root, path.as_slice(), Mode::RWXU)?;
    }
    for (path, found) in folders.iter().rev() {
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        copy_metadata(found.fd.as_fd(), rustix::fs::openat(&root, path, flags, Mode::empty())?.as_fd())?;
    }
    Ok(())
}

/// Owner, mode, times and extended attributes, but for overlayfs's marks.
pub(crate) fn copy_metadata(from: BorrowedFd, to: BorrowedFd) -> io::Result<()> {
    let stat: Stat = rustix::fs::fstat(from)?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode))?;
    let mut names = vec![0u8; XATTR_BYTES];
    let length = match rustix::fs::flistxattr(from, &mut names) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let mut value = Vec::new();
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") || name == b"security.selinux" {
            continue;
        }
        value.resize(XATTR_BYTES, 0);
        let length = rustix::fs::fgetxattr(from, name, &mut value)?;
        rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(rustix::fs::futimens(to, &crate::attributes::times_of(&stat))?)
}
