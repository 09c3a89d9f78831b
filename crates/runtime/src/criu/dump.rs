//! `checkpoint`: a container's processes become files.

use super::program::{Conversation, Criu, Notice, number_of};
use super::wire::{Kind, Message, field};
use super::{Dump, common, descriptors, log, mounts, namespaces};
use crate::cgroup::Paths;
use crate::plan::IdMaps;
use crate::user_namespace;
use error::{Error, Result, ResultExt};
use oci::runtime::{IdMapping, Spec};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::path::{Path, PathBuf};

/// CRIU's log of a dump, as runc and crun name it.
const LOG: &str = "dump.log";

/// What is to be written down.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// The container's document.
    pub spec: &'a Spec,
    /// Absolute: where relative paths of the document begin.
    pub bundle: &'a Path,
    /// Absolute: the root file system on the host.
    pub rootfs: &'a Path,
    /// The first process.
    pub pid: i32,
    /// Its cgroups.
    pub cgroups: Option<&'a Paths>,
    /// What [`descriptors`](super::descriptors()) said when it was made.
    pub descriptors: &'a [String],
}

/// Writes the processes of a container into the folder of images, which is made. Unless it is to go on they are gone
/// then.
///
/// # Errors
/// CRIU's first error; its log is named by the hint. The container goes on then.
pub fn dump(criu: &Criu, container: &Container<'_>, options: &Dump) -> Result<()> {
    let folders = Folders::make(&options.common)?;
    let parent = options.parent_path.as_deref().map(|path| parent(&options.common.image_path, path)).transpose()?;
    if parent.is_some() {
        criu.must_track_memory("--parent-path")?;
    }
    if options.pre_dump {
        criu.must_track_memory("--pre-dump")?;
    }
    if options.common.lazy_pages {
        criu.must_have_lazy_pages()?;
    }
    let status = options.status_fd.map(open_status).transpose()?;
    let request = request(container, options, &folders, parent)?;
    if !options.pre_dump {
        descriptors::write(&options.common.image_path, container.descriptors)?;
    }
    let conversation = Conversation::begin(criu, Vec::new())?;
    let answer = conversation.ask(&request, &mut |notice| match (&*notice.name, &status) {
        // Pages can be asked for now.
        ("status-ready", Some(status)) => rustix::io::write(status, &[0])
            .map(drop)
            .map_err(std::io::Error::from)
            .context(|| "option `--status-fd`: can't write to it"),
        _ => ready(notice),
    });
    let spoken = conversation.end();
    let answer = answer?;
    if answer.success {
        return Ok(());
    }
    Err(log::failed("checkpoint the container", &answer.words, &folders.log(LOG), &spoken))
}

/// Nothing to do at this notice.
fn ready(_: Notice) -> Result<()> {
    Ok(())
}

fn request(container: &Container<'_>, options: &Dump, folders: &Folders, parent: Option<&str>) -> Result<Message> {
    let spec = container.spec;
    let mut message = common(spec, &options.common, LOG, container.cgroups.is_some());
    folders.name(&mut message);
    let pid = u64::try_from(container.pid).map_err(|_| Error::invalid("the container has no process"))?;
    message.number(field::PID, pid);
    message.text(field::ROOT, &container.rootfs.to_string_lossy());
    message.flag(field::LEAVE_RUNNING, options.leave_running);
    message.flag(field::TCP_SKIP_IN_FLIGHT, options.tcp_skip_in_flight);
    message.flag(field::LINK_REMAP, options.link_remap);
    message.flag(field::TRACK_MEMORY, options.pre_dump || parent.is_some());
    if let Some(parent) = parent {
        message.text(field::PARENT_IMAGES, parent);
    }
    if let Some((address, port)) = &options.page_server {
        message.numbered(field::PAGE_SERVER, address, (*port).into());
    }
    namespaces::leave_out(spec, &mut message)?;
    if let Some(freezer) = container.cgroups.and_then(freezer) {
        message.text(field::FREEZE_CGROUP, &freezer.to_string_lossy());
    }
    if !options.pre_dump {
        let places = container.cgroups.map_or(&[][..], |cgroups| &cgroups.places);
        mounts::name(spec, container.bundle, places, container.pid, &mut message)?;
        for name in container.descriptors.iter().filter(|name| descriptors::is_external(name)) {
            message.text(field::EXTERNAL, name);
        }
    }
    let mut request = Message::request(if options.pre_dump { Kind::PreDump } else { Kind::Dump });
    request.message(field::REQUEST_OPTIONS, &message);
    Ok(request)
}

