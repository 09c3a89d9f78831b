//! Standard input, output and error, which lead out of a container: what they were at its beginning, and what takes
//! their place when it is restored.

use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, StatxFlags, fstat, statx};
use std::path::Path;

/// In the folder of images: runc's file.
const FILE: &str = "descriptors.json";

/// The most that the file may have, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Names of our standard input, output and error as CRIU has them; for those that it need not be told of, the path.
/// To be asked before the container is made: it gets them.
pub fn descriptors() -> Vec<String> {
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    ours.into_iter().map(|fd| name(fd).unwrap_or_default()).collect()
}

/// `pipe:[4711]`; `file[1b:5d2]`, a file on a mount of the host; else the path.
fn name(fd: BorrowedFd<'_>) -> Result<String> {
    use rustix::fd::AsRawFd;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?.to_string_lossy().into_owned();
    let stat = fstat(fd).map_err(std::io::Error::from)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let is_device = kind == FileType::CharacterDevice && !rustix::termios::isatty(fd);
    if !link.starts_with('/') || !(kind == FileType::RegularFile || is_device) {
        return Ok(link);
    }
    let flags = AtFlags::EMPTY_PATH;
    let more = statx(fd.as_fd(), c"", flags, StatxFlags::MNT_ID).map_err(std::io::Error::from)?;
    Ok(format!("file[{:x}:{:x}]", more.stx_mnt_id, stat.st_ino))
}

/// Must CRIU be told at the dump that it is outside?
pub(super) fn is_external(name: &str) -> bool {
    name.starts_with("file[")
}

/// Is another one put in its place?
pub(super) fn is_replaced(name: &str) -> bool {
    is_external(name) || name.starts_with("pipe:[")
}

pub(super) fn write(images: &Path, names: &[String]) -> Result<()> {
    let path = images.join(FILE);
    let text = serde_json::to_vec(names).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
    std::fs::write(&path, text).context(|| format!("can't write `{}`", path.display()))
}

pub(super) fn read(images: &Path) -> Result<Vec<String>> {
    use std::io::Read;
    let path = images.join(FILE);
    let mut text = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut text));
    read.context(|| format!("can't read `{}`", path.display()))
        .map_err(|error| error.hint("the folder of a whole checkpoint has this file"))?;
    serde_json::from_slice(&text).map_err(|cause| Error::invalid(format!("can't read `{}`: {cause}", path.display())))
}
