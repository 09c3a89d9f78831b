//! A container's cgroups: which it gets, made before its payload, removed after it.
//!
//! A container that asks for no limit has one cgroup, in the v2 hierarchy, where it is started in, found and killed
//! through: two system calls. One that asks for a limit, for rules about devices or for a place of its own has one in
//! each hierarchy, as `isolazi oci` makes them. On a host with v1 controllers that is ten folders and takes several
//! milliseconds, more than all else that a start does, so nobody pays for it who does not need it.
//!
//! The names of these are written into the container's folder before the first is made: whoever cleans up after a kill
//! finds them there. The one cgroup has its name from the container's.

use crate::death::OutOfMemory;
use crate::record::{self, file};
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Resources, Spec};
use runtime::Host;
use runtime::cgroup::{
    self, Cgroup, CgroupPlan, Driver, Hierarchies, MemoryUse, Paths, Place, Refusal, Systemd, Version,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::Pid;
use std::collections::HashSet;
use std::path::Path;

/// The cgroup that holds those of our containers, unless one is asked for.
const PARENT: &str = "isolazi";

/// What a container is to get.
#[derive(Debug)]
pub(crate) enum Wanted<'a> {
    /// Nothing: this user may make none, and nothing is limited.
    Nothing,
    /// One in the v2 hierarchy, under this directory.
    One(&'a Path),
    /// One in each hierarchy.
    Each(Box<Each>),
}

/// Cgroups in each hierarchy.
#[derive(Debug)]
pub(crate) struct Each {
    plan: CgroupPlan,
    /// The limit of swap is none that anybody asked for.
    swap_is_implied: bool,
}

/// `linux.cgroupsPath` of a container with cgroups in each hierarchy: below `parent` if one was asked for.
pub(crate) fn path(parent: Option<&str>, id: &str, host: &Host) -> String {
    let parent = match parent {
        Some(slice) if is_slice(slice, host) => return format!("{slice}:isolazi:{id}"),
        // As Docker has it: below the top, whether it begins with a slash or not.
        Some(parent) => parent.trim_matches('/'),
        None => PARENT,
    };
    // The top of what a user may write to lies deeper.
    let top = host.cgroup.as_deref().and_then(cgroup::below_mount).unwrap_or_else(|| "/".into());
    top.join(parent).join(id).display().to_string()
}

/// A name that only the machine's systemd knows what to do with, where that is there.
fn is_slice(parent: &str, host: &Host) -> bool {
    parent.ends_with(".slice")
        && !parent.contains('/')
        && !host.user_namespace
        && rustix::fs::access("/run/systemd/system", rustix::fs::Access::EXISTS).is_ok()
}

/// Decides it from the spec.
///
/// # Errors
/// `Unsupported` or `Denied` for a limit that cannot hold here, with its option and the controller that is missing.
pub(crate) fn plan<'a>(spec: &Spec, id: &str, host: &'a Host) -> Result<Wanted<'a>> {
    let none = Resources::default();
    let linux = spec.linux.as_ref();
    let resources = linux.and_then(|linux| linux.resources.as_ref()).unwrap_or(&none);
    let path = linux.map_or("", |linux| linux.cgroups_path.as_str());
    if path.is_empty() {
        return Ok(host.cgroup.as_deref().map_or(Wanted::Nothing, Wanted::One));
    }
    let mut hierarchies = Hierarchies::read()?;
    if host.user_namespace {
        // v1 delegates nothing.
        hierarchies.v1.clear();
        if !resources.devices.is_empty() {
            let message = "can't hold devices back by rules (cgroup controller `devices`): an ordinary user may not";
            return Err(Error::new(Kind::Unsupported, message).hint(
                "leave `--device-cgroup-rule` out, and letters after the device: it is opened as the user may open it",
            ));
        }
    }
    let driver = if path.contains(':') { Driver::Systemd(Systemd::of_machine()) } else { Driver::Cgroupfs };
    let swap_is_implied = implies_swap(resources);
    let in_options = |error| in_options(error, swap_is_implied);
    let mut plan = cgroup::plan(&hierarchies, path, id, resources, driver).map_err(in_options)?;
    if !cgroup::may_make(&plan) {
        return Err(in_options(not_delegated(&plan)));
    }
    if swap_is_implied {
        forgive_swap(&mut plan);
    }
    Ok(Wanted::Each(Box::new(Each { plan, swap_is_implied })))
}

/// As much swap as memory is what a limit of memory means unless told otherwise; where the kernel does not count swap,
/// memory is limited all the same (as in Docker).
fn forgive_swap(plan: &mut CgroupPlan) {
    let is_swap = |file: &str| matches!(file, "memory.memsw.limit_in_bytes" | "memory.swap.max");
    for write in plan.groups.iter_mut().flat_map(|group| &mut group.writes) {
        if is_swap(&write.file) {
            write.refusal = Refusal::Optional;
        }
    }
}

