//! Overlay mounts as detached descriptors: nothing appears in any mount namespace until somebody attaches it.
//!
//! Needs `lowerdir+` (Linux 6.5); before that, [`classic`] makes the same descriptor with mount(2) in a private mount
//! namespace. Kernel: Documentation/filesystems/overlayfs.rst; fsopen(2), fsconfig(2), fsmount(2).

use error::{Error, Kind, Result, ResultExt};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    self, FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, OpenTreeFlags,
};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Bytes that one `fsconfig` string may hold (the kernel copies at most 256 with the terminating zero).
const FSCONFIG_STRING_BYTES: usize = 255;

/// Longest text the kernel says about one mount; it keeps the last eight messages of at most a few hundred bytes.
const MESSAGE_BYTES: usize = 1024;

/// What to stack.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Read-only layers, top first. Without an `upper` the kernel wants at least two.
    pub lower: &'a [PathBuf],
    /// Where writes go; `None` makes a read-only overlay.
    pub upper: Option<Upper<'a>>,
    /// Nobody will want the upper after a crash: no waiting for the disk (Linux 5.10).
    pub volatile: bool,
    /// Overlay's marks are `user.overlay.*` instead of `trusted.overlay.*`: needed in user namespaces (Linux 5.11).
    pub userxattr: bool,
    /// `MOUNT_ATTR_NODEV` and the like.
    pub attributes: MountAttrFlags,
}

/// The writable part: two folders on one file system.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// Holds what differs from the lower layers.
    pub dir: &'a Path,
    /// Scratch of the kernel.
    pub work: &'a Path,
}

/// Mounts, and returns the mount as a descriptor which `move_mount` can attach and `openat2` can read.
pub fn mount(overlay: &Overlay) -> Result<OwnedFd> {
    match with_fsopen(overlay) {
        Err(failure) if failure.is_old_kernel() => classic(overlay),
        other => other.map_err(|failure| failure.worded(overlay)),
    }
}

struct Failure {
    stage: &'static str,
    errno: Errno,
    log: Vec<String>,
}

fn with_fsopen(overlay: &Overlay) -> std::result::Result<OwnedFd, Failure> {
    let early = |errno| Failure { stage: "fsopen", errno, log: Vec::new() };
    let context = mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(early)?;
    let fd = context.as_fd();
    let failed = |stage| move |errno| Failure { stage, errno, log: messages(fd) };

    mount::fsconfig_set_string(fd, "source", "overlay").map_err(failed("source"))?;
    for layer in overlay.lower {
        set_dir(fd, "lowerdir+", layer).map_err(failed("lowerdir+"))?;
    }
    if let Some(upper) = overlay.upper {
        set_dir(fd, "upperdir", upper.dir).map_err(failed("upperdir"))?;
        set_dir(fd, "workdir", upper.work).map_err(failed("workdir"))?;
    }
    for (key, value) in options(overlay) {
        match value {
            Some(value) => mount::fsconfig_set_string(fd, key, value).map_err(failed(key))?,
            None => mount::fsconfig_set_flag(fd, key).map_err(failed(key))?,
        }
    }
    mount::fsconfig_create(fd).map_err(failed("create"))?;
    mount::fsmount(fd, FsMountFlags::FSMOUNT_CLOEXEC, overlay.attributes).map_err(failed("fsmount"))
}

/// Distributions differ in these defaults, so we say each:
/// redirects and metacopy follow xattrs that a layer could carry, an index makes a reused lower folder an error.
fn options(overlay: &Overlay) -> Vec<(&'static str, Option<&'static str>)> {
    let mut options = vec![("index", Some("off")), ("xino", Some("off"))];
    if overlay.userxattr {
        options.push(("userxattr", None)); // implies no redirects and no metacopy, and refuses to hear them named
    } else {
        options.extend([("redirect_dir", Some("nofollow")), ("metacopy", Some("off"))]);
    }
    if overlay.volatile && overlay.upper.is_some() {
        options.push(("volatile", None));
    }
    options
}

/// A folder as a string if it fits one. A longer one, or one with a backslash (which the kernel takes for an escape
/// in `upperdir`), goes as `/proc/self/fd/<n>`, understood by every kernel that has `lowerdir+`.
fn set_dir(context: BorrowedFd, key: &'static str, dir: &Path) -> rustix::io::Result<()> {
    let bytes = dir.as_os_str().as_bytes();
    if bytes.len() <= FSCONFIG_STRING_BYTES && !bytes.contains(&b'\\') {
        return mount::fsconfig_set_string(context, key, dir);
    }
    let dir_fd = rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mount::fsconfig_set_string(context, key, format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir_fd)))
}

/// What the kernel says about a failed mount; each read returns one message such as `e overlay: …`.
fn messages(context: BorrowedFd) -> Vec<String> {
    let mut buffer = [0; MESSAGE_BYTES];
    let mut messages = Vec::new();
    while let Ok(length @ 1..) = rustix::io::read(context, &mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]);
        let text = text.trim_end();
        messages.push(text.split_once(' ').map_or(text, |(_level, message)| message).to_owned());
    }
    messages
}

impl Failure {
    /// Before 6.5 overlayfs took its options as one text: it refuses `lowerdir+` only when it reads them all, or the
    /// collector of that text (`legacy:`) refuses a comma or more than a page. Overlayfs itself is named in neither.
    fn is_old_kernel(&self) -> bool {
        self.errno == Errno::INVAL && !self.log.iter().any(|message| message.starts_with("overlay"))
    }

