//! `restore`: files become a container's processes again.
//!
//! A thread of its own goes into a new mount namespace, shows the root file system there as CRIU wants it, and starts
//! CRIU, which makes the container from there: a runtime that is killed leaves no mount on the host.

use super::dump::Folders;
use super::program::{Conversation, Criu, Notice, number_of};
use super::wire::{Answer, Kind, Message, field};
use super::{Restore, common, descriptors, log, mounts, namespaces};
use crate::Running;
use crate::cgroup::Cgroup;
use error::{Error, Result, ResultExt};
use oci::runtime::Spec;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::path::Path;
use sys::process::{enter_namespaces, leave_namespaces, namespace};

/// CRIU's log of a restore, as runc and crun name it.
const LOG: &str = "restore.log";

/// What is to be made.
pub struct Restoring<'a> {
    /// The container's document.
    pub spec: &'a Spec,
    /// Absolute: where relative paths of the document begin.
    pub bundle: &'a Path,
    /// Absolute and without links: the root file system on the host.
    pub rootfs: &'a Path,
    /// The same, as a mount attached nowhere.
    pub root: BorrowedFd<'a>,
    /// The cgroups, with their limits.
    pub cgroup: Option<&'a Cgroup>,
    /// Told of what happens on the way.
    pub attend: &'a mut (dyn FnMut(Event) -> Result<()> + Send),
}

/// A point on the way at which the container waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its namespaces are there, held by this process; nothing is in them yet. The moment of the hooks `prestart` and
    /// `createRuntime`.
    Namespaces(Pid),
    /// All of it is there, its first process is this one, and nothing runs yet.
    Restored(Pid),
}

/// Makes a container of the images. Its first process is a child of ours. Standard input, output and error that led out
/// of it are now ours.
///
/// # Errors
/// CRIU's first error; its log is named by the hint. Nothing runs then.
pub fn restore(criu: &Criu, what: Restoring<'_>, options: &Restore) -> Result<Running> {
    if options.common.lazy_pages {
        criu.must_have_lazy_pages()?;
    }
    if let Some(work) = &options.common.work_path {
        std::fs::create_dir_all(work).context(|| format!("can't make the folder `{}`", work.display()))?;
    }
    let thread = || restore_here(criu, what, options);
    std::thread::scope(|scope| scope.spawn(thread).join().expect("it returns errors"))
}

/// In a thread that nobody comes back from.
fn restore_here(criu: &Criu, what: Restoring<'_>, options: &Restore) -> Result<Running> {
    let names = descriptors::read(&options.common.image_path)?;
    show_root(&what).context(|| format!("can't show the root file system `{}` to criu", what.rootfs.display()))?;
    mounts::make_places(what.spec, what.bundle)?;
    let mut folders = Folders::open(&options.common)?;
    if let Some(group) = namespaces::root_group(what.spec) {
        folders = folders.show_to(group)?;
    }
    let mut message = common(what.spec, &options.common, LOG, what.cgroup.is_some());
    folders.name(&mut message);
    let given = give(what.spec, &names, &mut message)?;
    say(&what, options, &mut message)?;
    let conversation = Conversation::begin(criu, given)?;
    let mut console = None;
    let answer = in_cgroup(&what, &conversation, &mut message).and_then(|()| {
        let mut request = Message::request(Kind::Restore);
        request.message(field::REQUEST_OPTIONS, &message);
        let has_own_network = namespaces::network_is_ours(what.spec);
        let attend = what.attend;
        conversation.ask(&request, &mut |notice| heed(notice, has_own_network, &mut console, attend))
    });
    let spoken = conversation.end();
    match answer? {
        Answer { success: true, pid: Some(pid), .. } => running(pid, console),
        answer => Err(log::failed("restore the container", &answer.words, &folders.log(LOG), &spoken)),
    }
}

/// In a mount namespace of this thread's own, and makes it the working directory.
fn show_root(what: &Restoring<'_>) -> Result<()> {
    leave_namespaces(namespace::MOUNT).map_err(sys::kernel::error)?;
    let top = openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let top = top.map_err(std::io::Error::from)?;
    // What is mounted here must not be seen by the host.
    sys::mount::set_attributes(&top, 0, 0, sys::mount::propagation::PRIVATE, true).map_err(sys::kernel::error)?;
    mounts::attach(what.root, what.rootfs).map_err(sys::kernel::error)?;
    rustix::process::chdir(what.rootfs).map_err(std::io::Error::from)?;
    Ok(())
}

