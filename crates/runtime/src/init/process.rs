//! From a root file system to the payload: who it is, what it may, and the exec.

use super::paths::{self, make_dirs};
use super::{At, Done, Payload, message};
use crate::failure::{Failure, Stage};
use crate::plan::{Plan, ProcessPlan, Text, UserNamespace};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, accessat, fchown, fstat, open, openat, statat,
};
use rustix::io::Errno;
use rustix::process::{Rlimit, Signal, fchdir, ioctl_tiocsctty, set_parent_process_death_signal, setsid, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_no_new_privs, set_thread_res_gid,
    set_thread_res_uid,
};
use std::convert::Infallible;
use std::ffi::CStr;
use sys::process::namespace;
use sys::schedule;
use sys::seccomp::flag;

/// The first descriptor that is neither standard input, output nor error.
const FIRST_FD: u32 = 3;

/// A session and a keyring of its own, and no disposition inherited from whoever called.
pub(super) fn enter_session(plan: &ProcessPlan) -> Done {
    setsid().at(Stage::Session, 0)?;
    sys::process::reset_signals().at(Stage::Session, 1)?;
    // What is made for the container has the modes that the plan says.
    umask(Mode::empty());
    if plan.new_keyring { sys::process::join_new_session_keyring().at(Stage::Session, 2) } else { Ok(()) }
}

/// Joins v1 cgroups: written by the thread itself it costs a tenth of what it costs anybody else (kernel 6.18).
pub(super) fn join_cgroups(task_files: &[OwnedFd]) -> Done {
    for (index, file) in task_files.iter().enumerate() {
        rustix::io::write(file, b"0").at(Stage::Cgroup, 1 + index)?;
    }
    Ok(())
}

/// Nobody in the container may look at what we hold of the host until the exec (CVE-2016-9962).
pub(super) fn hide() -> Result<(), Errno> {
    sys::process::hide_memory()
}

/// Written through the host's `/proc`: what stands at that place in the container may be anything. In a new user
/// namespace the launcher has done it: we would lack the right.
pub(super) fn set_oom_score(plan: &Plan) -> Done {
    let Some(score) = plan.process.oom_score_adj.filter(|_| plan.user_namespace == UserNamespace::Inherited) else {
        return Ok(());
    };
    let mut digits = [0; 12];
    write(c"/proc/self/oom_score_adj", decimal(score, &mut digits)).at(Stage::OomScore, 0)
}

fn write(path: &CStr, text: &[u8]) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text).map(drop)
}

/// Root of the user namespace that we are in now; what we make belongs to it.
pub(super) fn become_root(plan: &Plan) -> Done {
    if plan.user_namespace == UserNamespace::Inherited { Ok(()) } else { become_container_root() }
}

/// The same; without a user namespace it changes nothing.
pub(super) fn become_container_root() -> Done {
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).at(Stage::User, 4)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).at(Stage::User, 5)
}