    fn worded(self, overlay: &Overlay) -> Error {
        let mut error = crate::kernel::error(self.errno);
        for message in self.log.iter().rev() {
            error = error.context(message.clone());
        }
        let place = overlay.upper.map_or(overlay.lower.first().map(PathBuf::as_path), |upper| Some(upper.dir));
        let place = place.unwrap_or(Path::new("?")).display().to_string();
        let stage = self.stage;
        let error = error.context(format!("can't mount an overlay over `{place}` (at `{stage}`)"));
        hinted(error, self.errno, &self.log.join(" "), &place, overlay)
    }
}

fn hinted(mut error: Error, errno: Errno, log: &str, place: &str, overlay: &Overlay) -> Error {
    if errno == Errno::NODEV {
        error.kind = Kind::Unsupported;
        return error.hint("this kernel has no overlayfs: try `modprobe overlay`");
    }
    if errno == Errno::PERM && overlay.userxattr {
        error.kind = Kind::Unsupported;
        return error.hint("overlay mounts in user namespaces need Linux 5.11 or newer");
    }
    // What the kernel says differs between versions; these words have been there in all of them.
    if errno == Errno::INVAL && (log.contains("not supported") || log.contains("upper fs") || log.contains("remote")) {
        error.kind = Kind::Unsupported;
        return error.hint(format!(
            "overlayfs can't write on the file system that holds `{place}` (another overlay, NFS …): keep the data \
             folder on ext4, xfs, btrfs or tmpfs"
        ));
    }
    error
}

/// The way of kernels before 6.5: mount(2) knows only one option string of less than a page.
///
/// A thread takes a mount namespace of its own, so that the mount is seen by nobody, stands in a detached tmpfs whose
/// symbolic links `0`, `1` … name the layers by a byte or three each, mounts, clones the mount into a descriptor, and
/// ends with its namespace.
pub fn classic(overlay: &Overlay) -> Result<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || classic_here(overlay));
        thread.context(|| "can't start a thread")?.join().expect("the mounting thread does not panic")
    })
}

fn classic_here(overlay: &Overlay) -> Result<OwnedFd> {
    // Any folder that exists can be the mount point; what it hides is seen through the links' targets no more, but
    // the overlay has taken its layers by then.
    let point = overlay.lower.first().ok_or_else(|| Error::invalid("an overlay needs a layer"))?;
    own_mount_namespace().context(|| "can't make a private mount namespace")?;
    let options = links(overlay).context(|| "can't name the layers for mount(2)")?;
    let flags = mount_flags(overlay.attributes);
    mount::mount("overlay", point, "overlay", flags, options.as_c_str()).map_err(|errno| {
        let failure = Failure { stage: "mount", errno, log: Vec::new() };
        // mount(2) tells its reasons to the kernel log only.
        failure.worded(overlay).hint("`dmesg` may say why")
    })?;
    mount::open_tree(CWD, point, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        .map_err(std::io::Error::from)
        .context(|| "can't take the overlay as a descriptor")
}

#[allow(unsafe_code, reason = "rustix calls every unshare unsafe because of CLONE_FILES")]
fn own_mount_namespace() -> std::io::Result<()> {
    use rustix::thread::UnshareFlags;
    // SAFETY: NEWNS (which implies FS) gives this thread its own mounts and working directory. It closes no
    // descriptor, which is what makes some flags of unshare unsafe.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    Ok(mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// Makes the links, enters their folder, and returns the options that name them.
fn links(overlay: &Overlay) -> std::io::Result<CString> {
    let context = mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_create(&context)?;
    let folder = mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let mut lower = Vec::new();
    for (index, layer) in overlay.lower.iter().enumerate() {
        let name = index.to_string();
        rustix::fs::symlinkat(std::path::absolute(layer)?, &folder, &name)?;
        lower.push(name);
    }
    let mut text = format!("lowerdir={}", lower.join(":"));
    if let Some(upper) = overlay.upper {
        rustix::fs::symlinkat(std::path::absolute(upper.dir)?, &folder, "u")?;
        rustix::fs::symlinkat(std::path::absolute(upper.work)?, &folder, "w")?;
        text.push_str(",upperdir=u,workdir=w");
    }
    for (key, value) in options(overlay) {
        text.push_str(&format!(",{key}{}{}", if value.is_some() { "=" } else { "" }, value.unwrap_or("")));
    }
    rustix::process::fchdir(&folder)?;
    rustix::fs::statat(CWD, "0", AtFlags::empty())?; // the links work, and the first layer is there
    Ok(CString::new(text)?)
}

fn mount_flags(attributes: MountAttrFlags) -> MountFlags {
    let table = [
        (MountAttrFlags::MOUNT_ATTR_RDONLY, MountFlags::RDONLY),
        (MountAttrFlags::MOUNT_ATTR_NOSUID, MountFlags::NOSUID),
        (MountAttrFlags::MOUNT_ATTR_NODEV, MountFlags::NODEV),
        (MountAttrFlags::MOUNT_ATTR_NOEXEC, MountFlags::NOEXEC),
        (MountAttrFlags::MOUNT_ATTR_NOATIME, MountFlags::NOATIME),
        (MountAttrFlags::MOUNT_ATTR_NODIRATIME, MountFlags::NODIRATIME),
    ];
    table
        .into_iter()
        .filter(|(attribute, _)| attributes.contains(*attribute))
        .fold(MountFlags::empty(), |flags, (_, flag)| flags | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_told_from_refusals() {
        for (errno, log, old) in [
            (Errno::INVAL, "", true),
            (Errno::INVAL, "legacy: Option 'lowerdir+' contained comma", true),
            (Errno::INVAL, "overlay: filesystem on /x not supported as upperdir", false),
            (Errno::NOENT, "", false),
        ] {
            let log = if log.is_empty() { Vec::new() } else { vec![log.to_owned()] };
            assert_eq!(Failure { stage: "create", errno, log: log.clone() }.is_old_kernel(), old, "{errno} {log:?}");
        }
    }
}
