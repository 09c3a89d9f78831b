//! Removal of a whole tree by descriptors: never follows a symbolic link, never leaves the file system, any depth.

use error::{Result, ResultExt};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Descriptors held at once on the way down. What lies deeper is first moved up, so that a tree of any depth can go.
const OPEN_DIRS: usize = 64;

/// Names read at a time, in bytes: room for a hundred usual ones, on the stack of each folder on the way down.
const NAMES_BYTES: usize = 4096;

/// Removes `name` in `dir` and everything below it. What does not exist is removed already.
///
/// Folders without permissions (overlay's `work/work` has mode 000) are made accessible first where we own them.
/// A mount point inside is an error, not a way into another file system.
pub fn remove_tree(dir: BorrowedFd, name: impl AsRef<Path>) -> Result<()> {
    let name = name.as_ref();
    let words = || format!("can't remove `{}`", name.display());
    let name = std::ffi::CString::new(name.as_os_str().as_bytes()).map_err(|_| Errno::INVAL).map_err(io);
    remove(dir, &name.context(words)?).map_err(io).context(words)
}

fn io(errno: Errno) -> std::io::Error {
    errno.into()
}

fn remove(parent: BorrowedFd, name: &CStr) -> rustix::io::Result<()> {
    match unlink(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        // POSIX's word for unlinking a folder, and Linux's for an immutable file: the folder's own removal will tell.
        Err(Errno::PERM) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    let top = match open_dir(parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR) => return Err(Errno::PERM),
        other => other?,
    };
    let mut lifted = 0;
    // Each round may lift deep folders to the top; the next round empties those.
    loop {
        let before = lifted;
        empty(top.as_fd(), top.as_fd(), 1, &mut lifted)?;
        if lifted == before {
            break;
        }
    }
    remove_empty(parent, name)
}

/// Somebody else may be removing the same tree: whoever comes second finds nothing, and that is success.
fn remove_empty(parent: BorrowedFd, name: &CStr) -> rustix::io::Result<()> {
    match unlink(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn empty(dir: BorrowedFd, top: BorrowedFd, depth: usize, lifted: &mut u64) -> rustix::io::Result<()> {
    // A folder that is read a second time is read from its beginning.
    rustix::fs::seek(dir, SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); NAMES_BYTES];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // The folder itself was removed meanwhile: getdents(2) has no other word for it.
            Err(Errno::NOENT) => break,
            other => other?,
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            match unlink(dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {} // a file system that does not tell types
                Err(errno) => return Err(errno),
            }
        }
        if depth >= OPEN_DIRS {
            lift(dir, name, top, lifted)?;
            continue;
        }
        let child = match open_dir(dir, name) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        empty(child.as_fd(), top, depth + 1, lifted)?;
        drop(child);
        remove_empty(dir, name)?;
    }
    Ok(())
}

fn lift(dir: BorrowedFd, name: &CStr, top: BorrowedFd, lifted: &mut u64) -> rustix::io::Result<()> {
    loop {
        *lifted += 1;
        let new_name = format!(".removing-{lifted}");
        match rustix::fs::renameat_with(dir, name, top, &new_name, rustix::fs::RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => return Ok(()),
            other => return other,
        }
    }
}

fn open_dir(parent: BorrowedFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match open_beneath(parent, name, flags) {
        Err(Errno::ACCESS) => {
            allow(parent, name)?;
            open_beneath(parent, name, flags)
        }
        other => other,
    }
}

fn open_beneath(parent: BorrowedFd, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)
}

fn unlink(dir: BorrowedFd, name: &CStr, flags: AtFlags) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(dir, name, flags) {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(dir, Mode::RWXU)?; // the folder itself is in the way, not what it holds
            rustix::fs::unlinkat(dir, name, flags)
        }
        other => other,
    }
}

/// Gives the owner all rights on a folder, through a descriptor so that a link put in its place is not followed.
fn allow(parent: BorrowedFd, name: &CStr) -> rustix::io::Result<()> {
    let path_fd = open_beneath(parent, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
    rustix::fs::chmodat(CWD, format!("/proc/self/fd/{}", path_fd.as_raw_fd()), Mode::RWXU, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_may_remove_the_same_tree_at_once() {
        let place = std::env::temp_dir().join(format!("isolazi-remove-{}", std::process::id()));
        for round in 0..50 {
            let tree = place.join("tree");
            for folder in ["a/b/c", "a/d", "e/f", "work/work"] {
                std::fs::create_dir_all(tree.join(folder)).unwrap();
                std::fs::write(tree.join(folder).join("file"), "x").unwrap();
            }
            let parent = rustix::fs::open(&place, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            let start = std::sync::Barrier::new(3);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        start.wait();
                        remove_tree(parent.as_fd(), "tree").unwrap_or_else(|error| panic!("round {round}: {error}"));
                    });
                }
            });
            assert!(!tree.try_exists().unwrap());
        }
        std::fs::remove_dir(&place).unwrap();
    }
}
