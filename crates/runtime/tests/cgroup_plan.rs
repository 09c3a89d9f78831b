//! Resources become writes: golden files for v1, v2 and both together; errors as a table.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use error::{Kind, Result};
use runtime::cgroup::{CgroupPlan, Driver, Hierarchies, Hierarchy, Systemd, plan};
use serde_json::{Value, json};
use testkit::golden;

fn hierarchy(controllers: &str, mount: &str) -> Hierarchy {
    let controllers = controllers.split_whitespace().map(str::to_owned).collect();
    Hierarchy { controllers, mount: mount.into(), own: mount.into() }
}

fn v1() -> Hierarchies {
    let names = "cpu,cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls,net_prio rdma name=systemd";
    let mounted = |names: &str| hierarchy(&names.replace(',', " "), &format!("/cg/{names}"));
    Hierarchies { v2: None, v1: names.split(' ').map(mounted).collect() }
}

fn v2() -> Hierarchies {
    Hierarchies { v2: Some(hierarchy("cpuset cpu io memory hugetlb pids rdma", "/cg")), v1: Vec::new() }
}

fn hybrid() -> Hierarchies {
    let names = ["cpu", "memory", "devices", "pids", "name=systemd"];
    let v1 = names.iter().map(|name| hierarchy(name, &format!("/cg/{name}"))).collect();
    Hierarchies { v2: Some(hierarchy("hugetlb", "/cg/unified")), v1 }
}

fn planned(hierarchies: &Hierarchies, resources: Value) -> Result<CgroupPlan> {
    plan(hierarchies, "/box/c1", "c1", &serde_json::from_value(resources).unwrap(), Driver::Cgroupfs)
}

/// Everything that both versions have.
fn common() -> Value {
    let disk = |rate: u64| json!([{"major": 8, "minor": 0, "rate": rate}]);
    json!({
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
            {"allow": true, "type": "b", "major": 8, "access": "r"},
            {"allow": false, "type": "b", "major": 8, "minor": 1, "access": "w"},
        ],
        "memory": {"limit": 104_857_600, "reservation": 52_428_800, "swap": 209_715_200},
        "cpu": {"shares": 512, "quota": 50_000, "burst": 10_000, "period": 100_000, "cpus": "0-1", "mems": "0", "idle": 1},
        "pids": {"limit": 100},
        "blockIO": {
            "weight": 500,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 1000}],
            "throttleReadBpsDevice": disk(1_048_576),
            "throttleWriteBpsDevice": disk(0),
            "throttleReadIOPSDevice": disk(100),
            "throttleWriteIOPSDevice": disk(200),
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}],
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10_000}},
    })
}

fn with(mut value: Value, pointer: &str, field: &str, to: Value) -> Value {
    value.pointer_mut(pointer).unwrap()[field] = to;
    value
}

fn check(name: &str, plan: &CgroupPlan) {
    golden(format!("tests/golden/cgroup_{name}.json"), &format!("{}\n", serde_json::to_string_pretty(plan).unwrap()));
}

#[test]
fn each_field_has_its_file_in_v1() {
    let mut all = common();
    for (pointer, field, value) in [
        ("/memory", "kernel", json!(1_048_576)),
        ("/memory", "kernelTCP", json!(2_097_152)),
        ("/memory", "swappiness", json!(0)),
        ("/memory", "disableOOMKiller", json!(true)),
        ("/memory", "useHierarchy", json!(true)),
        ("/cpu", "realtimeRuntime", json!(950_000)),
        ("/cpu", "realtimePeriod", json!(1_000_000)),
        ("/blockIO", "leafWeight", json!(300)),
        ("/blockIO/weightDevice/0", "leafWeight", json!(400)),
        ("", "network", json!({"classID": 1_048_577, "priorities": [{"name": "eth0", "priority": 5}]})),
    ] {
        all = with(all, pointer, field, value);
    }
    check("v1", &planned(&v1(), all).unwrap());
}

#[test]
fn each_field_has_its_file_in_v2() {
    let all = with(common(), "", "unified", json!({"memory.high": "99000000", "io.max": "8:16 rbps=1\n8:32 wbps=2\n"}));
    check("v2", &planned(&v2(), all).unwrap());
}

#[test]
fn each_limit_goes_where_its_controller_is() {
    let some = json!({
        "devices": [{"allow": false}], "memory": {"limit": -1}, "cpu": {"shares": 1024, "period": 50_000},
        "pids": {"limit": -1}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    });
    check("hybrid", &planned(&hybrid(), some).unwrap());
}

