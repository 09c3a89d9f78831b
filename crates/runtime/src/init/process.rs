//! From a root file system to the payload: who it is, what it may, and the exec.

use super::paths::make_dirs;
use super::{At, Done, Inherited};
use crate::failure::{Failure, Stage};
use crate::plan::{Plan, ProcessPlan, Text};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, accessat, fchown, fstat, open, statat};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Rlimit, Signal, fchdir, ioctl_tiocsctty, set_parent_process_death_signal, setsid, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_res_gid, set_thread_res_uid,
};
use std::convert::Infallible;
use std::io::IoSlice;

/// The message that says that the payload is executed next. An end of the conversation without it means that the init
/// was killed on its way.
pub(crate) const EXECUTING_MESSAGE: &[u8] = b"x";

/// The first descriptor that the payload must not have.
const FIRST_FOREIGN_FD: u32 = 3;

/// A session and a keyring of its own, and no disposition inherited from whoever called.
pub(super) fn enter_session() -> Done {
    setsid().at(Stage::Session, 0)?;
    sys::process::reset_signals().at(Stage::Session, 1)?;
    sys::process::join_new_session_keyring().at(Stage::Session, 2)
}

/// Written through the host's `/proc`: what stands at that place in the container may be anything.
pub(super) fn set_oom_score(plan: &ProcessPlan) -> Done {
    let Some(score) = plan.oom_score_adj else { return Ok(()) };
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = open(c"/proc/self/oom_score_adj", flags, Mode::empty()).at(Stage::OomScore, 0)?;
    let mut digits = [0; 12];
    rustix::io::write(&file, decimal(score, &mut digits)).at(Stage::OomScore, 1).map(drop)
}

/// What has a name: cgroup root, host name, loopback.
#[allow(unsafe_code, reason = "rustix marks unshare so for CLONE_FILES alone")]
pub(super) fn name_host(plan: &Plan) -> Done {
    if plan.new_cgroup_namespace {
        // SAFETY: CLONE_NEWCGROUP shares no descriptor table.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }.at(Stage::Cgroup, 0)?;
    }
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.c().to_bytes()).at(Stage::Hostname, 0)?;
    }
    if let Some(name) = &plan.domainname {
        rustix::system::setdomainname(name.c().to_bytes()).at(Stage::Hostname, 1)?;
    }
    if plan.loopback {
        sys::loopback::bring_up().at(Stage::Loopback, 0)?;
    }
    Ok(())
}

/// Puts pipes or the terminal on 0, 1 and 2, owned by the payload's user so that it can open `/dev/stdout` again.
pub(super) fn take_stdio(plan: &ProcessPlan, inherited: &Inherited<'_>, console: Option<OwnedFd>) -> Done {
    let ends = match (&console, inherited.stdio) {
        (Some(console), _) => [console.as_fd(); 3],
        (None, Some(stdio)) => stdio,
        (None, None) => return Err(Errno::BADF).at(Stage::Stdio, 0),
    };
    rustix::stdio::dup2_stdin(ends[0]).at(Stage::Stdio, 0)?;
    rustix::stdio::dup2_stdout(ends[1]).at(Stage::Stdio, 1)?;
    rustix::stdio::dup2_stderr(ends[2]).at(Stage::Stdio, 2)?;
    if console.is_some() {
        return ioctl_tiocsctty(rustix::stdio::stdin()).at(Stage::Stdio, 3);
    }
    if plan.uid != 0 {
        for (index, end) in ends.into_iter().enumerate() {
            // Only what was made for this payload: `/dev/null` would be the host's, and change for everybody.
            if !FileType::from_raw_mode(fstat(end).at(Stage::Stdio, 4 + index)?.st_mode).is_fifo() {
                continue;
            }
            match fchown(end, Some(Uid::from_raw(plan.uid)), None::<Gid>) {
                // A pipe of a foreign owner: it works as it is.
                Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
                Err(errno) => return Err(errno).at(Stage::Stdio, 4 + index),
            }
        }
    }
    Ok(())
}

/// Limits that need privilege or hold for everything after.
pub(super) fn limit(plan: &ProcessPlan) -> Done {
    for (index, &(resource, soft, hard)) in plan.rlimits.iter().enumerate() {
        sys::limits::set(resource, Rlimit { current: Some(soft), maximum: Some(hard) }).at(Stage::Rlimit, index)?;
    }
    umask(Mode::from_raw_mode(plan.umask));
    Ok(())
}

/// By descriptor and without magic links, so that `/proc/self/fd/7` cannot be a way to a directory of the host
/// (CVE-2024-21626).
pub(super) fn enter_cwd(plan: &ProcessPlan) -> Done {
    let dir = make_dirs(plan.cwd.c()).at(Stage::Cwd, 0)?;
    fchdir(&dir).at(Stage::Cwd, 1)
}

/// The bounding set needs CAP_SETPCAP and groups need CAP_SETGID: both before the user changes.
pub(super) fn become_user(plan: &ProcessPlan) -> Done {
    for capability in 0..=plan.capabilities.last {
        if plan.capabilities.bounding & 1 << capability == 0 {
            sys::process::drop_from_bounding_set(capability).at(Stage::Bounding, capability.into())?;
        }
    }
    if let Some(groups) = &plan.groups {
        // A `Gid` is a transparent u32; the plan keeps plain numbers to stay printable.
        sys::limits::set_groups(groups).at(Stage::User, 0)?;
    }
    set_keep_capabilities(true).at(Stage::User, 3)?;
    let gid = Gid::from_raw(plan.gid);
    set_thread_res_gid(gid, gid, gid).at(Stage::User, 1)?;
    let uid = Uid::from_raw(plan.uid);
    set_thread_res_uid(uid, uid, uid).at(Stage::User, 2)
}

