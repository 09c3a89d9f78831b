//! Makes the cgroups of a plan; [`Cgroup`] is the guard that takes them away again unless they are kept.

use super::dir::{self, Dir};
use super::paths::Paths;
use super::place::Version;
use super::plan::{CgroupPlan, Group};
use super::{apply, enable, freeze, remove, systemd};
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat};
use rustix::io::Errno;
use rustix::process::Pid;
use std::path::{Path, PathBuf};

/// The cgroups of a container, opened. What [`make`] made is removed on drop, unless it was [kept](Self::keep).
#[derive(Debug)]
pub struct Cgroup {
    pub(super) paths: Paths,
    /// One for each place.
    pub(super) dirs: Vec<Dir>,
    /// What dropping removes, from the top down.
    pub(super) made: Vec<PathBuf>,
}

/// May this user make them, as the modes of the folders say above which they will be? systemd is asked itself.
pub fn may_make(plan: &CgroupPlan) -> bool {
    plan.scope.is_some() || plan.groups.iter().all(|group| may_write_above(&group.place.path()))
}

fn may_write_above(path: &Path) -> bool {
    let found = path.ancestors().find_map(|folder| {
        match accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Err(Errno::NOENT) => None,
            answer => Some(answer.is_ok()),
        }
    });
    found.unwrap_or_default()
}

/// Makes the cgroups, with all limits, before a process is in them. Not for a plan with a scope: see [`make_around`].
///
/// # Errors
/// `Conflict` if there are processes in one already; else what the kernel refuses, with the field that asked for it.
/// Nothing is left.
pub fn make(plan: &CgroupPlan) -> Result<Cgroup> {
    if plan.scope.is_some() {
        // A systemd scope can't be empty.
        return Err(Error::new(Kind::Internal, "a systemd scope was to be made without a process"));
    }
    let mut cgroup = Cgroup { paths: plan.paths(), dirs: Vec::new(), made: Vec::new() };
    for group in &plan.groups {
        let dir = directory(group, &mut cgroup.made).map_err(|error| for_limits(error, plan))?;
        match group.place.version {
            Version::V1 if group.place.has("cpuset") => enable::cpuset(group, &dir)?,
            Version::V1 => {}
            Version::V2 if group.enable.is_empty() => {}
            Version::V2 => enable::controllers(group, &dir)?,
        }
        limit(group, &dir)?;
        cgroup.dirs.push(dir);
    }
    Ok(cgroup)
}

/// Makes the cgroups around a process that waits: it is in all of them when this returns. The only way to a systemd
/// scope; its place may turn out to be another than the plan's, so [`Cgroup::paths`] is what counts from here on.
///
/// # Errors
/// As for [`make`], and what systemd refuses. Nothing is left, and the process may be killed.
pub fn make_around(plan: &CgroupPlan, pid: Pid) -> Result<Cgroup> {
    let (Some(scope), [group]) = (&plan.scope, plan.groups.as_slice()) else {
        let cgroup = make(plan)?;
        cgroup.add(pid)?;
        return Ok(cgroup);
    };
    scope.start(pid)?;
    let mut group = group.clone();
    group.place.dir = systemd::dir_of(pid, &group.place, &scope.unit)?;
    let path = group.place.path();
    let paths = Paths { places: vec![group.place.clone()], ..plan.paths() };
    let mut cgroup = Cgroup { paths, dirs: Vec::new(), made: vec![path.clone()] };
    let dir = Dir::open(&path).map_err(std::io::Error::from);
    let dir = dir.context(|| format!("can't open the cgroup `{}`", path.display()))?;
    enable::require(&group, &dir)?;
    limit(&group, &dir)?;
    cgroup.dirs.push(dir);
    Ok(cgroup)
}

/// A user to whom no cgroup is delegated hears which limit wants one.
fn for_limits(error: Error, plan: &CgroupPlan) -> Error {
    let wanted = plan.groups.iter().flat_map(|group| &group.writes).next();
    match wanted.filter(|_| error.kind == Kind::Denied) {
        None => error,
        Some(write) => error
            .context(format!("can't apply `{}` (cgroup controller `{}`)", write.field, write.controller))
            .hint("no cgroup is delegated here: `systemd-run --user --scope -p Delegate=yes COMMAND` gets one"),
    }
}

