//! The compiler against a reading of the rules that knows no BPF, and its programs in readable form.

mod golden;
mod machine;
mod model;
mod random;

use super::rules::verdict;
use super::*;
use machine::Call;

use oci::runtime::seccomp::Arch;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const ARM: u32 = 0x4000_0028;

const ALLOW: u32 = verdict::ALLOW;
const EPERM: u32 = verdict::ERRNO | 1;
const ENOSYS: u32 = verdict::ERRNO | 38;
const KILL: u32 = verdict::KILL_PROCESS;

fn default_profile(arch: Arch) -> Seccomp {
    docker_default(&capabilities::DEFAULT.map(capabilities::Capability::name), arch)
}

#[test]
fn the_default_profile_decides_as_docker_does() {
    let program = compile(&default_profile(Arch::X86_64), Arch::X86_64).unwrap();
    let cases: &[(&str, u32, u32, &[u64], u32)] = &[
        ("getpid", X86_64, 39, &[], ALLOW),
        ("mount", X86_64, 165, &[], EPERM),
        ("keyctl", X86_64, 250, &[], EPERM),
        ("io_uring_setup", X86_64, 425, &[], EPERM),
        ("chroot (CAP_SYS_CHROOT is a default)", X86_64, 161, &[], ALLOW),
        ("unshare", X86_64, 272, &[0x1000_0000], EPERM),
        ("clone3", X86_64, 435, &[], ENOSYS),
        ("clone of a thread", X86_64, 56, &[0x3d_0f00], ALLOW),
        ("clone into a user namespace", X86_64, 56, &[0x1000_0011], EPERM),
        ("socket AF_INET", X86_64, 41, &[2], ALLOW),
        ("socket AF_ALG", X86_64, 41, &[38], EPERM),
        ("socket AF_ALG, upper half set", X86_64, 41, &[0x1_0000_0026], EPERM),
        ("socket AF_VSOCK", X86_64, 41, &[40], EPERM),
        ("socket 39", X86_64, 41, &[39], ALLOW),
        ("socket AF_INET, upper half dirty", X86_64, 41, &[0xffff_ffff_0000_0002], ALLOW),
        ("personality PER_LINUX32", X86_64, 135, &[8], ALLOW),
        ("personality READ_IMPLIES_EXEC", X86_64, 135, &[0x40_0000], EPERM),
        ("personality query", X86_64, 135, &[0xffff_ffff], ALLOW),
        ("open_tree_attr, newer than the profile", X86_64, 467, &[], ENOSYS),
        ("a number of the far future", X86_64, 9999, &[], ENOSYS),
        ("a call that a tracer skips", X86_64, u32::MAX, &[], ENOSYS),
        ("getpid, i386", I386, 20, &[], ALLOW),
        ("mount, i386", I386, 21, &[], EPERM),
        ("socket AF_VSOCK, i386", I386, 359, &[40], EPERM),
        ("clone3, i386", I386, 435, &[], ENOSYS),
        ("far future, i386", I386, 600, &[], ENOSYS),
        ("getpid, x32", X86_64, 0x4000_0027, &[], ALLOW),
        ("rt_sigaction, x32", X86_64, 0x4000_0200, &[], ALLOW),
        ("mount, x32", X86_64, 0x4000_00a5, &[], EPERM),
        ("getpid, 64-bit ARM", AARCH64, 172, &[], KILL),
    ];
    for (name, arch, number, args, expected) in cases {
        let verdict = machine::run(&program, &Call::new(*arch, *number, args), false);
        assert_eq!(verdict, *expected, "{name}: {verdict:#x}");
    }
}

#[test]
fn arms_private_calls_do_not_hide_that_new_calls_are_unknown() {
    let program = compile(&default_profile(Arch::Aarch64), Arch::Aarch64).unwrap();
    let cases =
        [(ARM, 0xf_0005, ALLOW), (ARM, 0xf_0006, EPERM), (ARM, 470, ENOSYS), (AARCH64, 79, ALLOW), (I386, 1, KILL)];
    for (arch, number, expected) in cases {
        let verdict = machine::run(&program, &Call::new(arch, number, &[]), false);
        assert_eq!(verdict, expected, "{number:#x}: {verdict:#x}");
    }
}

#[test]
fn what_the_init_calls_after_loading_is_allowed_by_default() {
    for (arch, _) in precompiled::ARCHES {
        let section = default_profile(arch);
        let all = &section.syscalls[0].names;
        for name in ["capset", "prctl", "close_range", "execve", "execveat", "write", "exit_group", "sendmsg"] {
            assert!(all.iter().any(|allowed| allowed == name), "{name}");
        }
    }
}

