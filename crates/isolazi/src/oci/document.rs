//! Documents that a caller hands over: a process, limits.

use error::{Error, Result, ResultExt};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest document in bytes: a process with as many arguments as execve(2) takes (6 MiB on most machines).
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Reads a file, or with `-` standard input.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let words = || format!("can't read `{}`", path.display());
    let text = if path == Path::new("-") { take(std::io::stdin().lock()) } else { File::open(path).and_then(take) };
    let text = text.context(words)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::invalid(format!("more than {} MiB", MAX_BYTES >> 20)).context(words()));
    }
    oci::runtime::read(&text).map_err(|cause| Error::invalid(cause.to_string()).context(words()))
}

fn take(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
