//! User namespaces: writing their maps, and making one that nobody lives in.

use crate::copy::copy;
use crate::plan::IdMaps;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::IdMapping;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};
use std::fmt::Write as _;
use sys::process::{Clone3, namespace};

/// Writes the maps of a process's new user namespace. The caller needs CAP_SETUID and CAP_SETGID in the namespace
/// above it.
pub(crate) fn write_maps(pid: Pid, maps: &IdMaps) -> Result<()> {
    let pid = pid.as_raw_nonzero();
    write(&format!("/proc/{pid}/uid_map"), &lines(&maps.uids))?;
    write(&format!("/proc/{pid}/gid_map"), &lines(&maps.gids))
}

fn lines(mappings: &[IdMapping]) -> String {
    let mut text = String::new();
    for IdMapping { container_id, host_id, size } in mappings {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{container_id} {host_id} {size}");
    }
    text
}

fn write(path: &str, text: &str) -> Result<()> {
    let file = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let written = file.and_then(|file| rustix::io::write(&file, text.as_bytes()));
    let words = || format!("can't write `{}` to `{path}`", text.trim_end().replace('\n', ", "));
    written.map(drop).map_err(std::io::Error::from).context(words).map_err(|error| {
        let error = Error { kind: Kind::Denied, ..error };
        error.hint(
            "ids of the host that are mapped must be this user's own, or those it has in /etc/subuid and /etc/subgid",
        )
    })
}

/// A user namespace with these maps and without processes, for id-mapped mounts.
pub(crate) fn make(maps: &IdMaps) -> Result<OwnedFd> {
    let (ours, theirs) = sys::socket::message_pair().map_err(std::io::Error::from).context(|| "can't make a socket")?;
    let what = Clone3 { namespaces: namespace::USER, ..Clone3::default() };
    let child = copy(what, || {
        // Our own copy of their end would keep the conversation going.
        sys::process::give_up(ours.as_fd());
        let _ = sys::socket::receive(&theirs, &mut [0], rustix::net::RecvFlags::empty());
        sys::process::exit_now(0)
    });
    let child = child.map_err(sys::kernel::error).context(|| "can't make a user namespace")?;
    let made = write_maps(child.pid, maps).and_then(|()| {
        let path = format!("/proc/{}/ns/user", child.pid.as_raw_nonzero());
        openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno: Errno| std::io::Error::from(errno).into())
    });
    drop((ours, theirs));
    // It ends by itself, now that nobody speaks.
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()));
    made
}
