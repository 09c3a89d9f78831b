//! `isolazi attach`: terminals and pipes that come later.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, read_until, state};
use std::io::Write;
use testkit::Output;

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn whoever_attaches_hears_what_is_said_from_then_on_and_the_end() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "while read line; do echo \"<$line>\"; done; echo end >&2; exit 6";
        isolazi.run(&busybox.words(&["-d", "-i", "--name", "box"], &["sh", "-c", script])).ok();
        // Its end does not end the payload's input: it was not made for one client.
        let mut first = isolazi.spawn(&["attach", "box"]);
        first.child().stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
        read_until(&mut first, "<one>\n");
        let mut second = isolazi.spawn(&["container", "attach", "box"]);
        second.child().stdin.as_mut().unwrap().write_all(b"two\n").unwrap();
        read_until(&mut second, "<two>\n");
        read_until(&mut first, "<two>\n");
        let third = isolazi.spawn(&["attach", "--no-stdin", "box"]);
        isolazi.run(&["kill", "-s", "KILL", "box"]).ok();
        assert_eq!(first.finish(b"", LIMIT), said(137, "", ""));
        assert_eq!(second.finish(b"", LIMIT), said(137, "", ""));
        let output = third.finish(b"", LIMIT);
        // It may have come too late.
        let late = said(1, "", "Error: You cannot attach to a stopped container, start it first\n");
        assert!(output == said(137, "", "") || output == late, "{output:?}");
        assert_eq!(isolazi.run(&["logs", "box"]).ok(), "<one>\n<two>\n");
        isolazi.run(&["attach", "box"]).fails(1, "Error: You cannot attach to a stopped container, start it first\n");
        isolazi.run(&["attach", "nope"]).fails(1, "Error: No such container: nope\n");
        isolazi.run(&["rm", "box"]).ok();
    }
}

#[test]
fn a_terminal_can_be_left_and_taken_up_again() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&busybox.words(&["-dit", "--name", "box"], &["sh"])).ok();
    let mut pty = isolazi.pty(&["attach", "box"]);
    pty.send("echo $((40 + 2)); stty size\n");
    pty.expect("42");
    pty.expect("24 80");
    pty.send(b"\x10\x11");
    assert_eq!(pty.wait().0, 0);
    assert_eq!(state(isolazi, "{{.State}}"), "running");
    isolazi.run(&["attach", "box"]).fails(
        1,
        "Error: the input device is not a TTY: cannot attach stdin to a TTY-enabled container because stdin is not a \
         terminal\nHint: say `--no-stdin` to see only its output\n",
    );
    let mut pty = isolazi.pty(&["attach", "--detach-keys", "ctrl-a,x", "box"]);
    pty.send("echo $((50 + 5)); exit 9\n");
    pty.expect("55");
    assert_eq!(pty.wait().0, 9);
    isolazi.run(&["rm", "box"]).ok();
}

#[test]
fn a_client_that_stops_reading_holds_the_payload_up_for_a_while_and_is_cut_off() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "read go; head -c 3000000 /dev/zero | tr '\\0' x; echo; touch /done; sleep 1000";
    isolazi.run(&busybox.words(&["-d", "-i", "--name", "box"], &["sh", "-c", script])).ok();
    let mut attached = isolazi.spawn(&["attach", "box"]);
    // Both are there when the first has been told to go and has gone.
    attached.child().stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut first = [0; 1];
    std::io::Read::read_exact(attached.child().stdout.as_mut().unwrap(), &mut first).unwrap();
    attached.signal(rustix::process::Signal::STOP);
    let done = common::container(isolazi).join("upper/done");
    eventually("a payload that has said all", || done.try_exists().unwrap().then_some(()));
    attached.signal(rustix::process::Signal::CONT);
    let output = attached.finish(b"", LIMIT);
    let told = "Error: output was not read for 10 s: the connection to container box is cut\n\
                Hint: `isolazi logs box` has all of it\n";
    assert_eq!((output.code, output.stderr.as_str()), (1, told));
    assert!(output.stdout.len() < 3_000_000 && output.stdout.bytes().all(|byte| byte == b'x'));
    assert_eq!(state(isolazi, "{{.State}}"), "running");
    eventually("all of it in the log", || (isolazi.run(&["logs", "box"]).ok().len() == 3_000_001).then_some(()));
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn a_run_takes_part_in_the_streams_that_it_names() {
    let busybox = Busybox::new();
    let run = |flags: &[&str]| {
        let flags = [&["--rm", "--network", "none"], flags].concat();
        let words = busybox.words(&flags, &["sh", "-c", "echo out; echo err >&2; cat; exit 3"]);
        busybox.isolazi.run_with(&words, b"in\n", LIMIT)
    };
    assert_eq!(run(&["-a", "stdout"]), said(3, "out\n", ""));
    assert_eq!(run(&["--attach=STDERR"]), said(3, "", "err\n"));
    assert_eq!(run(&["-i", "-a", "stdin", "-a", "stdout"]), said(3, "out\nin\n", ""));
    let refused = |flags: &[&str], told: &str| assert_eq!(run(flags), said(125, "", &format!("Error: {told}\n")));
    refused(&["-d", "-a", "stdout"], "conflicting options: cannot specify both --attach and --detach");
    refused(
        &["-a", "all"],
        "invalid argument \"all\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
    );
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "attach",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "made",
                "ended",
                "runs made",
                "--detach-keys nope runs",
                "--sig-proxy=perhaps runs",
            ],
        );
    }
}
