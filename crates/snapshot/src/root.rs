//! A stack of layers becomes a mount: the container's root, as a detached descriptor.

use crate::chain::Chain;
use crate::flavour::Flavour;
use error::{Result, ResultExt};
use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;
use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The writable part of a root: two folders side by side, kept in the container's own folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// What the container changed.
    pub dir: PathBuf,
    /// Scratch of the kernel.
    pub work: PathBuf,
}

impl Upper {
    /// The two folders in `folder`, whether they exist or not.
    pub fn at(folder: &Path) -> Self {
        Self { dir: folder.join("upper"), work: folder.join("work") }
    }

    /// Makes the two folders. The upper one gets the metadata of the image's root, for it is what the payload sees as
    /// `/`: overlayfs shows a folder as its topmost layer has it.
    pub fn create(folder: &Path, chain: &Chain) -> Result<Self> {
        let upper = Self::at(folder);
        let words = || format!("can't make the writable layer in `{}`", folder.display());
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        builder.create(&upper.work).context(words)?;
        builder.create(&upper.dir).context(words)?;
        copy_metadata(&chain.root, &upper.dir).context(words)?;
        Ok(upper)
    }
}

impl Upper {
    /// Takes a volatile mount's mark off the work folder, so that it can be mounted again: the machine has not gone
    /// down since, or what the upper folder holds is nobody's loss.
    pub fn forget_volatile(&self) -> Result<()> {
        let mark = self.work.join("work/incompat/volatile");
        match std::fs::remove_dir_all(&mark) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(cause).context(|| format!("can't remove `{}`", mark.display()))
            }
            _ => Ok(()),
        }
    }
}

fn copy_metadata(from: &Path, to: &Path) -> std::io::Result<()> {
    let open = |path| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    crate::merge::copy_metadata(open(from)?.as_fd(), open(to)?.as_fd())
}

/// Stacks the layers, `upper` on top, as a mount that nobody sees before it is attached with `move_mount`.
///
/// `volatile`: nobody will want the upper after a crash (`--rm`), so no unmount waits for the disk; its work folder
/// cannot be mounted a second time.
pub fn mount(
    chain: &Chain,
    upper: Option<&Upper>,
    volatile: bool,
    flavour: Flavour,
    attributes: MountAttrFlags,
) -> Result<OwnedFd> {
    let mut lower = Cow::Borrowed(&chain.lower);
    if upper.is_none() && lower.len() == 1 {
        lower.to_mut().push(chain.empty.clone());
    }
    sys::overlay::mount(&sys::overlay::Overlay {
        lower: &lower,
        upper: upper.map(|upper| sys::overlay::Upper { dir: &upper.dir, work: &upper.work }),
        volatile,
        userxattr: flavour == Flavour::UserNamespace,
        attributes,
    })
}

/// What a container's root looks like, to be read only: the same layers with the upper folder as the topmost of them.
/// Nothing of it is changed, and it may be mounted elsewhere at the same time.
pub fn view(chain: &Chain, upper: &Upper, flavour: Flavour) -> Result<OwnedFd> {
    let lower: Vec<PathBuf> = std::iter::once(&upper.dir).chain(&chain.lower).cloned().collect();
    sys::overlay::mount(&sys::overlay::Overlay {
        lower: &lower,
        upper: None,
        volatile: false,
        userxattr: flavour == Flavour::UserNamespace,
        attributes: MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV,
    })
}
