//! Making a container: everything is decided and written aside first, then it appears by one rename.

use crate::containers::NEW;
use crate::record::{self, Record, file};
use crate::spec::{self, Facts};
use crate::user::{self, ResolvedUser};
use crate::{Engine, cgroups, devices, etc, events, joins, limits, names, networks, placing};
use api::{Create, Namespace, Network, PullEvent, PullPolicy, Remove};
use error::{Error, Kind, Result, ResultExt};
use image::Image;
use oci::runtime::Spec;
use oci::{Digest, Reference};
use runtime::Host;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, mkdirat, renameat};
use serde::{Deserialize, Serialize};
use snapshot::Upper;
use std::fs::File;
use std::io::Write;
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
    limits::check(&request.limits, limits::For::Create)?;
    let request = &*joins::settle(engine, request)?;
    let request = &*networks::settle(engine, request)?;
    if request.network == Network::Host && (request.publish_all || !request.publish.is_empty()) {
        progress(PullEvent::Warning("Published ports are discarded when using host network mode".into()));
    }
    let inherited = placing::inherited(engine, request)?;
    let image = find_or_pull(engine, request, progress, cancel)?;
    let request = &*networks::with_exposed(request, &image.config.config);
    let command = spec::command(&image.config, request)?;
    let health = crate::health::of(&image.config.config, &request.health)?;
    let id = names::new_id()?;
    replace(engine, request)?;
    // Reserved before anything is made; given back when what follows fails.
    let name = engine.names.reserve(request.name.as_deref(), &id)?;
    let draft = Draft::begin(engine, &id, &image)?;
    let root = mount_root(engine, &image, &draft.dir, request)?;
    let user = resolve_user(&root, request.user.as_deref().unwrap_or(&image.config.config.user), request)?;
    let volumes = placing::place(engine, request, inherited, &image, &root, &|event| progress(event))?;
    let hostname = hostname(request, &id);
    let dir = engine.containers.dir.join(&id);
    let host = Host::read()?;
    let found = devices::Asked::find(request)?;
    let cgroups_path = match wants_cgroups(request) {
        true => cgroups::path(request.cgroup_parent.as_deref(), &id, &host),
        false => String::new(),
    };
    let facts = Facts {
        hostname: &hostname,
        bundle: &dir,
        user: &user,
        volumes: &volumes.placed,
        cgroup2: host.cgroup2_mounted || !cgroups_path.is_empty(),
        user_namespace: host.user_namespace,
        tty_group: host.may_set_groups,
        devices: &found.devices,
        host_devices: &found.host_devices,
        disks: &found.disks,
        cgroups_path: &cgroups_path,
    };
    let spec = spec::build(&image.config, request, &facts, spec::rights::seccomp(request)?)?;
    check(&spec, &id, request, &host, &dir)?;
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
        health,
        mounts: volumes.mounts.clone(),
        request: request.clone(),
    };
    write_files(&draft.dir, request, &hostname)?;
    record::write_new(&draft.dir.join(file::SPEC), &spec)?;
    record::write_new(&draft.dir.join(file::RECORD), &record)?;
    let lock = draft.publish(&dir)?;
    name.keep();
    events::tell_of(&engine.paths.data, &record, "create", &[]);
    volumes.keep();
    Ok(Created { id, dir, lock, root })
}

/// What the lock of a draft says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StandsOn {
    /// Its image.
    pub image_id: Digest,
    /// The image's layers.
    pub layers: Vec<Digest>,
}

/// A container's folder while it is being made; removed again unless it is published.
struct Draft {
    dir: PathBuf,
    lock: Option<File>,
}

