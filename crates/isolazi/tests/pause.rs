//! `isolazi pause` and `unpause`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, eventually, state};

#[track_caller]
fn start(busybox: &Busybox, name: &str, script: &str) -> String {
    let flags = ["-d", "--network", "none", "--name", name];
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok().trim().to_owned()
}

#[test]
fn a_paused_container_does_nothing_until_it_goes_on() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let id = start(&busybox, "box", "trap 'exit 3' TERM; while :; do echo >>/count; sleep 0.01; done");
    let count = common::container(isolazi).join("upper/count");
    let counted = || std::fs::metadata(&count).map_or(0, |facts| facts.len());
    eventually("a payload at work", || (counted() > 0).then_some(()));
    assert_eq!(isolazi.run(&["pause", "box"]).ok(), "box\n");
    let (then, status) = (counted(), state(isolazi, "{{.State}} {{.Status}}"));
    assert!(status.starts_with("paused Up ") && status.ends_with(" (Paused)"), "{status}");
    isolazi.run(&["pause", "box"]).fails(1, &format!("Error: Container {id} is already paused\n"));
    isolazi.run(&["start", "box"]).fails(1, "Error: cannot start a paused container, try unpause instead\n");
    isolazi.run(&["attach", "box"]).fails(1, "Error: You cannot attach to a paused container, unpause it first\n");
    isolazi.run(&["rm", "box"]).fails(
        1,
        "Error: cannot remove container \"box\": container is paused: stop the container before removing or force \
         remove\n",
    );
    assert_eq!(counted(), then);
    assert_eq!(isolazi.run(&["ps", "-q", "--no-trunc", "-f", "status=paused"]).ok(), format!("{id}\n"));
    assert_eq!(isolazi.run(&["container", "unpause", "box"]).ok(), "box\n");
    isolazi.run(&["unpause", "box"]).fails(1, &format!("Error: Container {id} is not paused\n"));
    eventually("a payload at work again", || (counted() > then).then_some(()));
    // Who stops it lets it go on, or it could not end by itself.
    isolazi.run(&["pause", "box"]).ok();
    assert_eq!(isolazi.run(&["stop", "box"]).ok(), "box\n");
    assert!(state(isolazi, "{{.Status}}").starts_with("Exited (3) "));
    isolazi.run(&["start", "box"]).ok();
    isolazi.run(&["pause", "box"]).ok();
    assert_eq!(isolazi.run(&["rm", "-f", "box"]).ok(), "box\n");
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records("pause", &["", "nope", "AMBIGUOUS", "made", "ended", "runs nope", "runs"]);
}

/// Nothing but waiting, looking and going on is to be had of one that is frozen.
#[test]
fn what_a_paused_container_refuses_is_as_recorded() {
    let scene = common::Scene::of_root();
    scene.busybox.isolazi.run(&["pause", "runs"]).ok();
    scene.shows(
        "paused.txt",
        &[
            "start runs",
            "pause runs",
            "exec runs true",
            "attach runs",
            "rm runs",
            "rename runs frozen",
            "ps --format {{.Names}}:{{.State}}",
            "inspect -f {{.State.Status}}-{{.State.Running}}-{{.State.Paused}} frozen",
            "container prune -f --filter label=none",
            "update --restart no frozen",
            "logs frozen",
            "restart -t 0 frozen",
            "unpause frozen",
        ],
    );
}
