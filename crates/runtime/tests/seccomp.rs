//! Filters in the real kernel: a child loads one, makes one call and exits with the errno it got.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "raw system calls in a forked child are what is tested")]

use oci::capabilities::{Capability, DEFAULT};
use runtime::seccomp::{Instruction, NATIVE, compile_section, default_json, docker_default, program};

/// How the child's call ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Done,
    Errno(i32),
    Signal(i32),
}
use End::{Done, Errno, Signal};

/// Runs `call` in a child that has loaded `filter`; it returns 0 or `-errno`.
fn under(filter: &[Instruction], call: impl Fn() -> i64) -> End {
    // SAFETY: between fork and _exit the child makes system calls only: no allocation, no lock, no unwinding.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        // SAFETY: as above. 255 is no errno of these tests.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if sys::seccomp::load(filter, sys::seccomp::flag::SPEC_ALLOW).is_err() {
                libc::_exit(255);
            }
            let result = call();
            libc::_exit(if result < 0 { i32::try_from(-result).unwrap_or(254) } else { 0 });
        }
    }
    let mut status = 0;
    // SAFETY: `pid` is our child, `status` is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    match (libc::WIFSIGNALED(status), libc::WEXITSTATUS(status)) {
        (true, _) => Signal(libc::WTERMSIG(status)),
        (false, 0) => Done,
        (false, 255) => panic!("the kernel refused the filter"),
        (false, errno) => Errno(errno),
    }
}

/// A raw call: 0 or more, or `-errno`.
fn raw(number: i64, args: [u64; 3]) -> i64 {
    // SAFETY: the tests pass numbers and flags, or null where the kernel wants addresses: it answers EFAULT.
    let result = unsafe { libc::syscall(number, args[0], args[1], args[2], 0, 0, 0) };
    // SAFETY: errno's address is valid as long as the thread is.
    if result < 0 { -i64::from(unsafe { *libc::__errno_location() }) } else { result }
}

fn default_filter() -> Vec<Instruction> {
    compile_section(default_json()).expect("it is compiled already").instructions.into_owned()
}

/// A profile that allows all but `rules`.
fn allow_but(rules: &str) -> Vec<Instruction> {
    let text = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rules}]}}"#);
    compile_section(&text).expect("the test's rules are valid").instructions.into_owned()
}

#[test]
fn the_default_profile_refuses_what_docker_refuses() {
    let filter = default_filter();
    let new_user = u64::try_from(libc::CLONE_NEWUSER).unwrap();
    let datagram = u64::try_from(libc::SOCK_DGRAM).unwrap();
    let cases: &[(&str, i64, [u64; 3], End)] = &[
        ("getpid", libc::SYS_getpid, [0; 3], Done),
        ("socket AF_INET", libc::SYS_socket, [2, datagram, 0], Done),
        ("socket AF_ALG", libc::SYS_socket, [38, 5, 0], Errno(libc::EPERM)),
        ("socket AF_ALG behind an upper half", libc::SYS_socket, [38 | 1 << 32, 5, 0], Errno(libc::EPERM)),
        ("socket AF_INET with a dirty upper half", libc::SYS_socket, [2 | 7 << 32, datagram, 0], Done),
        ("socket AF_VSOCK", libc::SYS_socket, [40, 1, 0], Errno(libc::EPERM)),
        ("clone3", libc::SYS_clone3, [0; 3], Errno(libc::ENOSYS)),
        ("unshare of a user namespace", libc::SYS_unshare, [new_user, 0, 0], Errno(libc::EPERM)),
        ("clone into a user namespace", libc::SYS_clone, [new_user | 17, 0, 0], Errno(libc::EPERM)),
        ("keyctl", libc::SYS_keyctl, [0; 3], Errno(libc::EPERM)),
        ("mount", libc::SYS_mount, [0; 3], Errno(libc::EPERM)),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0; 3], Errno(libc::EPERM)),
        ("personality PER_LINUX", libc::SYS_personality, [0; 3], Done),
        ("personality PER_LINUX32", libc::SYS_personality, [8, 0, 0], Done),
        ("personality UNAME26", libc::SYS_personality, [0x20000, 0, 0], Done),
        ("personality UNAME26 PER_LINUX32", libc::SYS_personality, [0x20008, 0, 0], Done),
        ("personality question", libc::SYS_personality, [0xffff_ffff, 0, 0], Done),
        ("personality ADDR_NO_RANDOMIZE", libc::SYS_personality, [0x4_0000, 0, 0], Errno(libc::EPERM)),
        ("a call newer than the profile", 467, [0; 3], Errno(libc::ENOSYS)),
        ("a call that no kernel has", 5000, [0; 3], Errno(libc::ENOSYS)),
    ];
    for (name, number, args, expected) in cases {
        assert_eq!(under(&filter, || raw(*number, *args)), *expected, "{name}");
    }
}

