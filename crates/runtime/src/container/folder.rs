//! The folder of a container, and the lock on it.

use super::kept::Kept;
use super::{Container, status};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Process, Spec, State, Status};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RawDir, flock, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

/// The most that a document may have, in bytes: a hundred times what engines write.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// Names in the folder.
pub(super) mod file {
    pub(crate) const CONFIG: &str = "config.json";
    pub(crate) const STATE: &str = "state.json";
    pub(crate) const NOTIFY: &str = "notify";
    pub(crate) const START: &str = "start";
    pub(crate) const START_BEFORE: &str = "start~";
    pub(crate) const TREE: &str = "tree";
    pub(crate) const SECCOMP: &str = "seccomp";
}

/// An opened folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) dir: OwnedFd,
}

/// The ids of all folders.
pub(super) fn ids(root: &Path) -> Result<Vec<String>> {
    let words = || format!("can't list `{}`", root.display());
    let entries = std::fs::read_dir(root).context(words)?;
    let mut ids = Vec::new();
    for entry in entries {
        // What is no container's name is none of our containers.
        if let Ok(id) = entry.context(words)?.file_name().into_string()
            && super::check_id(&id).is_ok()
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Closing the descriptor isn't enough: an init that waits for its `start` has a copy of it, and with it the lock (flock(2)).
impl Drop for Folder {
    fn drop(&mut self) {
        // Where there is no lock there is nothing to give back.
        let _ = flock(&self.dir, FlockOperation::Unlock);
    }
}

impl Folder {
    /// Makes it and holds its lock.
    ///
    /// # Errors
    /// `AlreadyExists` if there is such a container. What a killed `create` left before it wrote anything down is taken
    /// over.
    pub(super) fn make(root: &Path, id: &str) -> Result<Self> {
        let words = || format!("can't make `{}`", root.join(id).display());
        let exists = || Error::new(Kind::AlreadyExists, format!("container with id `{id}` already exists"));
        let make = || mkdirat(CWD, root.join(id), Mode::RWXU);
        match make() {
            Err(Errno::NOENT) => {
                // Everybody may look who may look at the runtime's folder; containers are their owner's.
                std::fs::create_dir_all(root).context(words)?;
                match make() {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(std::io::Error::from(errno)).context(words),
                }
            }
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
        let folder = Self::open(root, id)?.ok_or_else(exists)?;
        if !folder.try_lock()? || folder.read(file::STATE)?.is_some() {
            return Err(exists());
        }
        Ok(folder)
    }

    /// `None` if there is no such container.
    pub(super) fn open(root: &Path, id: &str) -> Result<Option<Self>> {
        let path = root.join(id);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, &path, flags, Mode::empty()) {
            Ok(dir) => Ok(Some(Self { id: id.to_owned(), path, dir })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(std::io::Error::from(errno)).context(|| format!("can't open `{}`", path.display())),
        }
    }

    /// Holds the lock until this value goes; false if somebody else holds it.
    pub(super) fn try_lock(&self) -> Result<bool> {
        match flock(&self.dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(std::io::Error::from(errno)).context(|| format!("can't lock `{}`", self.path.display())),
        }
    }

    /// Holds the lock as soon as whoever has it is done.
    pub(super) fn lock(&self) -> Result<()> {
        rustix::io::retry_on_intr(|| flock(&self.dir, FlockOperation::LockExclusive))
            .map_err(std::io::Error::from)
            .context(|| format!("can't lock `{}`", self.path.display()))
    }

    /// What is known of the container. One whose maker was killed before it wrote anything down is no container.
    pub(super) fn kept(&self) -> Result<Kept> {
        let text = self.read(file::STATE)?;
        let text = text.ok_or_else(|| Error::not_found(format!("container `{}` does not exist", self.id)))?;
        serde_json::from_slice(&text).map_err(|cause| {
            Error::new(Kind::Internal, format!("can't read `{}`: {cause}", self.path.join(file::STATE).display()))
        })
    }

    /// The container's document.
    pub(super) fn spec(&self) -> Result<Spec> {
        super::config::parse(&self.document()?)
    }

    /// The container's document without what only a `create` needs.
    pub(super) fn outline(&self) -> Result<Spec> {
        super::config::parse_outline(&self.document()?)
    }

    /// The container's own process, as the document has it.
    pub(super) fn process(&self) -> Result<Option<Process>> {
        super::config::parse_process(&self.document()?)
    }

    fn document(&self) -> Result<Vec<u8>> {
        let text = self.read(file::CONFIG)?;
        text.ok_or_else(|| Error::not_found(format!("container `{}` does not exist", self.id)))
    }

    pub(super) fn status(&self, kept: &Kept) -> Result<Status> {
        status::derive(self, kept)
    }

    /// The state, as hooks and engines read it.
    pub(super) fn state(&self, kept: &Kept, status: Status, spec: &Spec) -> State {
        State {
            oci_version: oci::runtime::VERSION.to_owned(),
            id: self.id.clone(),
            status,
            pid: kept.pid.filter(|_| status != Status::Stopped),
            bundle: kept.bundle.to_string_lossy().into_owned(),
            annotations: spec.annotations.clone(),
        }
    }

    pub(super) fn container(&self) -> Result<Container> {
        let kept = self.kept()?;
        let status = self.status(&kept)?;
        let owner = rustix::fs::fstat(&self.dir).map_err(std::io::Error::from)?.st_uid;
        let state = self.state(&kept, status, &self.outline()?);
        let Kept { rootfs, created, cgroups, .. } = kept;
        Ok(Container {
            state,
            rootfs,
            created,
            owner,
            systemd_unit: cgroups.and_then(|cgroups| cgroups.systemd_unit).map(|unit| unit.name),
        })
    }

    /// `None` when there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(std::io::Error::from),
        };
        let read = file.and_then(|file| sys::read::all(File::from(file), MAX_DOCUMENT_BYTES));
        read.map(Some).context(|| format!("can't read `{}`", self.path.join(name).display()))
    }

    /// Writes it aside and gives it its name. Not synced: what this folder tells is over with the machine's run.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let aside = format!("{name}~");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, &aside, flags, Mode::RUSR | Mode::WUSR).map_err(std::io::Error::from);
        let written = file.and_then(|file| File::from(file).write_all(bytes));
        let named = written.and_then(|()| Ok(renameat(&self.dir, &aside, &self.dir, name)?));
        named.context(|| format!("can't write `{}`", self.path.join(name).display()))
    }

    pub(super) fn write_kept(&self, kept: &Kept) -> Result<()> {
        let text = serde_json::to_vec(kept).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
        self.write(file::STATE, &text)
    }

    /// Removes the folder and all in it, after what is mounted there. `state.json` goes first: from then on there is no
    /// such container.
    pub(super) fn remove(&self) -> Result<()> {
        let words = || format!("can't remove `{}`", self.path.display());
        let gone = |done: Result<(), Errno>| match done {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(std::io::Error::from).context(words),
        };
        gone(super::tree::remove(self))?;
        gone(unlinkat(&self.dir, file::STATE, AtFlags::empty()))?;
        gone(super::notify::remove(self))?;
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut names = Vec::new();
        let again = openat(&self.dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let again = again.map_err(std::io::Error::from).context(words)?;
        let mut entries = RawDir::new(&again, &mut space);
        while let Some(entry) = entries.next() {
            let name = entry.map_err(std::io::Error::from).context(words)?.file_name().to_owned();
            if name.as_c_str() != c"." && name.as_c_str() != c".." {
                names.push(name);
            }
        }
        for name in names {
            gone(unlinkat(&self.dir, name, AtFlags::empty()))?;
        }
        gone(unlinkat(CWD, &self.path, AtFlags::REMOVEDIR))
    }
}
