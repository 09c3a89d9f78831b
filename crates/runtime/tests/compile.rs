//! Specs and facts become plans: golden files on any machine, errors as a table, and no panic whatever the document.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::with;
use error::Kind;
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

/// What Docker writes for `docker run debian bash`, with what we leave out so far (devices, resources) left out.
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

#[test]
fn what_is_wrong_or_unsupported_is_named_by_its_field() {
    let mount = |mount: Value| json!({"mounts": [{"destination": "/ok", "type": "tmpfs"}, mount]});
    let rlimits = |limits: Value| json!({"process": {"rlimits": limits}});
    let id = json!({"containerID": 0, "hostID": 0, "size": 1});
    let unsupported = |patch: Value, field: &str| (patch, Kind::Unsupported, format!("`{field}` is not supported"));
    let cases = [
        unsupported(json!({"hooks": {"prestart": [{"path": "/x"}]}}), "hooks"),
        unsupported(json!({"linux": {"uidMappings": [id]}}), "linux.uidMappings"),
        unsupported(json!({"linux": {"gidMappings": [id]}}), "linux.gidMappings"),
        unsupported(json!({"linux": {"cgroupsPath": "/x"}}), "linux.cgroupsPath"),
        unsupported(json!({"linux": {"sysctl": {"a.b": "1"}}}), "linux.sysctl"),
        unsupported(
            json!({"linux": {"devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]}}),
            "linux.devices",
        ),
        unsupported(json!({"linux": {"resources": {"pids": {"limit": 1}}}}), "linux.resources"),
        unsupported(json!({"linux": {"rootfsPropagation": "shared"}}), "linux.rootfsPropagation"),
        unsupported(json!({"linux": {"mountLabel": "x"}}), "linux.mountLabel"),
        unsupported(json!({"linux": {"personality": {"domain": "LINUX32"}}}), "linux.personality"),
        unsupported(json!({"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}), "linux.timeOffsets"),
        unsupported(json!({"linux": {"intelRdt": {"closID": "x"}}}), "linux.intelRdt"),
        unsupported(json!({"linux": {"netDevices": {"eth0": {}}}}), "linux.netDevices"),
        unsupported(json!({"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}}}), "linux.memoryPolicy"),
        unsupported(json!({"process": {"scheduler": {"policy": "SCHED_IDLE"}}}), "process.scheduler"),
        unsupported(json!({"process": {"ioPriority": {"class": "IOPRIO_CLASS_IDLE"}}}), "process.ioPriority"),
        unsupported(json!({"process": {"apparmorProfile": "x"}}), "process.apparmorProfile"),
        unsupported(json!({"process": {"selinuxLabel": "x"}}), "process.selinuxLabel"),
        unsupported(
            json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "pid", "path": "/x"}]}}),
            "linux.namespaces[1].path",
        ),
        unsupported(
            mount(json!({"destination": "/x", "type": "bind", "source": "/x", "uidMappings": [id]})),
            "mounts[1].uidMappings",
        ),
        unsupported(
            json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x",
                "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}}}),
            "linux.seccomp.listenerPath",
        ),
        (
            json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}]}}),
            Kind::Unsupported,
            "`linux.namespaces[1]`: this kind is not supported".into(),
        ),
        (
            mount(json!({"destination": "/x", "type": "tmpfs", "options": ["rshared"]})),
            Kind::Unsupported,
            "`mounts[1].options`: only a bind mount can be shared or a slave".into(),
        ),
        (json!({"process": null}), Kind::Invalid, "`process` is missing".into()),
        (json!({"linux": null}), Kind::Invalid, "`linux.namespaces` must have a mount namespace".into()),
        (json!({"hostname": "x"}), Kind::Invalid, "`hostname` would be the host's: a uts namespace is missing".into()),
        (
            json!({"domainname": "x"}),
            Kind::Invalid,
            "`domainname` would be the host's: a uts namespace is missing".into(),
        ),
        (
            json!({"hostname": "a\0b", "linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}]}}),
            Kind::Invalid,
            "`hostname` has a NUL byte".into(),
        ),
        (json!({"process": {"args": []}}), Kind::Invalid, "`process.args` names no program".into()),
        (json!({"process": {"args": [""]}}), Kind::Invalid, "`process.args` names no program".into()),
        (json!({"process": {"args": ["a\0"]}}), Kind::Invalid, "`process.args[0]` has a NUL byte".into()),
        (json!({"process": {"args": ["/a", "\0"]}}), Kind::Invalid, "`process.args[1]` has a NUL byte".into()),
        (json!({"process": {"env": ["A=1", "B=\0"]}}), Kind::Invalid, "`process.env[1]` has a NUL byte".into()),
        (json!({"process": {"cwd": "a"}}), Kind::Invalid, "`process.cwd`: `a` is not an absolute path".into()),
        (
            json!({"process": {"user": {"uid": u32::MAX}}}),
            Kind::Invalid,
            "`process.user.uid`: 4294967295 is no id".into(),
        ),
        (
            json!({"process": {"user": {"gid": u32::MAX}}}),
            Kind::Invalid,
            "`process.user.gid`: 4294967295 is no id".into(),
        ),
        (
            json!({"process": {"user": {"additionalGids": [1, u32::MAX]}}}),
            Kind::Invalid,
            "`process.user.additionalGids[1]`: 4294967295 is no id".into(),
        ),
        (
            rlimits(json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}])),
            Kind::Invalid,
            "`process.rlimits[0]`: unknown limit `RLIMIT_X`".into(),
        ),
        (
            rlimits(json!([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])),
            Kind::Invalid,
            "`process.rlimits[0]`: the soft limit 2 is above the hard limit 1".into(),
        ),
        (
            rlimits(
                json!([{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}]),
            ),
            Kind::Invalid,
            "`process.rlimits[1]`: `RLIMIT_CPU` is given twice".into(),
        ),
        (
            mount(json!({"destination": "x", "type": "tmpfs"})),
            Kind::Invalid,
            "`mounts[1].destination`: `x` is not an absolute path".into(),
        ),
        (mount(json!({"destination": "/x"})), Kind::Invalid, "`mounts[1].type` is missing".into()),
        (
            mount(json!({"destination": "/x", "type": "bind", "source": "x"})),
            Kind::Invalid,
            "`mounts[1].source`: `x` is not an absolute path".into(),
        ),
        (
            mount(json!({"destination": "/x", "type": "bind", "source": "/x", "options": ["bind", "size=1"]})),
            Kind::Invalid,
            "`mounts[1].options`: a bind mount has no option `size`".into(),
        ),
        (
            mount(json!({"destination": "/x", "type": "tmpfs", "options": ["ro", "size=\0"]})),
            Kind::Invalid,
            "`mounts[1].options[1]` has a NUL byte".into(),
        ),
        (
            json!({"linux": {"maskedPaths": ["/x", "y"]}}),
            Kind::Invalid,
            "`linux.maskedPaths[1]`: `y` is not an absolute path".into(),
        ),
        (
            json!({"linux": {"readonlyPaths": [""]}}),
            Kind::Invalid,
            "`linux.readonlyPaths[0]`: `` is not an absolute path".into(),
        ),
    ];
    for (patch, kind, text) in cases {
        let spec: Spec = serde_json::from_value(with(least(), &patch)).unwrap();
        let error = runtime::compile(&spec, &host(), Path::new("/data")).unwrap_err();
        assert_eq!((error.kind, error.to_string()), (kind, format!("config.json: {text}")), "{patch}");
    }
    // The cause is another room's text.
    let patch = json!({"process": {"capabilities": {"permitted": ["CAP_CHOWN", "CAP_DREAM"]}}});
    let spec: Spec = serde_json::from_value(with(least(), &patch)).unwrap();
    let error = runtime::compile(&spec, &host(), Path::new("/data")).unwrap_err();
    assert_eq!(error.messages[0], "config.json: `process.capabilities.permitted[1]`");
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
            if let Ok(plan) = runtime::compile(&spec, &host, Path::new("/data")) {
                prop_assert!(serde_json::to_string(&plan).is_ok());
                prop_assert!(plan.process.uid != u32::MAX && plan.process.gid != u32::MAX);
            }
        }
    }
}
