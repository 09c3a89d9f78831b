//! No init allocates: the allocator of this program ends every process but the one that runs the tests.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "an allocator has no safe form")]

mod common;

use common::bundle::Bundle;
use common::{Ended, Room, add_mounts, bind, container, end, refuse, under, with};
use oci::runtime::Status;
use runtime::container::{Create, Exec, Warnings};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;
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

/// Also takes the numbers of the descriptors that a payload is handed. Whatever of ours had one would stay open in it: the
/// conversation too that ends by its exec.
fn arm() {
    static HELD: OnceLock<[File; 3]> = OnceLock::new();
    HELD.get_or_init(|| [(); 3].map(|()| File::open("/dev/null").unwrap()));
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

/// Everything that a payload alone can ask for.
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

/// Everything that a life of its own adds: hooks, stops, nodes, namespaces, a seccomp agent.
fn every_field(bundle: &Bundle) -> Value {
    let hooks =
        json!([{"path": "/bin/true", "args": ["true", "x"], "env": ["A=b"], "timeout": 20}, {"path": "/bin/true"}]);
    let patch = json!({
        "annotations": {"a": "b"},
        "process": {
            "oomScoreAdj": 7, "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 5}
        },
        "hooks": {
            "prestart": hooks, "createRuntime": hooks, "createContainer": hooks,
            "startContainer": hooks, "poststart": hooks, "poststop": hooks
        },
        "linux": {
            "sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"},
            "devices": [
                {"path": "/dev/made/fifo", "type": "p", "fileMode": 0o600, "uid": 5, "gid": 6},
                {"path": "/dev/made/loop", "type": "b", "major": 7, "minor": 99}
            ],
            "personality": {"domain": "LINUX32"},
            "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"},
            "rootfsPropagation": "rslave",
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": bundle.room.dir.join("agent"),
                "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_NOTIFY"}]
            }
        }
    });
    let mounts = [
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}),
        json!({"destination": "/etc", "type": "tmpfs", "options": ["tmpcopyup"]}),
        json!({"destination": "/etc", "type": "tmpfs", "options": ["remount", "ro"]}),
        bind(&bundle.room.inside("etc"), "/what/a/mount/brought"),
    ];
    add_mounts(with(bundle.document("sleep 1000"), &patch), &mounts)
}

#[test]
fn a_whole_life_with_an_exec_allocates_nothing() {
    arm();
    let bundle = Bundle::new(&Value::Null);
    bundle.configure(&every_field(&bundle));
    let agent = UnixListener::bind(bundle.room.dir.join("agent")).unwrap();
    bundle.runtime.create(&Create { preserve_fds: 2, listen_fds: 1, ..bundle.plain() }).unwrap();
    assert!(bundle.start().unwrap().is_empty());
    let mut told = [0; 20];
    agent.accept().unwrap().0.read_exact(&mut told).unwrap();
    assert_eq!(&told, br#"{"ociVersion":"1.2.1"#);
    let mut process = bundle.runtime.base_process(&bundle.id).unwrap();
    process.args = ["sh", "-c", "exit 9"].map(String::from).to_vec();
    process.exec_cpu_affinity = serde_json::from_value(json!({"initial": "0", "final": "0"})).unwrap();
    let exec = Exec {
        id: &bundle.id,
        process,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        preserve_fds: 1,
        cgroup: None,
        ignore_paused: false,
    };
    assert_eq!(end(&bundle.runtime.exec(&exec, &mut Warnings::new()).unwrap()), 9);
    let mut wrong = exec.clone();
    wrong.process.args = vec!["nosuch".into()];
    let error = bundle.runtime.exec(&wrong, &mut Warnings::new()).unwrap_err();
    assert_eq!(error.to_string(), "exec: \"nosuch\": executable file not found in $PATH");
    bundle.runtime.kill(&bundle.id, 9, false).unwrap();
    bundle.wait_for(Status::Stopped);
    assert!(bundle.delete().unwrap().is_empty());
}

#[test]
fn a_life_and_an_exec_in_the_callers_mounts_allocate_nothing() {
    arm();
    let bundle = Bundle::new(&Value::Null);
    let mut document = bundle.document("sleep 1000");
    document["linux"]["namespaces"].as_array_mut().unwrap().retain(|one| one["type"] != "mount");
    bundle.configure(&document);
    bundle.create().unwrap();
    bundle.start().unwrap();
    let mut process = bundle.runtime.base_process(&bundle.id).unwrap();
    process.args = ["sh", "-c", "exit 9"].map(String::from).to_vec();
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
    assert_eq!(end(&bundle.runtime.exec(&exec, &mut Warnings::new()).unwrap()), 9);
}

#[test]
fn a_new_user_namespace_allocates_nothing() {
    arm();
    let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    let namespaces = json!([{"type": "user"}, {"type": "mount"}, {"type": "pid"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network"}]);
    let patch = json!({
        "process": {"oomScoreAdj": 7, "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]},
        "linux": {"namespaces": namespaces, "uidMappings": ids, "gidMappings": ids}
    });
    let room = Room::new();
    // Its root makes what is missing there.
    std::os::unix::fs::chown(room.inside(""), Some(100_000), Some(100_000)).unwrap();
    let mapped =
        json!({"destination": "/m", "type": "bind", "source": room.dir.join("shared"), "options": ["bind", "idmap"]});
    let document = add_mounts(with(container("exit 6"), &patch), &[mapped]);
    assert_eq!(room.run(document).unwrap(), Ended { text: String::new(), code: 6 });
}

#[test]
fn a_life_that_fails_allocates_nothing() {
    arm();
    let bundle = Bundle::new(&Value::Null);
    let _agent = UnixListener::bind(bundle.room.dir.join("agent")).unwrap();
    let document = every_field(&bundle);
    bundle.configure(&document);
    // All of them by the init alone.
    for call in ["sched_setattr", "ioprio_set", "set_mempolicy", "personality", "sethostname"] {
        let error = under(&refuse(call, 5), || bundle.create()).expect_err(call).to_string();
        assert!(error.ends_with("input/output error"), "{call}: {error}");
    }
    for kind in ["createContainer", "startContainer"] {
        for (hook, words) in [
            (json!({"path": "/bin/false"}), "failed with exit code 1"),
            (json!({"path": "/nosuch"}), "failed with exit code 127"),
            (json!({"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}), "took longer than its 1 s"),
        ] {
            bundle.configure(&with(document.clone(), &json!({"hooks": {kind: [hook]}})));
            // There from the second round on.
            if let Err(cause) = symlink("busybox", bundle.room.inside("bin/false")) {
                assert_eq!(cause.kind(), std::io::ErrorKind::AlreadyExists);
            }
            let error = bundle.create().and_then(|_| bundle.start().map(drop)).unwrap_err().to_string();
            assert!(error.contains(kind) && error.contains(words), "{kind} {words}: {error}");
            bundle.runtime.delete(&bundle.id, true).unwrap();
        }
    }
}
