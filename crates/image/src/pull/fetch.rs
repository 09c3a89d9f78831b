//! One blob: locked against other processes, resumed where it broke off, verified, on the disk, then named.

use super::Pull;
use super::follow::Follow;
use super::retry::{Backoff, Failure};
use super::stop::TICK;
use crate::progress::{Event, LayerState};
use crate::registry::{Client, broken};
use error::{Error, Kind, Result, ResultExt};
use oci::digest::Hasher;
use oci::{Descriptor, Digest};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes moved at a time.
const CHUNK_BYTES: usize = 128 << 10;
/// Whole downloads that may turn out damaged before the blob is given up.
const MAX_DAMAGED: u32 = 2;

/// A blob on its way.
struct Partial {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    /// Bytes in the file, all hashed.
    have: u64,
}

impl Pull<'_> {
    /// Brings one blob into the store; `follow` hears of its bytes.
    pub(crate) fn blob(&self, client: &Client<'_>, descriptor: &Descriptor, follow: &Follow) -> Result<()> {
        self.stop.check()?;
        let Some(mut partial) = self.claim(descriptor, follow)? else { return Ok(()) };
        follow.begin(&partial.path, partial.have);
        let mut backoff = Backoff::new(&self.options.retries);
        let mut damaged = 0;
        loop {
            self.stop.check()?;
            let had = partial.have;
            let failure = match self.transfer(client, descriptor, &mut partial, follow) {
                Ok(()) => match self.finish(descriptor, &mut partial, follow)? {
                    None => return Ok(()),
                    Some(failure) => failure,
                },
                Err(failure) => failure.passing(),
            };
            // A connection cut by our own stop is no failure of the server.
            self.stop.check()?;
            if partial.have == descriptor.size {
                damaged += 1;
                partial.restart(follow)?;
                if damaged >= MAX_DAMAGED {
                    return Err(failure.into_error());
                }
            } else if partial.have > had {
                backoff.advanced();
            }
            let (wait, _) = backoff.after(failure)?;
            self.tell(descriptor, LayerState::Retrying { wait });
            self.stop.sleep(wait)?;
        }
    }

    fn tell(&self, descriptor: &Descriptor, state: LayerState) {
        self.progress.event(Event::Layer { digest: &descriptor.digest, state });
    }

    /// The partial file, locked, its bytes hashed; or nothing, if another process brought the blob meanwhile.
    fn claim(&self, descriptor: &Descriptor, follow: &Follow) -> Result<Option<Partial>> {
        let path = self.store.partial_path(&descriptor.digest);
        let mut told = false;
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.context(|| format!("can't create `{}`", path.display()))?;
            while let Err(cause) = file.try_lock() {
                if let TryLockError::Error(cause) = cause {
                    return Err(cause).context(|| format!("can't lock `{}`", path.display()));
                }
                if !std::mem::replace(&mut told, true) {
                    self.tell(descriptor, LayerState::Waiting);
                }
                self.stop.sleep(TICK)?;
            }
            if self.store.has_blob(descriptor) {
                // If ours is a new, empty file, it is of no more use. If it is another's, that one names it itself.
                let _ = fs::remove_file(&path);
                let blob = self.store.blob_path(&descriptor.digest);
                follow.complete(&blob, descriptor.size, || Ok(()))?;
                self.tell(descriptor, LayerState::Downloaded);
                return Ok(None);
            }
            // Whoever held the lock may have renamed or removed the file that we waited for.
            if is_still_at(&file, &path) {
                return Partial::read(path, file, descriptor.size).map(Some);
            }
        }
    }

    /// Asks for the missing bytes and takes them until the body ends.
    fn transfer(
        &self,
        client: &Client<'_>,
        descriptor: &Descriptor,
        partial: &mut Partial,
        follow: &Follow,
    ) -> Result<(), Failure> {
        if partial.have == descriptor.size {
            return Ok(());
        }
        let mut body = client.blob(&descriptor.digest, partial.have)?;
        if let Some(length) = body.length.filter(|length| body.start.saturating_add(*length) != descriptor.size) {
            let said = body.start.saturating_add(length);
            return Err(Failure::Final(wrong_size(descriptor, said)));
        }
        let registry = self.reference.registry();
        // The registry began anew: what we have is the same content, so its bytes are passed over.
        let skip = partial.have - body.start;
        let skipped = io::copy(&mut (&mut body.reader).take(skip), &mut io::sink());
        if skipped.map_err(|cause| broken(registry, &cause))? < skip {
            return Err(broken(registry, &io::ErrorKind::UnexpectedEof.into()));
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            self.stop.check()?;
            let count = body.reader.read(&mut chunk).map_err(|cause| broken(registry, &cause))?;
            if count == 0 {
                break;
            }
            if partial.have + count as u64 > descriptor.size {
                return Err(Failure::Final(wrong_size(descriptor, partial.have + count as u64)));
            }
            partial.append(&chunk[..count])?;
            follow.grow(partial.have);
            let state = LayerState::Downloading { current: partial.have, total: descriptor.size };
            self.tell(descriptor, state);
        }
        if partial.have < descriptor.size {
            return Err(broken(registry, &io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// All bytes are here: verify, bring them to the disk, name them. A failure if they are the wrong ones.
    fn finish(&self, descriptor: &Descriptor, partial: &mut Partial, follow: &Follow) -> Result<Option<Failure>> {
        self.tell(descriptor, LayerState::Verifying);
        if let Err(failure) = verify(descriptor, partial.have, partial.hasher.clone().finish()) {
            return Ok(Some(failure));
        }
        let blob = self.store.blob_path(&descriptor.digest);
        let shown = || format!("can't write `{}`", blob.display());
        partial.file.sync_data().context(shown)?;
        follow.complete(&blob, descriptor.size, || fs::rename(&partial.path, &blob).context(shown))?;
        self.tell(descriptor, LayerState::Downloaded);
        Ok(None)
    }
}

impl Partial {
    /// What an earlier attempt left is hashed, so that the download goes on behind it.
    fn read(path: PathBuf, mut file: File, size: u64) -> Result<Self> {
        let shown = || format!("can't read `{}`", path.display());
        let (mut hasher, mut have, mut chunk) = (Hasher::new(), 0, vec![0; CHUNK_BYTES]);
        if file.metadata().context(shown)?.len() > size {
            file.set_len(0).context(shown)?;
        }
        loop {
            let count = file.read(&mut chunk).context(shown)?;
            if count == 0 {
                break;
            }
            hasher.update(&chunk[..count]);
            have += count as u64;
        }
        Ok(Self { path, file, hasher, have })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).context(|| format!("can't write `{}`", self.path.display()))?;
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self, follow: &Follow) -> Result<()> {
        let shown = || format!("can't write `{}`", self.path.display());
        follow.restart();
        self.file.set_len(0).context(shown)?;
        self.file.seek(SeekFrom::Start(0)).context(shown)?;
        (self.hasher, self.have) = (Hasher::new(), 0);
        Ok(())
    }
}

/// Size and digest as the descriptor fixed them. A wrong digest may be a damaged transfer.
pub(crate) fn verify(descriptor: &Descriptor, size: u64, digest: Digest) -> Result<(), Failure> {
    if size != descriptor.size {
        return Err(Failure::Final(wrong_size(descriptor, size)));
    }
    if digest == descriptor.digest {
        return Ok(());
    }
    let text = format!("filesystem layer verification failed for digest {}: got {digest}", descriptor.digest);
    Err(Failure::Passing { error: Error::new(Kind::Invalid, text), after: None })
}

fn wrong_size(descriptor: &Descriptor, got: u64) -> Error {
    let Descriptor { digest, size, .. } = descriptor;
    Error::invalid(format!("blob {digest} has a wrong size: the registry sends {got} bytes, the manifest says {size}"))
}

/// Does the path still name the open file?
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |meta: io::Result<fs::Metadata>| meta.map(|meta| (meta.dev(), meta.ino())).ok();
    let open = identity(file.metadata());
    open.is_some() && open == identity(fs::metadata(path))
}

/// An open file can't be removed or renamed there.
#[cfg(not(unix))]
fn is_still_at(_: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}
