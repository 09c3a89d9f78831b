//! `isolazi start`: containers that do not run are started.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT};
use testkit::Output;

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

/// `isolazi create FLAGS --name box busybox sh -c SCRIPT`.
#[track_caller]
fn create(busybox: &Busybox, flags: &[&str], script: &str) {
    let words = [&["create", "--name", "box", "--network", "none"], flags, &[&busybox.image, "sh", "-c", script]];
    busybox.isolazi.run(&words.concat()).ok();
}

#[test]
fn a_created_container_runs_as_often_as_it_is_started_and_keeps_its_files() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        create(&busybox, &[], "echo run >>/log; cat /log; exit 7");
        assert_eq!(isolazi.run(&["start", "-a", "box"]), said(7, "run\n", ""));
        assert_eq!(isolazi.run(&["container", "start", "--attach", "box"]), said(7, "run\nrun\n", ""));
        assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
        assert_eq!(isolazi.run(&["wait", "box"]).ok(), "7\n");
        assert_eq!(isolazi.run(&["logs", "box"]).ok(), "run\n".repeat(6));
        assert_eq!(isolazi.run(&["rm", "box"]).ok(), "box\n");
        busybox.holds_nothing();
    }
}

#[test]
fn input_reaches_a_started_container_and_its_end_is_the_payloads() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    create(&busybox, &["-i"], "tr a-z A-Z");
    let with = |flags: &[&str]| isolazi.run_with(&[&["start"], flags, &["box"]].concat(), b"hello\n", LIMIT);
    assert_eq!(with(&["-ai"]), said(0, "HELLO\n", ""));
    assert_eq!(with(&["-i"]), said(0, "HELLO\n", ""));
    isolazi.run(&["rm", "box"]).ok();
}

#[test]
fn one_that_runs_is_left_alone_and_one_that_cannot_run_says_why() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    create(&busybox, &[], "sleep 1000");
    assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
    let pid = common::payload(isolazi);
    assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
    assert_eq!(common::payload(isolazi), pid);
    isolazi.run(&["rm", "-f", "box"]).ok();

    isolazi.run(&["create", "--name", "bad", &busybox.image, "no-such-command"]).ok();
    let output = isolazi.run(&["start", "bad", "nope"]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
    assert!(output.stderr.contains("executable file not found in $PATH"), "{output:?}");
    assert!(output.stderr.ends_with("Error: No such container: nope\n"), "{output:?}");
    isolazi
        .run(&["start", "-a", "bad", "nope"])
        .fails(1, "Error: you cannot start and attach multiple containers at once\n");
    isolazi.run(&["rm", "bad"]).ok();
}

#[test]
fn a_removed_when_done_container_starts_once() {
    let busybox = Busybox::new();
    create(&busybox, &["--rm"], "echo once");
    assert_eq!(busybox.isolazi.run(&["start", "-a", "box"]), said(0, "once\n", ""));
    busybox.holds_nothing();
    busybox.isolazi.run(&["start", "box"]).fails(1, "Error: No such container: box\n");
}

#[test]
fn one_that_was_paused_when_its_monitor_died_starts_again() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    create(&busybox, &[], "sleep 1000");
    isolazi.run(&["start", "box"]).ok();
    isolazi.run(&["pause", "box"]).ok();
    let monitor = common::parent(common::payload(isolazi));
    rustix::process::kill_process(monitor, rustix::process::Signal::KILL).unwrap();
    // Not `wait` and nothing that lists: they would clean up.
    common::eventually("its end", || {
        let output = isolazi.run(&["exec", "box", "true"]);
        output.stderr.ends_with("is not running\n").then_some(())
    });
    assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
    assert_eq!(isolazi.run(&["exec", "box", "echo", "there"]).ok(), "there\n");
    isolazi.run(&["rm", "-f", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "start",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "-a made ended",
                "-i made ended",
                "--detach-keys nope -a made",
                "-a nope",
                "runs",
                "-a ended",
                "made nope",
            ],
        );
    }
}
