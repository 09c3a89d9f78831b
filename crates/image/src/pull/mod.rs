//! Pulling: a reference becomes an image in the store, and its layers reach the sink while they download.
//!
//! ```text
//! tag ─HEAD/GET→ index or manifest ─platform→ manifest ─→ config ─→ layers side by side ─→ config, manifest, index
//!                                                              └─→ sink: diff ID wanted?  ─→ pointer: the image exists
//! ```

mod fetch;
mod follow;
mod layers;
mod resolve;
pub(crate) mod retry;
pub(crate) mod stop;

use crate::credentials::Lookup;
use crate::progress::{Event, LayerSink, Progress};
use crate::proxies::Proxies;
use crate::registry::{Client, Transport};
use crate::store::{Image, Store};
use error::{Error, Kind, Result};
use oci::{Digest, Platform, Reference};
use resolve::Resolved;
pub use retry::Retries;
use retry::{Failure, with_retries};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stop::{Stop, TICK};

/// How to pull: everything that a door knows of the user, the machine and its environment.
#[derive(Clone)]
pub struct PullOptions<'a> {
    /// Which of an index's images; this machine's if none is named.
    pub platform: Option<Platform>,
    /// Called at most once, when the registry asks who we are.
    pub credentials: Option<Lookup<'a>>,
    /// Registries (`host[:port]`) whose certificate is not verified, and that may speak plain http.
    pub insecure: Vec<String>,
    /// PEM files with further authorities, for every host.
    pub ca_files: Vec<PathBuf>,
    /// Folders like `/etc/containers/certs.d`, with a folder for each registry.
    pub certs_dirs: Vec<PathBuf>,
    /// Proxies of the environment.
    pub proxies: Proxies,
    /// Set it, and the pull ends soon; what is complete stays, what is partial is resumed by the next pull.
    pub cancel: Option<&'a AtomicBool>,
    /// How long to insist.
    pub retries: Retries,
    /// Blobs at a time.
    pub parallel: usize,
}

impl Default for PullOptions<'_> {
    fn default() -> Self {
        Self {
            platform: None,
            credentials: None,
            insecure: Vec::new(),
            ca_files: Vec::new(),
            certs_dirs: Vec::new(),
            proxies: Proxies::default(),
            cancel: None,
            retries: Retries::default(),
            // More connections are slower on most lines, and registries limit them.
            parallel: 4,
        }
    }
}

impl fmt::Debug for PullOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullOptions").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// A pull that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulled {
    /// Now in the store under its name.
    pub image: Image,
    /// What the registry has under that name: Docker's `Digest:` line.
    pub digest: Digest,
    /// `Downloaded newer image` if true, `Image is up to date` if not.
    pub is_new: bool,
    /// Set if the image, which is no index, is for another platform than was meant.
    pub other_platform: Option<Platform>,
}

impl Store {
    /// Fetches what `reference` names and this store lacks. Layers that `sink` wants reach it while they download.
    /// The name is written last: after an error it still means what it meant before.
    pub fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions<'_>,
        progress: &dyn Progress,
        sink: Option<&dyn LayerSink>,
    ) -> Result<Pulled> {
        let stop = Stop::new(options.cancel);
        let pulled = Pull { store: self, reference, options, progress, sink, stop: &stop }.run();
        match pulled {
            // Whatever failed in consequence: the user ended it.
            Err(_) if stop.by_user() => {
                let text = format!("the pull of {} was interrupted", reference.familiar());
                Err(Error::new(Kind::Interrupted, text).hint("what came is kept: the next pull goes on from there"))
            }
            other => other,
        }
    }
}

/// A running pull.
pub(crate) struct Pull<'a> {
    store: &'a Store,
    reference: &'a Reference,
    options: &'a PullOptions<'a>,
    progress: &'a dyn Progress,
    sink: Option<&'a dyn LayerSink>,
    stop: &'a Stop<'a>,
}

impl Pull<'_> {
    fn run(&self) -> Result<Pulled> {
        self.store.create()?;
        let transport = Transport::new(self.reference, self.options);
        std::thread::scope(|scope| {
            let (done, over) = std::sync::mpsc::channel::<()>();
            let transport = &transport;
            // Bytes that never come are waited for in the kernel: who cuts the connection must be another thread. It
            // cuts again at each tick, for a connection may just have been made.
            scope.spawn(move || {
                while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = over.recv_timeout(TICK) {
                    if self.stop.is_set() {
                        transport.cut();
                    }
                }
            });
            let connected = self.retried(|| Client::connect(self.reference, self.options, transport));
            let pulled = connected.and_then(|client| self.fetch(&client));
            drop(done);
            pulled
        })
    }

    fn fetch(&self, client: &Client<'_>) -> Result<Pulled> {
        let mut lease = self.store.lease()?;
        let before = self.store.read_pointer(self.reference)?;
        let resolved = self.resolve(client, &mut lease, before.as_ref())?;
        self.progress.event(Event::PullingFrom(self.reference));
        let (config, raw_config) = self.config(client, &resolved)?;
        lease.extend(config.rootfs.diff_ids.iter().copied())?;
        let fetched = self.layers(client, &resolved.manifest, &config)?;
        let Resolved { pointed, index, manifest_digest, raw_manifest, manifest } = resolved;
        // A manifest in the store means a complete image, so it comes after all that it names.
        self.store.put_absent(&manifest.config.digest, &raw_config)?;
        self.store.put_absent(&manifest_digest, &raw_manifest)?;
        if let Some(raw_index) = &index {
            self.store.put_absent(&pointed.digest, raw_index)?;
        }
        let is_same = before.as_ref().is_some_and(|before| before.digest == pointed.digest);
        // Asked again: a removal may have come in between.
        if self.store.read_pointer(self.reference)?.is_none_or(|now| now.digest != pointed.digest) {
            self.store.publish(self.reference, &pointed)?;
        }
        let wanted = self.options.platform.clone().unwrap_or_else(Platform::of_this_machine);
        let platform = config.platform();
        let image = Image {
            reference: self.reference.clone(),
            manifest_digest,
            id: manifest.config.digest,
            manifest,
            config,
            raw_config,
            descriptor: pointed.clone(),
        };
        let other_platform = (!platform.serves(&wanted)).then_some(platform);
        Ok(Pulled { image, digest: pointed.digest, is_new: !is_same || fetched, other_platform })
    }

    /// Insists on a request that may fail in passing.
    fn retried<T>(&self, attempt: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        let tell = |wait: Duration, error: &Error| {
            self.progress.event(Event::Waiting { wait, cause: &error.to_string() });
        };
        with_retries(&self.options.retries, self.stop, &tell, attempt)
    }
}
