//! `isolazi wait`: exit codes of those that have ended and of those that will.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually};
use testkit::Isolazi;

#[track_caller]
fn start(busybox: &Busybox, name: &str, script: &str) -> String {
    let flags = ["-d", "--network", "none", "--name", name];
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok().trim().to_owned()
}

/// A command line that waits, once the monitor has heard of it.
fn waiting(isolazi: &Isolazi, names: &[&str]) -> testkit::Running {
    isolazi.spawn(&[&["wait"], names].concat())
}

#[test]
fn who_waits_hears_the_exit_codes_in_the_order_asked_for() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, "first", "trap 'exit 11' TERM; touch /ready; while :; do sleep 0.01; done");
        let ready = common::container(isolazi).join("upper/ready");
        eventually("the first", || ready.try_exists().unwrap().then_some(()));
        start(&busybox, "second", "exit 12");
        let both = waiting(isolazi, &["first", "second"]);
        isolazi.run(&["stop", "first"]).ok();
        assert_eq!(both.finish(b"", LIMIT).ok(), "11\n12\n");
        assert_eq!(isolazi.run(&["container", "wait", "first", "second"]).ok(), "11\n12\n");
        isolazi.run(&["wait", "nope"]).fails(1, "Error: No such container: nope\n");
        isolazi.run(&["rm", "first", "second"]).ok();
    }
}

#[test]
fn who_waits_for_one_that_is_removed_hears_its_code_too() {
    let busybox = Busybox::new();
    let flags = ["-d", "--rm", "--name", "box"];
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", "read x </dev/null; sleep 0.5; exit 4"])).ok();
    assert_eq!(waiting(&busybox.isolazi, &["box"]).finish(b"", LIMIT).ok(), "4\n");
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("wait", &["", "nope", "AMBIGUOUS", "made", "ended", "ended nope made"]);
    }
}
