//! The image that this program carries in itself: `isolazi/hello`, a root file system made of this very binary, which
//! prints from inside what its container is. It needs no network, so it shows on any machine whether containers work.

mod facts;
mod layer;
mod report;

use error::{Error, Kind, Result, ResultExt};
use image::{Image, Store};
use oci::image::{ContainerDefaults, History, RootFs, media_type};
use oci::{ImageConfig, Platform, Reference};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

/// The name that `run` knows without a registry.
pub(crate) const NAME: &str = "isolazi/hello";

/// The environment variable that tells inside which namespaces the host has.
const HOST_NAMESPACES: &str = "ISOLAZI_HOST_NAMESPACES";

/// Says which binary an image was made of.
const LABEL: &str = "isolazi.binary";

/// This program, whatever its file is called and even when that has been replaced meanwhile.
const OWN_BINARY: &str = "/proc/self/exe";

/// The image, made when there is none of this binary yet. Its environment, here only and not in the store, has the
/// host's namespaces of today.
pub(crate) fn image_for(store: &Store) -> Result<Image> {
    let mut image = stored(store)?;
    image.config.config.env.push(format!("{HOST_NAMESPACES}={}", host_namespaces()));
    Ok(image)
}

fn stored(store: &Store) -> Result<Image> {
    let reference: Reference = NAME.parse().expect("a valid reference");
    let binary = File::open(OWN_BINARY).context(|| format!("can't open `{OWN_BINARY}`"))?;
    let meta = binary.metadata().context(|| format!("can't look at `{OWN_BINARY}`"))?;
    let label = format!("{} bytes of {}.{:09}", meta.len(), meta.mtime(), meta.mtime_nsec());
    if let Some(image) = store.find(&reference, None)?
        && image.config.config.labels.as_ref().and_then(|labels| labels.get(LABEL)) == Some(&label)
        && image.manifest.layers.iter().all(|layer| store.open_blob(layer).is_ok())
    {
        return Ok(image);
    }
    make(store, &reference, &binary, &meta, label).context(|| format!("can't make image `{NAME}`"))
}

fn make(store: &Store, reference: &Reference, binary: &File, meta: &Metadata, label: String) -> Result<Image> {
    let mtime = u64::try_from(meta.mtime()).unwrap_or(0); // before 1970 is nobody's build
    let (mut content, size) = layer::tar(binary, meta.len(), mtime)?;
    let layer = store.put_blob(media_type::LAYER, &mut content)?;
    if layer.size != size {
        return Err(Error::new(Kind::Unavailable, format!("`{OWN_BINARY}` changed while it was read")));
    }
    // A file time outside the calendar is no reason to refuse: the image then has no date.
    let created = jiff::Timestamp::from_second(meta.mtime()).map(|time| time.to_string()).ok();
    let here = Platform::of_this_machine();
    let config = ImageConfig {
        created: created.clone(),
        architecture: here.architecture,
        os: here.os,
        variant: (!here.variant.is_empty()).then_some(here.variant),
        config: ContainerDefaults {
            env: vec!["PATH=/".to_owned()],
            entrypoint: [layer::PROGRAM, "internal", "hello"].map(String::from).to_vec(),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), label)])),
            ..ContainerDefaults::default()
        },
        // The layer is not compressed: its digest is its diff ID.
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.digest] },
        history: vec![History { created, created_by: "isolazi, of itself".to_owned(), ..History::default() }],
        extra: serde_json::Map::new(),
    };
    store.put_image(reference, &config, vec![layer])
}

/// The namespaces of this process: `pid:[4026531836] net:[4026531840] …`. Those that the rootless prologue has made
/// are left out: they are not the host's, and what the host has can't be seen from within them.
fn host_namespaces() -> String {
    let is_host = crate::is_initial_root();
    let is_hosts = |link: &String| is_host || !link.starts_with("user:") && !link.starts_with("mnt:");
    facts::namespaces().into_iter().filter(is_hosts).collect::<Vec<_>>().join(" ")
}

/// What this process is in, for people. `host_namespaces` is the value of the environment variable
/// `ISOLAZI_HOST_NAMESPACES`, empty if it is not set.
pub fn report(host_namespaces: &str) -> String {
    report::text(&facts::Facts::read(host_namespaces))
}

#[cfg(test)]
mod tests;
