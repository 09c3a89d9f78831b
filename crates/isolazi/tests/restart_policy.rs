//! `run --restart`: payloads that end by themselves are started again, those that a user ends are not; `isolazi boot`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, parent, payload, state};
use rustix::process::{Signal, kill_process};
use std::path::PathBuf;
use testkit::Output;

/// Starts `box` with a policy; the folder of what it writes.
#[track_caller]
fn start(busybox: &Busybox, policy: &str, script: &str) -> PathBuf {
    let flags = ["-d", "--network", "none", "--name", "box", "--restart", policy];
    busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", script])).ok();
    common::container(&busybox.isolazi).join("upper")
}

/// Waits until the script has written so many lines into `/log`.
#[track_caller]
fn runs(upper: &std::path::Path, at_least: usize) {
    eventually("so many runs", || {
        let text = std::fs::read_to_string(upper.join("log")).unwrap_or_default();
        (text.lines().count() >= at_least).then_some(())
    });
}

const COUNTED: &str = "echo run >>/log; [ $(wc -l </log) -ge 3 ] && exec sleep 1000; exit 4";

#[test]
fn it_is_started_again_until_a_user_ends_it() {
    for busybox in Busybox::both() {
        for end in [&["stop", "-t", "0", "box"][..], &["kill", "box"]] {
            let isolazi = &busybox.isolazi;
            let upper = start(&busybox, "always", COUNTED);
            runs(&upper, 3);
            eventually("a payload that stays", || (state(isolazi, "{{.State}}") == "running").then_some(()));
            assert_eq!(isolazi.run(&["inspect", "-f", "{{.RestartCount}}", "box"]).ok(), "2\n");
            assert_eq!(isolazi.run(end).ok(), "box\n");
            assert!(state(isolazi, "{{.Status}}").starts_with("Exited (137) "), "{end:?}");
            isolazi.run(&["rm", "box"]).ok();
        }
        busybox.holds_nothing();
    }
}

#[test]
fn failures_are_tried_so_often_and_a_success_is_an_end() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let upper = start(&busybox, "on-failure:2", "echo run >>/log; exit 9");
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "9\n");
    runs(&upper, 3);
    assert_eq!(std::fs::read_to_string(upper.join("log")).unwrap(), "run\n".repeat(3));
    assert!(state(isolazi, "{{.Status}}").starts_with("Exited (9) "));
    // Who starts it again begins to count anew.
    assert_eq!(isolazi.run(&["start", "box"]).ok(), "box\n");
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "9\n");
    assert_eq!(std::fs::read_to_string(upper.join("log")).unwrap(), "run\n".repeat(6));
    isolazi.run(&["rm", "box"]).ok();
    let upper = start(&busybox, "on-failure", "echo run >>/log; [ $(wc -l </log) -ge 2 ]");
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "0\n");
    assert_eq!(std::fs::read_to_string(upper.join("log")).unwrap(), "run\nrun\n");
    isolazi.run(&["rm", "box"]).ok();
}

#[test]
fn between_two_starts_it_is_restarting_and_can_be_stopped() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let upper = start(&busybox, "unless-stopped", "echo run >>/log; exit 5");
    // The pauses double: soon they are long enough to be seen.
    runs(&upper, 5);
    let status = eventually("a pause", || {
        let status = state(isolazi, "{{.State}} {{.Status}}");
        status.starts_with("restarting Restarting (5) ").then_some(status)
    });
    assert!(status.ends_with(" ago"), "{status}");
    let id = isolazi.run(&["ps", "-q", "--no-trunc"]).ok();
    isolazi
        .run(&["attach", "box"])
        .fails(1, "Error: You cannot attach to a restarting container, wait until it is running\n");
    isolazi.run(&["exec", "box", "true"]).fails(1, &format!("Error: container {} is not running\n", id.trim()));
    isolazi.run(&["rm", "box"]).fails(
        1,
        "Error: cannot remove container \"box\": container is restarting: stop the container before removing or force \
         remove\n",
    );
    assert_eq!(isolazi.run(&["stop", "box"]).ok(), "box\n");
    let count = std::fs::read_to_string(upper.join("log")).unwrap().len();
    assert!(state(isolazi, "{{.Status}}").starts_with("Exited (5) "));
    assert_eq!(isolazi.run(&["boot"]).ok(), "");
    assert_eq!(std::fs::read_to_string(upper.join("log")).unwrap().len(), count);
    isolazi.run(&["start", "box"]).ok();
    runs(&upper, 7);
    assert_eq!(isolazi.run(&["rm", "-f", "box"]).ok(), "box\n");
    busybox.holds_nothing();
}

