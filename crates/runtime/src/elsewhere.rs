//! A source that lies in another container's tree: `/proc/7/root/dev/shm`, whose `/dev/shm` is to be shared.
//!
//! Only who is in a mount namespace may copy its mounts (open_tree(2)). So a copy of this process goes there and hands
//! the mount back.

use crate::copy::copy;
use crate::plan::Text;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{WaitOptions, waitpid};
use std::ffi::CString;
use std::io::IoSlice;
use sys::process::{Clone3, enter_namespaces, exit_now, namespace};

/// The process and the path in its tree that a name like `/proc/7/root/a` means.
fn split(path: &Text) -> Option<(CString, CString)> {
    let text = std::str::from_utf8(path.c().to_bytes()).ok()?;
    let (pid, inside) = text.strip_prefix("/proc/")?.split_once("/root/")?;
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((CString::new(format!("/proc/{pid}/ns/mnt")).ok()?, CString::new(format!("/{inside}")).ok()?))
}

/// Opens it, without what is mounted below; `None` if the path does not lead into another tree.
pub(crate) fn open(path: &Text) -> Option<Result<OwnedFd, Errno>> {
    let (namespace, inside) = split(path)?;
    Some(fetch(&namespace, &inside))
}

fn fetch(namespace: &CString, inside: &CString) -> Result<OwnedFd, Errno> {
    let namespace = openat(CWD, namespace.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let (ear, mouth) = sys::socket::message_pair()?;
    let child = copy(Clone3::default(), || {
        let fetched = enter_namespaces(&namespace, namespace::MOUNT).and_then(|()| {
            // Whoever enters a mount namespace is at its root: no link of that tree leads out of it.
            open_tree(CWD, inside.as_c_str(), OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        });
        let (errno, mount) = match &fetched {
            Ok(mount) => (0, Some(rustix::fd::AsFd::as_fd(mount))),
            Err(errno) => (errno.raw_os_error(), None),
        };
        // If nobody hears it there is nobody to go on.
        let _ = sys::socket::send(&mouth, &[IoSlice::new(&errno.to_ne_bytes())], mount, SendFlags::empty());
        exit_now(0)
    })?;
    // It has said all it had to say then. It is our child, so there is nothing that could fail.
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()));
    let mut errno = [0; 4];
    match sys::socket::receive(&ear, &mut errno, RecvFlags::DONTWAIT)? {
        (4, Some(mount)) => Ok(mount),
        (4, None) => Err(Errno::from_raw_os_error(i32::from_ne_bytes(errno))),
        _ => Err(Errno::SRCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_into_the_tree_of_a_process_are_split() {
        let split = |path: &str| {
            let (namespace, inside) = split(&Text::new(path).unwrap())?;
            Some((namespace.into_string().unwrap(), inside.into_string().unwrap()))
        };
        let expected = ("/proc/7/ns/mnt".to_owned(), "/dev/shm".to_owned());
        assert_eq!(split("/proc/7/root/dev/shm"), Some(expected));
        for path in ["/dev/shm", "/proc/self/root/a", "/proc//root/a", "/proc/7/cwd/a", "/proc/7/root", "proc/7/root/a"]
        {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
