//! Specs and facts become plans: golden files on any machine, errors as a table, and no panic whatever the document.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::with;
use error::{Error, Kind};
use oci::runtime::Spec;
use proptest::prelude::*;
use runtime::Host;
use serde_json::{Value, json};
use std::path::Path;
use testkit::golden;

fn host() -> Host {
    Host {
        last_capability: 40,
        user_namespace: false,
        may_set_groups: true,
        cgroup: None,
        cgroup2_mounted: true,
        may_make_nodes: true,
        apparmor: false,
        selinux: false,
    }
}

/// The least that can be run.
fn least() -> Value {
    json!({
        "ociVersion": "1.2.1",
        "process": {"args": ["/bin/true"], "cwd": "/"},
        "linux": {"namespaces": [{"type": "mount"}]}
    })
}

/// What Docker writes for `docker run debian bash`, without the limits, which are the cgroup's and not the plan's.
fn docker() -> Value {
    let capabilities = json!(["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_CHECKPOINT_RESTORE"]);
    json!({
        "ociVersion": "1.2.1",
        "process": {
            "user": {"uid": 0, "gid": 0, "additionalGids": [0, 10]},
            "args": ["bash", "-c", "id"],
            "env": ["PATH=/usr/bin:/bin::/opt/x", "HOSTNAME=c0ffee", "HOME=/root"],
            "cwd": "/srv",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
            "oomScoreAdj": 0
        },
        "root": {"path": "rootfs"},
        "hostname": "c0ffee",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
            {"destination": "/etc/hosts", "type": "bind", "source": "/data/hosts", "options": ["rbind", "rprivate"]}
        ],
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}, {"type": "cgroup"}],
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
            "maskedPaths": ["/proc/kcore", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys"]
        }
    })
}

fn compile(spec: &Spec, host: &Host) -> error::Result<runtime::plan::Plan> {
    let folder = Path::new("/data/containers/c0ffee");
    runtime::compile(spec, &common::setting(host, folder, folder))
}

#[track_caller]
fn check(name: &str, document: Value, host: &Host) {
    let spec: Spec = serde_json::from_value(document).unwrap();
    let plan = compile(&spec, host).unwrap();
    let text = serde_json::to_string_pretty(&plan).unwrap();
    golden(format!("tests/golden/{name}.json"), &format!("{text}\n"));
}

#[test]
fn the_least_spec_gets_what_every_container_has() {
    check("least", least(), &host());
}

#[test]
fn dockers_defaults() {
    check("docker", docker(), &host());
}

#[test]
fn a_terminal_and_a_user_without_rights() {
    let patch = json!({
        "hostname": null,
        "process": {
            "terminal": true, "consoleSize": {"height": 24, "width": 80}, "noNewPrivileges": true, "oomScoreAdj": -5,
            "user": {"uid": 33, "gid": 34, "additionalGids": [34], "umask": 0o077},
            "capabilities": {
                "bounding": ["CAP_NET_RAW"], "permitted": ["CAP_NET_RAW"], "inheritable": ["CAP_NET_RAW"],
                // Left out: neither is permitted.
                "effective": ["CAP_NET_RAW", "CAP_SYS_ADMIN"], "ambient": ["CAP_NET_RAW", "CAP_CHOWN"]
            },
        },
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}], "seccomp": null, "rootfsPropagation": "rprivate"}
    });
    check("terminal", with(docker(), &patch), &host());
}

#[test]
fn a_read_only_root_with_places_to_write() {
    let patch = json!({
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [
            {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "exec", "size=1m", "huge=never"]},
            {"destination": "/data", "source": "/srv/data", "options": ["rbind", "ro", "rro", "rslave"]},
            {"destination": "/one", "type": "none", "source": "/srv/one", "options": ["bind", "rw", "nosuid"]},
            {"destination": "/two", "type": "bind", "source": "/srv/two"}
        ]
    });
    check("read-only", with(least(), &patch), &host());
}

#[test]
fn the_hosts_whole_dev_gets_nothing_added() {
    let patch =
        json!({"mounts": [{"destination": "/dev/.//", "type": "bind", "source": "/dev", "options": ["rbind"]}]});
    check("host-dev", with(least(), &patch), &host());
}