fn implies_swap(resources: &Resources) -> bool {
    resources.memory.as_ref().is_some_and(|memory| match (memory.limit, memory.swap) {
        (Some(limit), Some(swap)) => limit.checked_mul(2) == Some(swap),
        _ => false,
    })
}

fn not_delegated(plan: &CgroupPlan) -> Error {
    let wanted = plan.groups.iter().flat_map(|group| &group.writes).next();
    let message = match wanted {
        Some(write) => format!(
            "can't apply `{}`: no cgroup with the controller `{}` is delegated to this user",
            write.field, write.controller
        ),
        None => "can't make the container's cgroup: none is delegated to this user".to_owned(),
    };
    let hint = "`systemd-run --user --scope -p Delegate=yes isolazi …` runs it where one is delegated";
    Error::new(Kind::Denied, message).hint(hint)
}

/// The field of the spec that an option of `run` becomes.
const OPTIONS: [(&str, &str); 17] = [
    ("linux.resources.memory.limit", "--memory"),
    ("linux.resources.memory.swappiness", "--memory-swappiness"),
    ("linux.resources.memory.swap", "--memory-swap"),
    ("linux.resources.memory.reservation", "--memory-reservation"),
    ("linux.resources.memory.disableOOMKiller", "--oom-kill-disable"),
    ("linux.resources.cpu.shares", "--cpu-shares"),
    ("linux.resources.cpu.period", "--cpu-period"),
    ("linux.resources.cpu.quota", "--cpus"),
    ("linux.resources.cpu.cpus", "--cpuset-cpus"),
    ("linux.resources.cpu.mems", "--cpuset-mems"),
    ("linux.resources.pids.limit", "--pids-limit"),
    ("linux.resources.blockIO.weight", "--blkio-weight"),
    ("linux.resources.blockIO.throttleReadBpsDevice[0]", "--device-read-bps"),
    ("linux.resources.blockIO.throttleWriteBpsDevice[0]", "--device-write-bps"),
    ("linux.resources.blockIO.throttleReadIOPSDevice[0]", "--device-read-iops"),
    ("linux.resources.blockIO.throttleWriteIOPSDevice[0]", "--device-write-iops"),
    ("linux.cgroupsPath", "--cgroup-parent"),
];

/// Says which option it was instead of which field of a document that nobody wrote.
fn in_options(mut error: Error, swap_is_implied: bool) -> Error {
    for message in &mut error.messages {
        for (field, option) in OPTIONS {
            let option = if swap_is_implied && option == "--memory-swap" { "--memory" } else { option };
            *message = message.replace(&format!("config.json: `{field}`"), &format!("`{option}`"));
            *message = message.replace(&format!("`{field}`"), &format!("`{option}`"));
        }
        *message = message.replace("config.json: `linux.resources.devices`", "`--device-cgroup-rule`");
    }
    error
}

/// Cgroups that exist, and what a payload needs to be started in them.
#[derive(Debug)]
pub(crate) enum Made {
    /// None.
    Nothing,
    /// One of v2.
    One(OwnedFd),
    /// One in each hierarchy, with the files by which v1's are joined.
    Each(Cgroup, Vec<OwnedFd>),
    /// A scope of systemd, which is made around the payload's init.
    Around(Box<Each>),
}

/// What the payload's view of them depends on.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Where they will be, as far as the payload is to see them in the host's tree.
    pub places: Vec<Place>,
    /// They are made around the init, which has to wait for it.
    pub around: bool,
}

impl Wanted<'_> {
    /// Where they will be.
    pub(crate) fn places(&self) -> Places {
        match self {
            // A scope is not there yet when mounts are prepared; what is shown of it is its namespace, or the whole tree.
            Wanted::Each(each) if each.plan.scope.is_some() => Places { places: Vec::new(), around: true },
            Wanted::Each(each) => Places { places: each.plan.paths().places, around: false },
            Wanted::Nothing | Wanted::One(_) => Places::default(),
        }
    }

    /// Makes them. Whoever calls this calls [`remove`] in the end, also when it fails.
    pub(crate) fn make(self, dir: &Path, id: &str) -> Result<Made> {
        match self {
            Wanted::Nothing => Ok(Made::Nothing),
            Wanted::One(base) => cgroup::create(base, id).map(Made::One),
            Wanted::Each(each) => {
                record::replace(&dir.join(file::CGROUPS), &each.plan.paths())?;
                if each.plan.scope.is_some() {
                    return Ok(Made::Around(each));
                }
                let made = cgroup::make(&each.plan).map_err(|error| in_options(error, each.swap_is_implied))?;
                let tasks = made.task_files()?;
                Ok(Made::Each(made, tasks))
            }
        }
    }
}

