//! A cgroup of its own for each container: what kills, counts and finds its processes.
//!
//! ```text
//! <v2 hierarchy>/<where we may write>/isolazi/<id>
//! ```
//! Only the v2 hierarchy is used, also where v1 controllers lie beside it: a container is started right into its
//! cgroup (`CLONE_INTO_CGROUP`, kernel 5.7) and killed through it (`cgroup.kill`, 5.14).

use super::paths::Paths;
use super::place::{Place, Version};
use error::{Result, ResultExt};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The folder that holds our containers' cgroups.
const OURS: &str = "isolazi";

/// How often an emptied cgroup is tried to be removed, a millisecond apart: its last task may still be on its way out.
const REMOVE_TRIES: u32 = 500;

/// Where a cgroup v2 hierarchy is mounted: the usual place, or the one beside v1 controllers.
pub(crate) fn mount_point() -> Option<PathBuf> {
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270; // statfs(2)
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| rustix::fs::statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(CGROUP2_SUPER_MAGIC)))
}

/// The directory in which we may make cgroups: as root at the top, else the part delegated to this user.
pub(crate) fn base(mount: &Path, user_namespace: bool) -> Option<PathBuf> {
    if !user_namespace {
        return may_write(mount).then(|| mount.to_owned());
    }
    let text = sys::read::small(c"/proc/self/cgroup").ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // systemd delegates `user@1000.service`; our own cgroup is a leaf somewhere below it. Processes may move only
    // inside the delegated part, so it is the highest writable directory above us.
    let own = mount.join(own);
    own.ancestors()
        .take_while(|dir| dir.starts_with(mount) && *dir != mount)
        .filter(|dir| may_write(dir))
        .last()
        .map(Path::to_owned)
}

