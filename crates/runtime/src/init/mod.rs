//! The init: runs in the child between clone and exec, and only obeys the plan.
//!
//! No allocation, no lock, no formatting, no `std::fs`, no logging. A failure is a stage, an index and an errno,
//! written to the report socket; the parent puts it into words. Success is one byte before the exec, and that the socket
//! then closes by itself.

mod console;
pub(crate) use console::CONSOLE_MESSAGE;
mod paths;
mod process;
pub(crate) use process::EXECUTING_MESSAGE;
mod root;

use crate::failure::{Failure, Stage};
use crate::plan::Plan;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::io::IoSlice;
use sys::process::ExecTables;

pub(crate) type Done<T = ()> = Result<T, Failure>;

/// What the init gets besides the plan. All of it was opened before the clone.
pub(crate) struct Inherited<'a> {
    /// The root file system, mounted nowhere yet.
    pub root: BorrowedFd<'a>,
    /// One for each source of the plan.
    pub sources: &'a [OwnedFd],
    /// Standard input, output and error; `None` when the plan wants a terminal.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// Where failures and the console go.
    pub report: BorrowedFd<'a>,
    /// Pointer tables over the plan's strings.
    pub tables: &'a ExecTables<'a>,
}

/// Names the point of the init that an errno came from.
pub(crate) trait At<T> {
    fn at(self, stage: Stage, index: usize) -> Done<T>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, stage: Stage, index: usize) -> Done<T> {
        #[allow(clippy::cast_possible_truncation, reason = "an index of a plan's list")]
        self.map_err(|errno| Failure { stage, index: index as u32, errno })
    }
}

/// Obeys and executes; never returns.
pub(crate) fn run(plan: &Plan, inherited: &Inherited<'_>) -> ! {
    let Err(failure) = steps(plan, inherited);
    // When the parent is gone there is nobody left to tell.
    let _ = sys::socket::send(inherited.report, &[IoSlice::new(&failure.encode())], None, SendFlags::empty());
    sys::process::exit_now(127)
}

/// The order is the security of it: each reason stands beside the step.
fn steps(plan: &Plan, inherited: &Inherited<'_>) -> Done<std::convert::Infallible> {
    process::enter_session()?;
    process::set_oom_score(&plan.process)?; // through the host's `/proc`
    process::name_host(plan)?;
    let early = root::make_early(plan)?; // while the host's proc and sysfs are to be seen
    root::switch(plan, inherited)?; // from here on every path is the container's
    root::build(plan, inherited, early)?;
    let console = console::open_console(plan, inherited)?; // needs the container's own devpts
    root::hide(plan, inherited)?; // while still privileged
    process::take_stdio(&plan.process, inherited, console)?;
    process::limit(&plan.process)?;
    process::enter_cwd(&plan.process)?; // made as root, before the root can become read-only
    root::seal(plan)?;
    process::become_user(&plan.process)?;
    process::die_with_monitor()?; // a change of user clears it: after
    process::restrict(&plan.process)?; // seccomp as late as can be
    process::execute(plan, inherited)
}
