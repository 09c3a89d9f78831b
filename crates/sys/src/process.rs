//! Making and replacing processes: `clone3`, `execve`, and what a process must shed before it becomes another program.
//!
//! Everything that runs in a child between clone and exec allocates nothing: tables are built before.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;

/// What a child gets that its parent does not have (clone(2)).
#[derive(Debug, Clone, Copy, Default)]
pub struct Clone3<'a> {
    /// `CLONE_NEW*` bits.
    pub namespaces: u64,
    /// Start in this cgroup (v2 directory, kernel 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// A child of our parent instead of ours (`CLONE_PARENT`): whoever started us can wait for it.
    pub sibling: bool,
}

/// A process that [`clone3`] made.
#[derive(Debug)]
pub struct Child {
    /// Its id in our pid namespace.
    pub pid: rustix::process::Pid,
    /// Becomes readable when it ends.
    pub pidfd: OwnedFd,
}

/// `CLONE_NEW*` bits for [`Clone3::namespaces`].
pub mod namespace {
    /// Mounts.
    pub const MOUNT: u64 = libc::CLONE_NEWNS as u64;
    /// Process ids.
    pub const PID: u64 = libc::CLONE_NEWPID as u64;
    /// Host name.
    pub const UTS: u64 = libc::CLONE_NEWUTS as u64;
    /// System V and POSIX message queues.
    pub const IPC: u64 = libc::CLONE_NEWIPC as u64;
    /// Network.
    pub const NETWORK: u64 = libc::CLONE_NEWNET as u64;
    /// Cgroup root.
    pub const CGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
    /// User and group ids.
    pub const USER: u64 = libc::CLONE_NEWUSER as u64;
    /// Clocks (kernel 5.6).
    pub const TIME: u64 = 0x80;
}

/// `struct clone_args` of linux/sched.h, version 2 (kernel 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Makes a child process that is a copy of this one: `None` in the child, the child in the parent.
///
/// # Errors
/// clone3(2)'s. `EPERM` without privilege, `ENOSYS` before kernel 5.3.
///
/// # Safety
/// The child shares nothing but is a copy in the middle of a call: the caller must be single-threaded, or the child
/// must do nothing but async-signal-safe calls (no allocation, no lock) until it executes or exits.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub unsafe fn clone3(what: Clone3<'_>) -> Result<Option<Child>, Errno> {
    let mut pidfd: libc::c_int = -1;
    let mut args = CloneArgs {
        flags: what.namespaces | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if what.sibling {
        args.flags |= libc::CLONE_PARENT as u64;
        // It has its creator's own signal (clone(2)).
        args.exit_signal = 0;
    }
    if let Some(cgroup) = what.cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP, which does not fit libc's c_int
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // SAFETY: `args` is a valid clone_args of the size given, without CLONE_VM and without a stack: fork semantics.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        0 => Ok(None),
        1.. => {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            // SAFETY: CLONE_PIDFD made this descriptor for us alone.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Some(Child { pid: pid.expect("the kernel's pids are positive and fit an i32"), pidfd }))
        }
        _ => Err(last_errno()),
    }
}

/// The pointer tables that execve wants, built while allocating is still allowed.
pub struct ExecTables<'a> {
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    strings: PhantomData<&'a CStr>,
}

impl<'a> ExecTables<'a> {
    /// Tables over strings that live as long as the tables.
    pub fn new(argv: &'a [CString], env: &'a [CString]) -> Self {
        let table = |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Self { argv: table(argv), envp: table(env), strings: PhantomData }
    }

    /// The same with the environment of this process: nothing of it is copied. Only a program of one thread may use it,
    /// for another could change the environment meanwhile.
    #[allow(unsafe_code, reason = "the C library's table has no other name")]
    pub fn with_own_environment(argv: &'a [CString]) -> Self {
        unsafe extern "C" {
            static environ: *const *const c_char;
        }
        let mut envp = Vec::new();
        // SAFETY: the C library's table ends with a null pointer; null itself where there is none (environ(7)).
        let mut entry = unsafe { environ };
        while !entry.is_null() {
            // SAFETY: as above.
            let string = unsafe { *entry };
            envp.push(string);
            if string.is_null() {
                break;
            }
            // SAFETY: this was not the last one.
            entry = unsafe { entry.add(1) };
        }
        if envp.is_empty() {
            envp.push(std::ptr::null());
        }
        Self { argv: argv.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect(), envp, strings: PhantomData }
    }

