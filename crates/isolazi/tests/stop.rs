//! `isolazi stop`: asked to end, killed when it does not, and at once when it cannot notice.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, state};
use std::time::{Duration, Instant};
use testkit::Output;

/// Says when it is ready, and how it was asked to end.
const POLITE: &str = "trap 'exit 3' TERM; trap 'exit 4' INT; touch /ready; while :; do sleep 0.01; done";

#[track_caller]
fn start(busybox: &Busybox, name: &str, flags: &[&str], script: &str) {
    let flags = [&["-d", "--network", "none", "--name", name], flags].concat();
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok();
}

/// Waits until the script has made its traps.
#[track_caller]
fn ready(busybox: &Busybox) {
    let path = common::container(&busybox.isolazi).join("upper/ready");
    common::eventually("a payload that is ready", || path.try_exists().unwrap().then_some(()));
}

#[test]
fn a_payload_that_handles_the_signal_ends_by_itself() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, "polite", &[], POLITE);
        ready(&busybox);
        assert_eq!(isolazi.run(&["stop", "polite"]).ok(), "polite\n");
        assert!(state(isolazi, "{{.State}} {{.Status}}").starts_with("exited Exited (3) "));
        // What does not run is as it should be.
        assert_eq!(isolazi.run(&["container", "stop", "polite"]).ok(), "polite\n");
        assert_eq!(isolazi.run(&["start", "polite"]).ok(), "polite\n");
        ready(&busybox);
        assert_eq!(isolazi.run(&["stop", "-s", "INT", "polite"]).ok(), "polite\n");
        assert!(state(isolazi, "{{.Status}}").starts_with("Exited (4) "));
        assert_eq!(isolazi.run(&["rm", "polite"]).ok(), "polite\n");
        busybox.holds_nothing();
    }
}

#[test]
fn the_container_may_name_the_signal() {
    let busybox = Busybox::new();
    start(&busybox, "named", &["--stop-signal", "SIGINT"], POLITE);
    ready(&busybox);
    assert_eq!(busybox.isolazi.run(&["stop", "named"]).ok(), "named\n");
    assert!(state(&busybox.isolazi, "{{.Status}}").starts_with("Exited (4) "));
    busybox.isolazi.run(&["rm", "named"]).ok();
}

#[test]
fn a_payload_that_cannot_notice_is_killed_at_once_and_the_user_told() {
    let note = "Note: container deaf was killed at once: its process 1 has no handler for SIGTERM, so the kernel drops \
                the signal and waiting is for nothing (`--init` or a handler helps, `--grace always` waits)\n";
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, "deaf", &[], "exec sleep 1000");
        let begin = Instant::now();
        let output = isolazi.run(&["stop", "deaf"]);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(output, Output { code: 0, stdout: "deaf\n".into(), stderr: note.into() });
        assert!(state(isolazi, "{{.Status}}").starts_with("Exited (137) "));
        isolazi.run(&["rm", "deaf"]).ok();
    }
}

#[test]
fn a_grace_is_given_where_it_was_asked_for_or_may_help() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let timed = |arguments: &[&str]| {
        let begin = Instant::now();
        assert_eq!(isolazi.run(arguments).ok(), "one\n", "{arguments:?}");
        begin.elapsed()
    };
    start(&busybox, "one", &[], "exec sleep 1000");
    assert!(timed(&["stop", "--grace", "always", "-t", "1", "one"]) >= Duration::from_secs(1));
    // It handles the signal, and does not end.
    isolazi.run(&["rm", "one"]).ok();
    start(&busybox, "one", &[], "trap : TERM; touch /ready; while :; do sleep 0.01; done");
    ready(&busybox);
    assert!(timed(&["stop", "--time=1", "one"]) >= Duration::from_secs(1));
    assert!(state(isolazi, "{{.Status}}").starts_with("Exited (137) "));
    isolazi.run(&["start", "one"]).ok();
    ready(&busybox);
    assert!(timed(&["stop", "-t", "0", "one"]) < Duration::from_secs(5));
    isolazi.run(&["rm", "one"]).ok();
}

#[test]
fn who_is_in_more_of_a_hurry_decides() {
    let busybox = Busybox::new();
    start(&busybox, "slow", &[], "trap : TERM; touch /ready; while :; do sleep 0.01; done");
    ready(&busybox);
    let patient = busybox.isolazi.spawn(&["stop", "-t", "-1", "slow"]);
    let begin = Instant::now();
    assert_eq!(busybox.isolazi.run(&["stop", "-t", "1", "slow"]).ok(), "slow\n");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(patient.finish(b"", common::LIMIT).ok(), "slow\n");
    busybox.isolazi.run(&["rm", "slow"]).ok();
}

#[test]
fn each_of_several_is_tried_and_the_failures_are_told() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, "one", &[], POLITE);
    start(&busybox, "two", &[], POLITE);
    let output = isolazi.run(&["stop", "-t", "0", "one", "nope", "two"]);
    let expected = Output { code: 1, stdout: "one\ntwo\n".into(), stderr: "Error: No such container: nope\n".into() };
    assert_eq!(output, expected);
    isolazi.run(&["rm", "one", "two"]).ok();
    isolazi.run(&["stop"]).fails(
        1,
        "Error: 'isolazi stop' requires at least 1 argument\n\nUsage:  isolazi stop [OPTIONS] CONTAINER \
         [CONTAINER...]\n\nSee 'isolazi stop --help' for more information\n",
    );
    isolazi.run(&["stop", "-s", "NOPE", "one"]).fails(1, "Error: invalid signal: NOPE\n");
    isolazi
        .run(&["stop", "--grace", "x", "one"])
        .fails(1, "Error: invalid grace \"x\": must be one of \"auto\" or \"always\"\n");
    isolazi.run(&["stop", "-t", "soon", "one"]).fails(
        125,
        "Error: invalid argument \"soon\" for \"-t, --timeout\" flag: strconv.ParseInt: parsing \"soon\": invalid \
             syntax\n\nSee 'isolazi stop --help'.\n",
    );
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "stop",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "-s NOPE runs",
                "-t soon runs",
                "--grace nope runs",
                "made",
                "ended",
                "-t 0 runs nope",
            ],
        );
    }
}
