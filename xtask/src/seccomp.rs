//! Writes the default seccomp profile, compiled for every architecture that we know.

use crate::workspace;
use error::{Result, ResultExt};
use runtime::seccomp::precompiled;

/// The task: `cargo xtask seccomp`.
pub(crate) fn run() -> Result<()> {
    let folder = workspace::root().join("crates/runtime/src/seccomp/default");
    for (arch, stem) in precompiled::ARCHES {
        let (json, rust) = precompiled::render(arch, stem)?;
        for (kind, text) in [("json", json), ("rs", rust)] {
            let path = folder.join(stem).with_extension(kind);
            std::fs::write(&path, text).context(|| format!("can't write `{}`", path.display()))?;
        }
    }
    Ok(())
}
