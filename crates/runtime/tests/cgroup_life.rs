//! The life of cgroups: made, joined, frozen, killed, removed, on this kernel.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod cgroup_common;

use cgroup_common::{Group, Shell, here, name, only_v1, only_v2, planned, resources, until};
use runtime::cgroup::{Driver, Hierarchies, Paths, make, plan};
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

const KILL: u8 = 9;
const TERM: u8 = 15;

#[test]
fn there_is_one_in_each_hierarchy_and_a_process_is_in_all() {
    let group = Group::new(&here(), json!({}));
    let mut shell = group.start("cat /proc/self/cgroup; echo end; sleep 60");
    let mut lines = Vec::new();
    loop {
        match shell.line().as_str() {
            "end" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let own = group.paths.places[0].dir.to_str().unwrap();
    let inside = lines.iter().filter(|line| line.ends_with(&format!(":/{own}"))).count();
    assert_eq!((inside, group.paths.places.len()), (lines.len(), lines.len()), "{lines:?}");
    assert!(group.paths.processes().unwrap().contains(&shell.pid));
    // The state remembers it, and another process joins.
    let text = serde_json::to_string(&group.paths).unwrap();
    let paths: Paths = serde_json::from_str(&text).unwrap();
    assert_eq!(paths, group.paths);
    let second = Group { cgroup: paths.open().unwrap(), paths: Paths::default() };
    let other = second.start("sleep 60");
    assert!(group.paths.processes().unwrap().contains(&other.pid));
    drop(second);
    assert!(group.paths.processes().unwrap().contains(&other.pid));
}

#[test]
fn a_thread_joins_v1_by_itself() {
    let group = Group::new(&here(), json!({}));
    let own = "/proc/thread-self/cgroup";
    let before = std::fs::read_to_string(own).unwrap();
    for file in group.cgroup.task_files().unwrap() {
        rustix::io::write(file, b"0").unwrap();
    }
    let inside = std::fs::read_to_string(own).unwrap();
    let name = format!(":/{}", group.paths.places[0].dir.display());
    assert_eq!(inside.lines().filter(|line| line.ends_with(&name)).count(), here().v1.len(), "{inside}");
    for hierarchy in here().v1 {
        std::fs::write(hierarchy.own.join("tasks"), "0").unwrap();
    }
    assert_eq!(std::fs::read_to_string(own).unwrap(), before);
}

#[test]
fn below_processes_v2_passes_no_controllers_and_that_is_said() {
    let group = Group::new(&only_v2(), json!({}));
    let _shell = group.start("sleep 60");
    let path = format!("/{}/below", group.paths.places[0].dir.display());
    let limits = resources(json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}));
    let hybrid =
        Hierarchies { v1: only_v1().v1.into_iter().filter(|one| one.controllers == ["pids"]).collect(), ..here() };
    let error = make(&plan(&hybrid, &path, "id", &limits, Driver::Cgroupfs).unwrap()).unwrap_err();
    assert_eq!(error.kind, error::Kind::Conflict);
    assert!(error.to_string().contains("can't pass the cgroup controller `hugetlb`"), "{error}");
    assert!(error.to_string().ends_with("processes live in it"), "{error}");
    // Without a limit there is no need for the controller.
    make(&plan(&only_v2(), &path, "id", &resources(json!({})), Driver::Cgroupfs).unwrap()).unwrap();
}

#[test]
fn v2_counts_time_and_pressure_whatever_its_controllers() {
    let group = Group::new(&only_v2(), json!({}));
    assert!(group.run("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done").2.success());
    let cpu = group.paths.stats().unwrap().cpu;
    assert!(cpu.usage.total > 1_000_000 && cpu.usage.user > 0, "{cpu:?}");
    assert!(cpu.psi.is_some());
}

