//! No init allocates: the allocator of this program ends every process but the one that runs the tests.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "an allocator has no safe form")]

mod common;

use common::{Ended, Room, add_mounts, bind, container, end, refuse, under, with};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicI32, Ordering};

/// The process that may allocate; 0 while none has said so.
static TESTER: AtomicI32 = AtomicI32::new(0);

struct OnlyTheTester;

impl OnlyTheTester {
    fn check() {
        let tester = TESTER.load(Ordering::Relaxed);
        // SAFETY: neither call has preconditions. A silent death: the launcher takes it for a killed init, which no
        // case of these tests expects.
        unsafe {
            if tester != 0 && libc::getpid() != tester {
                libc::_exit(99);
            }
        }
    }
}

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for OnlyTheTester {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::check();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::check();
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: OnlyTheTester = OnlyTheTester;

fn arm() {
    // SAFETY: getpid has no preconditions.
    TESTER.store(unsafe { libc::getpid() }, Ordering::Relaxed);
}

#[test]
fn the_allocator_does_end_a_child_that_allocates() {
    arm();
    // SAFETY: the child only allocates, which ends it before any lock could matter, or exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        std::hint::black_box(Box::new(7));
        // SAFETY: _exit has no preconditions.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child, our variable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(libc::WEXITSTATUS(status), 99);
}

/// Everything that a plan can ask for.
fn everything(room: &Room) -> Value {
    symlink("../nowhere/yet", room.inside("etc/resolv.conf")).unwrap();
    let file = room.dir.join("file");
    std::fs::write(&file, "").unwrap();
    let patch = json!({
        "domainname": "x",
        "root": {"path": "", "readonly": true},
        "process": {
            "user": {"uid": 5, "gid": 6, "additionalGids": [6, 7]}, "cwd": "/made/for/this", "noNewPrivileges": true,
            "oomScoreAdj": 7, "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
            "capabilities": {"inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
        },
        "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}
    });
    let mounts = [
        bind(&file, "/etc/resolv.conf"),
        bind(&room.dir.join("shared"), "/a/b/c"),
        json!({"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "ro"]}),
    ];
    add_mounts(with(container("exit 7"), &patch), &mounts)
}

#[test]
fn a_launch_that_succeeds_allocates_nothing() {
    arm();
    let room = Room::new();
    assert_eq!(room.run(everything(&room)).unwrap(), Ended { text: String::new(), code: 7 });
    let terminal = json!({"process": {"terminal": true, "consoleSize": {"height": 1, "width": 2}}});
    let plan = room.compile(with(container("exit 8"), &terminal)).unwrap();
    let (running, _) = room.start(&plan, None).unwrap();
    assert_eq!(end(&running), 8);
}

#[test]
fn a_launch_that_fails_allocates_nothing() {
    arm();
    let room = Room::new();
    let document = everything(&room);
    let calls = [
        "setsid",
        "keyctl",
        "unshare",
        "sethostname",
        "socket",
        "mount",
        "move_mount",
        "pivot_root",
        "fsopen",
        "mkdirat",
        "mknodat",
        "symlinkat",
        "dup3",
        "fchdir",
        "setgroups",
        "setresgid",
        "setresuid",
        "capset",
        "close_range",
        "execve",
    ];
    let mut failed = 0;
    for call in calls {
        // EIO: an answer that nothing makes an exception for.
        if let Err(error) = under(&refuse(call, 5), || room.run(document.clone())) {
            assert!(error.to_string().ends_with("input/output error"), "{call}: {error}");
            failed += 1;
        }
    }
    assert!(failed >= 18, "only {failed} calls were noticed");
    for (name, text) in
        [("nosuch", "exec: \"nosuch\": executable file not found in $PATH"), ("/tmp", "exec: \"/tmp\": is a directory")]
    {
        let error = room.run(with(container(""), &json!({"process": {"args": [name]}}))).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}