#[test]
fn the_refusals_above_come_from_the_filter() {
    // The same calls under a filter that allows everything: none gives what the test above expects.
    let filter = allow_but("");
    let free: &[(i64, [u64; 3], End)] = &[
        (libc::SYS_clone3, [0; 3], Errno(libc::EINVAL)),
        (libc::SYS_mount, [0; 3], Errno(libc::EFAULT)),
        (libc::SYS_personality, [0x4_0000, 0, 0], Done),
        (libc::SYS_socket, [38 | 1 << 32, 0x7ff, 0], Errno(libc::EINVAL)),
    ];
    for (number, args, expected) in free {
        assert_eq!(under(&filter, || raw(*number, *args)), *expected, "{number}");
    }
}

#[test]
fn the_init_can_finish_under_the_default_profile() {
    let filter = default_filter();
    // What the runtime does between loading and exec: capabilities, prctl, close_range, a message, exec.
    let end = under(&filter, || {
        let steps = [
            (libc::SYS_capget, [0; 3], -i64::from(libc::EFAULT)),
            (libc::SYS_capset, [0; 3], -i64::from(libc::EFAULT)),
            (libc::SYS_prctl, [u64::try_from(libc::PR_GET_DUMPABLE).unwrap_or(0), 0, 0], 1),
            (libc::SYS_close_range, [100, 200, 0], 0),
            (libc::SYS_write, [99, 0, 0], -i64::from(libc::EBADF)),
            (libc::SYS_execve, [0; 3], -i64::from(libc::EFAULT)),
        ];
        for (step, (number, args, expected)) in (1..).zip(steps) {
            if raw(number, args) != expected {
                return -step;
            }
        }
        0
    });
    assert_eq!(end, Done);
}

#[test]
fn a_capability_opens_its_calls() {
    let filter = |caps: &[&str]| program(&docker_default(caps, NATIVE)).unwrap().instructions.into_owned();
    let unshare = || raw(libc::SYS_unshare, [u64::try_from(libc::CLONE_NEWUTS).unwrap_or(0), 0, 0]);
    let chroot = || raw(libc::SYS_chroot, [0; 3]);
    let defaults = DEFAULT.map(Capability::name);
    assert_eq!(under(&filter(&["CAP_SYS_ADMIN"]), unshare), Done);
    assert_eq!(under(&filter(&defaults), unshare), Errno(libc::EPERM));
    assert_eq!(under(&filter(&defaults), chroot), Errno(libc::EFAULT));
    assert_eq!(under(&filter(&[]), chroot), Errno(libc::EPERM));
}

#[test]
fn every_operator_compares_unsigned_64_bits() {
    const BIG: u64 = 0x8000_0001_0000_0005;
    // (operator, value, second value, argument, does it hold?)
    let cases: &[(&str, u64, u64, u64, bool)] = &[
        ("NE", 5, 0, 6, true),
        ("NE", 5, 0, 5, false),
        ("NE", 5, 0, 5 | 1 << 32, true),
        ("EQ", BIG, 0, BIG, true),
        ("EQ", BIG, 0, 5, false),
        ("LT", BIG, 0, BIG - 1, true),
        ("LT", BIG, 0, BIG, false),
        ("LT", 5, 0, 1 << 32, false),
        ("LE", BIG, 0, BIG, true),
        ("LE", BIG, 0, BIG + 1, false),
        ("GE", BIG, 0, BIG, true),
        ("GE", BIG, 0, BIG - 1, false),
        ("GT", 5, 0, u64::MAX, true),
        ("GT", BIG, 0, BIG, false),
        ("GT", BIG, 0, 0x8000_0002_0000_0000, true),
        ("MASKED_EQ", 0xff00_0000_0000_00ff, 0x0100_0000_0000_0002, 0x0155_5555_5555_5502, true),
        ("MASKED_EQ", 0xff00_0000_0000_00ff, 0x0100_0000_0000_0002, 0x0255_5555_5555_5502, false),
    ];
    for (op, value, second, argument, holds) in cases {
        let filter = allow_but(&format!(
            r#"{{"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":77,
                "args":[{{"index":2,"value":{value},"valueTwo":{second},"op":"SCMP_CMP_{op}"}}]}}"#
        ));
        let expected = if *holds { Errno(77) } else { Done };
        let end = under(&filter, || raw(libc::SYS_getppid, [0, 0, *argument]).min(0));
        assert_eq!(end, expected, "{argument:#x} {op} {value:#x} {second:#x}");
    }
}