#[test]
fn capabilities_open_the_calls_that_need_them() {
    let open = |caps: &[&str]| compile(&docker_default(caps, Arch::X86_64), Arch::X86_64).unwrap();
    let cases: &[(&[&str], u32, u32)] = &[
        (&[], 161, EPERM),
        (&["CAP_SYS_CHROOT"], 161, ALLOW),
        (&[], 321, EPERM),
        (&["CAP_BPF"], 321, ALLOW),
        (&["CAP_SYS_ADMIN"], 435, ALLOW),
        (&["CAP_SYS_ADMIN"], 165, ALLOW),
        (&["CAP_SYS_ADMIN"], 175, EPERM),
        (&["CAP_SYS_MODULE"], 175, ALLOW),
        (&["CAP_SYS_NICE"], 237, ALLOW),
        (&["CAP_SYS_PTRACE"], 438, ALLOW),
    ];
    for (caps, number, expected) in cases {
        let verdict = machine::run(&open(caps), &Call::new(X86_64, *number, &[0x1000_0000]), false);
        assert_eq!(verdict, *expected, "{number} with {caps:?}");
    }
}

#[test]
fn the_default_section_is_taken_as_compiled_and_means_the_same_as_compiling_it() {
    let taken = compile_section(default_json()).unwrap();
    assert!(matches!(taken.instructions, Cow::Borrowed(_)));
    let compiled = compile_section(&format!(" {}", default_json())).unwrap();
    assert!(matches!(compiled.instructions, Cow::Owned(_)));
    assert_eq!(taken, compiled);
}

#[test]
fn only_capabilities_that_open_calls_make_another_section() {
    let with = |more: &[&'static str]| [&capabilities::DEFAULT.map(capabilities::Capability::name)[..], more].concat();
    let taken = |caps: &[&str]| matches!(json_for(caps).unwrap(), Cow::Borrowed(_));
    assert!(taken(&with(&[])));
    assert!(taken(&with(&["CAP_NET_ADMIN"])));
    assert!(taken(&["CAP_SYS_CHROOT"]));
    for caps in [with(&["CAP_SYS_ADMIN"]), with(&["CAP_BPF", "CAP_SYS_PTRACE"]), vec![]] {
        let text = json_for(&caps).unwrap();
        assert!(matches!(text, Cow::Owned(_)));
        assert_eq!(serde_json::from_str::<Seccomp>(&text).unwrap(), docker_default(&caps, NATIVE));
    }
}

#[test]
fn a_profile_that_cannot_be_is_an_error_with_its_reason() {
    let many = (0..1500u64).map(|value| {
        format!(r#"{{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{{"index":0,"value":{value},"op":"SCMP_CMP_EQ"}}]}}"#)
    });
    let many = format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#, many.collect::<Vec<_>>().join(","));
    let cases: &[(&str, &str)] = &[
        ("{", "can't read the seccomp section: EOF while parsing an object at line 1 column 1"),
        (
            r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
            "can't compile the seccomp profile: a listener can't be asked about every call (`SCMP_ACT_NOTIFY` as default)",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["write"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "can't compile the seccomp profile: a listener can't be asked about `write`, which telling it needs",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "can't compile the seccomp profile: `SCMP_ACT_NOTIFY` needs a `listenerPath`",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}]}"#,
            "can't compile the seccomp profile: errno 4096 is more than 4095",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
            "can't compile the seccomp profile: argument 6 does not exist: calls have 0 to 5",
        ),
        (&many, "can't compile the seccomp profile: 6033 instructions are too many: the kernel takes 4096"),
    ];
    for (text, expected) in cases {
        assert_eq!(compile_section(text).unwrap_err().to_string(), *expected);
    }
}

#[test]
fn flags_are_runcs_unless_the_profile_has_its_own() {
    use sys::seccomp::flag;
    let cases = [
        ("", flag::SPEC_ALLOW),
        (r#","flags":[]"#, 0),
        (r#","flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC"]"#, flag::LOG),
        (
            r#","listenerPath":"/l","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]"#,
            flag::SPEC_ALLOW | flag::NEW_LISTENER,
        ),
    ];
    for (fields, expected) in cases {
        let program = compile_section(&format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW"{fields}}}"#)).unwrap();
        assert_eq!(program.flags, expected, "{fields}");
        assert_eq!(program.listener.is_some(), expected & flag::NEW_LISTENER != 0);
    }
}
