//! Blobs: content by digest. A blob has its final name only when it is whole, verified and on the disk.

use crate::files;
use crate::store::Store;
use error::{Error, Kind, Result, ResultExt};
use oci::{Descriptor, Digest};
use std::fs::{self, File};
use std::path::PathBuf;

/// A manifest, index or config; the registries' own limit for manifests (distribution-spec, "Pushing Manifests").
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

impl Store {
    /// Where the blob is, if it is here.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File> {
        let path = self.blob_path(&descriptor.digest);
        let file = File::open(&path).context(|| format!("can't open blob `{}`", path.display()))?;
        let size = file.metadata().context(|| format!("can't open blob `{}`", path.display()))?.len();
        if size != descriptor.size {
            return Err(Error::new(
                Kind::Internal,
                format!("blob `{}` is damaged: {size} bytes, not {}", path.display(), descriptor.size),
            )
            .hint("pull the image again"));
        }
        Ok(file)
    }

    /// Is the blob here? A size that differs (a disk fault) counts as absence, so that the next pull repairs it.
    pub(crate) fn has_blob(&self, descriptor: &Descriptor) -> bool {
        fs::metadata(self.blob_path(&descriptor.digest)).is_ok_and(|meta| meta.len() == descriptor.size)
    }

    /// A small blob's bytes, if it is here and undamaged.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let bytes = files::read(&self.blob_path(digest), MAX_DOCUMENT_BYTES)?;
        Ok(bytes.filter(|bytes| Digest::of(bytes) == *digest))
    }

    /// Stores a small blob that is in memory.
    pub(crate) fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        files::replace(&self.tmp_dir(), &self.blob_path(digest), bytes)
    }

    pub(crate) fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.tmp_dir().join(format!("{}.partial", digest.hex()))
    }
}
