//! A container's cgroup: joined from the first moment, killed as a whole, gone afterwards. Needs root of the machine.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, container, end, with};
use runtime::{Host, cgroup};
use rustix::fd::AsFd;
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;

fn base() -> PathBuf {
    Host::read().unwrap().cgroup.expect("root may make cgroups")
}

fn id(name: &str) -> String {
    format!("test-{name}-{}", std::process::id())
}

#[test]
fn a_payload_is_in_its_cgroup_and_sees_it_as_the_top() {
    let (room, base, id) = (Room::new(), base(), id("join"));
    let group = cgroup::create(&base, &id).unwrap();
    let plan = room
        .compile(container(
            "while read line; do case $line in 0:*) echo $line;; esac; done </proc/self/cgroup; exec sleep 1000",
        ))
        .unwrap();
    let (running, output) = room.start(&plan, Some(group.as_fd())).unwrap();
    let mut line = [0; 5];
    std::fs::File::from(output).read_exact(&mut line).unwrap();
    assert_eq!(&line, b"0::/\n");
    let pids = std::fs::read_to_string(cgroup::path(&base, &id).join("cgroup.procs")).unwrap();
    assert_eq!(pids, format!("{}\n", running.pid.as_raw_nonzero()));
    cgroup::remove(&base, &id).unwrap();
    assert_eq!(end(&running), 128 + 9);
    assert!(!cgroup::path(&base, &id).try_exists().unwrap());
}

#[test]
fn a_crowd_that_keeps_forking_is_killed_with_its_cgroup() {
    let (room, base, id) = (Room::new(), base(), id("crowd"));
    let group = cgroup::create(&base, &id).unwrap();
    // In the host's pid namespace, so that nothing but the cgroup holds them together.
    let shared = json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "network"}]}});
    let script = "
        breed() { while :; do sleep 0.01 & wait; done }
        for n in 0 1 2 3 4; do for m in 0 1 2 3 4 5 6 7 8 9; do breed & done; done
        echo crowded; wait";
    let plan = room.compile(with(container(script), &shared)).unwrap();
    let (running, output) = room.start(&plan, Some(group.as_fd())).unwrap();
    let mut output = std::fs::File::from(output);
    output.read_exact(&mut [0; 8]).unwrap();
    let dir = cgroup::path(&base, &id);
    let crowd = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap().lines().count();
    assert!(crowd >= 50, "{crowd}");
    cgroup::remove(&base, &id).unwrap();
    assert!(!dir.try_exists().unwrap());
    assert_eq!(end(&running), 128 + 9);
    // Every one of them held the pipe.
    assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn a_start_in_a_removed_cgroup_is_an_error() {
    let (room, base, id) = (Room::new(), base(), id("gone"));
    let group = cgroup::create(&base, &id).unwrap();
    cgroup::remove(&base, &id).unwrap();
    let plan = room.compile(container("true")).unwrap();
    let error = room.start(&plan, Some(group.as_fd())).unwrap_err();
    assert_eq!(error.to_string(), "can't make the container's namespaces (clone3): no such file or directory");
}
