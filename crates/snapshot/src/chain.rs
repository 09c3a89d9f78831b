//! Layers stacked: the lower folders of one image, top first.
//!
//! Layers were unpacked without knowing each other. Once for each stack it is settled what one layer leaves to those
//! below: folders that it only implies get the lower layers' metadata, in one small layer of their own on top. The
//! answer is kept in `chains/<chain-id>/`, so that a later run reads one small file.

use crate::building::Building;
use crate::limits::LAYERS;
use crate::merge::{self, Layer};
use crate::store::{CHAINS, FS, Store};
use error::{Error, Result, ResultExt};
use oci::Digest;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What overlayfs is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The lower folders, top first.
    pub lower: Vec<PathBuf>,
    /// The folder that has the metadata of the image's `/`.
    pub(crate) root: PathBuf,
    /// An empty folder: overlayfs wants two lower ones where there is no upper one.
    pub(crate) empty: PathBuf,
}

/// `chain.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Settled {
    /// All diff IDs, bottom first.
    layers: Vec<Digest>,
    /// How many of them, from the bottom, are wholly hidden by an opaque root above.
    hidden: usize,
    /// The layer, counted from the bottom, whose root has the metadata of `/`.
    root: usize,
    /// There is a layer of settled folders.
    settled: bool,
}

const SETTLED: &str = "chain.json";
const EMPTY: &str = "empty";

impl Store {
    /// The stack of these layers (diff IDs as in the image's configuration, bottom first), settled when it is first
    /// asked for. All must have been unpacked.
    pub fn chain(&self, diff_ids: &[Digest]) -> Result<Chain> {
        if diff_ids.len() > LAYERS {
            return Err(Error::new(
                error::Kind::Unsupported,
                format!("the image has {} layers, more than the {LAYERS} that can be stacked", diff_ids.len()),
            ));
        }
        let id = chain_id(diff_ids).hex();
        let dir = self.dir.join(CHAINS).join(&id);
        let settled = match read(&dir)? {
            Some(settled) => settled,
            None => {
                self.settle(diff_ids, &id).context(|| "can't stack the image's layers")?;
                read(&dir)?.ok_or_else(|| Error::new(error::Kind::Conflict, "the layers are being removed"))?
            }
        };
        Ok(self.stack(&dir, &settled))
    }

    fn stack(&self, dir: &Path, settled: &Settled) -> Chain {
        let fs = |digest: &Digest| self.layer(digest).join(FS);
        let empty = dir.join(EMPTY);
        let mut lower: Vec<PathBuf> = settled.layers.iter().skip(settled.hidden).rev().map(fs).collect();
        if settled.settled {
            lower.insert(0, dir.join(FS));
        }
        if lower.is_empty() {
            lower.push(empty.clone());
        }
        let root = settled.layers.get(settled.root).map_or_else(|| empty.clone(), fs);
        Chain { lower, root, empty }
    }

    fn settle(&self, diff_ids: &[Digest], id: &str) -> Result<()> {
        let Some(building) = Building::begin(&self.dir.join(CHAINS), id)? else { return Ok(()) };
        let mut layers = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            layers.push(Layer::open(&self.layer(diff_id), self.flavour)?.ok_or_else(|| Store::missing(diff_id))?);
        }
        let hidden = layers.iter().rposition(Layer::hides_all).unwrap_or(0);
        let visible = &layers[hidden..];
        let folders = merge::settle(visible)?;
        if !folders.is_empty() {
            merge::write(building.dir(), FS, &folders)?;
        }
        let words = || "can't make a folder";
        rustix::fs::mkdirat(building.dir(), EMPTY, Mode::from_raw_mode(0o755))
            .map_err(io::Error::from)
            .context(words)?;
        let root = hidden + visible.iter().rposition(|layer| !layer.implies(b"")).unwrap_or(0);
        let settled = Settled { layers: diff_ids.to_vec(), hidden, root, settled: !folders.is_empty() };
        let json = serde_json::to_vec(&settled).expect("digests and numbers are valid JSON");
        crate::unpack::write_file(building.dir(), SETTLED, &json)?;
        building.commit()
    }
}

/// Does this settled chain use the layer? One that cannot be read is taken for one that does, and made again later.
pub(crate) fn uses(dir: &Path, diff_id: &Digest) -> bool {
    match read(dir) {
        Ok(Some(settled)) => settled.layers.contains(diff_id),
        Ok(None) => false, // removed or not finished
        Err(_) => true,
    }
}

fn read(dir: &Path) -> Result<Option<Settled>> {
    let path = dir.join(SETTLED);
    let words = || format!("can't read `{}`", path.display());
    let json = match std::fs::read(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.context(words)?,
    };
    serde_json::from_slice(&json).map(Some).map_err(io::Error::from).context(words)
}

/// OCI image-spec, config.md, "Layer ChainID". An image without layers has none; it gets the digest of nothing.
fn chain_id(diff_ids: &[Digest]) -> Digest {
    let hash = |text: &str| Digest::of(text.as_bytes());
    let mut layers = diff_ids.iter();
    let Some(first) = layers.next() else { return hash("") };
    layers.fold(*first, |below, layer| hash(&format!("{below} {layer}")))
}