impl Made {
    /// The v2 cgroup, to be started in.
    pub(crate) fn v2_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Made::One(fd) => Some(fd.as_fd()),
            Made::Each(cgroup, _) => cgroup.v2_fd(),
            Made::Nothing | Made::Around(_) => None,
        }
    }

    /// What the init writes itself into.
    pub(crate) fn task_files(&self) -> &[OwnedFd] {
        match self {
            Made::Each(_, files) => files,
            _ => &[],
        }
    }

    /// The init exists and waits: makes what can only be made around a process.
    pub(crate) fn born(&self, dir: &Path, pid: Pid) -> Result<()> {
        let Made::Around(each) = self else { return Ok(()) };
        let made = cgroup::make_around(&each.plan, pid).map_err(|error| in_options(error, each.swap_is_implied))?;
        record::replace(&dir.join(file::CGROUPS), made.paths())?;
        made.keep();
        Ok(())
    }

    /// They stay, until [`remove`].
    pub(crate) fn keep(self) {
        if let Made::Each(cgroup, _) = self {
            cgroup.keep();
        }
    }
}

/// The cgroups of a container that was started; `None` where it has none.
pub(crate) fn find(dir: &Path, id: &str, host: &Host) -> Result<Option<Paths>> {
    match kept(dir)? {
        Some(paths) => Ok(Some(paths)),
        None => Ok(host.cgroup.as_deref().map(|base| cgroup::own_paths(base, id))),
    }
}

/// The ids of containers that have a cgroup of v2.
pub(crate) fn ids(host: &Host) -> HashSet<String> {
    host.cgroup.as_deref().map(cgroup::own_ids).unwrap_or_default()
}

/// Kills what is left in a container's cgroups and removes them. Those that are gone are no failure.
pub(crate) fn remove(dir: &Path, id: &str, host: &Host) -> Result<()> {
    end(dir, id, host).1
}

/// The same, and whether the kernel has killed processes of it for want of memory: evidence of an end.
pub(crate) fn end(dir: &Path, id: &str, host: &Host) -> (Option<OutOfMemory>, Result<()>) {
    match (kept(dir), host.cgroup.as_deref()) {
        (Ok(Some(paths)), _) => {
            // Cgroups that are gone tell nothing any more.
            let kills = paths.oom_kill_count().unwrap_or(0);
            (out_of_memory(kills, || paths.memory_use()), paths.remove().and_then(|()| forget(dir)))
        }
        (Ok(None), Some(base)) => {
            let kills = cgroup::own_oom_kills(base, id);
            (out_of_memory(kills, || cgroup::own_paths(base, id).memory_use()), cgroup::remove(base, id))
        }
        (Ok(None), None) => (None, Ok(())),
        (Err(error), _) => (None, Err(error)),
    }
}

fn out_of_memory(kills: u64, memory_use: impl FnOnce() -> MemoryUse) -> Option<OutOfMemory> {
    (kills > 0).then(|| {
        let MemoryUse { limit, peak } = memory_use();
        OutOfMemory { kills, limit, peak }
    })
}

fn forget(dir: &Path) -> Result<()> {
    let path = dir.join(file::CGROUPS);
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(cause).context(|| format!("can't remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// Gives new limits to a container that runs. One that had only its own v2 cgroup gets one in each hierarchy, and its
/// processes are moved there while they are frozen.
pub(crate) fn change(spec: &Spec, dir: &Path, id: &str, host: &Host) -> Result<()> {
    let none = Resources::default();
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()).unwrap_or(&none);
    let Wanted::Each(each) = plan(spec, id, host)? else { return Ok(()) };
    let Each { mut plan, swap_is_implied } = *each;
    let in_options = |error| in_options(error, swap_is_implied);
    // Rules for devices are for life.
    let limits = Resources { devices: Vec::new(), ..resources.clone() };
    if let Some(paths) = kept(dir)? {
        return paths.update(&limits).map_err(in_options);
    }
    let paths = plan.paths();
    record::replace(&dir.join(file::CGROUPS), &paths)?;
    // The one of v2 is there, with all its processes.
    plan.groups.retain(|group| group.place.version == Version::V1);
    let spread = || {
        let made = cgroup::make(&plan).map_err(in_options)?;
        paths.update(&limits).map_err(in_options)?;
        move_all(&paths, &made)?;
        made.keep();
        Ok(())
    };
    spread().inspect_err(|_| {
        // The failure is the one to tell; the names of cgroups that are gone are in nobody's way when it ends.
        let _ = forget(dir);
    })
}

/// While they are frozen none of them forks.
fn move_all(paths: &Paths, made: &Cgroup) -> Result<()> {
    if made.paths().places.is_empty() {
        return Ok(());
    }
    let was_frozen = paths.is_frozen()?;
    paths.freeze()?;
    let moved = paths.processes().and_then(|pids| pids.into_iter().try_for_each(|pid| made.add(pid)));
    if !was_frozen {
        paths.thaw()?;
    }
    moved
}

/// What [`Wanted::make`] wrote down. A file that a power cut damaged tells of cgroups that the boot has removed.
fn kept(dir: &Path) -> Result<Option<Paths>> {
    match record::read(&dir.join(file::CGROUPS)) {
        Err(error) if error.kind == Kind::Invalid => Ok(None),
        other => other,
    }
}