#[test]
fn systemd_is_told_the_limits_that_it_has_words_for() {
    // A list of systemd's can't except a disk from its kind.
    let mut resources = common();
    resources["devices"].as_array_mut().unwrap().pop();
    resources["unified"] = json!({"memory.high": "max"});
    let resources = serde_json::from_value(resources).unwrap();
    let user = Systemd::of_user(1000, "/run/user/1000".as_ref());
    for (name, path, driver) in [
        ("systemd", "a-b.slice:box:c1", Driver::Systemd(Systemd::of_machine())),
        ("systemd_user", "", Driver::Systemd(user)),
    ] {
        check(name, &plan(&v2(), path, "c1", &resources, driver).unwrap());
    }
    let plan = |hierarchies: &Hierarchies, path: &str| {
        let driver = Driver::Systemd(Systemd::of_machine());
        plan(hierarchies, path, "c1", &serde_json::from_value(json!({})).unwrap(), driver).unwrap_err()
    };
    let error = plan(&v1(), "a.slice:b:c");
    let message = "can't make a cgroup by systemd: this needs cgroup v2 with its controllers at `/sys/fs/cgroup`";
    assert_eq!((error.kind, error.to_string().as_str()), (Kind::Unsupported, message));
    assert_eq!(plan(&v2(), "/a/b").kind, Kind::Invalid);
}

#[test]
fn a_limit_without_its_controller_is_an_error_that_names_both() {
    let absent = |field: &str, controller: &str| {
        format!(
            "config.json: `linux.resources.{field}` can't be applied: the cgroup controller `{controller}` is not available"
        )
    };
    let only_names = || Hierarchies { v2: None, v1: vec![hierarchy("name=systemd", "/cg")] };
    for (hierarchies, resources, expected) in [
        (only_names(), json!({"memory": {"limit": 1}}), absent("memory.limit", "memory")),
        (only_names(), json!({"cpu": {"quota": 1}}), absent("cpu.quota", "cpu")),
        (only_names(), json!({"cpu": {"cpus": "0"}}), absent("cpu.cpus", "cpuset")),
        (only_names(), json!({"pids": {"limit": 1}}), absent("pids.limit", "pids")),
        (only_names(), json!({"blockIO": {"weight": 10}}), absent("blockIO.weight", "io")),
        (only_names(), json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}), absent("hugepageLimits[0]", "hugetlb")),
        (only_names(), json!({"rdma": {"a": {"hcaHandles": 1}}}), absent("rdma[a]", "rdma")),
        (v2(), json!({"network": {"classID": 1}}), absent("network.classID", "net_cls")),
        (hybrid(), json!({"network": {"priorities": [{"name": "a"}]}}), absent("network.priorities[0]", "net_prio")),
        (hybrid(), json!({"unified": {"memory.high": "1"}}), absent("unified[memory.high]", "memory")),
        (
            v1(),
            json!({"unified": {"memory.high": "1"}}),
            "config.json: `linux.resources.unified[memory.high]` can't be applied: there is no cgroup v2 hierarchy".into(),
        ),
        (
            v2(),
            json!({"memory": {"swappiness": 1}}),
            "config.json: `linux.resources.memory.swappiness` can't be applied: cgroup v2's controller `memory` has no such limit".into(),
        ),
        (Hierarchies::default(), json!({}), "can't make a cgroup: no cgroup hierarchy is mounted".into()),
    ] {
        let error = planned(&hierarchies, resources).unwrap_err();
        assert_eq!((error.kind, error.to_string()), (Kind::Unsupported, expected));
    }
}

#[test]
fn no_limit_needs_no_controller() {
    let nothing = json!({
        "memory": {"limit": -1, "swap": -1, "reservation": -1, "kernel": 0, "disableOOMKiller": false}, "pids": {"limit": -1},
        "cpu": {"quota": -1, "shares": 0, "idle": 0, "burst": 0}, "blockIO": {"weight": 0}, "network": {"classID": 0},
    });
    let bare = Hierarchies { v2: Some(hierarchy("", "/cg")), v1: Vec::new() };
    let plan = planned(&bare, nothing).unwrap();
    assert_eq!((plan.groups.len(), &plan.groups[0].writes), (1, &Vec::new()));
}

#[test]
fn values_without_meaning_are_refused_before_anything_is_made() {
    for (resources, field) in [
        (json!({"memory": {"limit": -2}}), "memory.limit"),
        (json!({"memory": {"swap": 5}}), "memory.swap"),
        (json!({"memory": {"limit": 6, "swap": 5}}), "memory.swap"),
        (json!({"memory": {"swappiness": 101}}), "memory.swappiness"),
        (json!({"cpu": {"quota": -2}}), "cpu.quota"),
        (json!({"pids": {"limit": -2}}), "pids.limit"),
        (json!({"blockIO": {"weight": 9}}), "blockIO.weight"),
        (json!({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}), "hugepageLimits[0]"),
        (json!({"rdma": {"a b": {"hcaHandles": 1}}}), "rdma[a b]"),
        (json!({"unified": {"../memory.high": "1"}}), "unified[../memory.high]"),
        (json!({"unified": {"memory": "1"}}), "unified[memory]"),
        (json!({"unified": {"cgroup.procs": "1"}}), "unified[cgroup.procs]"),
        (json!({"devices": [{"allow": true, "type": "x"}]}), "devices[0].type"),
    ] {
        let error = planned(&v2(), resources).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.to_string().starts_with(&format!("config.json: `linux.resources.{field}`: ")), "{error}");
    }
    let error = planned(&v1(), json!({"cpu": {"shares": 1}})).unwrap_err();
    assert_eq!(error.to_string(), "config.json: `linux.resources.cpu.shares`: 1 is not between 2 and 262144");
}
