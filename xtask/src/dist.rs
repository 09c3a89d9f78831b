//! `cargo xtask dist`: everything a package needs, in `target/dist`.

use crate::workspace;
use error::{Error, Kind, Result, ResultExt};
use std::fs;
use std::path::Path;

/// The binary is copied into images, virtual machines and WSL: it has to stay small (bytes).
pub(crate) const BINARY_BYTES: u64 = 12 << 20;
/// Papers that travel with the binary.
const PAPERS: [&str; 3] = ["LICENSE", "README.md", "CHANGELOG.md"];

pub(crate) fn run() -> Result<()> {
    workspace::cargo(&["build", "--release", "--locked", "--package", "isolazi"])?;
    let binary = workspace::release_binary()?;
    let bytes = fs::metadata(&binary).context(|| format!("can't look at `{}`", binary.display()))?.len();
    if bytes > BINARY_BYTES {
        let text = format!("the binary has {bytes} bytes, more than the {BINARY_BYTES} it may have");
        return Err(Error::new(Kind::Invalid, text));
    }
    crate::pages("man")?;
    crate::pages("completions")?;
    let dist = workspace::target()?.join("dist");
    copy(&binary, &dist.join("isolazi"))?;
    for paper in PAPERS {
        copy(&workspace::root().join(paper), &dist.join(paper))?;
    }
    println!("{}: isolazi ({bytes} bytes), man, completions, {}", dist.display(), PAPERS.join(", "));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).context(|| format!("can't copy `{}` to `{}`", from.display(), to.display()))?;
    Ok(())
}