#[test]
fn one_with_processes_in_it_is_not_taken_over_and_an_empty_one_is() {
    let path = format!("/{}", name());
    let plan = plan(&here(), &path, "id", &resources(json!({})), Driver::Cgroupfs).unwrap();
    let paths = make(&plan).unwrap().keep();
    let group = Group { cgroup: make(&plan).unwrap(), paths };
    let shell = group.start("sleep 60");
    let error = make(&plan).unwrap_err();
    assert_eq!(error.kind, error::Kind::Conflict);
    assert!(error.to_string().ends_with("it exists and processes are in it"), "{error}");
    assert!(group.paths.processes().unwrap().contains(&shell.pid));
}

#[test]
fn what_is_not_kept_goes_and_what_is_kept_stays() {
    let plan = planned(&here(), json!({})).unwrap();
    let there = |expected: bool| {
        for group in &plan.groups {
            assert_eq!(group.place.path().try_exists().unwrap(), expected, "{}", group.place.path().display());
        }
    };
    drop(make(&plan).unwrap());
    there(false);
    let paths = make(&plan).unwrap().keep();
    there(true);
    paths.remove().unwrap();
    there(false);
    paths.remove().unwrap();
    assert_eq!(paths.processes().unwrap(), []);
    paths.kill_all(KILL).unwrap();
    assert!(!paths.is_frozen().unwrap());
}

/// A process that counts into its output as fast as it can.
fn frozen_does_not_advance(hierarchies: &Hierarchies) {
    let group = Group::new(hierarchies, json!({}));
    let file = std::env::temp_dir().join(name());
    let mut shell = group.start(&format!("while :; do echo x >>{}; sleep 0.005; done", file.display()));
    let length = || std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
    until("it runs", || length() > 4);
    assert!(!group.paths.is_frozen().unwrap());
    group.paths.freeze().unwrap();
    assert!(group.paths.is_frozen().unwrap());
    let before = length();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(length(), before);
    group.paths.thaw().unwrap();
    assert!(!group.paths.is_frozen().unwrap());
    until("it goes on", || length() > before + 4);
    // Whoever is frozen can be killed all the same.
    group.paths.freeze().unwrap();
    group.paths.kill_all(KILL).unwrap();
    shell.assert_killed();
    std::fs::remove_file(file).unwrap();
}

#[test]
fn v1_frozen_processes_rest_and_can_be_killed() {
    frozen_does_not_advance(&only_v1());
}

#[test]
fn v2_frozen_processes_rest_and_can_be_killed() {
    frozen_does_not_advance(&only_v2());
    frozen_does_not_advance(&here());
}

/// Processes in the cgroup and in two below it, in every hierarchy.
fn tree(group: &Group) -> Vec<Shell> {
    let mut shells = vec![group.start("sleep 60")];
    for place in &group.paths.places {
        let below = place.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        if place.has("cpuset") {
            for dir in [below.parent().unwrap(), &below] {
                std::fs::write(dir.join("cpuset.cpus"), "0").unwrap();
                std::fs::write(dir.join("cpuset.mems"), "0").unwrap();
            }
        }
    }
    for _ in 0..2 {
        let shell = group.start("sleep 60 & sleep 60 & wait");
        for place in &group.paths.places {
            let procs = place.path().join("a/b/cgroup.procs");
            std::fs::write(procs, shell.pid.as_raw_nonzero().to_string()).unwrap();
        }
        shells.push(shell);
    }
    shells
}

#[test]
fn a_signal_reaches_the_whole_tree() {
    for hierarchies in [here(), only_v1(), only_v2()] {
        for signal in [TERM, KILL] {
            let group = Group::new(&hierarchies, json!({}));
            let mut shells = tree(&group);
            assert!(group.paths.processes().unwrap().len() >= 3);
            group.paths.kill_all(signal).unwrap();
            for shell in &mut shells {
                assert_eq!(shell.wait().signal(), Some(signal.into()));
            }
            until("all are gone", || group.paths.processes().unwrap().is_empty());
            assert!(!group.paths.is_frozen().unwrap());
        }
    }
}

