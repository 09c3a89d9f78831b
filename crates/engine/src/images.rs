//! Images: pulled and unpacked in one go, listed, removed.

use crate::containers::NEW;
use crate::create::StandsOn;
use crate::files::is_nameless;
use crate::record::file;
use crate::{Engine, Options, events};
use api::{ImageSummary, LayerStep, Pull, PullEvent, Pulled, Removed};
use error::{Error, Kind, Result, ResultExt};
use image::credentials::{ConfigFile, Credentials, Found, ask_helper};
use image::{Event, Image, LayerSink, LayerState, Progress, PullOptions};
use oci::{Descriptor, Digest, Platform, Reference};
use snapshot::Limits;
use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Folders with a folder of certificates for each registry, as Docker and podman have them.
const CERTS_DIRS: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// Docker's word for the repository of an image without a name.
const NONE: &str = "<none>";

impl Engine {
    /// Fetches an image and unpacks its layers while they arrive. `cancel` ends it soon; what came is kept.
    pub fn pull(&self, request: &Pull, progress: &(dyn Fn(PullEvent) + Sync), cancel: &AtomicBool) -> Result<Pulled> {
        let reference: Reference = request.image.parse()?;
        let pulled = self.pull_image(&reference, request.platform.as_ref(), progress, cancel)?;
        Ok(told(&reference, &pulled))
    }

    pub(crate) fn pull_image(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        progress: &(dyn Fn(PullEvent) + Sync),
        cancel: &AtomicBool,
    ) -> Result<image::Pulled> {
        let credentials = |reference: &Reference| credentials(&self.options, reference, progress);
        let proxy =
            |name: &str| self.options.proxies.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let options = PullOptions {
            platform: platform.cloned(),
            credentials: Some(&credentials),
            insecure: self.options.insecure_registries.clone(),
            ca_files: ca_files(&self.options),
            certs_dirs: CERTS_DIRS.map(PathBuf::from).to_vec(),
            proxies: image::Proxies::from_env(proxy),
            cancel: Some(cancel),
            ..PullOptions::default()
        };
        let unpacker = Unpacker { engine: self, progress };
        let pulled = self.images.pull(reference, &options, &Teller { progress }, Some(&unpacker))?;
        events::tell_of_image(&self.paths.data, "pull", &reference.familiar());
        if let Some(other) = &pulled.other_platform {
            let wanted = platform.cloned().unwrap_or_else(Platform::of_this_machine);
            progress(PullEvent::Warning(format!(
                "the requested image's platform ({other}) does not match the wanted platform ({wanted})"
            )));
        }
        Ok(pulled)
    }

    /// Unpacks what of the image's layers is not unpacked, from the blobs that are here.
    pub(crate) fn ensure_unpacked(&self, image: &Image) -> Result<()> {
        for (descriptor, diff_id) in image.layers() {
            if !self.snapshots.contains(diff_id)? {
                let mut blob = self.images.open_blob(descriptor)?;
                self.snapshots.unpack(diff_id, &mut blob, &Limits::default(), &|_| ())?;
            }
        }
        Ok(())
    }

