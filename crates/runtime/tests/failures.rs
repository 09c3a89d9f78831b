//! Every stage of an init fails for real, and says so in the right words; nothing of it stays.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, add_mounts, bind, container, launching, refuse, under, with};
use error::{Error, Kind};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, openat};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;
const EAFNOSUPPORT: i32 = 97;
const EDQUOT: i32 = 122;

fn words(error: &Error) -> (Kind, String) {
    (error.kind, error.to_string())
}

#[test]
fn each_stage_says_what_it_could_not_do() {
    let room = Room::new();
    symlink("/loop", room.inside("loop")).unwrap();
    std::fs::write(room.inside("file"), "").unwrap();
    let long = "x".repeat(65);
    let namespaces = json!([{"type": "mount"}, {"type": "uts"}]);
    let mount = |mount: Value| add_mounts(container("true"), &[mount]);
    let outside = room.outside();
    let cases: Vec<(Value, Kind, String)> = vec![
        (
            with(container("true"), &json!({"hostname": long})),
            Kind::Denied,
            "can't set the host name: invalid argument".into(),
        ),
        (
            with(container("true"), &json!({"domainname": long})),
            Kind::Denied,
            "can't set the host name: invalid argument".into(),
        ),
        (
            mount(json!({"destination": "/x", "type": "nosuchfs"})),
            Kind::Denied,
            "can't mount nosuchfs on `/x`: no such device".into(),
        ),
        (
            mount(json!({"destination": "/x", "type": "tmpfs", "options": ["size=abc"]})),
            Kind::Denied,
            "can't mount tmpfs on `/x`: invalid argument".into(),
        ),
        (
            mount(bind(&outside, "/file")),
            Kind::Denied,
            format!("can't mount `{}` on `/file`: not a directory", outside.display()),
        ),
        (
            mount(bind(&outside, "/loop")),
            Kind::Denied,
            format!("can't mount `{}` on `/loop`: too many levels of symbolic links", outside.display()),
        ),
        (
            with(container("true"), &json!({"mounts": [], "process": {"terminal": true}})),
            Kind::Denied,
            "can't give the container a terminal (part 0): no such file or directory".into(),
        ),
        (
            with(container("true"), &json!({"linux": {"maskedPaths": ["/bin", "/loop"]}})),
            Kind::Denied,
            "can't mask `/loop`: too many levels of symbolic links".into(),
        ),
        (
            with(container("true"), &json!({"linux": {"readonlyPaths": ["/bin", "/loop"]}})),
            Kind::Denied,
            "can't make `/loop` read-only: too many levels of symbolic links".into(),
        ),
        (
            with(
                container("true"),
                &json!({"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": u64::MAX}]}}),
            ),
            Kind::Denied,
            "can't set the resource limit RLIMIT_NOFILE: operation not permitted".into(),
        ),
        (
            with(container("true"), &json!({"process": {"cwd": "/file"}})),
            Kind::Denied,
            "can't enter the working directory `/file`: not a directory".into(),
        ),
        (
            with(container("true"), &json!({"process": {"cwd": "/proc/self/fd/0"}})),
            Kind::Denied,
            "can't enter the working directory `/proc/self/fd/0`: too many levels of symbolic links".into(),
        ),
        (
            with(
                container("true"),
                &json!({"hostname": null, "linux": {"namespaces": namespaces}, "process": {"args": ["nosuch"]}}),
            ),
            Kind::CommandNotFound,
            "exec: \"nosuch\": executable file not found in $PATH".into(),
        ),
        (
            with(container("true"), &json!({"process": {"args": ["/no/such"]}})),
            Kind::CommandNotFound,
            "exec: \"/no/such\": stat /no/such: no such file or directory".into(),
        ),
        (
            with(container("true"), &json!({"process": {"args": ["/bin"]}})),
            Kind::NotExecutable,
            "exec: \"/bin\": is a directory".into(),
        ),
        (
            with(container("true"), &json!({"process": {"args": ["/file"]}})),
            Kind::NotExecutable,
            "exec: \"/file\": permission denied".into(),
        ),
    ];
    for (document, kind, text) in cases {
        let error = room.run(document.clone()).unwrap_err();
        assert_eq!(words(&error), (kind, text), "{document}");
    }
    room.assert_outside_untouched();
}