#[test]
fn nobody_escapes_a_signal_by_forking() {
    for hierarchies in [only_v2(), here(), only_v1()] {
        for _ in 0..10 {
            let group = Group::new(&hierarchies, json!({}));
            // In a cgroup with others below it, and in one below: v2 says of both that they are frozen as soon as one is.
            let mut shells = tree(&group);
            for below in [false, false, false, false, true] {
                let shell = group.start("while :; do sleep 60 & done");
                for place in group.paths.places.iter().filter(|_| below) {
                    let procs = place.path().join("a/b/cgroup.procs");
                    std::fs::write(procs, shell.pid.as_raw_nonzero().to_string()).unwrap();
                }
                shells.push(shell);
            }
            until("they fork", || group.paths.processes().unwrap().len() > 12);
            group.paths.kill_all(TERM).unwrap();
            for shell in &mut shells {
                assert_eq!(shell.wait().signal(), Some(TERM.into()));
            }
            until("all are gone", || group.paths.processes().unwrap().is_empty());
        }
    }
}

#[test]
fn without_a_freezer_each_is_found_in_time() {
    let one =
        Hierarchies { v2: None, v1: only_v1().v1.into_iter().filter(|one| one.controllers == ["pids"]).collect() };
    let group = Group::new(&one, json!({}));
    let mut shells = tree(&group);
    group.paths.kill_all(KILL).unwrap();
    for shell in &mut shells {
        shell.assert_killed();
    }
    let error = group.paths.freeze().unwrap_err();
    assert_eq!(error.kind, error::Kind::Unsupported);
}

#[test]
fn removal_takes_what_is_in_it() {
    for hierarchies in [here(), only_v1(), only_v2()] {
        let group = Group::new(&hierarchies, json!({}));
        let mut shells = tree(&group);
        // A part that froze itself in v1.
        if let Some(freezer) = group.paths.places.iter().find(|place| place.has("freezer")) {
            std::fs::write(freezer.path().join("a/b/freezer.state"), "FROZEN").unwrap();
        }
        group.paths.remove().unwrap();
        for shell in &mut shells {
            shell.assert_killed();
        }
    }
}

#[test]
fn a_paused_container_gets_signals_when_it_goes_on() {
    for hierarchies in [only_v1(), only_v2()] {
        let group = Group::new(&hierarchies, json!({}));
        let mut shell = group.start("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        assert_eq!(shell.line(), "ready");
        group.paths.freeze().unwrap();
        group.paths.kill_all(TERM).unwrap();
        assert!(group.paths.is_frozen().unwrap());
        assert!(shell.child.try_wait().unwrap().is_none());
        group.paths.thaw().unwrap();
        // The sleeping child is killed by the signal, the shell exits.
        assert_eq!(shell.wait().code(), Some(7));
    }
}

#[test]
fn nothing_is_started_in_a_frozen_cgroup() {
    for (hierarchies, file, frozen, thawed) in
        [(only_v2(), "cgroup.freeze", "1", "0"), (freezers_of_v1(), "freezer.state", "FROZEN", "THAWED")]
    {
        let group = Group::new(&hierarchies, json!({}));
        let place = &group.paths.places[0];
        let path = format!("/{}", place.dir.display());
        let again = || make(&plan(&hierarchies, &path, "id", &resources(json!({})), Driver::Cgroupfs).unwrap());
        std::fs::write(place.path().join(file), frozen).unwrap();
        let error = again().unwrap_err();
        assert_eq!(error.kind, error::Kind::Conflict);
        assert!(error.to_string().ends_with("it exists and is frozen"), "{error}");
        std::fs::write(place.path().join(file), thawed).unwrap();
        again().unwrap().keep();
    }
}

fn freezers_of_v1() -> Hierarchies {
    let mut hierarchies = only_v1();
    hierarchies.v1.retain(|one| one.controllers == ["freezer"]);
    hierarchies
}