    /// execve(2): returns only to say why it could not.
    #[allow(unsafe_code, reason = "the system call has no safe wrapper")]
    pub fn execute(&self, path: &CStr) -> Errno {
        // SAFETY: both tables end with a null pointer and their strings outlive `self`.
        unsafe { libc::execve(path.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
        last_errno()
    }
}

/// Ends this process at once: no destructors, no flushing, as a child between clone and exec must.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// What [`close_range`] does with the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Close them now.
    Close,
    /// Close them at exec.
    CloseOnExec,
}

/// Closes every descriptor from `first` on (close_range(2), kernel 5.9; `CLOSE_ON_EXEC` 5.11).
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn close_range(first: u32, what: Range) -> Result<(), Errno> {
    let flags: libc::c_uint = match what {
        Range::Close => 0,
        Range::CloseOnExec => 4, // CLOSE_RANGE_CLOEXEC
    };
    // SAFETY: closing descriptors that safe code still owns would be unsound; callers are a program's first act, and
    // an init that is about to execute and uses none of them again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) }).map(drop)
}

/// Closes one descriptor that its owner in this process will never use again: an init gives up what its launcher holds.
#[allow(unsafe_code, reason = "a borrowed descriptor is closed")]
pub fn give_up(fd: BorrowedFd<'_>) {
    // SAFETY: the caller is an init, a copy of the process that owns it, and never runs that owner's code again.
    unsafe { rustix::io::close(fd.as_raw_fd()) };
}

/// Is a descriptor of that number open which came through exec? What a program opens itself is close-on-exec from the
/// start (fcntl(2), `F_GETFD`), so it can be told apart.
#[allow(unsafe_code, reason = "a number that may be no descriptor can't be lent as one")]
pub fn is_inherited(number: u32) -> bool {
    let Ok(number) = libc::c_int::try_from(number) else { return false };
    // SAFETY: the call only reads a flag of whatever the number stands for, if anything.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Closes every descriptor from `first` on but these: an init lets go of what its launcher has open. Allocates nothing.
pub fn close_all_but<const N: usize>(first: u32, kept: [Option<BorrowedFd<'_>>; N]) -> Result<(), Errno> {
    let mut kept = kept.map(|fd| fd.map_or(u32::MAX, |fd| fd.as_raw_fd().unsigned_abs()));
    close_around(first, &mut kept)
}

/// The same for any number of them, for who may allocate.
pub fn close_all_but_these(first: u32, kept: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    close_around(first, &mut kept)
}

fn close_around(first: u32, kept: &mut [u32]) -> Result<(), Errno> {
    kept.sort_unstable();
    let mut from = first;
    for number in kept.iter().copied().filter(|number| *number >= first && *number != u32::MAX) {
        if number > from {
            close_between(from, number - 1)?;
        }
        from = number + 1;
    }
    close_between(from, u32::MAX)
}

#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
fn close_between(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the caller is an init, a copy of the process that owns them, and never runs that owner's code again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Takes a capability from the bounding set for good (prctl(2), `PR_CAPBSET_DROP`). `EINVAL`: this kernel has no such.
#[allow(unsafe_code, reason = "rustix knows only the capabilities of its own time")]
pub fn drop_from_bounding_set(capability: u8) -> Result<(), Errno> {
    // SAFETY: the call takes plain numbers.
    let ret = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
    check(ret.into()).map(drop)
}

/// Raises an inheritable and permitted capability in the ambient set (prctl(2), `PR_CAP_AMBIENT_RAISE`).
#[allow(unsafe_code, reason = "rustix knows only the capabilities of its own time")]
pub fn raise_ambient(capability: u8) -> Result<(), Errno> {
    // SAFETY: the call takes plain numbers.
    let ret =
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(capability), 0, 0) };
    check(ret.into()).map(drop)
}

/// Gives this process a session keyring of its own, so that it does not possess its parent's keys (keyctl(2)).
/// A kernel without keyrings has nothing to share: that is success, and so is a refusal by whoever contains us, for the
/// payload could not use any keyring either.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn join_new_session_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    match check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<c_char>()) }) {
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Every signal gets its default disposition and none is blocked, whatever the caller ignored or blocked.
///
/// Ignored signals survive execve and even `CLONE_CLEAR_SIGHAND`; a payload must not inherit a `nohup`.
/// By the kernel's own call, because the C library refuses to name two real-time signals that it keeps for itself, and
/// callers that ignore those exist, too.
#[allow(unsafe_code, reason = "rustix leaves signal dispositions to the C library")]
pub fn reset_signals() -> Result<(), Errno> {
    /// Bytes of the kernel's `sigset_t`: 64 signals (on every architecture but MIPS).
    const SIGSET_BYTES: usize = 8;
    /// The last signal there is.
    const LAST: libc::c_int = 64;
    // All zero is SIG_DFL, no flags, nothing blocked; as large as the kernel's `struct sigaction` is anywhere.
    let default = [0_u64; 4];
    let none = [0_u8; SIGSET_BYTES];
    // SAFETY: both structures are live and as large as the kernel reads; nothing is written back. After this no
    // handler of this program runs any more.
    unsafe {
        for signal in 1..=LAST {
            // KILL and STOP refuse; nobody can have changed them.
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, std::ptr::null::<u64>(), SIGSET_BYTES);
        }
        let how = libc::SIG_SETMASK;
        check(libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const none, std::ptr::null::<u8>(), SIGSET_BYTES))
            .map(drop)
    }
}

