//! The init: runs in the child between clone and exec, and only obeys the plan.
//!
//! No allocation, no lock, no formatting, no `std::fs`, no logging. A failure is a stage, an index and an errno,
//! written to the report socket; the parent puts it into words. Success is one byte before the exec, and that the socket
//! then closes by itself.

mod console;
mod hooks;
mod listener;
mod mounts;
pub(crate) mod paths;
mod process;
mod reaper;
mod root;
pub(crate) mod stops;

pub(crate) use process::first_own;
pub(crate) use stops::{GO, START, message};

use crate::failure::{Failure, Stage};
use crate::plan::{Plan, ProcessPlan};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::cell::Cell;
use std::convert::Infallible;
use std::io::IoSlice;
use sys::process::ExecTables;

pub(crate) type Done<T = ()> = Result<T, Failure>;

/// What the init gets besides the plan. All of it was opened and made before the clone.
pub(crate) struct Inherited<'a> {
    /// The root file system, mounted nowhere yet.
    pub root: BorrowedFd<'a>,
    /// One for each source of the plan, unless it is to be opened here.
    pub sources: &'a [Option<OwnedFd>],
    /// A place for the mount of each step.
    pub made: &'a [Cell<Option<OwnedFd>>],
    /// The mount namespace to enter, when the plan names one.
    pub mount_namespace: Option<BorrowedFd<'a>>,
    /// Where the host has what must not stay below a root that only covers its own.
    pub revealing: &'a [std::ffi::CString],
    /// Pointer tables of the plan's hooks.
    pub create_container_hooks: &'a [ExecTables<'a>],
    /// Pointer tables of the plan's hooks.
    pub start_container_hooks: &'a [ExecTables<'a>],
    /// What the launcher alone may hold: its end of the conversation, and its lock. If it is killed, both must go.
    pub launchers: [Option<BorrowedFd<'a>>; 2],
    /// The `tasks` files of v1 cgroups to join.
    pub task_files: &'a [OwnedFd],
    /// What hooks read: the state while it is created, and once it is.
    pub hook_input: Option<[BorrowedFd<'a>; 2]>,
    /// Where somebody connects to start the payload.
    pub start: Option<BorrowedFd<'a>>,
    /// What a payload gets.
    pub payload: Payload<'a>,
}

/// What the init of a payload gets, in a new container or in one that runs.
pub(crate) struct Payload<'a> {
    /// Standard input, output and error; `None` when the plan wants a terminal.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// Where failures and the console go.
    pub report: BorrowedFd<'a>,
    /// Pointer tables over the plan's strings.
    pub tables: &'a ExecTables<'a>,
    /// How an init that stays as the payload's parent is called.
    pub title: Option<&'a sys::process::Title>,
    /// The host's `/proc`: for what must not be written through the container's.
    pub host_proc: Option<BorrowedFd<'a>>,
    /// Who decides on system calls, and what it is told.
    pub listener: Option<(BorrowedFd<'a>, &'a sys::shared::Text)>,
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
    give_up(inherited.payload.report, failure)
}

/// The same for one more process of a container that runs; its namespaces are entered already.
pub(crate) fn run_exec(plan: &ProcessPlan, payload: &Payload<'_>) -> ! {
    let Err(failure) = exec_steps(plan, payload);
    give_up(payload.report, failure)
}

fn give_up(report: BorrowedFd<'_>, failure: Failure) -> ! {
    // When the parent is gone there is nobody left to tell.
    let _ = sys::socket::send(report, &[IoSlice::new(&failure.encode())], None, SendFlags::empty());
    if failure.is_about_files() {
        // Until it has looked why, it lets go of its end, or kills us. The filter may forbid the waiting: then it looks in
        // vain.
        let _ = sys::socket::receive(report, &mut [0; 1], RecvFlags::empty());
    }
    sys::process::exit_now(127)
}

/// The order is the security of it: each reason stands beside the step.
fn steps(plan: &Plan, inherited: &Inherited<'_>) -> Done<Infallible> {
    let (process, payload) = (&plan.process, &inherited.payload);
    inherited.launchers.into_iter().flatten().for_each(sys::process::give_up); // else we would wait for ourselves
    process::enter_session(process)?;
    process::join_cgroups(inherited.task_files)?; // with the launcher's rights, in which the files were opened
    stops::at_birth(plan, payload.report)?; // until our ids are mapped and we are written down
    root::enter_mount_namespace(inherited)?;
    process::set_oom_score(plan)?;
    let makes_first = plan.mounts_before_leaving();
    if !makes_first {
        root::attach(plan, inherited)?; // as the host's root, who may search the way to it
    }
    process::become_root(plan)?;
    process::name_host(plan)?;
    process::set_sysctls(plan)?; // through the host's `/proc`, which shows our namespaces
    let labels = process::open_labels(process, payload)?;
    if makes_first {
        mounts::make(plan, inherited)?; // once all they belong to is ours, but for the mounts
        root::leave_mount_namespace()?;
        root::attach(plan, inherited)?;
    }
    root::build(plan, inherited)?; // while the host's proc and sysfs are to be seen: see there
    stops::when_mounted(plan, payload.report)?;
    hooks::call(&plan.create_container_hooks, inherited.create_container_hooks, inherited, None)?;
    process::hide().at(Stage::Session, 4)?; // from here on we touch what others may have made
    root::switch(plan, inherited)?;
    let console = console::open_console(process, payload, true)?; // needs the container's own devpts
    root::hide(plan, inherited)?; // while still privileged
    root::set_propagation(plan)?;
    process::take_stdio(process, payload, console)?;
    process::limit(process)?;
    process::enter_cwd(process, true)?; // made as root, before the root can become read-only
    root::seal(plan)?;
    process::become_user(process)?;
    process::die_with_launcher(process)?; // a change of user clears it: after
    stops::let_go(plan, inherited, &labels)?;
    let started = stops::before_payload(plan, inherited)?;
    let report = started.as_ref().map_or(payload.report, AsFd::as_fd);
    let Err(failure) = last_steps(plan, inherited, &Payload { report, ..*payload }, &labels);
    give_up(report, failure) // whoever started it listens now, not the launcher
}

fn last_steps(
    plan: &Plan,
    inherited: &Inherited<'_>,
    payload: &Payload<'_>,
    labels: &process::Labels,
) -> Done<Infallible> {
    let process = &plan.process;
    process::confine(process, labels)?; // what the hooks are is a file of the image's
    hooks::call(&plan.start_container_hooks, inherited.start_container_hooks, inherited, Some(process))?;
    process::execute(process, payload)
}

/// As above, without a root file system to make.
fn exec_steps(plan: &ProcessPlan, payload: &Payload<'_>) -> Done<Infallible> {
    process::enter_session(plan)?;
    stops::wait(payload.report)?; // until limits that only the host may set are set
    process::become_container_root()?;
    let labels = process::open_labels(plan, payload)?;
    let console = console::open_console(plan, payload, false)?;
    process::take_stdio(plan, payload, console)?;
    process::limit(plan)?;
    process::enter_cwd(plan, false)?;
    process::become_user(plan)?;
    process::die_with_launcher(plan)?;
    process::confine(plan, &labels)?;
    process::execute(plan, payload)
}
