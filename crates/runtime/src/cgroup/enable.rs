//! What a fresh cgroup lacks: controllers that are not passed down (v2), and processors to run on (v1's cpuset).

use super::dir::Dir;
use super::plan::Group;
use error::{Error, Kind, Result, ResultExt};
use rustix::io::Errno;
use std::collections::BTreeSet;

/// The group's directory and all above it, from the mount point down.
fn line(group: &Group) -> Result<Vec<Dir>> {
    let mut path = group.place.mount.clone();
    let mut dirs = Vec::new();
    for name in std::iter::once(None).chain(group.place.dir.components().map(Some)) {
        path.extend(name);
        let dir = Dir::open(&path).map_err(std::io::Error::from);
        dirs.push(dir.context(|| format!("can't open the cgroup `{}`", path.display()))?);
    }
    Ok(dirs)
}

/// v2: has every cgroup above pass down the controllers (`cgroup.subtree_control`). Those that limit nothing here are
/// asked for only.
pub(super) fn controllers(group: &Group, leaf: &Dir) -> Result<()> {
    let has = |text: &str, name: &str| text.split_whitespace().any(|other| other == name);
    let there = leaf.text("cgroup.controllers")?;
    let lacking: Vec<&str> = group.enable.iter().map(String::as_str).filter(|name| !has(&there, name)).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let dirs = line(group)?;
    for dir in &dirs[..dirs.len() - 1] {
        let (offered, passed) = (dir.text("cgroup.controllers")?, dir.text("cgroup.subtree_control")?);
        let mut asked = Vec::new();
        for name in &lacking {
            if has(&offered, name) && !has(&passed, name) {
                asked.push(format!("+{name}"));
            } else if !has(&offered, name) && group.needs(name) {
                let message = format!("the cgroup controller `{name}` is not available in `{}`", dir.path.display());
                return Err(Error::new(Kind::Unsupported, message));
            }
        }
        if asked.is_empty() {
            continue;
        }
        if has_processes(dir)? {
            return match asked.iter().find(|name| group.needs(&name[1..])) {
                Some(name) => Err(not_passed(dir, &name[1..], Errno::BUSY)),
                // Then nothing is counted here, and nothing limited.
                None => Ok(()),
            };
        }
        // All at once is quickest, but one that can't be makes all fail.
        if dir.write("cgroup.subtree_control", &asked.join(" ")).is_ok() {
            continue;
        }
        for name in &asked {
            match dir.write("cgroup.subtree_control", name) {
                Err(errno) if group.needs(&name[1..]) => return Err(not_passed(dir, &name[1..], errno)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Do processes live in a cgroup other than the top? The kernel would refuse most controllers below it, and others,
/// such as `pids`, would make it a threaded domain, below which no process can live (cgroups(7), "Thread mode").
fn has_processes(dir: &Dir) -> Result<bool> {
    if dir.read("cgroup.type").is_err_and(|errno| errno == Errno::NOENT) {
        return Ok(false); // only the top has no such file
    }
    match dir.read("cgroup.procs") {
        Err(Errno::OPNOTSUPP) => Ok(true), // threaded already
        _ => Ok(!dir.text("cgroup.procs")?.is_empty()),
    }
}

/// Has systemd passed down every controller that limits something here?
pub(super) fn require(group: &Group, leaf: &Dir) -> Result<()> {
    let there = leaf.text("cgroup.controllers")?;
    let there: Vec<&str> = there.split_whitespace().collect();
    match group.enable.iter().find(|name| group.needs(name) && !there.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message = format!("the cgroup controller `{name}` is not delegated to `{}`", leaf.path.display());
            Err(Error::new(Kind::Unsupported, message)
                .hint("users get what `Delegate=` of systemd's `user@.service` names: by default cpu, memory and pids"))
        }
    }
}

fn not_passed(dir: &Dir, name: &str, errno: Errno) -> Error {
    let what = format!("can't pass the cgroup controller `{name}` to cgroups below `{}`", dir.path.display());
    match errno {
        Errno::BUSY => Error::new(Kind::Conflict, "processes live in it").context(what).hint(
            "cgroup v2 limits only below a cgroup without processes: move them, or choose another `linux.cgroupsPath`",
        ),
        errno => Error::from(std::io::Error::from(errno)).context(what),
    }
}

/// v1: a new cpuset has neither processors nor memory nodes, and no process can join it. It gets what the one above has.
pub(super) fn cpuset(group: &Group, leaf: &Dir) -> Result<()> {
    let files = ["cpuset.cpus", "cpuset.mems"];
    let mut empty = BTreeSet::new();
    for file in files {
        if leaf.text(file)?.trim().is_empty() {
            empty.insert(file);
        }
    }
    if empty.is_empty() {
        return Ok(());
    }
    let dirs = line(group)?;
    for pair in dirs.windows(2) {
        for file in &empty {
            if pair[1].text(file)?.trim().is_empty() {
                let value = pair[0].text(file)?;
                let written = pair[1].write(file, value.trim()).map_err(std::io::Error::from);
                written.context(|| format!("can't write `{}`", pair[1].path.join(file).display()))?;
            }
        }
    }
    Ok(())
}
