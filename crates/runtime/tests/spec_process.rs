//! `process` and what of `linux` belongs to it, as the payload itself sees it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{Ended, Room, container, end, with};
use runtime::container::{Exec, Warnings};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::os::unix::fs::symlink;

fn said(text: &str) -> Ended {
    Ended { text: text.into(), code: 0 }
}

/// Prints what the kernel keeps of a process: policy, nice value, priority, I/O priority, personality, memory policy.
const TELL: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    struct sched_param param;
    struct { unsigned size, policy; unsigned long flags; int nice; unsigned priority; unsigned long runtime, deadline, period; } attr = {0};
    int mode = -1; unsigned long nodes = 0;
    sched_getparam(0, &param);
    syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0);
    syscall(SYS_get_mempolicy, &mode, &nodes, sizeof nodes * 8, 0, 0);
    printf("policy %d flags %lu nice %d priority %d dl %lu/%lu/%lu\n", attr.policy, attr.flags, getpriority(PRIO_PROCESS, 0),
        param.sched_priority, attr.policy == 6 ? attr.runtime : 0, attr.policy == 6 ? attr.deadline : 0, attr.policy == 6 ? attr.period : 0);
    printf("io %ld personality %x memory %d %lx\n", syscall(SYS_ioprio_get, 1, 0), personality(0xffffffff), mode, nodes);
    return 0;
}"#;

fn telling(room: &Room, patch: &Value) -> String {
    room.run(with(container("exec tell"), patch)).unwrap().text
}

#[test]
fn a_scheduler_is_the_one_asked_for() {
    let room = Room::new();
    room.build("tell", TELL);
    for (scheduler, text) in [
        (json!({"policy": "SCHED_OTHER", "nice": -5}), "policy 0 flags 0 nice -5 priority 0 dl 0/0/0"),
        (json!({"policy": "SCHED_OTHER", "nice": 19}), "policy 0 flags 0 nice 19 priority 0 dl 0/0/0"),
        (json!({"policy": "SCHED_BATCH", "nice": 3}), "policy 3 flags 0 nice 3 priority 0 dl 0/0/0"),
        (json!({"policy": "SCHED_IDLE"}), "policy 5 flags 0 nice 0 priority 0 dl 0/0/0"),
        (json!({"policy": "SCHED_FIFO", "priority": 7}), "policy 1 flags 0 nice 0 priority 7 dl 0/0/0"),
        (
            json!({"policy": "SCHED_RR", "priority": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
            "policy 2 flags 1 nice 0 priority 1 dl 0/0/0",
        ),
        (
            json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000}),
            "policy 6 flags 0 nice 0 priority 0 dl 1000000/50000000/100000000",
        ),
    ] {
        let told = telling(&room, &json!({"process": {"scheduler": scheduler}}));
        assert_eq!(told.lines().next(), Some(text), "{scheduler}");
    }
    let wrong = json!({"process": {"scheduler": {"policy": "SCHED_FIFO", "priority": 100}}});
    let error = room.run(with(container("true"), &wrong)).unwrap_err();
    assert_eq!(error.to_string(), "can't set the scheduler: invalid argument");
}