fn limit(group: &Group, dir: &Dir) -> Result<()> {
    apply::writes(dir, &group.writes)?;
    group.devices.as_ref().map_or(Ok(()), |program| apply::devices(dir, program))
}

fn directory(group: &Group, made: &mut Vec<PathBuf>) -> Result<Dir> {
    let path = group.place.path();
    let words = || format!("can't make the cgroup `{}`", path.display());
    let before = made.len();
    dir::make(&group.place.mount, &path, made).map_err(std::io::Error::from).context(words)?;
    let dir = Dir::open(&path).map_err(std::io::Error::from).context(words)?;
    if made.len() == before {
        let conflict = |what| Err(Error::new(Kind::Conflict, what).context(words()));
        if !dir.text("cgroup.procs")?.is_empty() {
            return conflict("it exists and processes are in it");
        }
        // A process that comes into it would rest at once, and we would wait for it without end.
        if freeze::is_frozen(&dir)? {
            return conflict("it exists and is frozen");
        }
    }
    Ok(dir)
}

impl Cgroup {
    /// The v2 cgroup, for `CLONE_INTO_CGROUP`.
    pub fn v2_fd(&self) -> Option<BorrowedFd<'_>> {
        self.of(Version::V2).map(Dir::as_fd).next()
    }

    /// Moves a process into all of them.
    pub fn add(&self, pid: Pid) -> Result<()> {
        self.add_to_v1(pid)?;
        self.of(Version::V2).try_for_each(|dir| add(dir, pid))
    }

    /// Moves a process into those of v1: one that was started in [`v2_fd`](Self::v2_fd) is in v2's already. A process
    /// of our own joins quicker by [`task_files`](Self::task_files).
    pub fn add_to_v1(&self, pid: Pid) -> Result<()> {
        self.of(Version::V1).try_for_each(|dir| add(dir, pid))
    }

    /// The `tasks` files of v1, open for writing: a process of one thread that writes `0` into each has joined.
    ///
    /// It is what a new process should do between clone and exec. The kernel then need not stop forks and exits on the
    /// whole machine (`cgroup_threadgroup_rwsem`), for which [`add`](Self::add) waits several milliseconds.
    pub fn task_files(&self) -> Result<Vec<OwnedFd>> {
        let open = |dir: &Dir| {
            let opened = openat(dir.as_fd(), "tasks", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            opened.map_err(std::io::Error::from).context(|| format!("can't open `{}/tasks`", dir.path.display()))
        };
        self.of(Version::V1).map(open).collect()
    }

    /// Where they are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// They stay when this value goes.
    pub fn keep(mut self) -> Paths {
        self.made.clear();
        self.paths.clone()
    }

    fn of(&self, version: Version) -> impl Iterator<Item = &Dir> {
        let places = self.paths.places.iter().zip(&self.dirs);
        places.filter(move |(place, _)| place.version == version).map(|(_, dir)| dir)
    }
}

fn add(dir: &Dir, pid: Pid) -> Result<()> {
    let number = pid.as_raw_nonzero().to_string();
    let written = dir.write("cgroup.procs", &number).map_err(std::io::Error::from);
    written.context(|| format!("can't put process {number} into the cgroup `{}`", dir.path.display()))
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let is_own = |path: &&PathBuf| self.paths.places.iter().any(|place| place.path() == **path);
        if self.made.iter().any(|path| is_own(&path)) {
            // There is nobody to tell here; who wants to know calls `Paths::remove`. What stays is an empty cgroup.
            let _ = remove::all(self.made.iter().filter(is_own).map(PathBuf::as_path));
            // A scope without processes ends by itself, but not at once.
            let _ = self.paths.systemd_unit.as_ref().map(systemd::Unit::stop);
        }
        for path in self.made.iter().rev().filter(|path| !is_own(path)) {
            remove_if_empty(path);
        }
    }
}

/// One above, made on the way: another container may be in it by now, and then it stays.
fn remove_if_empty(path: &Path) {
    let _ = rustix::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::REMOVEDIR);
}