    /// All images, by name.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        self.images.list()?.into_iter().map(|entry| self.summary(entry)).collect()
    }

    pub(crate) fn summary(&self, entry: image::Entry) -> Result<ImageSummary> {
        let image = &entry.image;
        let size = self.size_of(image)?;
        Ok(ImageSummary {
            repository: if is_nameless(&entry.reference) { NONE.to_owned() } else { entry.reference.familiar_name() },
            tag: entry.reference.tag().unwrap_or_default().to_owned(),
            digest: entry.digest,
            id: image.id,
            created: image.config.created.clone().unwrap_or_default(),
            size,
            platform: image.config.platform().to_string(),
            labels: entry.image.config.config.labels.unwrap_or_default(),
        })
    }

    /// Bytes that it takes.
    pub(crate) fn size_of(&self, image: &Image) -> Result<u64> {
        let mut size = 0;
        for (descriptor, diff_id) in image.layers() {
            // Not unpacked: the blob is all that takes room.
            size += if self.snapshots.contains(diff_id)? { self.snapshots.size(diff_id)? } else { descriptor.size };
        }
        Ok(size)
    }

    /// Removes a name, and the image with its last name. One that a container uses needs `force` and a running one
    /// forbids it.
    pub fn remove_image(&self, wanted: &str, force: bool) -> Result<Vec<Removed>> {
        let containers = self.containers.list()?;
        if let Some(image) = self.images.lookup(wanted, None)? {
            let user = containers.iter().find(|container| container.record.image_id == image.id);
            let names = self.images.list()?.iter().filter(|entry| entry.image.id == image.id).count();
            let goes = names <= 1 || wanted_is_id(wanted, &image);
            if let Some(user) = user.filter(|_| goes && !force) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "conflict: unable to remove repository reference \"{wanted}\" (must force) - container {} is using its referenced image {}",
                        &user.record.id[..12],
                        image.id.short()
                    ),
                ));
            }
        }
        let mut releasing = Releasing::new(self);
        let removed = self.images.remove(wanted, force, &mut |diff_id| releasing.release(diff_id))?;
        Ok(self.tell_of_removed(removed))
    }
}

/// Takes layers away that no image needs any more. One that a container stands on stays, whatever happens to the names of
/// its image. Who stands on what is asked under the store's lock, when the first layer is to go: a container that is
/// being made later finds the layer gone, and says so.
pub(crate) struct Releasing<'a> {
    engine: &'a Engine,
    used: Option<HashSet<Digest>>,
    /// Bytes of those that went.
    pub bytes: u64,
}

impl<'a> Releasing<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine, used: None, bytes: 0 }
    }

    pub(crate) fn release(&mut self, diff_id: &Digest) -> Result<()> {
        let used = match &mut self.used {
            Some(used) => used,
            none => none.insert(self.engine.stood_on()?.into_iter().flat_map(|on| on.layers).collect()),
        };
        if used.contains(diff_id) || !self.engine.snapshots.contains(diff_id)? {
            return Ok(());
        }
        let bytes = self.engine.snapshots.size(diff_id)?;
        if self.engine.snapshots.remove(diff_id)? {
            self.bytes += bytes;
        }
        Ok(())
    }
}

impl Engine {
    /// Writes down what happened, and says it line by line.
    pub(crate) fn tell_of_removed(&self, mut removed: image::Removed) -> Vec<Removed> {
        // What has no name loses none.
        removed.untagged.retain(|name| !name.parse().is_ok_and(|name| is_nameless(&name)));
        let data = &self.paths.data;
        removed.untagged.iter().for_each(|name| events::tell_of_image(data, "untag", name));
        removed.deleted.iter().for_each(|id| events::tell_of_image(data, "delete", &id.to_string()));
        let untagged = removed.untagged.into_iter().map(Removed::Untagged);
        untagged.chain(removed.deleted.into_iter().map(Removed::Deleted)).collect()
    }

    /// What all containers stand on, those that are being made, too.
    pub(crate) fn stood_on(&self) -> Result<Vec<StandsOn>> {
        // First those that are being made: one that is published in between is seen twice, not never.
        let mut all = Vec::new();
        for name in self.containers.entries()?.iter().filter(|name| name.starts_with(NEW)) {
            // One that just begins has written nothing yet, and one that ends is gone.
            let lock = std::fs::read(self.containers.dir.join(name).join(file::LOCK)).unwrap_or_default();
            all.extend(serde_json::from_slice::<StandsOn>(&lock));
        }
        let whole = self.containers.list()?.into_iter();
        all.extend(whole.map(|c| StandsOn { image_id: c.record.image_id, layers: c.record.layers }));
        Ok(all)
    }
}

