//! Layers side by side: some threads download, others hand the bytes to the sink while they come.
//!
//! Both take the layers in their order, so the sink's threads follow the downloads closely. A download never waits
//! for the sink: its bytes go to a file, and the sink reads that file.

use super::Pull;
use super::follow::Follow;
use crate::progress::{Event, LayerSink, LayerState};
use crate::registry::Client;
use error::{Error, Result};
use oci::{Descriptor, Digest, ImageConfig, Manifest};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The sink's threads: more would only take turns on the processors, and each holds a decompressor's memory.
const MAX_SINK_THREADS: usize = 8;

/// A blob to be had, once, however often the image names it.
struct Blob<'a> {
    descriptor: &'a Descriptor,
    follow: Follow,
}

/// A layer for the sink.
struct Offer<'a> {
    index: usize,
    blob: usize,
    descriptor: &'a Descriptor,
    diff_id: &'a Digest,
}

/// The first failure; later ones are its consequences.
struct Outcome<'a> {
    pull: &'a Pull<'a>,
    first: Mutex<Option<Error>>,
}

impl Outcome<'_> {
    fn failed(&self, error: Error) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.pull.stop.set();
    }
}

impl Pull<'_> {
    /// Brings all layers into the store and to the sink. True if a blob was fetched.
    pub(crate) fn layers(&self, client: &Client<'_>, manifest: &Manifest, config: &ImageConfig) -> Result<bool> {
        let mut blobs: Vec<Blob<'_>> = Vec::new();
        let mut offers: Vec<Offer<'_>> = Vec::new();
        let mut seen = HashSet::new();
        for (index, (descriptor, diff_id)) in manifest.layers.iter().zip(&config.rootfs.diff_ids).enumerate() {
            let blob = blobs.iter().position(|blob| blob.descriptor.digest == descriptor.digest).unwrap_or_else(|| {
                blobs.push(Blob { descriptor, follow: Follow::default() });
                blobs.len() - 1
            });
            if seen.insert(diff_id) && self.sink.is_some_and(|sink| sink.wanted(diff_id)) {
                offers.push(Offer { index, blob, descriptor, diff_id });
            }
        }
        let missing: Vec<&Blob<'_>> = self.announce(&blobs)?;
        let outcome = Outcome { pull: self, first: Mutex::default() };
        let fetched = AtomicBool::new(false);
        let (next_blob, next_offer) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let parallel = self.options.parallel.max(1);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..parallel.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(blob) = missing.get(next_blob.fetch_add(1, Ordering::Relaxed)) {
                        match self.blob(client, blob.descriptor, &blob.follow) {
                            Ok(()) => fetched.store(true, Ordering::Relaxed),
                            Err(error) => {
                                outcome.failed(error.clone());
                                blob.follow.fail(&error);
                            }
                        }
                    }
                });
            }
            for _ in 0..parallel.max(processors).min(MAX_SINK_THREADS).min(offers.len()) {
                scope.spawn(|| {
                    while let Some(offer) = offers.get(next_offer.fetch_add(1, Ordering::Relaxed)) {
                        let sink = self.sink.expect("layers are offered only if there is a sink");
                        if let Err(error) = self.offer(sink, offer, &blobs[offer.blob].follow) {
                            outcome.failed(error);
                        }
                    }
                });
            }
        });
        match outcome.first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(fetched.into_inner()),
        }
    }

    /// Says of each layer whether it is here, and returns those that are not.
    fn announce<'b, 'd>(&self, blobs: &'b [Blob<'d>]) -> Result<Vec<&'b Blob<'d>>> {
        let mut missing = Vec::new();
        for blob in blobs {
            let descriptor = blob.descriptor;
            let digest = &descriptor.digest;
            if self.store.has_blob(descriptor) {
                blob.follow.complete(&self.store.blob_path(digest), descriptor.size, || Ok(()))?;
                self.progress.event(Event::Layer { digest, state: LayerState::Exists });
            } else {
                self.progress.event(Event::Layer { digest, state: LayerState::Queued { total: descriptor.size } });
                missing.push(blob);
            }
        }
        Ok(missing)
    }

    fn offer(&self, sink: &dyn LayerSink, offer: &Offer<'_>, follow: &Follow) -> Result<()> {
        loop {
            self.stop.check()?;
            let generation = follow.generation();
            let mut reader = follow.reader()?;
            match sink.layer(offer.index, offer.descriptor, offer.diff_id, &mut reader) {
                // What it read was damaged, as the download found out meanwhile: the bytes come again.
                Err(_) if follow.generation() != generation => {}
                other => return other,
            }
        }
    }
}
