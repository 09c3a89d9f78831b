//! The profile of containers that ask for nothing else: Docker's default, as of moby/profiles in June 2026.
//!
//! It differs in one thing. Docker compares the address family of `socket` as a number of 64 bits, of which the kernel
//! then drops the upper half: `socket(AF_ALG + (1 << 32), …)` passes its filter and is an `AF_ALG` socket all the same.
//! We look at the lower half only. Kernels before 4.8, where tracing could evade a filter, are older than any that we
//! run on, so `ptrace` is always allowed.
//!
//! On 32-bit x86, `socketcall` is allowed as in Docker: its arguments lie in memory, where no filter can see them.

use super::arch;
use oci::runtime::Seccomp;
use oci::runtime::seccomp::{Action, Arch, Arg, Op, Rule};

/// Allowed to all.
const ALLOWED: &str = "
    _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
    chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
    fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
    fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
    getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
    getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr
    listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
    newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect
    poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64
    recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir
    rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
    semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
    set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
    setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid
    setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
    sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
    sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime
    utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
    process_vm_readv process_vm_writev ptrace
";

/// Allowed on one kind of machine.
const ALLOWED_ON: [(&[Arch], &str); 5] = [
    (&[Arch::Ppc64le], "sync_file_range2 swapcontext"),
    (&[Arch::Aarch64], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    (&[Arch::X86_64], "arch_prctl modify_ldt"),
    (&[Arch::S390x], "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
    (&[Arch::Riscv64], "riscv_flush_icache"),
];

/// Allowed to those who could do much the same without the call.
const ALLOWED_WITH: [(&str, &str); 14] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
        quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// Linux, 32 bits wide, with the sizes of System V, both, and the question which it is.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff];

/// `(mask, value)` of the allowed families: 0 to 63, a round number above today's 45, without `AF_ALG` (38), which
/// has been a way into the kernel too often, and `AF_VSOCK` (40), which reaches the host past all namespaces.
const FAMILIES: [(u64, u64); 8] = [
    (0xffff_ffe0, 0),
    (0xffff_fffc, 32),
    (0xffff_fffe, 36),
    (0xffff_ffff, 39),
    (0xffff_ffff, 41),
    (0xffff_fffe, 42),
    (0xffff_fffc, 44),
    (0xffff_fff0, 48),
];

/// All of `CLONE_NEW…` that fit into clone's flags (NS, CGROUP, UTS, IPC, USER, PID, NET): forbidden without
/// CAP_SYS_ADMIN, for a new user namespace opens much of the kernel to attack.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// `EPERM` and `ENOSYS`.
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The default profile for a container with `caps` (its bounding set, as `CAP_…` names).
pub fn docker_default(caps: &[&str], native: Arch) -> Seccomp {
    let admin = caps.contains(&"CAP_SYS_ADMIN");
    let mut names: Vec<&str> = ALLOWED.split_ascii_whitespace().collect();
    let on = ALLOWED_ON.iter().filter(|(arches, _)| arches.contains(&native)).map(|(_, names)| names);
    let with = ALLOWED_WITH.iter().filter(|(cap, _)| caps.contains(cap)).map(|(_, names)| names);
    names.extend(on.chain(with).flat_map(|names| names.split_ascii_whitespace()));
    names.sort_unstable();
    names.dedup();

    let mut syscalls = vec![rule(&names, Action::Allow, None, None)];
    for (mask, value) in FAMILIES {
        syscalls.push(rule(&["socket"], Action::Allow, None, Some(masked(0, mask, value))));
    }
    for value in PERSONALITIES {
        let arg = Arg { index: 0, value, value_two: 0, op: Op::Equal };
        syscalls.push(rule(&["personality"], Action::Allow, None, Some(arg)));
    }
    if !admin {
        // On s390x the stack comes first.
        let flags = if native == Arch::S390x { 1 } else { 0 };
        syscalls.push(rule(&["clone"], Action::Allow, None, Some(masked(flags, NEW_NAMESPACES, 0))));
        // Its flags lie in memory, where no filter can see them; with this answer the C library takes `clone`.
        syscalls.push(rule(&["clone3"], Action::Errno, Some(ENOSYS), None));
    }
    Seccomp {
        default_action: Action::Errno,
        default_errno_ret: Some(EPERM),
        architectures: arch::machine(native).map(|machine| machine.default_list.to_vec()).unwrap_or_default(),
        flags: None,
        listener_path: String::new(),
        listener_metadata: String::new(),
        syscalls,
    }
}

/// Those of `caps` that change the profile, in one order for equal sets.
pub(super) fn matters(caps: &[&str]) -> impl Iterator<Item = &'static str> {
    ALLOWED_WITH.iter().map(|(cap, _)| *cap).filter(move |cap| caps.contains(cap))
}

fn masked(index: u32, mask: u64, value: u64) -> Arg {
    Arg { index, value: mask, value_two: value, op: Op::MaskedEqual }
}

fn rule(names: &[&str], action: Action, errno_ret: Option<u32>, arg: Option<Arg>) -> Rule {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Rule { names, action, errno_ret, args: arg.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::table;

    #[test]
    fn every_name_is_a_system_call_somewhere() {
        let lists = ALLOWED_ON.iter().chain(&[]).map(|(_, names)| *names);
        let lists = lists.chain(ALLOWED_WITH.iter().map(|(_, names)| *names)).chain([ALLOWED]);
        let unknown: Vec<&str> = lists
            .flat_map(str::split_ascii_whitespace)
            .filter(|name| table::SYSCALLS.binary_search_by_key(name, |(known, _)| known).is_err())
            .collect();
        assert_eq!(unknown, [""; 0]);
    }

    #[test]
    fn the_family_masks_allow_all_but_two_of_the_first_64() {
        let allowed = |family: u64| FAMILIES.iter().any(|(mask, value)| family & mask == *value);
        let refused: Vec<u64> = (0..200).filter(|family| !allowed(*family)).take(3).collect();
        assert_eq!(refused, [38, 40, 64]);
    }
}