/// The user's certificate files, one by one and those in folders. OpenSSL passes over a folder that cannot be read, and
/// so do the habits of its users.
fn ca_files(options: &Options) -> Vec<PathBuf> {
    let mut files = options.ca_files.clone();
    for entries in options.ca_dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()) {
        let mut found: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        found.sort();
        files.append(&mut found);
    }
    files
}

/// A finished pull in the words of the contract.
pub(crate) fn told(reference: &Reference, pulled: &image::Pulled) -> Pulled {
    let (full, familiar) = (reference.to_string(), reference.familiar());
    Pulled { reference: full, familiar, digest: pulled.digest, newer: pulled.is_new }
}

fn wanted_is_id(wanted: &str, image: &Image) -> bool {
    image.id.hex().starts_with(wanted.trim_start_matches("sha256:"))
}

/// Looks through the user's files in order. A file or helper that fails is told, and the pull goes on without it: an
/// anonymous try may well succeed.
fn credentials(options: &Options, reference: &Reference, progress: &(dyn Fn(PullEvent) + Sync)) -> Option<Credentials> {
    for path in &options.auth_files {
        let found = match std::fs::read(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            Err(cause) => Err(cause.into()),
            Ok(bytes) => ConfigFile::parse(&bytes).and_then(|file| file.find(reference)),
        };
        let found = match found {
            Ok(Some(Found::Helper(name))) => ask_helper(&name, reference.registry()),
            Ok(Some(Found::Here(credentials))) => Ok(Some(credentials)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match found.context(|| format!("can't get credentials from `{}`", path.display())) {
            Ok(None) => {}
            Ok(found) => return found,
            Err(error) => progress(PullEvent::Warning(error.to_string())),
        }
    }
    None
}

/// Passes a pull's events on in the words of the contract.
struct Teller<'a> {
    progress: &'a (dyn Fn(PullEvent) + Sync),
}

impl Progress for Teller<'_> {
    fn event(&self, event: Event<'_>) {
        let event = match event {
            Event::PullingFrom(reference) => PullEvent::Pulling {
                tag: reference
                    .tag()
                    .map_or_else(|| reference.digest().map_or_else(String::new, |d| d.to_string()), str::to_owned),
                repository: reference.repository().to_owned(),
            },
            Event::Waiting { wait, cause } => {
                PullEvent::Warning(format!("{cause}; trying again in {} seconds", wait.as_secs().max(1)))
            }
            Event::Layer { digest, state } => PullEvent::Layer { digest: *digest, step: step(state) },
        };
        (self.progress)(event);
    }
}

fn step(state: LayerState) -> LayerStep {
    match state {
        LayerState::Queued { .. } => LayerStep::Queued,
        LayerState::Waiting => LayerStep::Waiting,
        LayerState::Downloading { current, total } => LayerStep::Downloading(current, total),
        LayerState::Retrying { wait } => LayerStep::Retrying(wait.as_secs().max(1)),
        LayerState::Verifying => LayerStep::Verifying,
        LayerState::Downloaded => LayerStep::Downloaded,
        LayerState::Exists => LayerStep::Exists,
    }
}

/// Unpacks layers while they arrive.
struct Unpacker<'a> {
    engine: &'a Engine,
    progress: &'a (dyn Fn(PullEvent) + Sync),
}

impl LayerSink for Unpacker<'_> {
    fn wanted(&self, diff_id: &Digest) -> bool {
        // An error here comes again, worded, when the layer is unpacked.
        !self.engine.snapshots.contains(diff_id).unwrap_or(false)
    }

    fn layer(&self, _: usize, descriptor: &Descriptor, diff_id: &Digest, content: &mut dyn Read) -> Result<()> {
        let tell = |step| (self.progress)(PullEvent::Layer { digest: descriptor.digest, step });
        let total = descriptor.size;
        let on_progress = |bytes| tell(LayerStep::Extracting(bytes, total));
        self.engine.snapshots.unpack(diff_id, content, &Limits::default(), &on_progress)?;
        tell(LayerStep::Complete);
        Ok(())
    }
}
