//! From a plan to a running payload: one `clone3`, then what only the host can do, then wait until it is executed or
//! says why not.

use crate::copy::copy;
use crate::failure::Failure;
use crate::init::{self, GO, Inherited, Payload, message};
use crate::joins::{self, Step};
use crate::plan::{HookPlan, Plan, Text, UserNamespace};
use crate::{diagnosis, sources, user_namespace};
use error::{Error, Kind, Result, ResultExt};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat, stat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::cell::Cell;
use std::ffi::CString;
use std::io::IoSlice;
use sys::process::{Child, Clone3, ExecTables, namespace};

/// What an init that stays is called before its payload's command line, as Docker's.
const INIT_WORDS: [&std::ffi::CStr; 2] = [c"/sbin/docker-init", c"--"];

/// What a launch takes besides the plan.
pub struct Launch<'a> {
    /// The root file system, as a mount attached nowhere.
    pub root: BorrowedFd<'a>,
    /// Standard input, output and error; `None` when the plan wants a terminal.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
    /// The cgroup (v2) it starts in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The `tasks` files of the v1 cgroups that it joins.
    pub task_files: &'a [OwnedFd],
    /// What the init must not hold: the launcher's lock.
    pub launchers: Option<BorrowedFd<'a>>,
    /// A listening socket (`SOCK_SEQPACKET`), for a plan that stops before its payload.
    pub start: Option<BorrowedFd<'a>>,
    /// A socket connected to the seccomp agent, for a plan with a listener.
    pub agent: Option<BorrowedFd<'a>>,
    /// Files that the hooks of the plan read: the state while it is created, and once it is.
    pub hook_input: Option<[BorrowedFd<'a>; 2]>,
    /// Told of what happens on the way, for what is not the launch's business.
    pub attend: &'a mut dyn FnMut(Event<'_>) -> Result<()>,
}

/// A point on the way at which the init waits.
pub enum Event<'a> {
    /// The init exists and has done nothing; only for plans that stop at birth. The text is what a seccomp agent will
    /// be told.
    Born(Pid, &'a mut sys::shared::Text),
    /// Everything is mounted and the root not yet switched; only for plans that stop then.
    Mounted(Pid),
}

/// Attends to nothing.
pub fn attend_nothing(_: Event<'_>) -> Result<()> {
    Ok(())
}

/// A payload that has been executed, or waits for its start.
#[derive(Debug)]
pub struct Running {
    /// Its process id in our namespace.
    pub pid: Pid,
    /// Becomes readable when it ends.
    pub pidfd: OwnedFd,
    /// The controlling end of its terminal, when it has one.
    pub console: Option<OwnedFd>,
}

/// Starts the payload. The caller must close its own descriptors of the root afterwards, or the root's file system
/// outlives the container; and it must not ignore SIGCHLD, or nobody could wait for the payload.
///
/// # Errors
/// `CommandNotFound`, `NotExecutable`, or whatever the init could not do; the child is gone then.
pub fn launch(plan: &Plan, with: Launch<'_>) -> Result<Running> {
    let sources = sources::open(plan, with.root)?;
    let made: Vec<Cell<Option<OwnedFd>>> = plan.root.steps.iter().map(|_| Cell::new(None)).collect();
    let (report, child_report) =
        sys::socket::message_pair().map_err(std::io::Error::from).context(|| "can't make a socket")?;
    let strings = Strings::of(plan);
    let mut told = sys::shared::Text::new().map_err(std::io::Error::from).context(|| "can't share memory")?;
    let mount_namespace = plan.mount_namespace.as_ref().map(open_mount_namespace).transpose()?;
    let host_proc = host_proc(plan.process.apparmor.is_some() || plan.process.selinux.is_some())?;
    let tables = Tables::of(&strings);
    let words = || INIT_WORDS.into_iter().chain(plan.process.argv.iter().map(Text::c));
    let title = plan.process.reaper.then(|| sys::process::Title::new(words())).flatten();
    let revealing = crate::revealing::points(plan)?;
    let inherited = Inherited {
        root: with.root,
        sources: &sources,
        made: &made,
        mount_namespace: mount_namespace.as_ref().map(AsFd::as_fd),
        revealing: &revealing,
        create_container_hooks: &tables.create_container,
        start_container_hooks: &tables.start_container,
        launchers: [Some(report.as_fd()), with.launchers],
        task_files: with.task_files,
        hook_input: with.hook_input,
        start: with.start,
        payload: Payload {
            stdio: with.stdio,
            report: child_report.as_fd(),
            tables: &tables.payload,
            title: title.as_ref(),
            host_proc: host_proc.as_ref().map(AsFd::as_fd),
            listener: with.agent.map(|agent| (agent, &told)),
        },
    };
    let child = clone_init(plan, with.cgroup, &inherited)?;
    drop((child_report, sources));
    let heard = accompany(plan, &child, &report, &mut told, with.attend);
    let error = match heard {
        Ok(Heard { failure: Some(failure), .. }) => {
            diagnosis::deepen(failure.explain(plan), failure, &plan.process, child.pid)
        }
        Ok(Heard { arrived: true, console, .. }) => {
            return Ok(Running { pid: child.pid, pidfd: child.pidfd, console });
        }
        Ok(_) => killed(),
        Err(error) => error,
    };
    Err(reap(child.pid, error))
}