#[test]
fn a_run_in_the_foreground_ends_with_the_first_run() {
    let busybox = Busybox::new();
    let words = busybox.words(&["--restart", "always", "--name", "box"], &["sh", "-c", "echo once; exit 6"]);
    let output = busybox.isolazi.run_with(&words, b"", LIMIT);
    assert_eq!(output, Output { code: 6, stdout: "once\n".into(), stderr: String::new() });
    busybox.isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn policies_that_are_none_are_refused() {
    let busybox = Busybox::new();
    for (flags, told) in [
        (
            &["--restart", "x"][..],
            "invalid restart policy: unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
        ),
        (&["--restart", "always", "--rm"], "conflicting options: cannot specify both --restart and --rm"),
        (&["--restart", "always:3"], "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    ] {
        busybox.isolazi.run(&busybox.words(flags, &["true"])).fails(125, &format!("Error: {told}\n"));
    }
}

#[test]
fn after_a_boot_those_start_that_should() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let run = |name: &str, policy: &str| {
            let flags = ["-d", "--network", "none", "--name", name, "--restart", policy];
            isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok();
        };
        let pid = |name: &str| {
            let text = isolazi.run(&["inspect", "-f", "{{.State.Pid}}", name]).ok();
            rustix::process::Pid::from_raw(text.trim().parse().unwrap()).unwrap()
        };
        for (name, policy) in [("al-run", "always"), ("al-stop", "always"), ("un-run", "unless-stopped")] {
            run(name, policy);
        }
        for (name, policy) in [("un-stop", "unless-stopped"), ("un-term", "unless-stopped"), ("none", "no")] {
            run(name, policy);
        }
        isolazi.run(&["create", "--name", "new", "--restart", "always", &busybox.image]).ok();
        for name in ["al-stop", "un-stop"] {
            isolazi.run(&["stop", "-t", "0", name]).succeeds();
        }
        // As a machine that goes down in order, and one that loses its power.
        kill_process(parent(pid("un-term")), Signal::TERM).unwrap();
        isolazi.run(&["wait", "un-term"]).ok();
        for name in ["al-run", "un-run", "none"] {
            kill_process(parent(pid(name)), Signal::KILL).unwrap();
            isolazi.run(&["wait", name]).ok();
        }
        assert_eq!(isolazi.run(&["boot"]).ok(), "al-run\nal-stop\nun-run\nun-term\n");
        assert_eq!(isolazi.run(&["system", "boot"]).ok(), "");
        let running = isolazi.run(&["ps", "--format", "{{.Names}}"]).ok();
        assert_eq!(running.lines().count(), 4, "{running}");
        isolazi.run(&["rm", "-f", "al-run", "al-stop", "un-run", "un-stop", "un-term", "none", "new"]).ok();
        busybox.holds_nothing();
    }
    let unit = Busybox::new().isolazi.run(&["boot", "--unit", "system"]).ok();
    assert!(unit.contains("ExecStart=/") && unit.contains(" boot\n"), "{unit}");
    Busybox::new()
        .isolazi
        .run(&["boot", "--unit", "x"])
        .fails(1, "Error: invalid unit \"x\": must be one of \"system\" or \"user\"\n");
}

/// The payload at the time of a SIGTERM to its monitor: asked to end, as `stop` asks it.
#[test]
fn a_monitor_that_is_told_to_end_ends_its_payload_in_order() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "trap 'exit 21' TERM; echo run >>/log; touch /ready; while :; do sleep 0.01; done";
    let upper = start(&busybox, "always", script);
    eventually("a payload that is ready", || upper.join("ready").try_exists().unwrap().then_some(()));
    kill_process(parent(payload(isolazi)), Signal::TERM).unwrap();
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "21\n");
    assert!(state(isolazi, "{{.Status}}").starts_with("Exited (21) "));
    assert_eq!(std::fs::read_to_string(upper.join("log")).unwrap(), "run\n");
    isolazi.run(&["rm", "box"]).ok();
}