#[test]
fn a_namespace_of_one_id_and_an_old_kernel() {
    let host = Host { last_capability: 5, user_namespace: true, may_set_groups: false, ..host() };
    check("one-id-old-kernel", docker(), &host);
}

/// Each document is the least one with a patch.
#[track_caller]
fn refused(patch: &Value, host: &Host) -> Error {
    let spec: Spec = serde_json::from_value(with(least(), patch)).unwrap();
    compile(&spec, host).expect_err(&patch.to_string())
}

#[track_caller]
fn all_invalid(cases: &[(Value, &str)]) {
    for (patch, text) in cases {
        let error = refused(patch, &host());
        assert_eq!((error.kind, error.to_string()), (Kind::Invalid, format!("config.json: {text}")), "{patch}");
    }
}

/// The namespaces of the least document and these.
fn namespaces(more: &Value) -> Value {
    let mut all = vec![json!({"type": "mount"})];
    all.extend(more.as_array().unwrap().iter().cloned());
    json!({"linux": {"namespaces": all}})
}

#[test]
fn what_this_machine_cannot_do_is_named_by_its_field() {
    for (patch, text) in [
        (json!({"process": {"selinuxLabel": "x"}}), "`process.selinuxLabel`: SELinux is not enabled on this machine"),
        (
            json!({"linux": {"personality": {"domain": "LINUX", "flags": ["x"]}}}),
            "`linux.personality.flags`: the specification defines none",
        ),
        (
            json!({"mounts": [{
                "destination": "/x", "type": "tmpfs",
                "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]
            }]}),
            "`mounts[0].uidMappings`: only a bind mount can be id-mapped",
        ),
    ] {
        let error = refused(&patch, &host());
        assert_eq!((error.kind, error.to_string()), (Kind::Unsupported, format!("config.json: {text}")), "{patch}");
    }
}

#[test]
fn what_need_not_hold_is_passed_over_and_told_by_its_field() {
    let apparmor = |profile: &str| json!({"process": {"apparmorProfile": profile}});
    let capabilities = |sets: Value| json!({"process": {"capabilities": sets}});
    let mount = |options: &[&str]| json!({"mounts": [{"destination": "/x", "type": "bind", "source": "/x", "options": options}]});
    let has_both = Host { apparmor: true, selinux: true, ..host() };
    for (host, patch, texts) in [
        (host(), apparmor("x"), &["`process.apparmorProfile`: AppArmor is not enabled on this machine"][..]),
        // True wherever there is no AppArmor.
        (host(), apparmor("unconfined"), &[]),
        (has_both.clone(), apparmor("x"), &[]),
        (
            host(),
            json!({"linux": {"mountLabel": "x"}}),
            &["`linux.mountLabel`: SELinux is not enabled on this machine"],
        ),
        (has_both, json!({"linux": {"mountLabel": "x"}}), &[]),
        (
            Host { last_capability: 5, ..host() },
            capabilities(json!({"bounding": ["CAP_KILL", "CAP_DREAM", "CAP_MKNOD"], "permitted": ["CAP_DREAM"]})),
            &["`process.capabilities`: unknown here, and left out: `CAP_DREAM`, `CAP_MKNOD`"],
        ),
        (
            host(),
            capabilities(json!({
                "permitted": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"],
                "effective": ["CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN", "CAP_KILL", "CAP_SYSLOG"]
            })),
            &[
                "`process.capabilities.effective`: not permitted, and left out: `CAP_SYSLOG`",
                "`process.capabilities.ambient`: not permitted and inheritable, and left out: `CAP_CHOWN`, `CAP_SYSLOG`",
            ],
        ),
        (
            host(),
            mount(&["ro", "mode=755", "size=1k"]),
            &[
                "`mounts[0].options`: a bind mount has no option `mode`",
                "`mounts[0].options`: a bind mount has no option `size`",
            ],
        ),
    ] {
        let spec: Spec = serde_json::from_value(with(least(), &patch)).unwrap();
        let plan = compile(&spec, &host).unwrap();
        let told: Vec<String> = plan.warnings().map(ToString::to_string).collect();
        let texts: Vec<String> = texts.iter().map(|text| format!("config.json: {text}")).collect();
        assert_eq!(told, texts, "{patch}");
        // What is told does not hold.
        assert_eq!(plan.process.apparmor.is_some(), host.apparmor && patch["process"]["apparmorProfile"] == "x");
        assert_eq!(plan.root.label.is_some(), host.selinux && patch["linux"]["mountLabel"] == "x");
    }
}

