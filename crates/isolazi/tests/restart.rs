//! `isolazi restart`: ended and started.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, eventually, state};

/// `isolazi create FLAGS --name box busybox sh -c SCRIPT`.
#[track_caller]
fn create(busybox: &Busybox, flags: &[&str], script: &str) {
    let words = [&["create", "--name", "box", "--network", "none"], flags, &[&busybox.image, "sh", "-c", script]];
    busybox.isolazi.run(&words.concat()).ok();
}

#[test]
fn a_restart_ends_and_starts_whether_it_runs_or_not() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "trap 'exit 5' TERM; echo run >>/log; touch /ready; while :; do sleep 0.01; done";
        create(&busybox, &[], script);
        let log = common::container(isolazi).join("upper/log");
        let runs = |count: usize| {
            eventually("so many runs", || {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                (text.lines().count() == count).then_some(())
            });
        };
        assert_eq!(isolazi.run(&["restart", "box"]).ok(), "box\n");
        runs(1);
        let first = common::payload(isolazi);
        assert_eq!(isolazi.run(&["restart", "box"]).ok(), "box\n");
        runs(2);
        assert_ne!(common::payload(isolazi), first);
        assert_eq!(state(isolazi, "{{.State}}"), "running");
        assert_eq!(isolazi.run(&["stop", "-t", "0", "box"]).ok(), "box\n");
        assert_eq!(isolazi.run(&["container", "restart", "box"]).ok(), "box\n");
        runs(3);
        assert_eq!(isolazi.run(&["rm", "-f", "box"]).ok(), "box\n");
        isolazi.run(&["restart", "box"]).fails(1, "Error: No such container: box\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_restart_keeps_a_container_that_is_removed_when_done() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let words = busybox.words(&["-d", "--rm", "--name", "box"], &["sleep", "1000"]);
    isolazi.run(&words).ok();
    let first = common::payload(isolazi);
    isolazi.run(&["restart", "-t", "0", "box"]).succeeds();
    assert_ne!(common::payload(isolazi), first);
    assert_eq!(isolazi.run(&["kill", "box"]).ok(), "box\n");
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "restart",
            &["", "nope", "AMBIGUOUS", "-s NOPE runs", "-t soon runs", "--grace nope runs", "-t 0 runs nope", "ended"],
        );
    }
}