/// Sends a signal by number, real-time ones too (pidfd_send_signal(2), kernel 5.1).
#[allow(unsafe_code, reason = "rustix takes only signals that have names")]
pub fn signal(pidfd: impl rustix::fd::AsFd, number: u8) -> Result<(), Errno> {
    let fd = pidfd.as_fd().as_raw_fd();
    let number = libc::c_int::from(number);
    // SAFETY: no siginfo is given; the kernel checks the number.
    let ret = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, std::ptr::null::<u8>(), 0) };
    check(ret).map(drop)
}

/// The same by process id (kill(2)), for one that cannot have become another meanwhile.
#[allow(unsafe_code, reason = "rustix takes only signals that have names")]
pub fn signal_pid(pid: rustix::process::Pid, number: u8) -> Result<(), Errno> {
    // SAFETY: the call takes plain numbers.
    check(unsafe { libc::kill(pid.as_raw_nonzero().get(), libc::c_int::from(number)) }.into()).map(drop)
}

/// Enters namespaces: `fd` is a namespace's file and `kinds` its `CLONE_NEW*` bit, or a pidfd and any of them (setns(2),
/// with a pidfd since kernel 5.8). A pid or time namespace counts for children only.
#[allow(unsafe_code, reason = "rustix leaves the working directory and descriptors of a thread to its caller's care")]
pub fn enter_namespaces(fd: impl rustix::fd::AsFd, kinds: u64) -> Result<(), Errno> {
    let kinds = libc::c_int::try_from(kinds).map_err(|_| Errno::INVAL)?;
    // SAFETY: no memory is involved; the descriptor is open.
    check(unsafe { libc::setns(fd.as_fd().as_raw_fd(), kinds) }.into()).map(drop)
}

/// Leaves these `CLONE_NEW*` namespaces for new ones (unshare(2)); a new pid or time namespace counts for children only.
#[allow(unsafe_code, reason = "the system call has no safe wrapper")]
pub fn leave_namespaces(kinds: u64) -> Result<(), Errno> {
    let kinds = libc::c_int::try_from(kinds).map_err(|_| Errno::INVAL)?;
    // SAFETY: namespaces hold no memory of ours; descriptors stay shared as they are.
    check(unsafe { libc::unshare(kinds) }.into()).map(drop)
}

/// Keeps other processes from tracing this one and from reading its memory and descriptors (prctl(2),
/// `PR_SET_DUMPABLE`); an exec ends it.
#[allow(unsafe_code, reason = "rustix offers the call with an enum of one's own making")]
pub fn hide_memory() -> Result<(), Errno> {
    // SAFETY: the call takes plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

/// Gives this process another name in `ps` where there is room: `/proc/self/comm`, 15 bytes.
pub fn set_name(name: &CStr) -> Result<(), Errno> {
    rustix::thread::set_name(name)
}

/// What a copy of this process shall be called in process lists, in place of the command line by which it was started.
#[derive(Debug)]
pub struct Title {
    /// Where the kernel reads the command line.
    place: usize,
    /// The new one, as long as the old.
    text: Vec<u8>,
}

impl Title {
    /// Prepares the words, cut to the room that there is. `None`: the kernel does not say where that is.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a CStr>) -> Option<Self> {
        // The name, in parentheses, may have spaces and parentheses in it; after it come the state (3) and, far behind,
        // where the arguments begin and end (48, 49; proc_pid_stat(5)).
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split_whitespace();
        let begin: usize = fields.nth(45)?.parse().ok()?;
        let end: usize = fields.next()?.parse().ok()?;
        let room = end.checked_sub(begin).filter(|room| begin != 0 && *room > 0)?;
        let mut text: Vec<u8> = words.into_iter().flat_map(CStr::to_bytes_with_nul).copied().collect();
        text.resize(room, 0);
        // The kernel takes a last byte that is not 0 for a sign that the text goes on in the environment.
        text[room - 1] = 0;
        Some(Self { place: begin, text })
    }

    /// Shows it. Only for a copy that reads its own arguments no more. Allocates nothing.
    #[allow(unsafe_code, reason = "the command line is where the kernel has put it")]
    pub fn show(&self) {
        // SAFETY: the kernel has put the arguments of this program there, writable and so long; a copy has them at the
        // same place. Whoever calls this is a process of its own that looks at them no more.
        unsafe { std::ptr::copy_nonoverlapping(self.text.as_ptr(), self.place as *mut u8, self.text.len()) };
    }
}

pub(crate) fn check(ret: libc::c_long) -> Result<libc::c_long, Errno> {
    if ret < 0 { Err(last_errno()) } else { Ok(ret) }
}

#[allow(unsafe_code, reason = "std's last_os_error makes a value that could allocate")]
fn last_errno() -> Errno {
    // SAFETY: errno's address is valid for as long as the thread is.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}