#[test]
fn a_container_without_a_process_can_wait_for_its_start() {
    let spec: Spec = serde_json::from_value(with(least(), &json!({"process": null}))).unwrap();
    let (host, folder) = (host(), Path::new("/x"));
    let setting = runtime::Setting { waits_for_start: true, ..common::setting(&host, folder, folder) };
    let plan = runtime::compile(&spec, &setting).unwrap();
    assert_eq!((plan.process.candidates.len(), plan.process.argv.len()), (0, 0));
}

#[test]
fn a_wrong_process_is_named_by_its_field() {
    let process = |process: Value| json!({"process": process});
    let rlimits = |limits: Value| json!({"process": {"rlimits": limits}});
    let scheduler = |scheduler: Value| json!({"process": {"scheduler": scheduler}});
    let policy = |policy: Value| json!({"linux": {"memoryPolicy": policy}});
    all_invalid(&[
        (json!({"process": null}), "`process` is missing"),
        (process(json!({"args": []})), "`process.args` names no program"),
        (process(json!({"args": [""]})), "`process.args` names no program"),
        (process(json!({"args": ["a\0"]})), "`process.args[0]` has a NUL byte"),
        (process(json!({"args": ["/a", "\0"]})), "`process.args[1]` has a NUL byte"),
        (process(json!({"env": ["A=1", "B=\0"]})), "`process.env[1]` has a NUL byte"),
        (process(json!({"cwd": "a"})), "`process.cwd`: `a` is not an absolute path"),
        (process(json!({"user": {"uid": u32::MAX}})), "`process.user.uid`: 4294967295 is no id"),
        (process(json!({"user": {"gid": u32::MAX}})), "`process.user.gid`: 4294967295 is no id"),
        (
            process(json!({"user": {"additionalGids": [1, u32::MAX]}})),
            "`process.user.additionalGids[1]`: 4294967295 is no id",
        ),
        (process(json!({"oomScoreAdj": 1001})), "`process.oomScoreAdj`: 1001 is not between -1000 and 1000"),
        (process(json!({"oomScoreAdj": -1001})), "`process.oomScoreAdj`: -1001 is not between -1000 and 1000"),
        (
            rlimits(json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}])),
            "`process.rlimits[0]`: unknown limit `RLIMIT_X`",
        ),
        (
            rlimits(json!([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])),
            "`process.rlimits[0]`: the soft limit 2 is above the hard limit 1",
        ),
        (
            rlimits(
                json!([{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}]),
            ),
            "`process.rlimits[1]`: `RLIMIT_CPU` is given twice",
        ),
        (scheduler(json!({"policy": "x"})), "`process.scheduler.policy`: unknown value `x`"),
        (
            scheduler(json!({"policy": "SCHED_OTHER", "nice": 20})),
            "`process.scheduler.nice`: 20 is not between -20 and 19",
        ),
        (
            scheduler(json!({"policy": "SCHED_BATCH", "priority": 1})),
            "`process.scheduler.priority`: only SCHED_FIFO and SCHED_RR have one",
        ),
        (scheduler(json!({"policy": "SCHED_RR", "priority": -1})), "`process.scheduler.priority`: -1 is below 0"),
        (
            scheduler(json!({"policy": "SCHED_RR", "period": 1})),
            "`process.scheduler`: `runtime`, `deadline` and `period` are for SCHED_DEADLINE",
        ),
        (
            scheduler(json!({"policy": "SCHED_IDLE", "flags": ["SCHED_FLAG_RECLAIM", "x"]})),
            "`process.scheduler.flags[1]`: unknown value `x`",
        ),
        (process(json!({"ioPriority": {"class": "x"}})), "`process.ioPriority.class`: unknown value `x`"),
        (
            process(json!({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}})),
            "`process.ioPriority.priority`: 8 is not between 0 and 7",
        ),
        (json!({"linux": {"personality": {"domain": "BSD"}}}), "`linux.personality.domain`: unknown value `BSD`"),
        (policy(json!({"mode": "x"})), "`linux.memoryPolicy.mode`: unknown value `x`"),
        (policy(json!({"mode": "MPOL_BIND"})), "`linux.memoryPolicy.nodes`: MPOL_BIND needs some"),
        (
            policy(json!({"mode": "MPOL_BIND", "nodes": "0,x"})),
            "`linux.memoryPolicy.nodes`: `x` is neither a number nor a range of numbers",
        ),
        (
            policy(json!({"mode": "MPOL_BIND", "nodes": "2-1"})),
            "`linux.memoryPolicy.nodes`: `2-1` is neither a number nor a range of numbers",
        ),
        (
            policy(json!({"mode": "MPOL_BIND", "nodes": "8192"})),
            "`linux.memoryPolicy.nodes`: `8192` is neither a number nor a range of numbers",
        ),
        (
            policy(json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["x"]})),
            "`linux.memoryPolicy.flags[0]`: unknown value `x`",
        ),
    ]);
}

