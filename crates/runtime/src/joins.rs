//! Existing namespaces: the launcher enters them for the moment of the clone, with the host's rights, and goes back.
//!
//! Mount and user namespaces are entered by the init itself (`init::root`, `launch::clone_in`): nobody comes back from
//! those.

use crate::launch::open_namespace;
use crate::plan::Plan;
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use sys::process::{enter_namespaces, leave_namespaces, namespace};

/// In other namespaces; dropped, home again.
pub(crate) struct Joined {
    home: Vec<(u64, OwnedFd)>,
}

impl Joined {
    /// Enters what the plan names, and the new time namespace if it has one: its clocks can be set only before anybody
    /// lives in it (time_namespaces(7)).
    pub(crate) fn enter(plan: &Plan) -> Result<Self> {
        let mut joined = Self { home: Vec::new() };
        for join in &plan.joins {
            let there = open_namespace(&join.host_path)?;
            let words = || format!("can't join the namespace `{}`", join.host_path.lossy());
            joined.remember(join.kind).context(words)?;
            enter_namespaces(&there, join.kind).map_err(std::io::Error::from).context(words).map_err(|error| {
                error.hint(format!("it must be a namespace of the kind `{}`", file_name(join.kind)))
            })?;
        }
        if let Some(offsets) = &plan.time_offsets {
            let words = || "can't make a time namespace";
            joined.remember(namespace::TIME).context(words)?;
            leave_namespaces(namespace::TIME).map_err(sys::kernel::error).context(words)?;
            set_clocks(offsets.c().to_bytes())
                .map_err(std::io::Error::from)
                .context(|| "can't set the clocks of the time namespace")?;
        }
        Ok(joined)
    }

    /// The way home is tried before we leave: a process of several threads may leave its time namespace and not come
    /// back (setns(2), `EUSERS`). Of this thread: others may be elsewhere.
    fn remember(&mut self, kind: u64) -> Result<()> {
        let path = format!("/proc/thread-self/ns/{}", file_name(kind));
        let home = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(std::io::Error::from)?;
        enter_namespaces(&home, kind).map_err(|errno| match errno {
            Errno::USERS => Error::new(Kind::Internal, "a process of several threads can't change its time namespace"),
            errno => std::io::Error::from(errno).into(),
        })?;
        self.home.push((kind, home));
        Ok(())
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        for (kind, home) in self.home.drain(..).rev() {
            // We were there and came back once, and have the rights that we came with. A launcher that stayed abroad would do the wrong
            // things in the wrong place.
            enter_namespaces(&home, kind).expect("the way home is open");
        }
    }
}

fn set_clocks(lines: &[u8]) -> Result<(), Errno> {
    if lines.is_empty() {
        return Ok(());
    }
    let file = openat(CWD, c"/proc/self/timens_offsets", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, lines).map(drop)
}

/// The name in `/proc/self/ns` (namespaces(7)).
fn file_name(kind: u64) -> &'static str {
    match kind {
        namespace::NETWORK => "net",
        namespace::UTS => "uts",
        namespace::IPC => "ipc",
        namespace::PID => "pid",
        namespace::CGROUP => "cgroup",
        namespace::TIME => "time",
        namespace::USER => "user",
        _ => "mnt",
    }
}
