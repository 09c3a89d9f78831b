//! Leases: how a running pull keeps a removal from taking the blobs that it relies on.
//!
//! A pull writes what it will use into a lease, *then* looks which blobs are there. A removal reads the living leases
//! first and the pointers after: a pull that ended in between has written its pointer before it let the lease go. A
//! lease lives as long as its file is locked, so a killed pull leaves none behind.

use crate::files;
use crate::store::Store;
use error::{Error, Result, ResultExt};
use oci::Digest;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// 128 layers, their diff IDs and some documents are 20 KiB.
const MAX_LEASE_BYTES: u64 = 1 << 20;

/// Digests (of blobs, and of layers as diff IDs) that nobody may remove while this value lives.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    store: &'a Store,
    path: PathBuf,
    file: File,
    digests: Vec<Digest>,
}

impl Lease<'_> {
    /// From here on these stay, if they are here.
    pub(crate) fn extend(&mut self, digests: impl IntoIterator<Item = Digest>) -> Result<()> {
        self.digests.extend(digests);
        let _lock = self.store.lock_shared()?;
        let bytes = serde_json::to_vec(&self.digests).expect("digests are plain JSON");
        let shown = || format!("can't write `{}`", self.path.display());
        self.file.seek(SeekFrom::Start(0)).context(shown)?;
        self.file.write_all(&bytes).context(shown)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // If it stays, it is unlocked and so dead; the next removal sweeps it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// The folders, made when something is first written.
    pub(crate) fn create(&self) -> Result<()> {
        for dir in ["blobs/sha256", "manifests", "tmp", "leases"] {
            files::create_dir(&self.root.join(dir))?;
        }
        let layout = self.root.join("oci-layout");
        match files::read(&layout, MAX_LEASE_BYTES)? {
            Some(_) => Ok(()),
            None => files::replace_derived(&self.tmp_dir(), &layout, br#"{"imageLayoutVersion":"1.0.0"}"#),
        }
    }

    /// Nobody else writes pointers or leases or removes, until the file is dropped. Never held for long.
    pub(crate) fn lock_exclusive(&self) -> Result<File> {
        let (file, path) = self.lock_file()?;
        file.lock().context(|| format!("can't lock `{}`", path.display()))?;
        Ok(file)
    }

    /// Nobody removes anything until the file is dropped: for who writes down what must stay. Never held for long.
    pub fn hold_still(&self) -> Result<File> {
        self.lock_shared()
    }

    fn lock_shared(&self) -> Result<File> {
        let (file, path) = self.lock_file()?;
        file.lock_shared().context(|| format!("can't lock `{}`", path.display()))?;
        Ok(file)
    }

    fn lock_file(&self) -> Result<(File, PathBuf)> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        Ok((file.context(|| format!("can't open `{}`", path.display()))?, path))
    }

    pub(crate) fn lease(&self) -> Result<Lease<'_>> {
        let path = self.root.join("leases").join(files::unique());
        let _lock = self.lock_shared()?;
        // A file of that name is a dead process's whose number came back.
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        let file = file.context(|| format!("can't create `{}`", path.display()))?;
        file.lock().context(|| format!("can't lock `{}`", path.display()))?;
        Ok(Lease { store: self, path, file, digests: Vec::new() })
    }

    /// What running pulls rely on, and whether any runs. The caller holds the store's lock; dead leases go.
    pub(crate) fn leased(&self) -> Result<(HashSet<Digest>, bool)> {
        let dir = self.root.join("leases");
        let (mut digests, mut any) = (HashSet::new(), false);
        for name in files::names(&dir)? {
            let path = dir.join(name);
            if is_dead(&path)? {
                files::remove(&path)?;
                continue;
            }
            any = true;
            let Some(bytes) = files::read(&path, MAX_LEASE_BYTES)? else { continue };
            if !bytes.is_empty() {
                let list: Vec<Digest> = serde_json::from_slice(&bytes)
                    .map_err(|cause| Error::invalid(format!("can't read `{}`: {cause}", path.display())))?;
                digests.extend(list);
            }
        }
        Ok((digests, any))
    }
}

fn is_dead(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Its pull has just ended.
        Err(cause) if files::is_absent(&cause) => return Ok(true),
        Err(cause) => return Err(cause).context(|| format!("can't open `{}`", path.display())),
    };
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(cause).context(|| format!("can't lock `{}`", path.display())),
    }
}