/// Descriptors that CRIU gets: our standard ones for those that led out of the container, and namespaces to join.
fn give(spec: &Spec, names: &[String], message: &mut Message) -> Result<Vec<OwnedFd>> {
    let mut given = Vec::new();
    for (name, fd) in descriptors::replacements(names)? {
        message.numbered(field::INHERIT_FD, name, number_of(&fd));
        given.push(fd);
    }
    for (key, fd) in namespaces::join(spec, message)? {
        let fd = rustix::io::dup(&fd).map_err(std::io::Error::from).context(|| "can't copy a descriptor for criu")?;
        message.numbered(field::INHERIT_FD, key, number_of(&fd));
        given.push(fd);
    }
    Ok(given)
}

fn say(what: &Restoring<'_>, options: &Restore, message: &mut Message) -> Result<()> {
    message.text(field::ROOT, &what.rootfs.to_string_lossy());
    // Our child, so that its end can be waited for.
    message.flag(field::RESTORE_SIBLING, true);
    message.flag(field::EVASIVE_DEVICES, true);
    message.flag(field::TCP_CLOSE, options.tcp_close);
    if let Some(profile) = &options.lsm_profile {
        message.text(field::LSM_PROFILE, profile);
    }
    if let Some(context) = &options.lsm_mount_context {
        message.text(field::LSM_MOUNT_CONTEXT, context);
    }
    let places = what.cgroup.map_or(&[][..], |cgroup| &cgroup.paths().places);
    mounts::provide(what.spec, what.bundle, places, message)
}

/// What CRIU restores begins where it is itself, and has its cgroups below that.
fn in_cgroup(what: &Restoring<'_>, conversation: &Conversation, message: &mut Message) -> Result<()> {
    let (Some(cgroup), Some(pid)) = (what.cgroup, conversation.pid()) else { return Ok(()) };
    cgroup.add(pid)?;
    let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(&path).context(|| format!("can't read `{path}`"))?;
    for (controller, path) in cgroup_roots(&text) {
        message.pair(field::CGROUP_ROOT, controller, path);
    }
    Ok(())
}

/// Each controller and its cgroup; the unified hierarchy has no name (cgroups(7), `/proc/PID/cgroup`).
fn cgroup_roots(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("/"));
        names.split(',').map(move |name| (name, path))
    })
}

fn heed(
    notice: Notice,
    has_own_network: bool,
    console: &mut Option<OwnedFd>,
    attend: &mut (dyn FnMut(Event) -> Result<()> + Send),
) -> Result<()> {
    match (&*notice.name, notice.pid, notice.fd) {
        ("setup-namespaces", Some(pid), _) => {
            if has_own_network {
                bring_loopback_up(pid)?;
            }
            attend(Event::Namespaces(pid))
        }
        ("post-restore", Some(pid), _) => attend(Event::Restored(pid)),
        ("orphan-pts-master", _, Some(fd)) => {
            *console = Some(fd);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A new network namespace is born with it down; CRIU leaves that to us, and sockets may be bound to its addresses.
fn bring_loopback_up(pid: Pid) -> Result<()> {
    let words = || "can't bring the loopback interface up";
    let path = format!("/proc/{}/ns/net", pid.as_raw_nonzero());
    let there = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let there = there.map_err(std::io::Error::from).context(words)?;
    let bring_up = || {
        enter_namespaces(&there, namespace::NETWORK)?;
        sys::loopback::bring_up()
    };
    // A thread that ends there need not come back.
    let brought = std::thread::scope(|scope| scope.spawn(bring_up).join().expect("neither call panics"));
    brought.map_err(std::io::Error::from).context(words)
}

fn running(pid: i32, console: Option<OwnedFd>) -> Result<Running> {
    let pid = Pid::from_raw(pid).ok_or_else(|| Error::invalid("criu restored no process"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())
        .map_err(std::io::Error::from)
        .context(|| "can't watch the restored container")?;
    Ok(Running { pid, pidfd, console })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_controller_has_its_cgroup() {
        let text = "9:name=systemd:/a\n4:cpu,cpuacct:/b:c\n0::/d\n";
        let roots: Vec<_> = cgroup_roots(text).collect();
        assert_eq!(roots, [("name=systemd", "/a"), ("cpu", "/b:c"), ("cpuacct", "/b:c"), ("", "/d")]);
    }
}
