//! Unpacks the layers of an OCI image layout and prints the lower folders: to measure by hand, or to compare trees.
//!
//! `cargo run --release -p snapshot --example unpack -- STORE LAYOUT [REFERENCE]`

#![allow(clippy::print_stdout, reason = "its only purpose is to print")]

use error::{Error, Result, ResultExt};
use oci::{Descriptor, ImageConfig, Index, Manifest};
use snapshot::{Flavour, Limits, Store};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [store, layout, ..] = arguments.as_slice() else {
        return Err(Error::invalid("usage: unpack STORE LAYOUT"));
    };
    let index: Index = json(&layout.join("index.json"))?;
    let manifest: Manifest = json(&blob(layout, index.manifests.first().expect("the layout names an image")))?;
    let config: ImageConfig = json(&blob(layout, &manifest.config))?;
    let diff_ids = &config.rootfs.diff_ids;
    let flavour = if privileged()? { Flavour::Privileged } else { Flavour::UserNamespace };
    let store = Store::open(store, flavour);
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = manifest
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(layer, diff_id)| {
                let (store, path) = (&store, blob(layout, layer));
                scope.spawn(move || {
                    let mut file = std::fs::File::open(&path).context(|| format!("can't open {}", path.display()))?;
                    store.unpack(diff_id, &mut file, &Limits::default(), &|_| {})
                })
            })
            .collect();
        for thread in threads {
            println!("{:?}", thread.join().expect("no panic")?);
        }
        Ok::<_, Error>(())
    })?;
    println!("unpacked in {:?}", started.elapsed());
    let started = std::time::Instant::now();
    for lower in store.chain(diff_ids)?.lower {
        println!("{}", lower.display());
    }
    println!("stacked in {:?}", started.elapsed());
    Ok(())
}

fn privileged() -> Result<bool> {
    let map = std::fs::read_to_string("/proc/self/uid_map").context(|| "can't read the user map")?;
    Ok(map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"])
}

fn blob(layout: &Path, descriptor: &Descriptor) -> PathBuf {
    layout.join("blobs/sha256").join(descriptor.digest.hex())
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).context(|| format!("can't read {}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(std::io::Error::from).context(|| format!("can't parse {}", path.display()))
}
