//! The store of committed layers: ask, list, measure, remove.

use crate::building;
use crate::flavour::Flavour;
use error::{Error, Result, ResultExt};
use oci::Digest;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The layers of one user, in one folder. Cheap to open: nothing is read or made until it is needed.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) flavour: Flavour,
}

/// `layer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Bytes of regular files' content, each hard link counted once.
    pub(crate) size: u64,
    /// Entries of the archive.
    pub(crate) entries: u64,
}

/// Folder of the settled chains inside the store.
pub(crate) const CHAINS: &str = "chains";

/// Name of a layer's or a chain's files inside its folder.
pub(crate) const FS: &str = "fs";

/// Name of a layer's facts.
pub(crate) const FACTS: &str = "layer.json";

impl Store {
    /// The store in `dir`, which need not exist yet.
    pub fn open(dir: &Path, flavour: Flavour) -> Self {
        Self { dir: dir.to_owned(), flavour }
    }

    /// For whom this store unpacks and mounts.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Is the layer here (complete and verified)?
    pub fn contains(&self, diff_id: &Digest) -> Result<bool> {
        match rustix::fs::stat(self.layer(diff_id)) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(errno) => Err(io::Error::from(errno)).context(|| format!("can't look for layer `{diff_id}`")),
        }
    }

    /// All layers, in no order.
    pub fn list(&self) -> Result<Vec<Digest>> {
        let names = building::names(&self.dir).context(|| format!("can't list `{}`", self.dir.display()))?;
        Ok(names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
    }

    /// Bytes of the layer's files, as `images` shows them.
    pub fn size(&self, diff_id: &Digest) -> Result<u64> {
        let path = self.layer(diff_id).join(FACTS);
        let words = || format!("can't read `{}`", path.display());
        let facts: Facts =
            serde_json::from_slice(&std::fs::read(&path).context(words)?).map_err(io::Error::from).context(words)?;
        Ok(facts.size)
    }

    /// Where the layer's files are, once it is here.
    pub fn path(&self, diff_id: &Digest) -> PathBuf {
        self.layer(diff_id).join(FS)
    }

    /// Removes a layer, and what was settled for the stacks it is in. `false`: it was not here.
    ///
    /// The caller knows that no container uses it.
    pub fn remove(&self, diff_id: &Digest) -> Result<bool> {
        let chains = self.dir.join(CHAINS);
        for name in building::names(&chains).context(|| format!("can't list `{}`", chains.display()))? {
            if crate::chain::uses(&chains.join(&name), diff_id) {
                building::remove(&chains, &name)?;
            }
        }
        building::remove(&self.dir, &diff_id.hex())
    }

    /// Removes what killed processes left; says how many folders that were.
    pub fn sweep(&self) -> Result<usize> {
        Ok(building::sweep(&self.dir)? + building::sweep(&self.dir.join(CHAINS))?)
    }

    /// Bytes on disk of the whole store.
    pub fn disk_usage(&self) -> Result<u64> {
        let bytes = match rustix::fs::open(
            &self.dir,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        ) {
            Err(rustix::io::Errno::NOENT) => return Ok(0),
            Err(errno) => Err(io::Error::from(errno)),
            Ok(dir) => sys::usage::disk_usage(dir),
        };
        bytes.context(|| format!("can't measure `{}`", self.dir.display()))
    }

    pub(crate) fn layer(&self, diff_id: &Digest) -> PathBuf {
        self.dir.join(diff_id.hex())
    }

    /// An error that says which layer is missing.
    pub(crate) fn missing(diff_id: &Digest) -> Error {
        Error::not_found(format!("layer `{diff_id}` is not unpacked")).hint("pull the image again")
    }
}