impl Draft {
    /// What it will stand on is written into its lock: a removal of images spares that.
    fn begin(engine: &Engine, id: &str, image: &Image) -> Result<Self> {
        let containers = &engine.containers.dir;
        let dir = containers.join(format!("{NEW}{id}"));
        let words = || format!("can't make the container's folder `{}`", dir.display());
        let draft = Self { lock: Some(Self::make(containers, &dir).context(words)?), dir: dir.clone() };
        let stands_on = StandsOn { image_id: image.id, layers: image.config.rootfs.diff_ids.clone() };
        let bytes = serde_json::to_vec(&stands_on).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
        let _still = engine.images.hold_still()?;
        draft.lock.as_ref().expect("it was made").write_all(&bytes).context(words)?;
        Ok(draft)
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
/// whole root, unless rules of a cgroup say which may be used: those that a container has are bound from the host, and
/// one that a payload makes with CAP_MKNOD would be the host's disk.
fn mount_root(engine: &Engine, image: &Image, dir: &Path, request: &Create) -> Result<OwnedFd> {
    let chain = engine.snapshots.chain(&image.config.rootfs.diff_ids)?;
    let upper = Upper::create(dir, &chain)?;
    let flavour = engine.snapshots.flavour();
    snapshot::mount(&chain, Some(&upper), request.remove, flavour, spec::rights::root_attributes(request))
}

/// The root of a container that exists, for another start.
pub(crate) fn mount_again(dir: &Path, record: &Record) -> Result<OwnedFd> {
    let (_, data) = crate::remove::parents(dir)?;
    let snapshots = snapshot::Store::open(&data.join("snapshots"), crate::flavour());
    let chain = snapshots.chain(&record.layers)?;
    let (upper, request) = (Upper::at(dir), &record.request);
    if request.remove {
        upper.forget_volatile()?;
    }
    let attributes = spec::rights::root_attributes(request);
    snapshot::mount(&chain, Some(&upper), request.remove, snapshots.flavour(), attributes)
}

/// Looked up in the container's own files.
pub(crate) fn resolve_user(root: &OwnedFd, user: &str, request: &Create) -> Result<ResolvedUser> {
    let read = |path| user::read_in_root(root.as_fd(), path, user::MAX_USER_FILE_BYTES).map(Option::unwrap_or_default);
    let groups = read("etc/group")?;
    let mut resolved = user::resolve(user, &read("etc/passwd")?, &groups)?;
    for group in &request.rights.group_add {
        resolved.join(user::find_group(group, &groups)?);
    }
    Ok(resolved)
}

/// `--replace`: a container that has the name already goes.
fn replace(engine: &Engine, request: &Create) -> Result<()> {
    let Some(name) = request.name.as_deref().filter(|_| request.replace) else { return Ok(()) };
    let Some(container) = engine.names.lookup(name)? else { return Ok(()) };
    crate::remove::remove(engine, &Remove { container, force: true, volumes: false })
}

/// Host name inside. With the host's namespace it is the host's; with another container's, that is in the request.
fn hostname(request: &Create, id: &str) -> String {
    if request.sharing.uts == Namespace::Host {
        return rustix::system::uname().nodename().to_string_lossy().into_owned();
    }
    request.hostname.clone().unwrap_or_else(|| id[..12].to_owned())
}

/// One of its own in v2 will not do: something is to be limited, or to lie elsewhere.
fn wants_cgroups(request: &Create) -> bool {
    request.cgroup_parent.is_some() || request.limits != api::Limits::default() || spec::rights::has_rules(request)
}

/// What this machine cannot do is told now, not when the container starts. Nobody who asked for nothing special pays
/// for the look.
fn check(spec: &Spec, id: &str, request: &Create, host: &Host, dir: &Path) -> Result<()> {
    let Create { rights, sysctls, ulimits, .. } = request;
    if !wants_cgroups(request) && *rights == api::Rights::default() && sysctls.is_empty() && ulimits.is_empty() {
        return Ok(());
    }
    if !matches!(rights.apparmor.as_str(), "" | "unconfined") && !host.apparmor {
        let message =
            format!("can't use the AppArmor profile `{}`: AppArmor is not enabled on this machine", rights.apparmor);
        return Err(Error::new(Kind::Unsupported, message));
    }
    if host.selinux && rights.labels.iter().any(|label| label != "disable") {
        return Err(Error::new(Kind::Unsupported, "can't label containers for SELinux yet").hint("leave `label=…` out"));
    }
    cgroups::plan(spec, id, host)?;
    runtime::compile(spec, &runtime::Setting::plain(host, dir, dir)).map(drop)
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

fn full_name(request: &Create, hostname: &str) -> String {
    match &request.domainname {
        Some(domain) if !domain.is_empty() && !hostname.is_empty() => format!("{hostname}.{domain}"),
        _ => hostname.to_owned(),
    }
}

/// Where the host's name servers are written down as others can reach them: behind systemd-resolved, which listens on a
/// loopback address, in a file of its own.
fn host_servers() -> &'static str {
    const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
    let own = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let is_behind = own.contains("127.0.0.53") && std::fs::metadata(BEHIND_RESOLVED).is_ok();
    if is_behind { BEHIND_RESOLVED } else { "/etc/resolv.conf" }
}

/// Writes `/etc/hosts` anew, for a container that starts at that place.
pub(crate) fn write_hosts(dir: &Path, request: &Create, place: &etc::Place) -> Result<()> {
    let path = dir.join(file::HOSTNAME);
    let hostname = std::fs::read_to_string(&path).context(|| format!("can't read `{}`", path.display()))?;
    let text = etc::hosts(request, &full_name(request, hostname.trim()), "", place)?;
    let path = dir.join(file::HOSTS);
    std::fs::write(&path, text).context(|| format!("can't write `{}`", path.display()))
}

fn write_files(dir: &Path, request: &Create, hostname: &str) -> Result<()> {
    let read = |path: &str| match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(cause) => Err(cause).context(|| format!("can't read `{path}`")),
    };
    let (hosts, resolv_conf) = match request.network {
        Network::Host => (read("/etc/hosts")?, read("/etc/resolv.conf")?),
        Network::Joined(_) => (String::new(), read(host_servers())?),
        Network::None => (String::new(), String::new()),
    };
    // On networks of its own it has an address only when it starts.
    let hosts = etc::hosts(request, &full_name(request, hostname), &hosts, &etc::Place::default())?;
    record::write_bytes(&dir.join(file::HOSTS), hosts.as_bytes())?;
    record::write_bytes(&dir.join(file::HOSTNAME), etc::hostname(hostname).as_bytes())?;
    record::write_bytes(&dir.join(file::RESOLV_CONF), etc::resolv_conf(request, &resolv_conf).as_bytes())
}