#[test]
fn a_wrong_processor_list_of_an_exec_is_named_by_its_field() {
    for (name, field) in [("initial", "initial"), ("final", "final")] {
        let document = json!({"args": ["x"], "cwd": "/", "execCPUAffinity": {name: "0,-"}});
        let process = serde_json::from_value(document).unwrap();
        let (host, folder) = (host(), Path::new("/"));
        let error = runtime::compile_exec(&process, None, &common::setting(&host, folder, folder)).unwrap_err();
        let text =
            format!("config.json: `process.execCPUAffinity.{field}`: `-` is neither a number nor a range of numbers");
        assert_eq!((error.kind, error.to_string()), (Kind::Invalid, text));
    }
}

#[test]
fn wrong_namespaces_are_named_by_their_field() {
    let map = |inside: u32, outside: u32, size: u32| json!({"containerID": inside, "hostID": outside, "size": size});
    let user = |uids: Value, gids: Value| {
        with(namespaces(&json!([{"type": "user"}])), &json!({"linux": {"uidMappings": uids, "gidMappings": gids}}))
    };
    let one = json!([map(0, 0, 1)]);
    let many: Vec<Value> = (0..341).map(|id| map(id, id, 1)).collect();
    let sysctl = |name: &str, more: Value| with(namespaces(&more), &json!({"linux": {"sysctl": {name: "1"}}}));
    let offset = |clock: &str, nanosecs: u32| {
        with(
            namespaces(&json!([{"type": "time"}])),
            &json!({"linux": {"timeOffsets": {clock: {"nanosecs": nanosecs}}}}),
        )
    };
    all_invalid(&[
        (
            json!({"hostname": null, "linux": {"namespaces": [{"type": "user"}], "uidMappings": one, "gidMappings": one}}),
            "`linux.namespaces`: a user namespace needs a mount namespace: its root may not mount in the caller's",
        ),
        (namespaces(&json!([{"type": "mount"}])), "`linux.namespaces[1]`: this kind is there already"),
        (namespaces(&json!([{"type": "pid", "path": "x"}])), "`linux.namespaces[1].path`: `x` is not an absolute path"),
        (namespaces(&json!([{"type": "pid", "path": "/\0"}])), "`linux.namespaces[1].path` has a NUL byte"),
        (
            namespaces(&json!([{"type": "user"}])),
            "`linux.uidMappings`: a new user namespace needs mappings of users and of groups",
        ),
        (
            user(one.clone(), json!([])),
            "`linux.uidMappings`: a new user namespace needs mappings of users and of groups",
        ),
        (json!({"linux": {"uidMappings": one}}), "`linux.uidMappings`: mappings need a user namespace"),
        (json!({"linux": {"gidMappings": one}}), "`linux.uidMappings`: mappings need a user namespace"),
        (user(json!([map(0, 0, 0)]), one.clone()), "`linux.uidMappings[0]`: a mapping of no ids"),
        (user(json!([map(7, 0, u32::MAX)]), one.clone()), "`linux.uidMappings[0]`: ids beyond the last there is"),
        (
            user(one.clone(), json!([map(0, 0, 5), map(4, 9, 1)])),
            "`linux.gidMappings[1]`: ids that another mapping has already",
        ),
        (
            user(one.clone(), json!([map(0, 0, 5), map(5, 4, 1)])),
            "`linux.gidMappings[1]`: ids that another mapping has already",
        ),
        (user(json!(many), one), "`linux.uidMappings`: more than 340 mappings"),
        (
            json!({"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}),
            "`linux.timeOffsets.monotonic`: offsets need a new time namespace",
        ),
        (offset("realtime", 1), "`linux.timeOffsets.realtime`: the clocks with offsets are `monotonic` and `boottime`"),
        (offset("boottime", 1_000_000_000), "`linux.timeOffsets.boottime.nanosecs`: a second or more"),
        (json!({"hostname": "x"}), "`hostname`: it would be the host's: a uts namespace is missing"),
        (json!({"domainname": "x"}), "`domainname`: it would be the host's: a uts namespace is missing"),
        (with(namespaces(&json!([{"type": "uts"}])), &json!({"hostname": "a\0b"})), "`hostname` has a NUL byte"),
        (sysctl("kernel.hostname", json!([{"type": "uts"}])), "`linux.sysctl.kernel.hostname`: use `hostname`"),
        (
            sysctl("vm.swappiness", json!([])),
            "`linux.sysctl.vm.swappiness`: it belongs to no namespace: it would be the host's",
        ),
        (
            sysctl("net/ipv4/../../vm/swappiness", json!([{"type": "network"}])),
            "`linux.sysctl.net/ipv4/../../vm/swappiness`: this is no name of a kernel parameter",
        ),
        (
            sysctl("net.ipv4.ip_forward", json!([])),
            "`linux.sysctl.net.ipv4.ip_forward`: it would be the host's: a network namespace is missing",
        ),
        (
            sysctl("fs.mqueue.msg_max", json!([])),
            "`linux.sysctl.fs.mqueue.msg_max`: it would be the host's: a ipc namespace is missing",
        ),
    ]);
}

#[test]
fn a_wrong_tree_is_named_by_its_field() {
    let mount = |mount: Value| json!({"mounts": [{"destination": "/ok", "type": "tmpfs"}, mount]});
    let options = |kind: &str, options: &[&str]| {
        mount(json!({"destination": "/x", "type": kind, "source": "/x", "options": options}))
    };
    let one = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
    let device = |device: Value| json!({"linux": {"devices": [device]}});
    all_invalid(&[
        (mount(json!({"destination": "/x"})), "`mounts[1].type`: it is missing"),
        (mount(json!({"destination": "/x", "type": "bind"})), "`mounts[1].source`: a bind mount needs one"),
        (options("bind", &["readonly"]), "`mounts[1].options`: a bind mount has no option `readonly`"),
        (options("bind", &["mode"]), "`mounts[1].options`: a bind mount has no option `mode`"),
        (options("bind", &["size=1", "context=x"]), "`mounts[1].options`: a bind mount has no option `context`"),
        (options("tmpfs", &["ro", "size=\0"]), "`mounts[1].options[1]` has a NUL byte"),
        (options("proc", &["tmpcopyup"]), "`mounts[1].options`: `tmpcopyup` is for a tmpfs"),
        (options("bind", &["idmap"]), "`mounts[1].options`: `idmap` needs mappings, or those of a new user namespace"),
        (
            mount(json!({"destination": "/x", "type": "bind", "source": "/x", "uidMappings": one})),
            "`mounts[1].uidMappings`: mappings of users and of groups go together",
        ),
        (
            mount(json!({"destination": "/proc/sys/kernel", "type": "tmpfs"})),
            "`mounts[1].destination`: `/proc/sys/kernel` cannot be mounted because it is inside /proc",
        ),
        (
            mount(json!({"destination": "/x/../proc/./self/attr", "type": "bind", "source": "/x"})),
            "`mounts[1].destination`: `/x/../proc/./self/attr` cannot be mounted because it is inside /proc",
        ),
        (json!({"linux": {"rootfsPropagation": "x"}}), "`linux.rootfsPropagation`: unknown propagation `x`"),
        (json!({"linux": {"maskedPaths": ["/x", "y"]}}), "`linux.maskedPaths[1]`: `y` is not an absolute path"),
        (json!({"linux": {"readonlyPaths": [""]}}), "`linux.readonlyPaths[0]`: `` is not an absolute path"),
        (device(json!({"path": "/dev/x", "type": "x"})), "`linux.devices[0].type`: `x` is none of `c`, `b`, `u`, `p`"),
        (device(json!({"path": "x", "type": "p"})), "`linux.devices[0].path`: `x` is not an absolute path"),
        (device(json!({"path": "/x", "type": "c", "major": -1})), "`linux.devices[0].major`: -1 is no device number"),
        (
            device(json!({"path": "/x", "type": "b", "minor": 1u64 << 32})),
            "`linux.devices[0].minor`: 4294967296 is no device number",
        ),
    ]);
}

#[test]
fn a_wrong_hook_is_named_by_its_field() {
    for kind in ["createContainer", "startContainer"] {
        for (hook, text) in [
            (json!({"path": "x"}), "path`: `x` is not an absolute path"),
            (json!({"path": "/x", "args": ["\0"]}), "args[0]` has a NUL byte"),
            (json!({"path": "/x", "env": ["\0"]}), "env[0]` has a NUL byte"),
            (json!({"path": "/x", "timeout": 0}), "timeout`: it must be more than 0 seconds"),
            (json!({"path": "/x", "timeout": -1}), "timeout`: it must be more than 0 seconds"),
        ] {
            let error = refused(&json!({"hooks": {kind: [{"path": "/ok"}, hook]}}), &host());
            let text = format!("config.json: `hooks.{kind}[1].{text}");
            assert_eq!((error.kind, error.to_string()), (Kind::Invalid, text));
        }
    }
}

/// Any value, with the words that mean something to us more often than others.
fn values() -> impl Strategy<Value = Value> {
    let words = [
        "",
        "/",
        "/dev",
        "/dev/null",
        "/proc",
        "bind",
        "rbind",
        "ro",
        "rro",
        "rshared",
        "proc",
        "tmpfs",
        "cgroup",
        "a=b",
        "=",
        "PATH=",
        "CAP_CHOWN",
        "RLIMIT_CPU",
        "SCMP_ACT_ERRNO",
        "mount",
        "uts",
        "../..",
        "a\0b",
        "/\0",
        "x",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3i64..70).prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts `value` at the place that `picks` lead to.
fn mutate(document: &mut Value, picks: &[usize], value: Value) {
    let Some((pick, rest)) = picks.split_first() else { return *document = value };
    match document {
        Value::Object(map) if !map.is_empty() => {
            let length = map.len();
            mutate(map.values_mut().nth(pick % length).unwrap(), rest, value);
        }
        Value::Array(list) if !list.is_empty() => {
            let length = list.len();
            mutate(&mut list[pick % length], rest, value);
        }
        other => *other = value,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_makes_compile_panic(
        changes in proptest::collection::vec((proptest::collection::vec(0usize..8, 1..5), values()), 1..4),
        last_capability in 0u8..64,
        may_set_groups in any::<bool>(),
    ) {
        let mut document = docker();
        for (picks, value) in changes {
            mutate(&mut document, &picks, value);
        }
        // What is no spec at all stops here.
        if let Ok(spec) = serde_json::from_value::<Spec>(document) {
            let host = Host { last_capability, may_set_groups, ..host() };
            if let Ok(plan) = compile(&spec, &host) {
                prop_assert!(serde_json::to_string(&plan).is_ok());
                prop_assert!(plan.process.uid != u32::MAX && plan.process.gid != u32::MAX);
            }
        }
    }
}
