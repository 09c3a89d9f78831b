//! `cp`: files out of a container and into one, as archives between two threads of ours.

use super::decide::{There, decide};
use super::left_out;
use super::root::{self, For, Root};
use super::typed::Typed;
use crate::containers::Container;
use crate::{Engine, events};
use api::{Copied, Copy, Local};
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;
use snapshot::{Ground, Owners, Packed, Packer, Received};
use std::io::{PipeWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Links followed on the way to a target, as in Docker.
const LINKS: usize = 10;

impl Engine {
    /// Copies out of a container. With [`Local::Stream`], a tar archive goes to `out`.
    pub fn copy_out(&self, request: &Copy, out: &mut dyn Write) -> Result<Copied> {
        let container = self.containers.get(&self.names, &request.container)?;
        let local = match &request.local {
            Local::Stream => None,
            Local::Path { typed, directory } => Some(output(typed, directory)?),
        };
        let root = root::open(self, &container, For::Reading)?;
        let source = Typed::new(Path::new("/"), &request.path);
        let item = look(&root, &source, request.follow_link)?.ok_or_else(|| missing(request, &request.path))?;
        let told = [("path", String::from_utf8_lossy(&request.path).into_owned())];
        events::tell_of(&self.paths.data, &container.record, "archive-path", &told);
        let Some(target) = local else {
            let mut packer = Packer::new(out);
            packer.item(item.as_fd(), source.base())?;
            let packed = packer.finish()?;
            return Ok(Copied { bytes: packed.size, left_out: left_out(packed, snapshot::Skipped::default()) });
        };
        let (target, found) = target_of(target, open_local)?;
        let (folder, name) = decide(source.base(), sort(&item)? == FileType::Directory, &target, there(found))?;
        let ground = openat(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let ground = ground.map_err(std::io::Error::from).context(|| format!("can't open `{}`", folder.display()))?;
        let owners = if request.archive { Owners::Archived } else { Owners::Caller };
        pass(item.as_fd(), &name, Ground { root: ground.as_fd(), folder: b"", follow_links: false }, owners)
    }

    /// Copies into a container. With [`Local::Stream`], a tar archive comes from `input`.
    pub fn copy_in(&self, request: &Copy, input: &mut dyn Read) -> Result<Copied> {
        let container = self.containers.get(&self.names, &request.container)?;
        let local = match &request.local {
            Local::Stream => None,
            Local::Path { typed, directory } => Some(input_of(typed, directory, request.follow_link)?),
        };
        let root = root::open(self, &container, For::Writing)?;
        let typed = Typed::new(Path::new("/"), &request.path);
        let (target, found) = target_of(typed, |typed| look(&root, typed, false))?;
        let shown = || format!("destination \"{}:{}\"", request.container, String::from_utf8_lossy(&request.path));
        if let Some(strange) = found.and_then(strange) {
            return Err(Error::invalid(format!("{} must be a directory or a regular file: {strange}", shown())));
        }
        let Some((item, base)) = local else {
            if there(found) != There::Folder {
                return Err(Error::invalid(format!("{} must be a directory", shown())));
            }
            let ground = ground(&root, &container, request, &target.path)?;
            self.tell_of_extraction(&container, &target.path);
            let received = snapshot::receive(input, ground, Owners::Archived)?;
            return Ok(Copied { bytes: received.size, left_out: left_out(Packed::default(), received.skipped) });
        };
        let (folder, name) = decide(&base, sort(&item)? == FileType::Directory, &target, there(found))?;
        let ground = ground(&root, &container, request, &folder)?;
        self.tell_of_extraction(&container, &folder);
        let owners = if request.archive { Owners::Archived } else { Owners::Root };
        pass(item.as_fd(), &name, ground, owners)
    }

    fn tell_of_extraction(&self, container: &Container, folder: &Path) {
        let told = [("path", folder.display().to_string())];
        events::tell_of(&self.paths.data, &container.record, "extract-to-dir", &told);
    }
}

fn missing(request: &Copy, path: &[u8]) -> Error {
    let (path, container) = (String::from_utf8_lossy(path), &request.container);
    Error::not_found(format!("Could not find the file {path} in container {container}"))
}

/// What is at a path of the container, links in the way followed inside its root; `None` if there is nothing.
fn look(root: &Root, typed: &Typed, follow: bool) -> Result<Option<OwnedFd>> {
    let last = if follow || typed.asserts_folder() { OFlags::empty() } else { OFlags::NOFOLLOW };
    let folder = if typed.asserts_folder() { OFlags::DIRECTORY } else { OFlags::empty() };
    found(sys::inside::open(&root.fd, typed.path.as_path(), OFlags::PATH | last | folder))
        .context(|| format!("can't look at `{}` of the container", typed.path.display()))
}

/// The same on this side.
fn open_local(typed: &Typed) -> Result<Option<OwnedFd>> {
    let last = if typed.asserts_folder() { OFlags::DIRECTORY } else { OFlags::NOFOLLOW };
    found(openat(CWD, &typed.path, OFlags::PATH | OFlags::CLOEXEC | last, Mode::empty()))
        .context(|| format!("can't look at `{}`", typed.path.display()))
}

fn found(opened: rustix::io::Result<OwnedFd>) -> std::io::Result<Option<OwnedFd>> {
    match opened {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn sort(item: &OwnedFd) -> Result<FileType> {
    let stat = fstat(item).map_err(std::io::Error::from).context(|| "can't look at what is to be copied")?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// A target that is a link stands for what it names, whether there is something or not: the path, and what is there.
fn target_of(mut target: Typed, look: impl Fn(&Typed) -> Result<Option<OwnedFd>>) -> Result<(Typed, Option<FileType>)> {
    for _ in 0..LINKS {
        let Some(found) = look(&target)? else { return Ok((target, None)) };
        let sort = sort(&found)?;
        if sort != FileType::Symlink {
            return Ok((target, Some(sort)));
        }
        let link = readlinkat(&found, c"", Vec::new()).map_err(std::io::Error::from);
        target = target.link(link.context(|| "can't read a link")?.as_bytes());
    }
    Err(Error::invalid(format!("`{}` is behind too many links", target.path.display())))
}

fn there(found: Option<FileType>) -> There {
    match found {
        None => There::Nothing,
        Some(FileType::Directory) => There::Folder,
        Some(_) => There::Other,
    }
}

/// Docker's words for what cannot be written to.
fn strange(sort: FileType) -> Option<&'static str> {
    match sort {
        FileType::CharacterDevice | FileType::BlockDevice => Some("got a device"),
        FileType::Fifo | FileType::Socket | FileType::Unknown => Some("got an irregular file"),
        _ => None,
    }
}

/// A path on this side that is written to.
fn output(typed: &Path, directory: &Path) -> Result<Typed> {
    let target = Typed::new(directory, typed.as_os_str().as_bytes());
    check_output(&target.path)?;
    Ok(target)
}

/// Refuses what cannot be written to, in Docker's words.
pub(super) fn check_output(path: &Path) -> Result<()> {
    let above = path.parent().unwrap_or(path);
    if matches!(rustix::fs::stat(above), Err(Errno::NOENT)) {
        let text = format!("invalid output path: directory {above:?} does not exist");
        return Err(Error::not_found(text));
    }
    match rustix::fs::stat(path).ok().and_then(|stat| strange(FileType::from_raw_mode(stat.st_mode))) {
        Some(strange) => {
            let text = format!("invalid output path: {path:?} must be a directory or a regular file: {strange}");
            Err(Error::invalid(text))
        }
        None => Ok(()),
    }
}

/// A source on this side: what it is, and how it is called.
fn input_of(typed: &Path, directory: &Path, follow: bool) -> Result<(OwnedFd, Vec<u8>)> {
    let source = Typed::new(directory, typed.as_os_str().as_bytes());
    let last = if follow || source.asserts_folder() { OFlags::empty() } else { OFlags::NOFOLLOW };
    let folder = if source.asserts_folder() { OFlags::DIRECTORY } else { OFlags::empty() };
    // By the path as typed: what `..` behind a link means is the kernel's affair here.
    let item = openat(CWD, directory.join(typed), OFlags::PATH | OFlags::CLOEXEC | last | folder, Mode::empty());
    let item = item.map_err(std::io::Error::from).context(|| format!("lstat {}", source.path.display()))?;
    Ok((item, source.base().to_vec()))
}

/// The folder of a container that is written to, if it can be.
fn ground<'a>(root: &'a Root, container: &Container, request: &Copy, folder: &'a Path) -> Result<Ground<'a>> {
    let opened = found(sys::inside::open(&root.fd, folder, OFlags::PATH | OFlags::DIRECTORY))
        .context(|| format!("can't open `{}` of the container", folder.display()))?
        .ok_or_else(|| missing(request, folder.as_os_str().as_bytes()))?;
    let words = || "can't look at the target";
    let device = |fd: &OwnedFd| fstat(fd).map(|stat| stat.st_dev).map_err(std::io::Error::from).context(words);
    let flags = rustix::fs::fstatvfs(&opened).map_err(std::io::Error::from).context(words)?.f_flag;
    let is_volume = device(&opened)? != device(&root.fd)?;
    if is_volume && flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(Error::new(Kind::Denied, "mounted volume is marked read-only"));
    }
    if !is_volume && container.record.request.read_only {
        return Err(Error::new(Kind::Denied, "container rootfs is marked read-only"));
    }
    Ok(Ground { root: root.fd.as_fd(), folder: folder.as_os_str().as_bytes(), follow_links: true })
}

/// Packs here and unpacks there, at the same time.
fn pass(item: BorrowedFd<'_>, name: &[u8], ground: Ground<'_>, owners: Owners) -> Result<Copied> {
    let (mut reader, writer) = std::io::pipe().context(|| "can't make a pipe")?;
    let (packed, received) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("pack".into());
        let packing =
            thread.spawn_scoped(scope, move || pack(item, name, writer)).context(|| "can't start a thread")?;
        let received = snapshot::receive(&mut reader, ground, owners);
        drop(reader); // a packer that nobody listens to ends, too
        let packed = packing.join().unwrap_or_else(|_| Ok(Err(Error::new(Kind::Internal, "packing panicked"))));
        Ok::<_, Error>((packed, received))
    })?;
    match packed {
        // Whoever stopped first knows why.
        Ok(Err(cause)) => Err(cause),
        Ok(Ok(packed)) => received.map(|Received { size, skipped }| copied(size, packed, skipped)),
        Err(NobodyListens) => received.and_then(|_| Err(Error::new(Kind::Internal, "the copy broke off"))),
    }
}

fn copied(bytes: u64, packed: Packed, skipped: snapshot::Skipped) -> Copied {
    Copied { bytes, left_out: left_out(packed, skipped) }
}

struct NobodyListens;

fn pack(item: BorrowedFd<'_>, name: &[u8], writer: PipeWriter) -> Result<Result<Packed>, NobodyListens> {
    let mut writer = Listened { writer: std::io::BufWriter::with_capacity(64 << 10, writer), broken: false };
    let mut packer = Packer::new(&mut writer);
    let packed = packer.item(item, name).and_then(|()| packer.finish());
    if writer.broken { Err(NobodyListens) } else { Ok(packed) }
}

/// Remembers that the other side has gone.
struct Listened<W> {
    writer: W,
    broken: bool,
}

impl<W: Write> Write for Listened<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes).inspect_err(|cause| self.broken |= cause.kind() == std::io::ErrorKind::BrokenPipe)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush().inspect_err(|cause| self.broken |= cause.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
