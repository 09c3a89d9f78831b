//! Hooks that run in the container: children of the init, each with the container's state on standard input.

use super::{Done, Inherited, process};
use crate::copy::copy;
use crate::failure::{Failure, Stage};
use crate::plan::{HookPlan, ProcessPlan};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, kill_process, waitpid};
use sys::process::{Child, Clone3, ExecTables, Range, close_range, exit_now};

/// The exit code of a child that could not execute its hook, as a shell's.
const NOT_EXECUTED: i32 = 127;

/// Calls each hook in order; the first that fails ends the container. Those that start in the container itself are given
/// the payload, to which they are like, and read that the container is created.
pub(super) fn call(
    hooks: &[HookPlan],
    tables: &[ExecTables<'_>],
    inherited: &Inherited<'_>,
    payload: Option<&ProcessPlan>,
) -> Done {
    let state = usize::from(payload.is_some());
    for (index, (hook, tables)) in hooks.iter().zip(tables).enumerate() {
        let stage = if state == 0 { Stage::CreateContainerHook } else { Stage::StartContainerHook };
        #[allow(clippy::cast_possible_truncation, reason = "an index of a plan's list")]
        let failed = |errno| Failure { stage, index: index as u32, errno };
        let input = inherited.hook_input.and_then(|inputs| inputs.get(state).copied()).ok_or(failed(Errno::BADF))?;
        let status = one(hook, tables, input, payload).map_err(failed)?;
        if status != 0 {
            let stage = if state == 0 { Stage::CreateContainerHookExit } else { Stage::StartContainerHookExit };
            return Err(Failure { errno: Errno::from_raw_os_error(status), ..failed(Errno::IO) }.at_stage(stage));
        }
    }
    Ok(())
}

impl Failure {
    fn at_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }
}

/// The exit code; 128 and the signal for one that was killed.
fn one(
    hook: &HookPlan,
    tables: &ExecTables<'_>,
    input: BorrowedFd<'_>,
    payload: Option<&ProcessPlan>,
) -> Result<i32, Errno> {
    // The hooks share its position.
    seek(input, SeekFrom::Start(0))?;
    let child = copy(Clone3::default(), || {
        let _ = rustix::stdio::dup2_stdin(input);
        let _ = close_range(3, Range::Close);
        if payload.is_none_or(|payload| process::restrict_hook(payload).is_ok()) {
            tables.execute(hook.path.c());
        }
        exit_now(NOT_EXECUTED)
    })?;
    let ended = wait(&child, hook.timeout_s);
    if ended.is_err() {
        // It may have ended at this moment; the wait below takes it either way.
        let _ = kill_process(child.pid, Signal::KILL);
    }
    let status = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()))?;
    ended?;
    let (_, status) = status.ok_or(Errno::CHILD)?;
    Ok(status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default()))
}

fn wait(child: &Child, timeout_s: Option<u32>) -> Result<(), Errno> {
    let timeout = timeout_s.map(|seconds| Timespec { tv_sec: seconds.into(), tv_nsec: 0 });
    loop {
        match poll(&mut [PollFd::new(&child.pidfd.as_fd(), PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            // Begins anew: a hook that is interrupted is rare, and the limit is not exact.
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
