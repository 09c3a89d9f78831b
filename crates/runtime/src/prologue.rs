//! The prologue of ordinary users: become root of a new user namespace, and do everything else there.
//!
//! Only set-user-ID programs outside of the namespace may map more than the user's own id, so they are started before it
//! is left (newuidmap(1), newgidmap(1)).

use crate::copy::copy;
use crate::plan::IdMaps;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::IdMapping;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, WaitOptions, getgid, getpid, getuid, waitpid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use std::ffi::CString;
use sys::process::{Child, Clone3, ExecTables, leave_namespaces, namespace};

/// Nothing to do for whoever is root already, on the machine or in a namespace.
pub fn is_root() -> bool {
    getuid().is_root() && rustix::process::geteuid().is_root()
}

/// Are the programs there that can map more than one id?
pub fn has_helpers() -> bool {
    tool("newuidmap").is_some() && tool("newgidmap").is_some()
}

/// Leaves for a new user namespace with these maps, and a mount namespace that it owns; becomes its root. The caller must
/// be single-threaded.
///
/// # Errors
/// `Denied` where the kernel or a policy forbids user namespaces or these maps.
pub fn enter(maps: &IdMaps) -> Result<()> {
    if is_own(&maps.uids, getuid().as_raw()) && is_own(&maps.gids, getgid().as_raw()) {
        leave()?;
        // The one map that an ordinary process may write for itself (user_namespaces(7)).
        write("/proc/self/setgroups", "deny")?;
        write("/proc/self/gid_map", &line(&maps.gids[0]))?;
        write("/proc/self/uid_map", &line(&maps.uids[0]))?;
    } else {
        let uid_helper = Mapper::prepare("newuidmap", &maps.uids)?;
        let gid_helper = Mapper::prepare("newgidmap", &maps.gids)?;
        leave()?;
        uid_helper.run()?;
        gid_helper.run()?;
    }
    let failed =
        |errno: Errno| Error::from(std::io::Error::from(errno)).context("can't become root of the user namespace");
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(failed)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(failed)
}

fn is_own(mappings: &[IdMapping], id: u32) -> bool {
    *mappings == [IdMapping { container_id: 0, host_id: id, size: 1 }]
}

fn line(mapping: &IdMapping) -> String {
    let IdMapping { container_id, host_id, size } = mapping;
    format!("{container_id} {host_id} {size}")
}

fn leave() -> Result<()> {
    leave_namespaces(namespace::USER | namespace::MOUNT).map_err(|errno| {
        let error = Error::from(std::io::Error::from(errno)).context("can't make a user namespace");
        match errno {
            Errno::PERM | Errno::ACCESS => Error { kind: Kind::Denied, ..error }
                .hint("a policy forbids user namespaces: see `sysctl kernel.apparmor_restrict_unprivileged_userns kernel.unprivileged_userns_clone`"),
            Errno::NOSPC | Errno::USERS => error.hint("raise `sysctl user.max_user_namespaces`"),
            _ => error,
        }
    })
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
    fn prepare(name: &'static str, mappings: &[IdMapping]) -> Result<Self> {
        let path = tool(name)
            .ok_or_else(|| Error::not_found(format!("can't find `{name}`")).hint("the package `uidmap` has it"))?;
        let mut words = vec![name.to_owned(), getpid().as_raw_nonzero().to_string()];
        for IdMapping { container_id, host_id, size } in mappings {
            words.extend([container_id, host_id, size].map(u32::to_string));
        }
        let argv: Vec<CString> = words.into_iter().filter_map(|word| CString::new(word).ok()).collect();
        let tables = ExecTables::new(&argv, &[]);
        let (waits, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(std::io::Error::from)
            .context(|| "can't make a pipe")?;
        let made = copy(Clone3::default(), || {
            // Our own copy of the writing end would keep the pipe open when the parent dies.
            sys::process::give_up(go.as_fd());
            if rustix::io::read(waits.as_fd(), &mut [0]) == Ok(1) {
                tables.execute(&path);
            }
            sys::process::exit_now(127)
        });
        let child = made.map_err(std::io::Error::from).context(|| format!("can't start `{name}`"))?;
        Ok(Self { name, child, go })
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
