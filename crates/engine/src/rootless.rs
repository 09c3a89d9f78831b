//! The prologue of ordinary users: become root of a user namespace of one's own, then run the very same code.
//!
//! With `newuidmap` and ranges in `/etc/subuid` the namespace has a full set of ids; without, only the user's own,
//! which is enough for images whose files all belong to root.

use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, WaitOptions, getgid, getpid, getuid, waitpid};
use rustix::thread::{UnshareFlags, set_thread_res_gid, set_thread_res_uid};
use std::ffi::CString;
use std::path::Path;
use sys::process::{Child, Clone3, ExecTables, clone3};

/// A range of ids that a user may map, from `/etc/subuid` or `/etc/subgid` (subuid(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u32,
    count: u32,
}

/// When not root: become root of a new user and mount namespace. The caller must be single-threaded.
///
/// # Errors
/// `Denied` where the kernel or a policy forbids user namespaces.
pub fn enter() -> Result<()> {
    if getuid().is_root() && rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let user = getuid().as_raw();
    match (ranges("/etc/subuid", user), ranges("/etc/subgid", user)) {
        (Some(uids), Some(gids)) if tool("newuidmap").is_some() && tool("newgidmap").is_some() => {
            enter_with_ranges(uids, gids)?;
        }
        _ => enter_alone()?,
    }
    let failed =
        |errno: Errno| Error::from(std::io::Error::from(errno)).context("can't become root of the user namespace");
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(failed)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(failed)
}

#[allow(unsafe_code, reason = "rustix marks unshare so for CLONE_FILES alone")]
fn unshare() -> Result<()> {
    // SAFETY: neither flag shares or unshares descriptors.
    let done = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) };
    done.map_err(|errno| {
        let error = Error::from(std::io::Error::from(errno)).context("can't make a user namespace");
        match errno {
            Errno::PERM | Errno::ACCESS => Error { kind: Kind::Denied, ..error }
                .hint("a policy forbids user namespaces: see `sysctl kernel.apparmor_restrict_unprivileged_userns kernel.unprivileged_userns_clone`"),
            Errno::NOSPC | Errno::USERS => error.hint("raise `sysctl user.max_user_namespaces`"),
            _ => error,
        }
    })
}

/// Ids 1 and up come from the user's ranges; only set-user-ID programs outside the namespace may write such a map.
fn enter_with_ranges(uids: Range, gids: Range) -> Result<()> {
    let uid_helper = Mapper::prepare("newuidmap", getuid().as_raw(), uids)?;
    let gid_helper = Mapper::prepare("newgidmap", getgid().as_raw(), gids)?;
    unshare()?;
    uid_helper.run()?;
    gid_helper.run()
}

/// Only the user's own id, as root: the one map that an ordinary process may write for itself (user_namespaces(7)).
fn enter_alone() -> Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    unshare()?;
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))
}

fn write(path: &str, text: &str) -> Result<()> {
    let file = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let written = file.and_then(|file| rustix::io::write(&file, text.as_bytes()));
    written.map(drop).map_err(std::io::Error::from).context(|| format!("can't write `{text}` to `{path}`"))
}

/// A process that stayed outside and maps our ids as soon as there is a namespace to map them in.
struct Mapper {
    name: &'static str,
    child: Child,
    go: OwnedFd,
}

impl Mapper {
    #[allow(unsafe_code, reason = "the helper must be a child from before the namespace was left")]
    fn prepare(name: &'static str, own: u32, range: Range) -> Result<Self> {
        let path = tool(name).ok_or_else(|| Error::not_found(format!("can't find `{name}`")))?;
        let pid = getpid().as_raw_nonzero().to_string();
        let own = own.to_string();
        let (start, count) = (range.start.to_string(), range.count.to_string());
        let words = [name, &pid, "0", &own, "1", "1", &start, &count];
        let argv: Vec<CString> = words.iter().filter_map(|word| CString::new(*word).ok()).collect();
        let tables = ExecTables::new(&argv, &[]);
        let (waits, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(std::io::Error::from)
            .context(|| "can't make a pipe")?;
        // SAFETY: the child reads one byte, executes or exits; it allocates nothing and takes no lock.
        let made = unsafe { clone3(Clone3::default()) };
        match made.map_err(std::io::Error::from).context(|| format!("can't start `{name}`"))? {
            Some(child) => Ok(Self { name, child, go }),
            None => {
                // Our own copy of the writing end would keep the pipe open when the parent dies.
                drop(go);
                if rustix::io::read(waits.as_fd(), &mut [0]) == Ok(1) {
                    tables.execute(&path);
                }
                sys::process::exit_now(127)
            }
        }
    }

    fn run(self) -> Result<()> {
        let hint = "check the user's lines in /etc/subuid and /etc/subgid, and that the package `uidmap` is whole";
        let written = rustix::io::write(&self.go, b"!").map(drop);
        let status = rustix::io::retry_on_intr(|| waitpid(Some(self.child.pid), WaitOptions::empty()));
        match (written, status) {
            (Ok(()), Ok(Some((_, status)))) if status.exit_status() == Some(0) => Ok(()),
            _ => {
                Err(Error::new(Kind::Denied, format!("`{}` can't map the ids of the user namespace", self.name))
                    .hint(hint))
            }
        }
    }
}

/// Where a set-user-ID helper is; `PATH` is not asked, it could be anybody's.
fn tool(name: &str) -> Option<CString> {
    ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"].iter().find_map(|dir| {
        let path = CString::new(format!("{dir}/{name}")).ok()?;
        rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).ok().map(|()| path)
    })
}

/// The first range of the user, by name or number.
fn ranges(file: &str, uid: u32) -> Option<Range> {
    let text = std::fs::read_to_string(file).ok()?;
    find_range(&text, uid, user_name(uid).as_deref())
}

fn find_range(text: &str, uid: u32, name: Option<&str>) -> Option<Range> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        if who != number && Some(who) != name {
            return None;
        }
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some(Range { start, count })
    })
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_line_of_the_user_counts() {
        let text = "# x\nother:1:2\nann:x:1\nann:100000:0\n1000:200000:65536\nann:300000:65536\n";
        assert_eq!(find_range(text, 1000, Some("ann")), Some(Range { start: 200_000, count: 65536 }));
        assert_eq!(find_range(text, 7, Some("ann")), Some(Range { start: 300_000, count: 65536 }));
        assert_eq!(find_range(text, 7, None), None);
    }
}