#[test]
fn every_action_does_what_its_name_says() {
    let cases = [
        ("ALLOW", Done),
        ("LOG", Done),
        ("ERRNO", Errno(libc::EPERM)),
        // Without a tracer the call fails as unknown.
        ("TRACE", Errno(libc::ENOSYS)),
        ("TRAP", Signal(libc::SIGSYS)),
        ("KILL", Signal(libc::SIGSYS)),
        ("KILL_THREAD", Signal(libc::SIGSYS)),
        ("KILL_PROCESS", Signal(libc::SIGSYS)),
    ];
    for (action, expected) in cases {
        let text = format!(
            r#"{{"defaultAction":"SCMP_ACT_{}","syscalls":[{{"names":["getppid"],"action":"SCMP_ACT_{action}"}}]}}"#,
            if action == "ALLOW" { "LOG" } else { "ALLOW" }
        );
        let filter = compile_section(&text).unwrap().instructions;
        assert_eq!(under(&filter, || raw(libc::SYS_getppid, [0; 3]).min(0)), expected, "{action}");
    }
}

#[test]
fn a_listener_gets_a_descriptor() {
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/l","listenerMetadata":"m",
        "syscalls":[{"names":["getppid"],"action":"SCMP_ACT_NOTIFY"}]}"#;
    let program = compile_section(text).unwrap();
    // Filters belong to threads: this one's ends with it.
    let loaded = std::thread::spawn(move || {
        rustix::thread::set_no_new_privs(true).unwrap();
        sys::seccomp::load(&program.instructions, program.flags).unwrap().is_some()
    });
    assert!(loaded.join().unwrap());
}

/// The calls of 32-bit programs, made from a 64-bit one.
#[cfg(target_arch = "x86_64")]
mod i386 {
    use super::*;

    fn int80(number: u32, first: u32) -> i64 {
        let result: i32;
        // SAFETY: the calls take numbers only. `int 0x80` keeps all registers but rax on 64-bit kernels, except r8 to
        // r11, which some clear; rbx is the compiler's, so it is swapped in and out.
        unsafe {
            std::arch::asm!(
                "xchg {first:r}, rbx", "int 0x80", "xchg {first:r}, rbx",
                first = inout(reg) u64::from(first) => _, inlateout("eax") number => result,
                in("ecx") 0, in("edx") 0, in("esi") 0, in("edi") 0,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        i64::from(result)
    }

    #[test]
    fn programs_of_32_bits_are_under_the_same_rules() {
        let filter = default_filter();
        let cases = [
            ("getpid", 20, 0, Done),
            ("mount", 21, 0, Errno(libc::EPERM)),
            ("socket AF_ALG", 359, 38, Errno(libc::EPERM)),
            ("clone3", 435, 0, Errno(libc::ENOSYS)),
            ("unshare", 310, 0x1000_0000, Errno(libc::EPERM)),
            ("personality ADDR_NO_RANDOMIZE", 136, 0x4_0000, Errno(libc::EPERM)),
            ("a number that no kernel has", 5000, 0, Errno(libc::ENOSYS)),
        ];
        for (name, number, first, expected) in cases {
            assert_eq!(under(&filter, || int80(number, first).min(0)), expected, "{name}");
        }
    }

    #[test]
    fn without_their_architecture_they_are_killed() {
        let filter = allow_but("");
        assert_eq!(under(&filter, || int80(20, 0).min(0)), Signal(libc::SIGSYS));
    }

    #[test]
    fn x32_calls_are_killed_unless_the_profile_lists_them() {
        assert_eq!(under(&allow_but(""), || raw(0x4000_0027, [0; 3])), Signal(libc::SIGSYS));
        // This default lists them; a kernel without x32 says ENOSYS, one with it gives the process id.
        let end = under(&default_filter(), || raw(0x4000_0027, [0; 3]).min(0));
        assert!(matches!(end, Done | Errno(libc::ENOSYS)), "{end:?}");
    }
}
