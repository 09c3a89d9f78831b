//! How much a container has written, and how much a folder holds.

use error::{Result, ResultExt};
use snapshot::Upper;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of the regular files that the container in `dir` made or changed.
pub(crate) fn written(dir: &Path) -> Result<u64> {
    bytes_below(Upper::at(dir).dir)
}

/// Bytes of all regular files in a folder, each once however many names it has. Sparse files count as if they were not,
/// as Docker counts them.
pub(crate) fn bytes_below(folder: PathBuf) -> Result<u64> {
    let mut folders = vec![folder];
    let mut seen = HashSet::new();
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let words = || format!("can't measure `{}`", folder.display());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // The container is at work meanwhile, or goes.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(cause).context(words),
        };
        for entry in entries {
            let entry = entry.context(words)?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(cause).context(words),
            };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.is_file() && (meta.nlink() == 1 || seen.insert(meta.ino())) {
                bytes += meta.len();
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    #[test]
    fn every_file_counts_once() {
        let dir = Folder::new();
        assert_eq!(written(&dir).unwrap(), 0);
        let upper = Upper::at(&dir).dir;
        fs::create_dir_all(upper.join("a/b")).unwrap();
        fs::write(upper.join("a/one"), [0; 100]).unwrap();
        fs::write(upper.join("a/b/two"), [0; 20]).unwrap();
        fs::hard_link(upper.join("a/one"), upper.join("again")).unwrap();
        std::os::unix::fs::symlink("a/one", upper.join("link")).unwrap();
        assert_eq!(written(&dir).unwrap(), 120);
    }
}