/// Makes the init at once, or from where the plan's namespaces are joined.
fn clone_init(plan: &Plan, cgroup: Option<BorrowedFd<'_>>, inherited: &Inherited<'_>) -> Result<Child> {
    let steps = joins::open(plan)?;
    let later = if plan.mounts_before_leaving() { namespace::MOUNT } else { 0 };
    let what = Clone3 { namespaces: plan.namespaces & !later, cgroup, sibling: false };
    if steps.is_empty() {
        return copy(what, || init::run(plan, inherited)).map_err(refused);
    }
    clone_between(&steps, what, plan, inherited)
}

/// A child takes the steps and makes the init as its sibling, our child. It says the init's id, or which step failed.
fn clone_between(steps: &[Step], what: Clone3<'_>, plan: &Plan, inherited: &Inherited<'_>) -> Result<Child> {
    // One of its own: on the other the init may speak first.
    let (ear, mouth) = sys::socket::message_pair().map_err(std::io::Error::from).context(|| "can't make a socket")?;
    let child = copy(Clone3 { namespaces: 0, ..what }, || {
        if plan.joins.iter().any(|join| join.kind == namespace::PID) {
            // Those who live there see the init from its first moment (CVE-2016-9962). The call has no way to fail.
            let _ = sys::process::hide_memory();
        }
        let failed = steps.iter().enumerate().find_map(|(index, step)| Some((index, joins::take(step, plan).err()?)));
        let make = || copy(Clone3 { cgroup: None, sibling: true, ..what }, || init::run(plan, inherited));
        match failed.map_or_else(|| make().map_err(|errno| (steps.len(), errno)), Err) {
            Ok(init) => tell(&mouth, init.pid.as_raw_nonzero().get(), 0),
            Err((index, errno)) => tell(&mouth, -1 - i32::try_from(index).unwrap_or(0), errno.raw_os_error()),
        }
    })
    .map_err(refused)?;
    // Then it has said all it had to say. It is our child, so there is nothing that could fail.
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()));
    let (number, errno) = hear_between(&ear).ok_or_else(killed)?;
    let Some(pid) = (number > 0).then(|| Pid::from_raw(number)).flatten() else {
        let (index, errno) = (usize::try_from(-1 - number).unwrap_or_default(), Errno::from_raw_os_error(errno));
        return Err(steps.get(index).map_or_else(|| refused(errno), |step| joins::explain(step, index, errno, plan)));
    };
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        .map_err(std::io::Error::from)
        .context(|| "can't watch the container's init")?;
    Ok(Child { pid, pidfd })
}