/// What no document provokes: a kernel or a policy that refuses.
#[test]
fn each_refusal_of_the_kernel_is_put_into_words() {
    let room = Room::new();
    let prctl = |option: i32, errno: i32| {
        let args = format!(r#"[{{"index":0,"value":{option},"op":"SCMP_CMP_EQ"}}]"#);
        format!(r#"{{"names":["prctl"],"action":"SCMP_ACT_ERRNO","errnoRet":{errno},"args":{args}}}"#)
    };
    let too_old = "this kernel lacks a system call: Linux 5.14 or later is needed";
    let cases = [
        (
            refuse("setsid", EPERM),
            Kind::Denied,
            "can't make a session for the container: operation not permitted".to_owned(),
        ),
        (
            refuse("keyctl", EDQUOT),
            Kind::Unavailable,
            "can't make a keyring for the container: disk quota exceeded".into(),
        ),
        (refuse("unshare", EPERM), Kind::Denied, "can't make a cgroup namespace: operation not permitted".into()),
        (
            refuse("socket", EAFNOSUPPORT),
            Kind::Denied,
            "can't bring the loopback interface up: address family not supported by protocol".into(),
        ),
        (
            refuse("pivot_root", EPERM),
            Kind::Denied,
            "can't switch to the container's root file system (part 3): operation not permitted".into(),
        ),
        (
            prctl(24, EPERM),
            Kind::Denied,
            "can't drop capability 2 from the bounding set: operation not permitted".into(),
        ),
        (refuse("setresuid", EINVAL), Kind::Denied, "can't become user 0 and group 0: invalid argument".into()),
        (refuse("capset", EINVAL), Kind::Denied, "can't set the capabilities: invalid argument".into()),
        (prctl(38, EINVAL), Kind::Denied, "can't forbid new privileges: invalid argument".into()),
        (refuse("seccomp", EINVAL), Kind::Denied, "can't load the seccomp filter: invalid argument".into()),
        (
            refuse("close_range", EPERM),
            Kind::Denied,
            "can't close what the payload must not have: operation not permitted".into(),
        ),
        (refuse("execve", EPERM), Kind::NotExecutable, "exec: \"sh\": operation not permitted".into()),
        (
            refuse("clone3", EPERM),
            Kind::Denied,
            "can't make the container's namespaces (clone3): operation not permitted".into(),
        ),
        (
            refuse("clone3", ENOSYS),
            Kind::Unsupported,
            format!("can't make the container's namespaces (clone3): {too_old}"),
        ),
        (
            refuse("mount_setattr", ENOSYS),
            Kind::Unsupported,
            format!("can't prepare the mount of `/dev/null`: {too_old}"),
        ),
        (
            refuse("move_mount", ENOSYS),
            Kind::Unsupported,
            format!("can't switch to the container's root file system (part 1): {too_old}"),
        ),
        (refuse("openat2", ENOSYS), Kind::Unsupported, format!("can't mount proc on `/proc`: {too_old}")),
    ];
    let strict =
        json!({"process": {"noNewPrivileges": true}, "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}});
    let document = with(container("true"), &strict);
    for (rule, kind, text) in cases {
        let error = under(&rule, || room.run(document.clone())).unwrap_err();
        assert_eq!(words(&error), (kind, text), "{rule}");
    }
}

#[test]
fn a_launcher_without_the_right_cannot_protect_a_payload_from_the_oom_killer() {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let room = Room::new();
    let document = with(container("true"), &json!({"process": {"oomScoreAdj": -1}}));
    let error = std::thread::scope(|scope| {
        let poor = scope.spawn(|| {
            let all = capabilities(None).unwrap();
            let rest = all.permitted - CapabilitySet::SYS_RESOURCE;
            set_capabilities(None, CapabilitySets { effective: rest, permitted: rest, ..all }).unwrap();
            room.run(document)
        });
        poor.join().unwrap().unwrap_err()
    });
    assert_eq!(words(&error), (Kind::Denied, "can't set the OOM score: permission denied".into()));
}

#[test]
fn a_place_that_is_missing_a_busy_root_and_missing_streams_are_told() {
    let room = Room::new();
    let spec = serde_json::from_value(container("true")).unwrap();
    let host = runtime::Host::read().unwrap();
    let nowhere = runtime::compile(&spec, &common::setting(&host, &room.dir, &room.dir.join("nowhere"))).unwrap();
    let error = room.run_plan(&nowhere).unwrap_err();
    let text = "can't switch to the container's root file system (part 1): no such file or directory";
    assert_eq!(words(&error), (Kind::Denied, text.into()));

    let plan = room.compile(with(container("true"), &json!({"root": {"path": "", "readonly": true}}))).unwrap();
    let root = room.root();
    let error = runtime::launch(&plan, launching(root.as_fd(), None)).unwrap_err();
    let text = "can't hand over standard input, output and error: bad file descriptor";
    assert_eq!(words(&error), (Kind::Denied, text.into()));

    // A file of the very mount that is still open for writing.
    let root = room.root();
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let open = openat(&root, "out", flags, Mode::from_raw_mode(0o600)).unwrap();
    let stdio = Some([open.as_fd(); 3]);
    let error = runtime::launch(&plan, launching(root.as_fd(), stdio)).unwrap_err();
    let text = "can't make the root file system read-only: device or resource busy";
    assert_eq!(words(&error), (Kind::Denied, text.into()));
}

#[test]
fn an_init_that_is_killed_before_the_exec_is_no_running_container() {
    let room = Room::new();
    for call in ["setsid", "pivot_root", "capset"] {
        let rule = format!(r#"{{"names":["{call}"],"action":"SCMP_ACT_KILL_PROCESS"}}"#);
        let error = under(&rule, || room.run(container("true"))).unwrap_err();
        let text = "the container's init was killed before it could start the command";
        assert_eq!(words(&error), (Kind::Unavailable, text.into()));
    }
}