/// What has a name: cgroup root, host name, loopback.
pub(super) fn name_host(plan: &Plan) -> Done {
    if plan.new_cgroup_namespace {
        sys::process::leave_namespaces(namespace::CGROUP).at(Stage::Cgroup, 0)?;
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

/// Kernel parameters of our namespaces.
pub(super) fn set_sysctls(plan: &Plan) -> Done {
    for (index, (path, value)) in plan.sysctls.iter().enumerate() {
        write(path.c(), value.c().to_bytes()).at(Stage::Sysctl, index)?;
    }
    Ok(())
}

/// Where the names of security labels are written: opened before the container's `/proc` could be in the way
/// (CVE-2019-16884, CVE-2025-52881).
#[derive(Default)]
pub(super) struct Labels {
    apparmor: Option<OwnedFd>,
    selinux: Option<OwnedFd>,
}

impl Labels {
    pub(super) fn fds(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [&self.apparmor, &self.selinux].map(|file| file.as_ref().map(AsFd::as_fd))
    }
}

pub(super) fn open_labels(plan: &ProcessPlan, payload: &Payload<'_>) -> Done<Labels> {
    let mut labels = Labels::default();
    if plan.apparmor.is_none() && plan.selinux.is_none() {
        return Ok(labels);
    }
    let proc = payload.host_proc.ok_or(Errno::BADF).at(Stage::Label, 0)?;
    let open = |path: &CStr| openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    if plan.apparmor.is_some() {
        // The older name is AppArmor's only where it is the first security module.
        let file = open(c"self/attr/apparmor/exec").or_else(|_| open(c"self/attr/exec")).at(Stage::Label, 0)?;
        labels.apparmor = Some(file);
    }
    if plan.selinux.is_some() {
        labels.selinux = Some(open(c"self/attr/exec").at(Stage::Label, 1)?);
    }
    Ok(labels)
}

/// The labels that the payload gets at its exec.
fn set_labels(plan: &ProcessPlan, labels: &Labels) -> Done {
    if let (Some(file), Some(profile)) = (&labels.apparmor, &plan.apparmor) {
        // By one call: the kernel takes each part of a `writev` for a command of its own (proc_pid_attr(5)).
        rustix::io::write(file, profile.c().to_bytes()).at(Stage::Label, 0)?;
    }
    if let (Some(file), Some(label)) = (&labels.selinux, &plan.selinux) {
        rustix::io::write(file, label.c().to_bytes()).at(Stage::Label, 1)?;
    }
    Ok(())
}

/// Puts pipes or the terminal on 0, 1 and 2, owned by the payload's user so that it can open `/dev/stdout` again.
pub(super) fn take_stdio(plan: &ProcessPlan, payload: &Payload<'_>, console: Option<OwnedFd>) -> Done {
    let ends = match (&console, payload.stdio) {
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
    if let Some(priority) = plan.io_priority {
        schedule::set_io_priority(priority).at(Stage::Schedule, 0)?;
    }
    if let Some(scheduler) = plan.scheduler {
        schedule::set_attributes(scheduler.into()).at(Stage::Schedule, 1)?;
    }
    if let Some(policy) = &plan.memory_policy {
        schedule::set_memory_policy(policy.mode, &policy.nodes).at(Stage::Schedule, 2)?;
    }
    if let Some(personality) = plan.personality {
        schedule::set_personality(personality).at(Stage::Schedule, 3)?;
    }
    if let Some((_, last)) = plan.affinity.as_ref().filter(|(_, last)| !last.is_empty()) {
        schedule::set_affinity(last).at(Stage::Schedule, 4)?;
    }
    Ok(())
}

/// By descriptor and without magic links, so that `/proc/self/fd/7` cannot be a way to a directory of the host
/// (CVE-2024-21626). A container's own is made when it is absent; whoever comes in later finds it, or does not.
pub(super) fn enter_cwd(plan: &ProcessPlan, make: bool) -> Done {
    let dir = if make { make_dirs(plan.cwd.c()) } else { paths::open(plan.cwd.c(), OFlags::PATH | OFlags::DIRECTORY) };
    let dir = dir.at(Stage::Cwd, 0)?;
    // What is made from here on is the payload's; the directory should be open to it.
    umask(Mode::from_raw_mode(plan.umask));
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

/// When its launcher (a monitor) is killed the payload must not go on without anybody who would see its end. If it is
/// dead already, `execute` cannot announce itself.
pub(super) fn die_with_launcher(plan: &ProcessPlan) -> Done {
    if !plan.dies_with_launcher {
        return Ok(());
    }
    set_parent_process_death_signal(Some(Signal::KILL)).at(Stage::Session, 3)
}

/// What holds for whatever of the container is executed from here on, its hooks too.
pub(super) fn confine(plan: &ProcessPlan, labels: &Labels) -> Done {
    set_labels(plan, labels)?;
    if plan.no_new_privileges {
        set_no_new_privs(true).at(Stage::NoNewPrivileges, 0)?;
    }
    if filter_needs_rights(plan) { Ok(()) } else { drop_capabilities(plan) }
}

/// Everything that is not the payload's is closed, not merely marked: a path such as `/proc/self/fd/5/bin/sh` is
/// resolved before close-on-exec happens. The filter comes last of all, so that it need allow nothing but `execve`.
pub(super) fn execute(plan: &ProcessPlan, payload: &Payload<'_>) -> Done<Infallible> {
    let (report, agent) = keep_only(plan, payload).at(Stage::Exec, 0)?;
    let payload = Payload {
        report: report.as_fd(),
        listener: agent.as_ref().map(|(fd, state)| (fd.as_fd(), *state)),
        ..*payload
    };
    // With the parent's end closed here this fails when the parent is gone.
    super::stops::say(payload.report, message::EXECUTING).at(Stage::Exec, 0)?;
    let take_rights = || restrict(plan, || load_filter(plan, &payload));
    let become_payload = || match take_rights() {
        Ok(()) => try_candidates(plan, &payload),
        Err(failure) => failure,
    };
    let failure = if plan.reaper {
        let go_on = || super::give_up(payload.report, become_payload());
        super::reaper::stand_between(plan, &payload, take_rights, go_on)
    } else {
        become_payload()
    };
    // What the caller holds as the report is closed by now: the failure goes out by the copy that was kept, and the
    // process ends here.
    super::give_up(payload.report, failure)
}

/// Loading a filter needs `no_new_privs` or CAP_SYS_ADMIN: with the latter, before the last capabilities go.
fn filter_needs_rights(plan: &ProcessPlan) -> bool {
    !plan.seccomp.is_empty() && !plan.no_new_privileges
}

/// A hook that starts in the container is under the payload's filter. An agent is told of one process alone: what it
/// would decide fails with ENOSYS (seccomp(2), `SECCOMP_RET_USER_NOTIF`).
pub(super) fn restrict_hook(plan: &ProcessPlan) -> Done {
    const WITH_AGENT: u32 = flag::NEW_LISTENER | flag::WAIT_KILLABLE_RECV;
    let load = || sys::seccomp::load(&plan.seccomp, plan.seccomp_flags & !WITH_AGENT).map(drop);
    restrict(plan, || load().at(Stage::Seccomp, 0))
}

fn restrict(plan: &ProcessPlan, load: impl FnOnce() -> Done) -> Done {
    if plan.seccomp.is_empty() {
        return Ok(());
    }
    if !filter_needs_rights(plan) {
        return load();
    }
    let all = CapabilitySet::from_bits_retain(u64::MAX >> (63 - plan.capabilities.last));
    // What was permitted survived the change of user (keepcaps), what was effective did not.
    let now = rustix::thread::capabilities(None).at(Stage::Capabilities, 0)?;
    let raised = CapabilitySets { effective: now.permitted & all, ..now };
    set_capabilities(None, raised).at(Stage::Capabilities, 1)?;
    load()?;
    drop_capabilities(plan)
}

fn load_filter(plan: &ProcessPlan, payload: &Payload<'_>) -> Done {
    let listener = sys::seccomp::load(&plan.seccomp, plan.seccomp_flags).at(Stage::Seccomp, 0)?;
    super::listener::tell(payload, listener).at(Stage::Seccomp, 1)
}

fn drop_capabilities(plan: &ProcessPlan) -> Done {
    let caps = &plan.capabilities;
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

/// Executes the first candidate that can be; comes back only to say why none could.
fn try_candidates(plan: &ProcessPlan, payload: &Payload<'_>) -> Failure {
    choose(plan, |path| Err(payload.tables.execute(path))).err().unwrap_or(Failure {
        stage: Stage::Exec,
        index: 1,
        errno: Errno::NOENT,
    })
}

/// Is there something to execute? A container that is only created should fail now rather than when it is started.
pub(super) fn find_program(plan: &ProcessPlan) -> Done {
    // `CAP_DAC_OVERRIDE`, `CAP_DAC_READ_SEARCH`: a user who is to have them gets them later, and then the exec tells.
    let has_rights_later = plan.uid != 0 && plan.capabilities.effective & 0b110 != 0;
    choose(plan, |path| match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::ACCESS) if has_rights_later => Ok(()),
        Err(errno) => Err(errno),
        Ok(()) if is_dir(path) => Err(Errno::ACCESS),
        Ok(()) => Ok(()),
    })
}

/// Takes the candidates in turn, as execvp(3) does, until one succeeds.
fn choose(plan: &ProcessPlan, attempt: impl Fn(&CStr) -> Result<(), Errno>) -> Done {
    let mut worst = Failure { stage: Stage::Exec, index: 1, errno: Errno::NOENT };
    for path in &plan.candidates {
        let Err(errno) = attempt(path.c()) else { return Ok(()) };
        let (index, go_on) = match errno {
            Errno::NOENT | Errno::NOTDIR => (1, true),
            Errno::ACCESS if is_dir(path.c()) => (3, plan.searched),
            // As Go's LookPath: what may not be executed does not count in a search.
            Errno::ACCESS if plan.searched => (1, true),
            _ => (1, false),
        };
        if !go_on {
            worst = Failure { stage: Stage::Exec, index, errno };
            break;
        }
        if !plan.searched {
            worst = Failure { stage: Stage::Exec, index, errno };
        }
    }
    // A file that is there and yet not found lacks its loader or interpreter.
    let is_there =
        |path: &Text| accessat(CWD, path.c(), Access::EXEC_OK, AtFlags::EACCESS).is_ok() && !is_dir(path.c());
    if worst.errno == Errno::NOENT && plan.candidates.iter().any(is_there) {
        worst.index = 2;
    }
    Err(worst)
}

fn is_dir(path: &CStr) -> bool {
    statat(CWD, path, AtFlags::empty()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// The first descriptor that is not the payload's.
pub(crate) fn first_own(plan: &ProcessPlan) -> u32 {
    FIRST_FD + plan.kept_fds
}

/// What is still needed moves to the first places that are not the payload's, marked close-on-exec; all after it is
/// closed.
#[allow(clippy::type_complexity, reason = "two descriptors, each by its own number")]
fn keep_only<'a>(
    plan: &ProcessPlan,
    payload: &Payload<'a>,
) -> Result<(OwnedFd, Option<(OwnedFd, &'a sys::shared::Text)>), Errno> {
    let first = first_own(plan);
    // First out of the way of each other, then into place.
    let aside = rustix::io::fcntl_dupfd_cloexec(payload.report, i32::try_from(first + 2).map_err(|_| Errno::BADF)?)?;
    let agent =
        payload.listener.map(|(agent, state)| Ok((sys::limits::move_to(agent, first + 1)?, state))).transpose()?;
    let report = sys::limits::move_to(aside.as_fd(), first)?;
    drop(aside);
    sys::process::close_range(first + 1 + u32::from(agent.is_some()), sys::process::Range::Close)?;
    for number in FIRST_FD..first {
        keep(number)?;
    }
    Ok((report, agent))
}

/// A descriptor of the caller's for the payload. One that is not there is none of the payload's business either.
fn keep(number: u32) -> Result<(), Errno> {
    match sys::limits::keep_at_exec(number) {
        Err(Errno::BADF) => Ok(()),
        other => other,
    }
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
