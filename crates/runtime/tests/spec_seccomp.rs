//! `linux.seccomp`, as a payload and an agent see it; what filters do by themselves is in `seccomp.rs`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "an agent's system calls have no safe form")]

mod common;

use common::bundle::Bundle;
use common::{Room, container, end, with};
use oci::runtime::{ContainerProcessState, Status};
use runtime::container::{Exec, Warnings};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::RecvFlags;
use serde_json::{Value, json};
use std::os::unix::net::UnixListener;

/// Calls once with the arguments 7 and 1 << 32, and ends with the errno or, if it went well, with 0.
const CALL: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **words) {
    long first = count > 1 ? atol(words[1]) : 7;
    return syscall(SYS_getpriority, first, 1L << 32) < 0 ? errno : 0;
}"#;

/// A document whose payload makes the call, and a filter.
fn calling(first: i64, seccomp: &Value) -> Value {
    with(container(&format!("/bin/call {first}")), &json!({"linux": {"seccomp": seccomp}}))
}

fn rule(action: &str, more: &Value) -> Value {
    let rule = with(json!({"names": ["getpriority", "no_such_call"], "action": format!("SCMP_ACT_{action}")}), more);
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
}

#[test]
fn every_action_ends_a_payloads_call_as_its_name_says() {
    let room = Room::new();
    room.build("call", CALL);
    // Without a filter the kernel finds the first argument wrong.
    assert_eq!(room.run(container("/bin/call")).unwrap().code, libc::EINVAL);
    let killed = 128 + libc::SIGSYS;
    for (action, more, code) in [
        ("ALLOW", json!({}), libc::EINVAL),
        ("LOG", json!({}), libc::EINVAL),
        ("ERRNO", json!({}), libc::EPERM),
        ("ERRNO", json!({"errnoRet": 99}), 99),
        ("TRACE", json!({}), libc::ENOSYS),
        ("TRAP", json!({}), killed),
        ("KILL", json!({}), killed),
        ("KILL_THREAD", json!({}), killed),
        ("KILL_PROCESS", json!({}), killed),
    ] {
        for no_new_privileges in [false, true] {
            let filter = rule(action, &more);
            let patch = json!({"process": {"noNewPrivileges": no_new_privileges, "user": {"uid": 5, "gid": 5}}});
            let ended = room.run(with(calling(7, &filter), &patch)).unwrap();
            assert_eq!(ended.code, code, "{action} {more} {no_new_privileges}");
        }
    }
    // A program in Go may have written the section.
    let mut document = calling(7, &rule("ERRNO", &json!({})));
    document["linux"]["seccomp"]["architectures"] = Value::Null;
    assert_eq!(room.run(document).unwrap().code, libc::EPERM);
    // And for what no rule names.
    let filter = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 77,
        "syscalls": [{"names": all_but_getpriority(), "action": "SCMP_ACT_ALLOW"}]});
    assert_eq!(room.run(calling(7, &filter)).unwrap().code, 77);
}

/// What a static shell and program need, and more.
fn all_but_getpriority() -> Vec<&'static str> {
    let section: Value = serde_json::from_str(runtime::seccomp::default_json()).unwrap();
    let names =
        section["syscalls"].as_array().unwrap().iter().flat_map(|rule| rule["names"].as_array().unwrap().clone());
    names
        .filter_map(|name| name.as_str().filter(|name| *name != "getpriority").map(|name| &*name.to_owned().leak()))
        .collect()
}

