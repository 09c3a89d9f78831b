//! Hooks that the runtime itself calls, in its own namespaces (config.md, "POSIX-platform Hooks").

use crate::compile::hook;
use crate::plan::HookPlan;
use error::{Error, Kind, Result, ResultExt};
use oci::runtime::{Hook, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, WaitOptions, pidfd_open, waitpid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// All hooks of one point, checked before anything is done.
pub(crate) fn check(hooks: &[Hook], field: &str) -> Result<()> {
    hooks.iter().enumerate().try_for_each(|(index, one)| hook(one, &format!("{field}[{index}]")).map(drop))
}

/// Calls each in order, with the state on standard input. The first that fails ends it.
pub(crate) fn call(hooks: &[Hook], kind: &str, state: &State) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    let input = input(state)?;
    hooks.iter().try_for_each(|hook| call_one(hook, kind, &input))
}

/// Calls each in order, also after one that failed.
pub(crate) fn call_all(hooks: &[Hook], kind: &str, state: &State) -> Vec<Error> {
    if hooks.is_empty() {
        return Vec::new();
    }
    match input(state) {
        Ok(input) => hooks.iter().filter_map(|hook| call_one(hook, kind, &input).err()).collect(),
        Err(error) => vec![error],
    }
}

/// A file that hooks read; what is in it may be written later.
pub(crate) fn empty_input() -> Result<OwnedFd> {
    memfd_create("state", MemfdFlags::CLOEXEC).map_err(std::io::Error::from).context(|| "can't make a file in memory")
}

/// Writes the state into it.
pub(crate) fn write_input(input: &OwnedFd, state: &State) -> Result<()> {
    let text = serde_json::to_vec(state).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
    let file = input.try_clone().and_then(|copy| File::from(copy).write_all(&text));
    file.context(|| "can't write down the container's state for its hooks")
}

fn input(state: &State) -> Result<OwnedFd> {
    let input = empty_input()?;
    write_input(&input, state)?;
    Ok(input)
}

fn call_one(asked: &Hook, kind: &str, input: &OwnedFd) -> Result<()> {
    let plan = hook(asked, &format!("hooks.{kind}"))?;
    let words = || format!("can't call the {kind} hook `{}`", asked.path);
    match run(&plan, input).map_err(|cause| (cause.raw_os_error(), cause)) {
        Ok(0) => Ok(()),
        Err((Some(errno), _)) if errno == Errno::TIMEDOUT.raw_os_error() => {
            Err(timed_out(kind, &asked.path, plan.timeout_s))
        }
        Err((_, cause)) => Err(cause).context(words),
        Ok(code) => {
            Err(Error::new(Kind::Denied, format!("the {kind} hook `{}` failed with exit code {code}", asked.path)))
        }
    }
}

/// A hook that was killed because its time was over.
pub(crate) fn timed_out(kind: &str, path: &str, timeout_s: Option<u32>) -> Error {
    let seconds = timeout_s.unwrap_or_default();
    Error::new(Kind::Denied, format!("the {kind} hook `{path}` took longer than its {seconds} s"))
}

/// Its exit code; 128 and the signal for one that was killed.
fn run(plan: &HookPlan, input: &OwnedFd) -> std::io::Result<i32> {
    // The hooks share its position.
    seek(input, SeekFrom::Start(0))?;
    let os = |text: &crate::plan::Text| OsStr::from_bytes(text.c().to_bytes()).to_owned();
    let mut command = Command::new(os(&plan.path));
    command.env_clear().stdin(Stdio::from(input.try_clone()?));
    if let Some((name, arguments)) = plan.argv.split_first() {
        command.arg0(os(name)).args(arguments.iter().map(os));
    }
    for entry in &plan.env {
        let bytes = entry.c().to_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        let (name, value) = (&bytes[..equals], bytes.get(equals + 1..).unwrap_or_default());
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).ok_or(Errno::CHILD)?;
    let ended = wait(&pidfd_open(pid, PidfdFlags::empty())?, plan.timeout_s);
    if ended.is_err() {
        // It may have ended at this moment; the wait below takes it either way.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    let status = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    ended?;
    let (_, status) = status.ok_or(Errno::CHILD)?;
    Ok(status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default()))
}

fn wait(pidfd: &OwnedFd, timeout_s: Option<u32>) -> Result<(), Errno> {
    let timeout = timeout_s.map(|seconds| Timespec { tv_sec: seconds.into(), tv_nsec: 0 });
    loop {
        match poll(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
