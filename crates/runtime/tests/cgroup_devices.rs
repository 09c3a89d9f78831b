//! Device rules hold: as v1's lists and as v2's program; and what that program is, instruction by instruction.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod cgroup_common;

use cgroup_common::{Group, name, only_v1, only_v2, resources};
use runtime::cgroup::{Hierarchies, devices};
use serde_json::{Value, json};

/// A character device that only a rule allows: `/dev/loop-control` is not among those that all containers have.
const NODE: &str = "/dev/loop-control";

fn rules(access: &str) -> Value {
    json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 237, "access": access},
    ]})
}

/// Which of reading, writing and both the cgroup lets a shell do.
fn may(group: &Group, node: &str) -> [bool; 3] {
    ["<", ">", "<>"].map(|open| group.run(&format!(": {open}{node}")).2.success())
}

fn hold(hierarchies: &Hierarchies) {
    let free = Group::new(hierarchies, json!({}));
    assert_eq!(may(&free, NODE), [true; 3]);
    let group = Group::new(hierarchies, rules("r"));
    assert_eq!(may(&group, NODE), [true, false, false]);
    assert_eq!(may(&group, "/dev/null"), [true; 3]);
    let (_, errors, _) = group.run(&format!(": >{NODE}"));
    assert!(errors.contains("Operation not permitted"), "{errors}");
    // Nodes may be made, and not used.
    let node = std::env::temp_dir().join(name());
    let made = group.run(&format!("mknod {0} c 10 237 && : >{0}", node.display()));
    assert!(node.try_exists().unwrap() && made.1.contains("Operation not permitted"), "{made:?}");
    std::fs::remove_file(node).unwrap();
    for (access, expected) in [("rw", [true; 3]), ("w", [false, true, false]), ("rwm", [true; 3]), ("m", [false; 3])] {
        group.paths.update(&resources(rules(access))).unwrap();
        assert_eq!(may(&group, NODE), expected, "{access}");
        assert_eq!(may(&group, "/dev/zero"), [true; 3], "{access}");
    }
    group.paths.update(&resources(json!({"pids": {"limit": -1}}))).unwrap();
    assert_eq!(may(&group, NODE), [false; 3]);
}

#[test]
fn v1_lists_hold_and_are_updated() {
    hold(&only_v1());
}

#[test]
fn a_v2_program_holds_and_is_replaced() {
    hold(&Hierarchies {
        v1: only_v1().v1.into_iter().filter(|one| one.controllers == ["pids"]).collect(),
        ..only_v2()
    });
}

#[test]
fn an_updated_v1_list_has_exactly_what_the_new_rules_allow() {
    let group = Group::new(&only_v1(), rules("rwm"));
    group.paths.update(&resources(rules("r"))).unwrap();
    let fresh = Group::new(&only_v1(), rules("r"));
    let sorted = |group: &Group| {
        let mut lines: Vec<String> = group.read("devices", "devices.list").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&group), sorted(&fresh));
    assert!(sorted(&fresh).contains(&"c 10:237 r".to_owned()));
}

#[test]
fn an_exception_from_many_holds_in_v2_where_v1_refuses_it() {
    let hole = json!({"devices": [
        {"allow": false},
        {"allow": true, "type": "c", "major": 10, "access": "rwm"},
        {"allow": false, "type": "c", "major": 10, "minor": 237, "access": "w"},
    ]});
    let group = Group::new(&only_v2(), hole);
    assert_eq!(may(&group, NODE), [true, false, false]);
    // Read and write may come from two rules.
    let two = json!({"devices": [
        {"allow": true, "type": "c", "major": 10, "minor": 237, "access": "r"},
        {"allow": true, "type": "c", "major": 10, "minor": 237, "access": "w"},
    ]});
    group.paths.update(&resources(two)).unwrap();
    assert_eq!(may(&group, NODE), [true; 3]);
    group.paths.update(&resources(json!({"devices": [{"allow": true, "type": "a", "access": "rwm"}]}))).unwrap();
    assert_eq!(may(&group, NODE), [true; 3]);
    group.paths.update(&resources(json!({"devices": [{"allow": false}]}))).unwrap();
    assert_eq!(may(&group, NODE), [false; 3]);
}

#[test]
fn rules_become_instructions() {
    let text = |devices: Value| -> Vec<String> {
        let rules: Vec<_> = serde_json::from_value(devices).unwrap();
        devices::program(&rules).unwrap().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(devices::program(&[]).unwrap(), None);
    // All that a container has by itself stands in front; only then come these.
    let own = text(json!([{"allow": false}]));
    let program = text(json!([
        {"allow": true, "type": "b", "major": 8, "access": "r"},
        {"allow": false, "type": "b", "major": 8, "minor": 1, "access": "rw"},
    ]));
    assert_eq!(own[..6], program[..6]);
    assert_eq!(own[..own.len() - 2], program[..own.len() - 2]);
    assert_eq!(own[own.len() - 2..], ["b4 r0 r0 +0 0x0", "95 r0 r0 +0 0x0"]);
    let expected = [
        // not a block device of 8:1: over the rule
        "55 r2 r0 +6 0x1",
        "55 r4 r0 +5 0x8",
        "55 r5 r0 +4 0x1",
        // reads or writes: denied
        "45 r3 r0 +1 0x6",
        "05 r0 r0 +2 0x0",
        "b4 r0 r0 +0 0x0",
        "95 r0 r0 +0 0x0",
        // not a block device of 8: over the rule
        "55 r2 r0 +5 0x1",
        "55 r4 r0 +4 0x8",
        // nothing but reading: allowed
        "54 r3 r0 +0 0xfffffffd",
        "55 r3 r0 +2 0x0",
        "b4 r0 r0 +0 0x1",
        "95 r0 r0 +0 0x0",
        // denied
        "b4 r0 r0 +0 0x0",
        "95 r0 r0 +0 0x0",
    ];
    assert_eq!(program[own.len() - 2..], expected);
}
