//! Reading a bundle's `config.json`.

use super::folder::MAX_DOCUMENT_BYTES;
use error::{Error, Result, ResultExt};
use oci::runtime::{Hooks, Process, Spec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The document of a bundle, as text and as what it means.
pub(super) fn read(bundle: &Path) -> Result<(Vec<u8>, Spec)> {
    let path = bundle.join("config.json");
    let words = || format!("can't read `{}`", path.display());
    let file = std::fs::File::open(&path).context(words)?;
    let text = sys::read::all(file, MAX_DOCUMENT_BYTES + 1).context(words)?;
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::invalid(format!("it has more than {} MiB", MAX_DOCUMENT_BYTES >> 20)).context(words()));
    }
    let spec = parse(&text).context(words)?;
    Ok((text, spec))
}

/// A document's process alone: the rest is passed over without being made into anything.
pub(super) fn parse_process(text: &[u8]) -> Result<Option<Process>> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        process: Option<Process>,
    }
    let part: Part = serde_json::from_slice(text).map_err(|cause| Error::invalid(cause.to_string()))?;
    Ok(part.process)
}

/// What of a document counts once its container is made: hooks and annotations.
pub(super) fn parse_outline(text: &[u8]) -> Result<Spec> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        hooks: Hooks,
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let part: Part = serde_json::from_slice(text).map_err(|cause| Error::invalid(cause.to_string()))?;
    Ok(Spec { hooks: part.hooks, annotations: part.annotations, ..Spec::default() })
}

/// What a document means. Its version must be one whose meaning we know (config.md, "Specification version").
pub(super) fn parse(text: &[u8]) -> Result<Spec> {
    let spec: Spec = serde_json::from_slice(text).map_err(|cause| Error::invalid(cause.to_string()))?;
    let known = spec.oci_version.split('.').next().is_some_and(|major| major == "1")
        && spec.oci_version.split('.').count() >= 3;
    if !known {
        let message =
            format!("config.json: `ociVersion`: `{}` is no version 1.x.y of the specification", spec.oci_version);
        return Err(Error::invalid(message));
    }
    Ok(spec)
}
