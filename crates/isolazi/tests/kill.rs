//! `isolazi kill`: a signal for the payload.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, read_until, state};
use testkit::Output;

#[test]
fn a_signal_reaches_the_payload_and_sigkill_ends_it() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "trap 'echo usr' USR1; trap 'exit 8' HUP; echo ready; while :; do sleep 0.01; done";
        let mut running = busybox.spawn(&["--name", "box"], &["sh", "-c", script]);
        read_until(&mut running, "ready\n");
        assert_eq!(isolazi.run(&["kill", "-s", "USR1", "box"]).ok(), "box\n");
        read_until(&mut running, "usr\n");
        assert_eq!(isolazi.run(&["container", "kill", "--signal=SIGHUP", "box"]).ok(), "box\n");
        assert_eq!(running.finish(b"", LIMIT).code, 8);
        assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
        assert_eq!(isolazi.run(&["kill", "box"]).ok(), "box\n");
        // It has ended when `kill` comes back.
        assert!(state(isolazi, "{{.Status}}").starts_with("Exited (137) "));
        isolazi.run(&["rm", "box"]).ok();
    }
}

#[test]
fn one_that_does_not_run_cannot_be_killed() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let id = isolazi.run(&["create", "--name", "box", &busybox.image]).ok();
    let output = isolazi.run(&["kill", "box", "nope"]);
    let id = id.trim();
    let complaints =
        format!("Error: cannot kill container: box: container {id} is not running\nError: No such container: nope\n");
    assert_eq!(output, Output { code: 1, stdout: String::new(), stderr: complaints });
    isolazi.run(&["kill", "-s", "99", "box"]).fails(1, "Error: invalid signal: 99\n");
    for verb in ["pause", "unpause"] {
        let told = if verb == "pause" {
            format!("Error: container {id} is not running\n")
        } else {
            format!("Error: Container {id} is not paused\n")
        };
        isolazi.run(&[verb, "box"]).fails(1, &told);
    }
    // As it is, it is as good as ended.
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "0\n");
    isolazi.run(&["rm", "box"]).ok();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "kill",
            &["", "nope", "AMBIGUOUS", "made", "ended", "-s NOPE runs", "-s 99 runs", "runs nope", "runs"],
        );
    }
}