/// The last act of the process between.
fn tell(mouth: &OwnedFd, number: i32, errno: i32) -> ! {
    let words = [number.to_ne_bytes(), errno.to_ne_bytes()];
    let parts = [IoSlice::new(&words[0]), IoSlice::new(&words[1])];
    // Nobody is left to be told if this fails.
    let _ = sys::socket::send(mouth, &parts, None, SendFlags::empty());
    sys::process::exit_now(0)
}

/// `None`: it was killed before it could say anything.
fn hear_between(ear: &OwnedFd) -> Option<(i32, i32)> {
    let mut words = [0; 8];
    let (length, _) = sys::socket::receive(ear, &mut words, RecvFlags::DONTWAIT).ok()?;
    let [a, b, c, d, e, f, g, h] = words;
    (length == words.len()).then(|| (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h])))
}

/// The end of a child that made a sibling: says which, or why not.
pub(crate) fn tell_pid(made: Result<Child, Errno>, report: BorrowedFd<'_>) -> ! {
    match made {
        Ok(sibling) => {
            let pid = sibling.pid.as_raw_nonzero().get().to_ne_bytes();
            // If nobody hears it there is nobody to go on.
            let _ = sys::socket::send(report, &[IoSlice::new(&pid)], None, SendFlags::empty());
            sys::process::exit_now(0)
        }
        Err(errno) => sys::process::exit_now(errno.raw_os_error().clamp(1, 255)),
    }
}

/// What the init said.
#[derive(Default)]
struct Heard {
    console: Option<OwnedFd>,
    arrived: bool,
    failure: Option<Failure>,
}

