//! Many launches leave no descriptor, process or mount behind. One test, alone in its program: it counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, container, with};
use serde_json::json;

/// Launches that are counted.
const LAUNCHES: usize = 200;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap()).collect()
}

#[test]
fn two_hundred_launches_leave_nothing() {
    let room = Room::new();
    let good = room.compile(container("true")).unwrap();
    let documents = [
        json!({"process": {"args": ["nosuch"]}}),
        json!({"process": {"cwd": "/bin/sh"}}),
        json!({"mounts": [{"destination": "/x", "type": "nosuchfs"}]}),
    ];
    let bad = documents.map(|patch| room.compile(with(container("true"), &patch)).unwrap());
    let before = descriptors();
    for number in 0..LAUNCHES {
        match number % 4 {
            0 => drop(room.run_plan(&bad[number / 4 % bad.len()]).unwrap_err()),
            _ => assert_eq!(room.run_plan(&good).unwrap().code, 0),
        }
    }
    assert_eq!((descriptors(), children()), (before, String::new()));
    room.assert_outside_untouched();
}
