//! Writes the default seccomp profile, compiled for every architecture that we know.

use error::{Result, ResultExt};
use runtime::seccomp::precompiled;
use std::path::Path;

/// The task: `cargo xtask seccomp`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join("crates/runtime/src/seccomp/default");
    for (arch, stem) in precompiled::ARCHES {
        let (json, rust) = precompiled::render(arch, stem)?;
        for (kind, text) in [("json", json), ("rs", rust)] {
            let path = folder.join(stem).with_extension(kind);
            std::fs::write(&path, text).context(|| format!("can't write `{}`", path.display()))?;
        }
    }
    Ok(())
}
