//! Small files of the store: read if there, written aside and renamed, with errors that name the path.

use error::{Error, Result, ResultExt};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A suffix that no other writer uses now: process and counter.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The content, or nothing if there is no such file. More than `limit` bytes are refused.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let shown = || format!("can't read `{}`", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if is_absent(&cause) => return Ok(None),
        Err(cause) => return Err(cause).context(shown),
    };
    let mut bytes = Vec::with_capacity(4096);
    file.take(limit + 1).read_to_end(&mut bytes).context(shown)?;
    if bytes.len() as u64 > limit {
        return Err(Error::invalid(format!("more than {limit} bytes")).context(shown()));
    }
    Ok(Some(bytes))
}

/// Neither the file nor, perhaps, the folder that would hold it.
pub(crate) fn is_absent(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes the folder, its parents too. What is in images, and who has which, is nobody else's business.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .context(|| format!("can't create `{}`", path.display()))
}

/// Replaces `target` by `bytes`, whole or not at all: written aside in `aside`, on the disk before it gets its name.
/// The name itself survives a power loss once [`sync_dir`] was called on its folder.
pub(crate) fn replace(aside: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(aside, target, |file| file.write_all(bytes).and_then(|()| file.sync_data()))
}

/// The same for what can be made again: a power loss may take it.
pub(crate) fn replace_derived(aside: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(aside, target, |file| file.write_all(bytes))
}

fn replace_with(aside: &Path, target: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let temporary = aside.join(format!("w-{}", unique()));
    let shown = || format!("can't write `{}`", target.display());
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
    let written = file.and_then(|mut file| write(&mut file)).and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // The first failure is the one to tell; a leftover is swept later.
        let _ = fs::remove_file(&temporary);
    }
    written.context(shown)
}

/// Names made in this folder survive a power loss from here on.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    match File::open(path) {
        Ok(dir) => dir.sync_all().context(|| format!("can't sync `{}`", path.display())),
        // Windows opens no folders; it has no such call either.
        Err(_) if cfg!(windows) => Ok(()),
        Err(cause) => Err(cause).context(|| format!("can't sync `{}`", path.display())),
    }
}

/// Removes the file; absence is what was wanted.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(cause) if is_absent(&cause) => Ok(false),
        Err(cause) => Err(cause).context(|| format!("can't remove `{}`", path.display())),
    }
}

/// Names in a folder, sorted; none if there is no such folder.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>> {
    let shown = || format!("can't read `{}`", dir.display());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) if is_absent(&cause) => return Ok(Vec::new()),
        Err(cause) => return Err(cause).context(shown),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not Unicode is none of ours.
        names.extend(entry.context(shown)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
