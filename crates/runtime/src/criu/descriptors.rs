//! Standard input, output and error, which lead out of a container: what they were at its beginning, and what takes
//! their place when it is restored.

use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, fstat, openat, statx};
use std::path::Path;

/// In the folder of images: runc's file.
const FILE: &str = "descriptors.json";

/// The most that the file may have, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// How many there are.
const COUNT: usize = 3;

/// Names of our standard input, output and error as CRIU has them, and then their paths. To be asked before the container
/// is made: it gets them.
pub fn descriptors() -> Vec<String> {
    let names = ours().into_iter().map(|fd| name(fd).unwrap_or_default());
    names.chain(ours().into_iter().map(|fd| link(fd).unwrap_or_default())).collect()
}

fn ours() -> [BorrowedFd<'static>; COUNT] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

fn link(fd: BorrowedFd<'_>) -> std::io::Result<String> {
    Ok(std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?.to_string_lossy().into_owned())
}

/// `pipe:[4711]`; `file[1b:5d2]`, a file or device on a mount of the host; else the path.
fn name(fd: BorrowedFd<'_>) -> Result<String> {
    let link = link(fd)?;
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

/// What takes the place of each that led out of the container, with its name: a copy that is not closed when a program is
/// executed.
pub(super) fn replacements(descriptors: &[String]) -> Result<Vec<(&str, OwnedFd)>> {
    let mut given = Vec::new();
    for (index, (name, fd)) in descriptors.iter().zip(ours()).enumerate() {
        let original = descriptors.get(COUNT + index).filter(|_| is_external(name)).and_then(|path| another(fd, path));
        if is_external(name) || name.starts_with("pipe:[") {
            let copy = rustix::io::dup(original.as_ref().map_or(fd, AsFd::as_fd));
            let copy = copy.map_err(std::io::Error::from).context(|| "can't copy a descriptor for criu")?;
            given.push((name.as_str(), copy));
        }
    }
    Ok(given)
}

/// CRIU takes a file only for one that looks the same: of this kind, with these permissions, as long as it was. If ours
/// does not, the container gets its old one back.
fn another(ours: BorrowedFd<'_>, path: &str) -> Option<OwnedFd> {
    let original = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let (now, before) = (fstat(ours).ok()?, fstat(&original).ok()?);
    let is_file = FileType::from_raw_mode(before.st_mode) == FileType::RegularFile;
    let same = now.st_mode == before.st_mode && (!is_file || now.st_size == before.st_size);
    (!same).then_some(original)
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
