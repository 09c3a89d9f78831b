//! Pointers: one small file a tag, and one a pulled digest, that says which content is meant.
//!
//! ```text
//! manifests/docker.io/library+alpine/latest              {"mediaType":…,"digest":"sha256:…","size":…}
//! manifests/localhost+5000/team+app/sha256+<64 hex>      the same; what `team/app` was when it was pulled
//! ```
//! `+` is in no reference, so it can stand for `/` and `:`: every name is one file name on every system, and a tag `b`
//! of `a` can't meet a repository `a/b`.

use crate::files;
use crate::store::Store;
use error::{Result, ResultExt};
use oci::{Descriptor, Digest, Reference};
use std::path::PathBuf;
use std::time::SystemTime;

/// One descriptor with its annotations.
const MAX_POINTER_BYTES: u64 = 64 << 10;

/// A pointer file's meaning.
#[derive(Debug, Clone)]
pub(crate) struct Pointer {
    /// By tag, or by digest only.
    pub(crate) reference: Reference,
    pub(crate) descriptor: Descriptor,
}

impl Store {
    fn repository_dir(&self, reference: &Reference) -> PathBuf {
        let mut dir = self.root.join("manifests");
        dir.push(reference.registry().replace(':', "+"));
        dir.push(reference.repository().replace('/', "+"));
        dir
    }

    /// A digest is the stronger name: `x:1@sha256:…` is found by its digest.
    pub(crate) fn pointer_path(&self, reference: &Reference) -> PathBuf {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => format!("sha256+{}", digest.hex()),
            (None, tag) => tag.expect("a reference has a tag or a digest").to_owned(),
        };
        self.repository_dir(reference).join(name)
    }

    /// When that name got its meaning; `None` when it has none.
    pub fn tagged_at(&self, reference: &Reference) -> Result<Option<SystemTime>> {
        let path = self.pointer_path(reference);
        match std::fs::metadata(&path).and_then(|meta| meta.modified()) {
            Ok(time) => Ok(Some(time)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).context(|| format!("can't look at `{}`", path.display())),
        }
    }

    /// A pointer that can't be understood (a disk fault) is as good as absent: the next pull writes it again.
    pub(crate) fn read_pointer(&self, reference: &Reference) -> Result<Option<Descriptor>> {
        let bytes = files::read(&self.pointer_path(reference), MAX_POINTER_BYTES)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// All these references, of one repository, mean `descriptor` from here on. The caller holds the store's lock.
    pub(crate) fn write_pointers(&self, references: &[&Reference], descriptor: &Descriptor) -> Result<()> {
        let bytes = serde_json::to_vec(descriptor).expect("a descriptor is plain JSON");
        let dir = self.repository_dir(references[0]);
        let is_new = !dir.try_exists().unwrap_or(false);
        files::create_dir(&dir)?;
        for reference in references {
            files::replace(&self.tmp_dir(), &self.pointer_path(reference), &bytes)?;
        }
        // A new folder is a name in its parent, which is new perhaps too.
        for dir in dir.ancestors().take(if is_new { 4 } else { 1 }) {
            files::sync_dir(dir)?;
        }
        Ok(())
    }

    /// The caller holds the store's lock. Folders that became empty go too.
    pub(crate) fn remove_pointer(&self, reference: &Reference) -> Result<bool> {
        let path = self.pointer_path(reference);
        let removed = files::remove(&path)?;
        for dir in path.ancestors().skip(1).take(2) {
            // Not empty, or just filled by a pull: then it stays.
            if std::fs::remove_dir(dir).is_err() {
                break;
            }
        }
        Ok(removed)
    }

    /// All pointers, sorted by name. Files that are none of ours are passed over.
    pub(crate) fn pointers(&self) -> Result<Vec<Pointer>> {
        let mut pointers = Vec::new();
        let manifests = self.root.join("manifests");
        for registry in files::names(&manifests)? {
            for repository in files::names(&manifests.join(&registry))? {
                for name in files::names(&manifests.join(&registry).join(&repository))? {
                    let Some(reference) = decode(&registry, &repository, &name) else { continue };
                    if let Some(descriptor) = self.read_pointer(&reference)? {
                        pointers.push(Pointer { reference, descriptor });
                    }
                }
            }
        }
        Ok(pointers)
    }
}

fn decode(registry: &str, repository: &str, name: &str) -> Option<Reference> {
    let (registry, repository) = (registry.replace('+', ":"), repository.replace('+', "/"));
    let plain: Reference = format!("{registry}/{repository}").parse().ok()?;
    match name.strip_prefix("sha256+") {
        Some(hex) => Some(plain.with_digest(format!("sha256:{hex}").parse::<Digest>().ok()?)),
        None => plain.with_tag(name).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_name_is_one_file_and_comes_back() {
        let store = Store::open(Path::new("/i"));
        let hex = "ab".repeat(32);
        for (name, path) in [
            ("alpine", "docker.io/library+alpine/latest".to_owned()),
            ("a/b:c", "docker.io/a+b/c".to_owned()),
            ("localhost:5000/a/b/c:V1", "localhost+5000/a+b+c/V1".to_owned()),
            ("[::1]:5000/x", "[++1]+5000/x/latest".to_owned()),
            (&format!("x.io/a@sha256:{hex}"), format!("x.io/a/sha256+{hex}")),
        ] {
            let reference: Reference = name.parse().unwrap();
            assert_eq!(store.pointer_path(&reference), Path::new("/i/manifests").join(&path), "{name}");
            let parts: Vec<&str> = path.split('/').collect();
            assert_eq!(decode(parts[0], parts[1], parts[2]), Some(reference), "{name}");
        }
        assert_eq!(decode("x.io", "Upper", "t"), None);
        assert_eq!(decode("x.io", "a", ".swp"), None);
    }
}
