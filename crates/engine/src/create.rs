//! Making a container: everything is decided and written aside first, then it appears by one rename.

use crate::containers::NEW;
use crate::record::{self, Record, file};
use crate::spec::{self, Facts, Placed};
use crate::user::{self, ResolvedUser};
use crate::volumes::Volumes;
use crate::{Engine, etc, names};
use api::{Create, Network, PullEvent, PullPolicy, Volume, VolumeSource};
use error::{Error, Kind, Result, ResultExt};
use image::Image;
use oci::Reference;
use runtime::Host;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, mkdirat, renameat};
use rustix::mount::MountAttrFlags;
use snapshot::Upper;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A container that exists, with what its first start can use: the lock, held, and the root, mounted nowhere.
pub(crate) struct Created {
    pub id: String,
    pub dir: PathBuf,
    pub lock: File,
    pub root: OwnedFd,
}

/// SIGTERM, which asks a program to end unless its image names another signal.
const DEFAULT_STOP_SIGNAL: u8 = 15;

/// Makes the container. Nothing of it stays when it fails.
pub(crate) fn create(
    engine: &Engine,
    request: &Create,
    progress: &(dyn Fn(PullEvent) + Sync),
    cancel: &AtomicBool,
) -> Result<Created> {
    let image = find_or_pull(engine, request, progress, cancel)?;
    let command = spec::command(&image.config, request)?;
    let id = names::new_id()?;
    // Reserved before anything is made; given back when what follows fails.
    let name = engine.names.reserve(request.name.as_deref(), &id)?;
    let draft = Draft::begin(&engine.containers.dir, &id)?;
    let root = mount_root(engine, &image, &draft.dir, request.remove)?;
    let user = resolve_user(&root, request.user.as_deref().unwrap_or(&image.config.config.user))?;
    let volumes = place_volumes(&engine.volumes, &root, &image, request)?;
    let hostname = request.hostname.clone().unwrap_or_else(|| id[..12].to_owned());
    let dir = engine.containers.dir.join(&id);
    let host = Host::read()?;
    let facts = Facts {
        hostname: &hostname,
        bundle: &dir,
        user: &user,
        volumes: &volumes.placed,
        cgroup2: host.cgroup2_mounted,
        user_namespace: host.user_namespace,
        tty_group: host.may_set_groups,
    };
    let spec = spec::build(&image.config, request, &facts, runtime::seccomp::default_json())?;
    let record = Record {
        version: record::VERSION,
        id: id.clone(),
        name: name.name().to_owned(),
        created: record::now(),
        image_id: image.id,
        layers: image.config.rootfs.diff_ids.clone(),
        command,
        stop_signal: stop_signal(request, &image)?,
        anonymous_volumes: volumes.anonymous.clone(),
        request: request.clone(),
    };
    write_files(&draft.dir, request.network, &hostname)?;
    record::write_new(&draft.dir.join(file::SPEC), &spec)?;
    record::write_new(&draft.dir.join(file::RECORD), &record)?;
    let lock = draft.publish(&dir)?;
    name.keep();
    volumes.keep();
    Ok(Created { id, dir, lock, root })
}

/// A container's folder while it is being made; removed again unless it is published.
struct Draft {
    dir: PathBuf,
    lock: Option<File>,
}

impl Draft {
    fn begin(containers: &Path, id: &str) -> Result<Self> {
        let dir = containers.join(format!("{NEW}{id}"));
        let made =
            Self::make(containers, &dir).context(|| format!("can't make the container's folder `{}`", dir.display()));
        made.map(|lock| Self { dir, lock: Some(lock) })
    }

    fn make(containers: &Path, dir: &Path) -> std::io::Result<File> {
        let private = Mode::from_raw_mode(0o700);
        match mkdirat(CWD, dir, private) {
            Err(rustix::io::Errno::NOENT) => {
                record::make_private_dirs(containers)?;
                mkdirat(CWD, dir, private)?;
            }
            made => made?,
        }
        let lock = File::create_new(dir.join(file::LOCK))?;
        lock.lock()?;
        Ok(lock)
    }