/// When the monitor is killed the payload must not go on without anybody who would see its end. If it is dead already,
/// `execute` cannot announce itself.
pub(super) fn die_with_monitor() -> Done {
    set_parent_process_death_signal(Some(Signal::KILL)).at(Stage::Session, 3)
}

/// Loading a filter needs `no_new_privs` or CAP_SYS_ADMIN: with the latter, before the last capabilities go.
pub(super) fn restrict(plan: &ProcessPlan) -> Done {
    let caps = &plan.capabilities;
    let filter = &plan.seccomp;
    if plan.no_new_privileges {
        set_no_new_privs(true).at(Stage::NoNewPrivileges, 0)?;
    } else if !filter.is_empty() {
        let all = CapabilitySet::from_bits_retain(u64::MAX >> (63 - caps.last));
        // What was permitted survived the change of user (keepcaps), what was effective did not.
        let now = rustix::thread::capabilities(None).at(Stage::Capabilities, 0)?;
        let raised = CapabilitySets { effective: now.permitted & all, ..now };
        set_capabilities(None, raised).at(Stage::Capabilities, 1)?;
        sys::seccomp::load(filter, plan.seccomp_flags).at(Stage::Seccomp, 0)?;
    }
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(caps.effective),
        permitted: CapabilitySet::from_bits_retain(caps.permitted),
        inheritable: CapabilitySet::from_bits_retain(caps.inheritable),
    };
    set_capabilities(None, sets).or_else(|errno| set_possible(errno, sets)).at(Stage::Capabilities, 2)?;
    for capability in 0..=caps.last {
        if caps.ambient & 1 << capability != 0 {
            match sys::process::raise_ambient(capability) {
                // It could not become permitted.
                Ok(()) | Err(Errno::PERM) => {}
                Err(errno) => return Err(errno).at(Stage::Capabilities, 3),
            }
        }
    }
    if plan.no_new_privileges && !filter.is_empty() {
        sys::seccomp::load(filter, plan.seccomp_flags).at(Stage::Seccomp, 0)?;
    }
    Ok(())
}

/// A start should not fail because we ourselves lack some of the capabilities (config.md, `capabilities`), as in a
/// container of somebody else's: those are left out.
fn set_possible(refused: Errno, sets: CapabilitySets) -> Result<(), Errno> {
    if refused != Errno::PERM {
        return Err(refused);
    }
    let now = rustix::thread::capabilities(None)?;
    let permitted = sets.permitted & now.permitted;
    let inheritable = sets.inheritable & (now.permitted | now.inheritable);
    set_capabilities(None, CapabilitySets { effective: sets.effective & permitted, permitted, inheritable })
}

/// Everything that is not the payload's is closed, not merely marked: a path such as `/proc/self/fd/5/bin/sh` is
/// resolved before close-on-exec happens.
pub(super) fn execute(plan: &Plan, inherited: &Inherited<'_>) -> Done<Infallible> {
    let report = keep_only(inherited).at(Stage::Exec, 0)?;
    // With the parent's end closed here this fails when the parent is gone.
    sys::socket::send(&report, &[IoSlice::new(EXECUTING_MESSAGE)], None, SendFlags::empty()).at(Stage::Exec, 0)?;
    let mut worst = Failure { stage: Stage::Exec, index: 1, errno: Errno::NOENT };
    for path in &plan.process.candidates {
        let errno = inherited.tables.execute(path.c());
        let (index, go_on) = match errno {
            Errno::NOENT | Errno::NOTDIR => (1, true),
            Errno::ACCESS if is_dir(path.c()) => (3, plan.process.searched),
            // As Go's LookPath: what may not be executed does not count in a search.
            Errno::ACCESS if plan.process.searched => (1, true),
            _ => (1, false),
        };
        if !go_on {
            worst = Failure { stage: Stage::Exec, index, errno };
            break;
        }
        if !plan.process.searched {
            worst = Failure { stage: Stage::Exec, index, errno };
        }
    }
    // A file that is there and yet not found lacks its loader or interpreter.
    let is_there =
        |path: &Text| accessat(CWD, path.c(), Access::EXEC_OK, AtFlags::EACCESS).is_ok() && !is_dir(path.c());
    if worst.errno == Errno::NOENT && plan.process.candidates.iter().any(is_there) {
        worst.index = 2;
    }
    // `inherited.report` is closed by now: the failure goes out by the copy that was kept, and the process ends here.
    let bytes = worst.encode();
    let _ = sys::socket::send(&report, &[IoSlice::new(&bytes)], None, SendFlags::empty());
    sys::process::exit_now(127)
}

fn is_dir(path: &std::ffi::CStr) -> bool {
    statat(CWD, path, AtFlags::empty()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Moves the report socket to the first foreign place, marked close-on-exec, and closes all after it.
fn keep_only(inherited: &Inherited<'_>) -> Result<OwnedFd, Errno> {
    let report = sys::limits::move_to(inherited.report, FIRST_FOREIGN_FD)?;
    sys::process::close_range(FIRST_FOREIGN_FD + 1, sys::process::Range::Close)?;
    Ok(report)
}

/// Decimal digits without allocating.
fn decimal(number: i32, buffer: &mut [u8; 12]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = buffer.len();
    loop {
        start -= 1;
        #[allow(clippy::cast_possible_truncation, reason = "one digit")]
        let digit = (rest % 10) as u8;
        buffer[start] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimal_writes_what_format_would() {
        for number in [0, 7, -7, 1000, -1000, i32::MIN, i32::MAX] {
            assert_eq!(decimal(number, &mut [0; 12]), number.to_string().as_bytes());
        }
    }
}
