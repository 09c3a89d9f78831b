//! A cgroup of its own for each container: what kills, counts and finds its processes.
//!
//! ```text
//! <v2 hierarchy>/<where we may write>/isolazi/<id>
//! ```
//! Only the v2 hierarchy is used, also where v1 controllers lie beside it: a container is started right into its
//! cgroup (`CLONE_INTO_CGROUP`, kernel 5.7) and killed through it (`cgroup.kill`, 5.14).

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

/// Kills whatever is left in the cgroup and removes it. A cgroup that is not there is success.
pub fn remove(base: &Path, id: &str) -> Result<()> {
    let path = path(base, id);
    for attempt in 0..REMOVE_TRIES {
        match unlinkat(CWD, &path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => {}
            Err(errno) => {
                return Err(std::io::Error::from(errno))
                    .context(|| format!("can't remove the cgroup `{}`", path.display()));
            }
        }
        if attempt == 0 {
            kill(&path)?;
        }
        // Nothing tells of the moment when a killed task has left; it is a matter of microseconds.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(error::Error::new(
        error::Kind::Conflict,
        format!("can't remove the cgroup `{}`: processes stay in it", path.display()),
    ))
}

/// Kills every process in the cgroup, also those that appear meanwhile.
fn kill(path: &Path) -> Result<()> {
    let file = path.join("cgroup.kill");
    let opened = openat(CWD, &file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let written = opened.and_then(|file| rustix::io::write(&file, b"1"));
    match written {
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| format!("can't write `{}`", file.display())),
    }
}