/// Does at each stop what the host must do, and listens until the init waits for its start, or its end of the socket
/// closes: by exec, or by its death.
fn accompany(
    plan: &Plan,
    child: &Child,
    report: &OwnedFd,
    told: &mut sys::shared::Text,
    attend: &mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<Heard> {
    if plan.stops.at_birth {
        if let UserNamespace::New(maps) = &plan.user_namespace {
            user_namespace::write_maps(child.pid, maps)?;
        }
        if plan.user_namespace != UserNamespace::Inherited {
            grant(&plan.process, child.pid)?;
        }
        attend(Event::Born(child.pid, told))?;
        go(report)?;
    }
    listen(report, || attend(Event::Mounted(child.pid)))
}

/// What a root that is nobody outside may not do for itself.
pub(crate) fn grant(plan: &crate::plan::ProcessPlan, pid: Pid) -> Result<()> {
    if let Some(score) = plan.oom_score_adj {
        let path = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
        let file = openat(CWD, &path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let written = file.and_then(|file| rustix::io::write(&file, score.to_string().as_bytes()));
        written.map_err(std::io::Error::from).context(|| format!("can't write `{score}` to `{path}`"))?;
    }
    for &(resource, soft, hard) in &plan.rlimits {
        sys::limits::set_of(pid, resource, soft, hard).map_err(std::io::Error::from).context(|| {
            format!("can't set the resource limit RLIMIT_{}", crate::rlimits::name(resource).unwrap_or("?"))
        })?;
    }
    Ok(())
}

/// Lets the init go on. If it is gone, the listening tells why.
pub(crate) fn go(report: &OwnedFd) -> Result<()> {
    match sys::socket::send(report, &[IoSlice::new(GO)], None, SendFlags::empty()) {
        Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't speak to the container's init"),
    }
}

fn listen(report: &OwnedFd, mut mounted: impl FnMut() -> Result<()>) -> Result<Heard> {
    let mut heard = Heard::default();
    loop {
        let mut message = [0; 16];
        let received = match sys::socket::receive(report, &mut message, RecvFlags::empty()) {
            // It ended with something of ours unread.
            Err(Errno::CONNRESET) => return Ok(heard),
            received => received,
        };
        let (length, fd) = received.map_err(std::io::Error::from).context(|| "can't hear from the container's init")?;
        match &message[..length] {
            [] => return Ok(heard),
            message::CONSOLE => heard.console = fd,
            message::EXECUTING => heard.arrived = true,
            message::CREATED => return Ok(Heard { arrived: true, ..heard }),
            message::MOUNTED => {
                mounted()?;
                go(report)?;
            }
            // Its last word: it may wait now.
            bytes => return Ok(Heard { failure: Failure::decode(bytes), ..heard }),
        }
    }
}

/// Listens to an init that has nothing to wait for any more: its terminal, or why there is no payload.
pub(crate) fn hear_out(report: &OwnedFd, explain: impl FnOnce(Failure) -> Error) -> Result<Option<OwnedFd>> {
    match listen(report, || Ok(()))? {
        Heard { failure: Some(failure), .. } => Err(explain(failure)),
        Heard { arrived: true, console, .. } => Ok(console),
        _ => Err(killed()),
    }
}

fn killed() -> Error {
    Error::new(Kind::Unavailable, "the container's init was killed before it could start the command")
        .hint("did the machine or the container run out of memory?")
}

/// The child has said that it ends, or is killed when it has not.
pub(crate) fn reap(pid: Pid, error: Error) -> Error {
    // It may be gone already; the wait below tells.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    error
}

fn refused(errno: Errno) -> Error {
    let error = sys::kernel::error(errno).context("can't make the container's namespaces (clone3)");
    match errno {
        Errno::PERM => error.hint("this needs root, or user namespaces for ordinary users"),
        Errno::NOSPC | Errno::USERS => error.hint("a limit of /proc/sys/user/max_*_namespaces is reached"),
        _ => error,
    }
}

/// A namespace by its file.
pub(crate) fn open_namespace(path: &Text) -> Result<OwnedFd> {
    openat(CWD, path.c(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(std::io::Error::from)
        .context(|| format!("can't open the namespace `{}`", path.lossy()))
}

/// A mount namespace to make a container in: not ours, whose root would become the container's.
fn open_mount_namespace(path: &Text) -> Result<OwnedFd> {
    let namespace = open_namespace(path)?;
    let (theirs, ours) = fstat(&namespace)
        .and_then(|theirs| Ok((theirs, stat(c"/proc/thread-self/ns/mnt")?)))
        .map_err(std::io::Error::from)
        .context(|| format!("can't look at the namespace `{}`", path.lossy()))?;
    if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino) {
        let message = format!("config.json: `linux.namespaces`: the mount namespace `{}` is the host's", path.lossy());
        return Err(Error::invalid(message));
    }
    Ok(namespace)
}

/// The host's `/proc`, when a label has to be written through it.
pub(crate) fn host_proc(wanted: bool) -> Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || openat(CWD, c"/proc", flags, Mode::empty());
    wanted.then(open).transpose().map_err(std::io::Error::from).context(|| "can't open `/proc`")
}

/// The plan's strings as the C library keeps them, for the tables below.
struct Strings {
    argv: Vec<CString>,
    env: Vec<CString>,
    create_container: Vec<[Vec<CString>; 2]>,
    start_container: Vec<[Vec<CString>; 2]>,
}

impl Strings {
    fn of(plan: &Plan) -> Self {
        let hooks = |hooks: &[HookPlan]| hooks.iter().map(|hook| [owned(&hook.argv), owned(&hook.env)]).collect();
        Self {
            argv: owned(&plan.process.argv),
            env: owned(&plan.process.env),
            create_container: hooks(&plan.create_container_hooks),
            start_container: hooks(&plan.start_container_hooks),
        }
    }
}

pub(crate) fn owned(texts: &[Text]) -> Vec<CString> {
    texts.iter().map(|text| text.c().to_owned()).collect()
}

/// Pointer tables for every program that the init executes.
struct Tables<'a> {
    payload: ExecTables<'a>,
    create_container: Vec<ExecTables<'a>>,
    start_container: Vec<ExecTables<'a>>,
}

impl<'a> Tables<'a> {
    fn of(strings: &'a Strings) -> Self {
        let hooks =
            |hooks: &'a [[Vec<CString>; 2]]| hooks.iter().map(|[argv, env]| ExecTables::new(argv, env)).collect();
        Self {
            payload: ExecTables::new(&strings.argv, &strings.env),
            create_container: hooks(&strings.create_container),
            start_container: hooks(&strings.start_container),
        }
    }
}