fn may_write(dir: &Path) -> bool {
    use rustix::fs::{Access, accessat};
    accessat(CWD, dir.join("cgroup.procs"), Access::WRITE_OK, AtFlags::EACCESS).is_ok()
        && accessat(CWD, dir, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// The cgroup of the container `id` under `base` ([`Host::cgroup`](crate::Host)).
pub fn path(base: &Path, id: &str) -> PathBuf {
    base.join(OURS).join(id)
}

/// The same cgroup, for whoever looks into it, freezes or kills it.
pub fn own_paths(base: &Path, id: &str) -> Paths {
    let dir = Path::new(OURS).join(id);
    let text = std::fs::read_to_string(base.join(&dir).join("cgroup.controllers")).unwrap_or_default();
    // Without any, and so is one that is gone.
    let controllers = text.split_whitespace().map(str::to_owned).collect();
    let place = Place { version: Version::V2, controllers, mount: base.to_owned(), dir };
    Paths { places: vec![place], systemd_unit: None }
}

/// How many processes the kernel has killed in it for want of memory. One open where memory is not v2's, for a monitor
/// asks at every end.
pub fn own_oom_kills(base: &Path, id: &str) -> u64 {
    let text = std::fs::read_to_string(path(base, id).join("memory.events"));
    text.map_or(0, |text| super::oom::count(&text))
}

/// Where `base` lies in the hierarchy, as `linux.cgroupsPath` counts: `/` is its top.
pub fn below_mount(base: &Path) -> Option<PathBuf> {
    let mount = mount_point()?;
    base.strip_prefix(mount).ok().map(|below| Path::new("/").join(below))
}

/// The ids of all containers that have one.
pub fn ids(base: &Path) -> std::collections::HashSet<String> {
    // Without the folder nobody has one.
    let entries = std::fs::read_dir(base.join(OURS)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Makes the cgroup and opens it.
pub fn create(base: &Path, id: &str) -> Result<OwnedFd> {
    let path = path(base, id);
    let make = || mkdirat(CWD, &path, Mode::from_raw_mode(0o755));
    let made = match make() {
        Err(Errno::NOENT) => match mkdirat(CWD, base.join(OURS), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => make(),
            other => other,
        },
        other => other,
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => {
            return Err(std::io::Error::from(errno)).context(|| format!("can't make the cgroup `{}`", path.display()));
        }
    }
    openat(CWD, &path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("can't open the cgroup `{}`", path.display()))
}

/// Kills whatever is left in the cgroup and removes it, with the cgroups that a payload made in it. A cgroup that is not
/// there is success.
pub fn remove(base: &Path, id: &str) -> Result<()> {
    let path = path(base, id);
    for _ in 0..REMOVE_TRIES {
        match unlinkat(CWD, &path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => {}
            Err(errno) => {
                return Err(std::io::Error::from(errno))
                    .context(|| format!("can't remove the cgroup `{}`", path.display()));
            }
        }
        kill(&path)?;
        remove_children(&path);
        // Nothing tells of the moment when a killed task has left; it is a matter of microseconds.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(error::Error::new(
        error::Kind::Conflict,
        format!("can't remove the cgroup `{}`: processes stay in it", path.display()),
    ))
}

/// Kills every process in the cgroup and below, also those that appear meanwhile.
fn kill(path: &Path) -> Result<()> {
    let file = path.join("cgroup.kill");
    let killed = match write(&file, b"1") {
        Err(Errno::NOENT) => kill_each(path),
        other => other,
    };
    killed.map_err(std::io::Error::from).context(|| format!("can't kill through `{}`", file.display()))
}

/// The same before kernel 5.14. Frozen processes can be killed but not fork (kernel 5.2); what an older kernel lets
/// escape is found in the next round.
fn kill_each(path: &Path) -> Result<(), Errno> {
    match write(&path.join("cgroup.freeze"), b"1") {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    for_each_below(path, &mut |dir| {
        // Gone in the meantime, or threaded and without a list of its own: then its processes are its parent's.
        let pids = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        // A process of another pid namespace is a 0 here and no business of ours.
        for pid in pids.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    Ok(())
}

/// What cannot be removed yet is tried again in the next round.
fn remove_children(path: &Path) {
    for_each_below(path, &mut |dir| {
        if dir != path {
            let _ = unlinkat(CWD, dir, AtFlags::REMOVEDIR);
        }
    });
}

/// A cgroup and all below it, the deepest first.
fn for_each_below(path: &Path, act: &mut dyn FnMut(&Path)) {
    // A folder that cannot be read is gone.
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            for_each_below(&entry.path(), act);
        }
    }
    act(path);
}

fn write(file: &Path, text: &[u8]) -> Result<(), Errno> {
    let file = openat(CWD, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// A cgroup with a cgroup in it and sleeping processes in both.
    fn populated(name: &str) -> (PathBuf, Vec<std::process::Child>) {
        let base = mount_point().expect("a cgroup v2 hierarchy is mounted");
        let id = format!("test-{name}-{}", std::process::id());
        drop(create(&base, &id).unwrap());
        let below = path(&base, &id).join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let sleeper = |dir: PathBuf| {
            let mut sleeper = Command::new("sleep").arg("60").stdin(Stdio::null()).process_group(0).spawn().unwrap();
            std::fs::write(dir.join("cgroup.procs"), sleeper.id().to_string())
                .inspect_err(|_| drop(sleeper.kill()))
                .unwrap();
            sleeper
        };
        let children = vec![sleeper(path(&base, &id)), sleeper(below.clone()), sleeper(below)];
        (path(&base, &id), children)
    }

    fn end(children: Vec<std::process::Child>) {
        use std::os::unix::process::ExitStatusExt;
        for mut child in children {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
    }

    #[test]
    fn a_cgroup_goes_with_all_that_is_in_it() {
        let (dir, children) = populated("tree");
        let base = dir.parent().and_then(Path::parent).unwrap();
        let id = dir.file_name().unwrap().to_str().unwrap();
        remove(base, id).unwrap();
        end(children);
        assert!(!dir.try_exists().unwrap());
        remove(base, id).unwrap();
    }

    #[test]
    fn without_cgroup_kill_each_process_is_killed() {
        let (dir, children) = populated("each");
        kill_each(&dir).unwrap();
        end(children);
        let base = dir.parent().and_then(Path::parent).unwrap();
        remove(base, dir.file_name().unwrap().to_str().unwrap()).unwrap();
    }
}