    /// The point of no return: the container exists.
    fn publish(mut self, dir: &Path) -> Result<File> {
        renameat(CWD, &self.dir, CWD, dir)
            .map_err(std::io::Error::from)
            .context(|| format!("can't put the container in place as `{}`", dir.display()))?;
        self.lock.take().ok_or_else(|| Error::new(Kind::Internal, "the new container has no lock"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // The first failure is the one to tell; what stays is swept later.
            let _ = crate::remove::remove_dir(&self.dir);
        }
    }
}

fn find_or_pull(
    engine: &Engine,
    request: &Create,
    progress: &(dyn Fn(PullEvent) + Sync),
    cancel: &AtomicBool,
) -> Result<Image> {
    let platform = request.platform.as_ref();
    if request.image == crate::hello::NAME {
        let image = crate::hello::image_for(&engine.images)?;
        engine.ensure_unpacked(&image)?;
        return Ok(image);
    }
    if request.pull != PullPolicy::Always
        && let Some(image) = engine.images.lookup(&request.image, platform)?
    {
        // Layers are unpacked when an image is pulled; only a removed snapshot folder makes this do anything.
        engine.ensure_unpacked(&image)?;
        return Ok(image);
    }
    let reference: Reference = request.image.parse()?;
    if request.pull == PullPolicy::Never {
        return Err(Error::not_found(format!("No such image: {}", reference.familiar()))
            .hint(format!("`isolazi pull {}` fetches it", reference.familiar())));
    }
    let pulled = engine.pull_image(&reference, platform, progress, cancel)?;
    progress(PullEvent::Pulled(crate::images::told(&reference, &pulled)));
    Ok(pulled.image)
}

/// `--rm` says that nobody will want the upper layer: then no unmount waits for the disk. Devices are forbidden on the
/// whole root: those that a container has are bound from the host, and one that a payload makes with CAP_MKNOD would
/// be the host's disk.
fn mount_root(engine: &Engine, image: &Image, dir: &Path, volatile: bool) -> Result<OwnedFd> {
    let chain = engine.snapshots.chain(&image.config.rootfs.diff_ids)?;
    let upper = Upper::create(dir, &chain)?;
    let flavour = engine.snapshots.flavour();
    snapshot::mount(&chain, Some(&upper), volatile, flavour, MountAttrFlags::MOUNT_ATTR_NODEV)
}

fn resolve_user(root: &OwnedFd, user: &str) -> Result<ResolvedUser> {
    let read = |path| user::read_in_root(root.as_fd(), path, user::MAX_USER_FILE_BYTES).map(Option::unwrap_or_default);
    user::resolve(user, &read("etc/passwd")?, &read("etc/group")?)
}

fn stop_signal(request: &Create, image: &Image) -> Result<u8> {
    match (request.stop_signal, image.config.config.stop_signal.as_str()) {
        (Some(number), _) => Ok(number),
        (None, "") => Ok(DEFAULT_STOP_SIGNAL),
        (None, name) => {
            let number = oci::signals::Signal::parse(name).context(|| "the image's StopSignal")?.number();
            u8::try_from(number).map_err(|_| Error::invalid(format!("the image's StopSignal {number} is no signal")))
        }
    }
}

/// Volumes in place, and those made for this container: they go again unless it comes to be.
struct PlacedVolumes<'a> {
    volumes: &'a Volumes,
    placed: Vec<Placed>,
    anonymous: Vec<String>,
    kept: bool,
}

impl PlacedVolumes<'_> {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for PlacedVolumes<'_> {
    fn drop(&mut self) {
        if !self.kept {
            for name in &self.anonymous {
                // The first failure is the one to tell; an unused volume is harmless and `volume prune` finds it.
                let _ = self.volumes.remove(name);
            }
        }
    }
}

/// The user's volumes, and an anonymous one for each path that the image wants kept apart.
fn place_volumes<'a>(
    volumes: &'a Volumes,
    root: &OwnedFd,
    image: &Image,
    request: &Create,
) -> Result<PlacedVolumes<'a>> {
    let mut placed = PlacedVolumes { volumes, placed: Vec::new(), anonymous: Vec::new(), kept: false };
    let covered = |target: &str| {
        let same = |other: &str| other.trim_end_matches('/') == target.trim_end_matches('/');
        request.volumes.iter().any(|v| same(&v.target)) || request.tmpfs.iter().any(|t| same(&t.target))
    };
    let of_image = image.config.config.volumes.iter().flat_map(|volumes| volumes.keys());
    let implied = of_image.filter(|target| target.starts_with('/') && !covered(target)).map(|target| Volume {
        source: VolumeSource::Anonymous,
        target: target.clone(),
        read_only: false,
        propagation: String::new(),
        no_copy: false,
    });
    for volume in request.volumes.iter().cloned().chain(implied) {
        let source = match &volume.source {
            VolumeSource::Bind(path) => bind_source(path)?,
            VolumeSource::Named(name) => volumes.named(name)?,
            VolumeSource::Anonymous => {
                let (name, path) = volumes.anonymous()?;
                placed.anonymous.push(name);
                path
            }
        };
        if !matches!(volume.source, VolumeSource::Bind(_)) && !volume.no_copy {
            volumes.fill(root.as_fd(), &volume.target, &source)?;
        }
        let Volume { target, read_only, propagation, .. } = volume;
        placed.placed.push(Placed { source, target, read_only, propagation });
    }
    Ok(placed)
}

/// A folder that is missing is made, as Docker's `-v` does, but as the user who asks.
fn bind_source(path: &Path) -> Result<PathBuf> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path).context(|| format!("can't make the missing folder `{}`", path.display()))?;
        }
        Err(cause) => return Err(cause).context(|| format!("can't mount `{}`", path.display())),
    }
    Ok(path.to_owned())
}

fn write_files(dir: &Path, network: Network, hostname: &str) -> Result<()> {
    let read = |path: &str| match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(cause) => Err(cause).context(|| format!("can't read `{path}`")),
    };
    let (hosts, resolv_conf) = match network {
        Network::Host => (read("/etc/hosts")?, read("/etc/resolv.conf")?),
        Network::None => (String::new(), String::new()),
    };
    record::write_bytes(&dir.join(file::HOSTS), etc::hosts(network, hostname, &hosts).as_bytes())?;
    record::write_bytes(&dir.join(file::HOSTNAME), etc::hostname(hostname).as_bytes())?;
    record::write_bytes(&dir.join(file::RESOLV_CONF), etc::resolv_conf(network, &resolv_conf).as_bytes())
}
