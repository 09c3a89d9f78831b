//! Existing namespaces: a process between launcher and init enters them, with the host's rights, and makes the init as
//! its sibling. It ends there: an ordinary user would find no way back to the host's namespaces, which are not his.
//!
//! A mount namespace is entered by the init itself (`init::root`).

use crate::launch::open_namespace;
use crate::plan::{Plan, UserNamespace};
use error::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use sys::process::{enter_namespaces, leave_namespaces, namespace};

/// What the process between does, in this order.
pub(crate) enum Step {
    /// Enters a namespace of this kind.
    Enter(u64, OwnedFd),
    /// Makes the new time namespace: its clocks can be set only before anybody lives in it (time_namespaces(7)).
    LeaveTime,
    /// Sets them.
    SetClocks,
}

/// Everything that is to be entered, opened; empty if the init can be made at once. An existing user namespace comes
/// last: it must own the new ones, and the others are entered with the rights of before.
pub(crate) fn open(plan: &Plan) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for join in &plan.joins {
        steps.push(Step::Enter(join.kind, open_namespace(&join.host_path)?));
    }
    if plan.time_offsets.is_some() {
        steps.extend([Step::LeaveTime, Step::SetClocks]);
    }
    if let UserNamespace::Joined(path) = &plan.user_namespace {
        steps.push(Step::Enter(namespace::USER, open_namespace(path)?));
    }
    Ok(steps)
}

/// Runs in the process between: allocates nothing.
pub(crate) fn take(step: &Step, plan: &Plan) -> std::result::Result<(), Errno> {
    match step {
        Step::Enter(kind, there) => enter_namespaces(there, *kind),
        Step::LeaveTime => leave_namespaces(namespace::TIME),
        Step::SetClocks => plan.time_offsets.as_ref().map_or(Ok(()), |lines| set_clocks(lines.c().to_bytes())),
    }
}

fn set_clocks(lines: &[u8]) -> std::result::Result<(), Errno> {
    if lines.is_empty() {
        return Ok(());
    }
    let file = openat(CWD, c"/proc/self/timens_offsets", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, lines).map(drop)
}

/// What the failure of a step means.
pub(crate) fn explain(step: &Step, index: usize, errno: Errno, plan: &Plan) -> Error {
    match step {
        Step::Enter(kind, _) => {
            let path = match &plan.user_namespace {
                UserNamespace::Joined(path) if *kind == namespace::USER => path.lossy(),
                _ => plan.joins.get(index).map_or_else(Default::default, |join| join.host_path.lossy()),
            };
            sys::kernel::error(errno)
                .context(format!("can't join the namespace `{path}`"))
                .hint(format!("it must be a namespace of the kind `{}`", file_name(*kind)))
        }
        Step::LeaveTime => sys::kernel::error(errno).context("can't make a time namespace"),
        Step::SetClocks => sys::kernel::error(errno).context("can't set the clocks of the time namespace"),
    }
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