/// The cgroup by which the whole container is stopped at once; CRIU stops each process where there is none.
fn freezer(cgroups: &Paths) -> Option<PathBuf> {
    let has = |path: &PathBuf| {
        ["cgroup.freeze", "freezer.state"]
            .iter()
            .any(|file| rustix::fs::access(path.join(file), Access::EXISTS).is_ok())
    };
    cgroups.places.iter().rev().map(crate::cgroup::Place::path).find(has)
}

/// The folder of the dump before, which CRIU finds from the folder of images.
fn parent<'a>(images: &Path, path: &'a Path) -> Result<&'a str> {
    let words = || format!("option `--parent-path`: can't open `{}`", images.join(path).display());
    if path.is_absolute() {
        return Err(Error::invalid("it must be relative to the folder of images").context(words()));
    }
    open(&images.join(path)).context(words)?;
    path.to_str().ok_or_else(|| Error::invalid("it is not UTF-8").context(words()))
}

/// An inherited descriptor by its number.
fn open_status(fd: u32) -> Result<OwnedFd> {
    openat(CWD, format!("/proc/self/fd/{fd}"), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("option `--status-fd`: can't write to descriptor {fd}"))
}

/// The folders of images and of work, opened: CRIU finds them by our descriptors.
pub(super) struct Folders {
    images: OwnedFd,
    work: Option<OwnedFd>,
    /// Where the log is.
    log: PathBuf,
}

impl Folders {
    /// Made where they are absent.
    fn make(options: &super::Common) -> Result<Self> {
        for path in std::iter::once(&options.image_path).chain(&options.work_path) {
            make_folder(path)?;
        }
        Self::open(options)
    }

    pub(super) fn open(options: &super::Common) -> Result<Self> {
        let opened = |path: &PathBuf| open(path).context(|| format!("can't open the folder `{}`", path.display()));
        Ok(Self {
            images: opened(&options.image_path)?,
            work: options.work_path.as_ref().map(opened).transpose()?,
            log: options.work_path.as_ref().unwrap_or(&options.image_path).clone(),
        })
    }

    /// For a container of a user namespace: its processes read the images themselves while they come back, first as the
    /// host's root, then as their own. The group root of the folder is shown to them as theirs, through a mount; logs
    /// are written where they were.
    pub(super) fn show_to(mut self, group: u32) -> Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        let words = || "can't show the folder of images to a user namespace";
        let shown = open_tree(&self.images, c"", flags).map_err(std::io::Error::from).context(words)?;
        let root_to = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
        let namespace = user_namespace::make(&IdMaps { uids: root_to(0), gids: root_to(group) }).context(words)?;
        match sys::mount::map_ids(&shown, &namespace, false) {
            Ok(()) => {
                let plain = std::mem::replace(&mut self.images, shown);
                self.work.get_or_insert(plain);
            }
            // This file system can't: then they can read a folder that everybody may read.
            Err(Errno::INVAL) => {}
            Err(errno) => return Err(std::io::Error::from(errno)).context(words),
        }
        Ok(self)
    }

    pub(super) fn name(&self, message: &mut Message) {
        message.number(field::IMAGES_DIR_FD, number_of(&self.images));
        if let Some(work) = &self.work {
            message.number(field::WORK_DIR_FD, number_of(work));
        }
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.log.join(name)
    }
}

/// For root alone: the images have all memory of the container. The group is for [`Folders::show_to`].
fn make_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path);
    made.context(|| format!("can't make the folder `{}`", path.display()))
}

fn open(path: &Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(std::io::Error::from)
}