#[test]
fn arguments_decide() {
    let room = Room::new();
    room.build("call", CALL);
    let arguments = |index: u32, op: &str, value: u64, second: u64| json!({"errnoRet": 99, "args": [{"index": index, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": second}]});
    for (first, more, code) in [
        (7, arguments(0, "EQ", 7, 0), 99),
        (8, arguments(0, "EQ", 7, 0), libc::EINVAL),
        (8, arguments(0, "GT", 7, 0), 99),
        (7, arguments(0, "MASKED_EQ", 3, 3), 99),
        (8, arguments(0, "MASKED_EQ", 3, 3), libc::EINVAL),
        // The second argument does not fit 32 bits.
        (7, arguments(1, "EQ", 1 << 32, 0), 99),
        (7, arguments(1, "EQ", 0, 0), libc::EINVAL),
    ] {
        assert_eq!(room.run(calling(first, &rule("ERRNO", &more))).unwrap().code, code, "{first} {more}");
    }
}

#[test]
fn flags_and_architectures_are_heeded() {
    let room = Room::new();
    room.build("call", CALL);
    for flags in [
        json!([]),
        json!(["SECCOMP_FILTER_FLAG_LOG"]),
        json!(["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"]),
    ] {
        let filter = with(rule("ERRNO", &json!({})), &json!({"flags": flags}));
        assert_eq!(room.run(calling(7, &filter)).unwrap().code, libc::EPERM, "{flags}");
        // The mitigation that `SPEC_ALLOW` does without.
        let text = room
            .run(with(
                container("exec grep ^Speculation_Store_Bypass /proc/self/status"),
                &json!({"linux": {"seccomp": filter}}),
            ))
            .unwrap()
            .text;
        assert!(text.starts_with("Speculation_Store_Bypass:"), "{text}");
    }
    // The machine's own counts whether it is named or not.
    for architectures in [json!([]), json!(["SCMP_ARCH_X86_64"]), json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"])] {
        let filter = with(rule("ERRNO", &json!({})), &json!({"architectures": architectures}));
        assert_eq!(room.run(calling(7, &filter)).unwrap().code, libc::EPERM, "{architectures}");
    }
    for (wrong, text) in [
        (
            json!({"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}),
            "can't compile the seccomp profile: `SCMP_ACT_NOTIFY` needs a `listenerPath`",
        ),
        (
            json!({"names": 7, "action": "SCMP_ACT_ERRNO"}),
            "can't read the seccomp section: invalid type: integer `7`, expected a sequence at line 1 column ",
        ),
    ] {
        let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [wrong]});
        let error = room.compile(calling(7, &filter)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("config.json: `linux.seccomp`: {text}")), "{error}");
    }
}

/// `struct seccomp_notif` and `struct seccomp_notif_resp` of linux/seccomp.h.
#[repr(C)]
#[derive(Default)]
struct Asked {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    pointer: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Takes the filter's descriptor and its message.
fn accept(agent: &UnixListener) -> (ContainerProcessState, OwnedFd) {
    let (connection, _) = agent.accept().unwrap();
    let mut text = vec![0; 64 << 10];
    let (length, fd) = sys::socket::receive(&connection, &mut text, RecvFlags::empty()).unwrap();
    (serde_json::from_slice(&text[..length]).unwrap(), fd.unwrap())
}

/// Answers one call with an errno.
fn answer(filter: &OwnedFd, error: i32) -> Asked {
    let mut asked = Asked::default();
    // SAFETY: both structs are as large and as laid out as the kernel's, whose size is part of the request's number.
    unsafe {
        assert_eq!(
            libc::ioctl(filter.as_raw_fd(), 0xc050_2100, &raw mut asked),
            0,
            "{}",
            std::io::Error::last_os_error()
        );
        let mut answer = Answer { id: asked.id, value: 0, error: -error, flags: 0 };
        assert_eq!(
            libc::ioctl(filter.as_raw_fd(), 0xc018_2101, &raw mut answer),
            0,
            "{}",
            std::io::Error::last_os_error()
        );
    }
    asked
}

#[test]
fn an_agent_is_told_of_the_filter_and_decides() {
    let bundle = Bundle::saying("");
    bundle.room.build("call", CALL);
    let agent = UnixListener::bind(bundle.room.dir.join("agent")).unwrap();
    let listener = json!({"listenerPath": bundle.room.dir.join("agent"), "listenerMetadata": "meta", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]});
    let filter = with(rule("NOTIFY", &json!({})), &listener);
    // The agent is the payload's: a hook under the same filter hears that there is nobody to ask (ENOSYS).
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "/bin/call 3; test $? = 38"]}]);
    let patch = json!({"annotations": {"a": "b"}, "linux": {"seccomp": filter}, "hooks": {"startContainer": hook}});
    bundle.configure(&with(bundle.document("/bin/call 7; echo $?; sleep 1000"), &patch));
    bundle.create().unwrap();
    let created = bundle.state();
    bundle.start().unwrap();
    let (told, fd) = accept(&agent);
    assert_eq!((told.fds, &*told.metadata, Some(told.pid)), (vec!["seccompFd".to_owned()], "meta", created.pid));
    let mut expected = created.clone();
    expected.status = Status::Creating;
    assert_eq!(told.state, expected);
    let asked = answer(&fd, 55);
    assert_eq!((i64::from(asked.number), asked.arguments[0], asked.arguments[1]), (libc::SYS_getpriority, 7, 1 << 32));
    while bundle.said().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(bundle.said(), "55\n");

    // A process that is brought in later has a filter and a conversation of its own.
    let mut process = bundle.runtime.base_process(&bundle.id).unwrap();
    process.args = vec!["/bin/call".into(), "9".into()];
    let exec = Exec {
        id: &bundle.id,
        process,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        preserve_fds: 0,
        cgroup: None,
        ignore_paused: false,
    };
    let running = bundle.runtime.exec(&exec, &mut Warnings::new()).unwrap();
    let (told, fd) = accept(&agent);
    assert_eq!((told.pid, told.state.status), (running.pid.as_raw_nonzero().get(), Status::Running));
    assert_eq!(answer(&fd, 56).arguments[0], 9);
    assert_eq!(end(&running), 56);
    bundle.runtime.kill(&bundle.id, 9, false).unwrap();
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();

    // Nobody listens.
    std::fs::remove_file(bundle.room.dir.join("agent")).unwrap();
    let text = bundle.create().unwrap_err().to_string();
    assert_eq!(
        text,
        format!("can't connect to the socket `{}`: no such file or directory", bundle.room.dir.join("agent").display())
    );
    assert!(!bundle.folder().try_exists().unwrap());
}

#[test]
fn a_later_process_has_the_same_filter_kept_or_compiled_again() {
    let bundle = Bundle::saying("");
    bundle.room.build("call", CALL);
    let filter = rule("ERRNO", &json!({"errnoRet": 77}));
    bundle.configure(&with(bundle.document("sleep 1000"), &json!({"linux": {"seccomp": filter}})));
    bundle.create().unwrap();
    bundle.start().unwrap();
    let exec = || {
        let mut process = bundle.runtime.base_process(&bundle.id).unwrap();
        process.args = vec!["/bin/call".into(), "9".into()];
        let exec = Exec {
            id: &bundle.id,
            process,
            pid_file: None,
            console_socket: None,
            pidfd_socket: None,
            preserve_fds: 0,
            cgroup: None,
            ignore_paused: false,
        };
        end(&bundle.runtime.exec(&exec, &mut Warnings::new()).unwrap())
    };
    assert_eq!(exec(), 77);
    let kept = bundle.folder().join("seccomp");
    // What was cut off is not taken for a filter.
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &bytes[..4]).unwrap();
    assert_eq!(exec(), 77);
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(exec(), 77);
    bundle.runtime.kill(&bundle.id, 9, false).unwrap();
    bundle.wait_for(Status::Stopped);
    bundle.delete().unwrap();
}