#[test]
fn io_priority_personality_and_memory_policy_are_those_asked_for() {
    let room = Room::new();
    room.build("tell", TELL);
    let plain = "io 0 personality 0 memory 0 0";
    let cases = [
        (json!({}), plain),
        (
            json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 5}}}),
            "io 16389 personality 0 memory 0 0",
        ),
        (
            json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 7}}}),
            "io 8199 personality 0 memory 0 0",
        ),
        (json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_IDLE"}}}), "io 24576 personality 0 memory 0 0"),
        (json!({"linux": {"personality": {"domain": "LINUX32"}}}), "io 0 personality 8 memory 0 0"),
        (json!({"linux": {"personality": {"domain": "LINUX"}}}), plain),
        (json!({"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}}}), "io 0 personality 0 memory 2 1"),
        (
            json!({"linux": {"memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-0"}}}),
            "io 0 personality 0 memory 3 1",
        ),
        (json!({"linux": {"memoryPolicy": {"mode": "MPOL_LOCAL"}}}), "io 0 personality 0 memory 4 0"),
        (json!({"linux": {"memoryPolicy": {"mode": "MPOL_DEFAULT"}}}), plain),
        (
            json!({"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}}}),
            "io 0 personality 0 memory 32770 1",
        ),
    ];
    for (patch, text) in cases {
        assert_eq!(telling(&room, &patch).lines().nth(1), Some(text), "{patch}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_personality_is_another_machine() {
    let room = Room::new();
    symlink("busybox", room.inside("bin/uname")).unwrap();
    let patch = json!({"linux": {"personality": {"domain": "LINUX32"}}});
    assert_eq!(room.run(with(container("uname -m"), &patch)).unwrap(), said("i686\n"));
    assert_eq!(room.run(container("uname -m")).unwrap(), said("x86_64\n"));
}

#[test]
fn every_resource_limit_is_set() {
    let room = Room::new();
    // The kernel's name of it, soft, hard.
    let cases = [
        ("AS", "Max address space", 1u64 << 40, 1u64 << 41),
        ("CORE", "Max core file size", 0, 4096),
        ("CPU", "Max cpu time", 1000, 2000),
        ("DATA", "Max data size", 1 << 32, 1 << 33),
        ("FSIZE", "Max file size", 1 << 20, 1 << 21),
        ("LOCKS", "Max file locks", 10, 20),
        ("MEMLOCK", "Max locked memory", 4096, 8192),
        ("MSGQUEUE", "Max msgqueue size", 1000, 2000),
        ("NICE", "Max nice priority", 5, 6),
        ("NOFILE", "Max open files", 100, 200),
        ("NPROC", "Max processes", 1000, 2000),
        ("RSS", "Max resident set", 1 << 30, 1 << 31),
        ("RTPRIO", "Max realtime priority", 7, 8),
        ("RTTIME", "Max realtime timeout", 1000, 2000),
        ("SIGPENDING", "Max pending signals", 100, 200),
        ("STACK", "Max stack size", 1 << 20, 1 << 23),
    ];
    // A root without CAP_SYS_RESOURCE can raise none.
    let ours = std::fs::read_to_string("/proc/self/limits").unwrap();
    let cases = cases.map(|(kind, name, soft, hard)| {
        let line = ours.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let most = line.split_whitespace().nth(1).unwrap().parse().unwrap_or(u64::MAX);
        (kind, name, soft.min(most), hard.min(most))
    });
    let limits: Vec<_> = cases
        .iter()
        .map(|(name, _, soft, hard)| json!({"type": format!("RLIMIT_{name}"), "soft": soft, "hard": hard}))
        .collect();
    let text =
        room.run(with(container("exec cat /proc/self/limits"), &json!({"process": {"rlimits": limits}}))).unwrap().text;
    for (_, name, soft, hard) in cases {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let found: Vec<_> = line.split_whitespace().take(2).collect();
        assert_eq!(found, [soft.to_string(), hard.to_string()], "{name}");
    }
    let unlimited = json!({"process": {"rlimits": [{"type": "RLIMIT_CORE", "soft": u64::MAX, "hard": u64::MAX}]}});
    assert_eq!(room.run(with(container("ulimit -c; ulimit -Hc"), &unlimited)).unwrap(), said("unlimited\nunlimited\n"));
}

#[test]
fn every_capability_set_is_the_one_asked_for() {
    let room = Room::new();
    let patch = json!({"process": {"user": {"uid": 5, "gid": 5}, "capabilities": {
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_MKNOD", "CAP_SETUID"], "permitted": ["CAP_KILL", "CAP_CHOWN", "CAP_MKNOD"],
        "effective": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN", "CAP_MKNOD"], "ambient": ["CAP_MKNOD"]
    }}});
    // An exec leaves an ordinary user what is ambient; the bounding and inheritable sets stay as they are.
    let text = "CapInh:\t0000000008000001\nCapPrm:\t0000000008000000\nCapEff:\t0000000008000000\n\
        CapBnd:\t00000000080000a1\nCapAmb:\t0000000008000000\n";
    assert_eq!(room.run(with(container("exec grep ^Cap /proc/self/status"), &patch)).unwrap(), said(text));
    // Without a word about capabilities there are none.
    let none = json!({"process": {"capabilities": null}});
    let text = room.run(with(container("exec grep ^Cap /proc/self/status"), &none)).unwrap().text;
    assert_eq!(text.matches("0000000000000000").count(), 5, "{text}");
}

#[test]
fn no_new_privileges_means_that_a_set_user_id_program_gives_none() {
    let room = Room::new();
    room.build("who", "#include <unistd.h>\nint main(void) { return geteuid(); }");
    std::fs::set_permissions(room.inside("bin/who"), std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    for (no_new, code) in [(false, 0), (true, 7)] {
        let patch = json!({"process": {"user": {"uid": 7, "gid": 7}, "noNewPrivileges": no_new}});
        assert_eq!(room.run(with(container("exec /bin/who"), &patch)).unwrap().code, code);
    }
}

#[test]
fn arguments_and_environment_are_exactly_the_documents() {
    let room = Room::new();
    room.build("show", "#include <stdio.h>\nint main(int n, char **a, char **e) { while (*a) printf(\"%s\\n\", *a++); while (*e) printf(\"%s\\n\", *e++); }");
    let patch = json!({"process": {
        "args": ["show", "", "two words", "$HOME", "ä"], "env": ["B=2", "A=1", "PATH=/nowhere:/bin", "B=3", "odd", "E="]
    }});
    // Of two values the later one counts.
    let text = "show\n\ntwo words\n$HOME\nä\nA=1\nPATH=/nowhere:/bin\nB=3\nodd\nE=\n";
    assert_eq!(room.run(with(container(""), &patch)).unwrap(), said(text));
}

#[test]
fn ids_groups_umask_and_working_directory_are_those_asked_for() {
    let room = Room::new();
    symlink("busybox", room.inside("bin/stat")).unwrap();
    symlink("/tmp/real", room.inside("link")).unwrap();
    let script = "id -u; id -g; id -G; umask; pwd -P; (: >made) 2>/dev/null || echo not mine; stat -c '%a %u' .";
    for (cwd, at) in
        [("/made/for/this", "/made/for/this"), ("/link/below", "/tmp/real/below"), ("/etc/../tmp/x", "/tmp/x")]
    {
        let patch =
            json!({"process": {"cwd": cwd, "user": {"uid": 7, "gid": 8, "additionalGids": [9, 8, 10], "umask": 0o37}}});
        let text = format!("7\n8\n8 9 10\n0037\n{at}\nnot mine\n755 0\n");
        assert_eq!(room.run(with(container(script), &patch)).unwrap(), said(&text), "{cwd}");
    }
    // Without a word, what engines expect.
    assert_eq!(room.run(container("umask; id -G; pwd")).unwrap(), said("0022\n0\n/\n"));
}

#[test]
fn a_home_comes_from_the_containers_users_unless_it_is_given() {
    let bundle = Bundle::saying("");
    std::fs::write(bundle.room.inside("etc/passwd"), "root:x:0:0::/root:/bin/sh\nann:x:7:7::/home/ann:/bin/sh\n")
        .unwrap();
    for (uid, env, home) in [
        (0, json!(["PATH=/bin"]), "/root"),
        (7, json!(["PATH=/bin"]), "/home/ann"),
        (8, json!(["PATH=/bin"]), "/"),
        (7, json!(["PATH=/bin", "HOME=/given"]), "/given"),
        (7, json!(["PATH=/bin", "HOME="]), "/home/ann"),
        (7, json!(["PATH=/bin", "HOME=/first", "HOME="]), "/home/ann"),
        (7, json!(["PATH=/bin", "HOME=", "HOME=/last"]), "/last"),
    ] {
        let _ = std::fs::remove_file(bundle.room.dir.join("shared/said"));
        std::fs::set_permissions(bundle.room.dir.join("shared"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        let patch = json!({"process": {"user": {"uid": uid, "gid": uid}, "env": env}});
        bundle.configure(&with(bundle.document("echo $HOME"), &patch));
        assert_eq!(bundle.live(), format!("{home}\n"));
    }
}

#[test]
fn names_and_kernel_parameters_are_the_containers_own() {
    let room = Room::new();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap();
    let names = [
        "kernel/hostname",
        "kernel/domainname",
        "kernel/msgmax",
        "kernel/shm_rmid_forced",
        "fs/mqueue/msg_max",
        "net/ipv4/ip_forward",
        "net/ipv4/ping_group_range",
    ];
    let before: Vec<_> = names.iter().map(|name| read(name)).collect();
    let patch = json!({
        "hostname": "inside", "domainname": "inner.example",
        "linux": {"sysctl": {
            "kernel.msgmax": "9000", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "11",
            "net.ipv4.ip_forward": "1", "net/ipv4/ping_group_range": "3 5", "net.ipv4.conf.lo.forwarding": "1"
        }}
    });
    let mut script = String::new();
    for name in names {
        write!(script, "cat /proc/sys/{name}; ").unwrap();
    }
    let text = "inside\ninner.example\n9000\n1\n11\n1\n3\t5\n";
    assert_eq!(room.run(with(container(&script), &patch)).unwrap(), said(text));
    assert_eq!(names.iter().map(|name| read(name)).collect::<Vec<_>>(), before);
    for (name, value, why) in
        [("net.ipv4.no_such", "1", "no such file or directory"), ("kernel.msgmax", "x", "invalid argument")]
    {
        let error = room.run(with(container("true"), &json!({"linux": {"sysctl": {name: value}}}))).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("can't write `{value}` to `/proc/sys/{}`: {why}", name.replace('.', "/"))
        );
    }
}

#[test]
fn an_exec_runs_on_the_processors_of_its_affinity() {
    let bundle = Bundle::saying("sleep 1000");
    bundle.create().unwrap();
    bundle.start().unwrap();
    for (affinity, found) in [
        (json!({"initial": "0", "final": "1"}), "1"),
        (json!({"final": "0-1"}), "0-1"),
        // What the exec began with stays unless a cgroup or `final` says otherwise.
        (json!({"initial": "1"}), "1"),
    ] {
        let mut process = bundle.runtime.base_process(&bundle.id).unwrap();
        process.args =
            ["sh", "-c", "exec grep Cpus_allowed_list /proc/self/status >/shared/said"].map(String::from).to_vec();
        process.exec_cpu_affinity = serde_json::from_value(affinity.clone()).unwrap();
        // The caller's own changes: here that of a thread of its own.
        let code = std::thread::scope(|scope| {
            let exec = || {
                let what = Exec {
                    id: &bundle.id,
                    process,
                    pid_file: None,
                    console_socket: None,
                    pidfd_socket: None,
                    preserve_fds: 0,
                    cgroup: None,
                    ignore_paused: false,
                };
                end(&bundle.runtime.exec(&what, &mut Warnings::new()).unwrap())
            };
            scope.spawn(exec).join().unwrap()
        });
        assert_eq!((code, bundle.said()), (0, format!("Cpus_allowed_list:\t{found}\n")), "{affinity}");
    }
}
