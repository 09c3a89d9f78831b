//! A run's life: exit codes, bytes in and out, signals, and what goes on when the command line is gone.

mod common;

use common::{Busybox, LIMIT, container, eventually, payload, read_until, state};
use rustix::process::{Signal, kill_process};
use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use testkit::Output;

/// So much that no pipe, socket or buffer on the way holds it.
const LARGE_BYTES: usize = 24 << 20;

/// Text that a byte lost, doubled or out of order would change.
fn text(bytes: usize) -> String {
    let mut text: String = (0..).map(|number| format!("{number:08x}\n")).take(bytes / 9 + 1).collect();
    text.truncate(bytes);
    text
}

#[test]
fn the_exit_code_is_the_payloads_or_says_what_it_died_of() {
    for busybox in Busybox::both() {
        for (script, code) in [
            ("true", 0),
            ("exit 7", 7),
            ("exit 125", 125),
            ("exit 255", 255),
            ("sleep 100 & kill -9 $!; wait $!", 137),
            ("sleep 100 & kill -TERM $!; wait $!", 143),
            ("sleep 100 & kill -SEGV $!; wait $!", 139),
        ] {
            let output = busybox.sh(&[], script);
            assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{script}: {output:?}");
        }
        busybox.holds_nothing();
    }
}

#[test]
fn a_payload_killed_from_outside_ends_the_run_with_128_and_the_signal() {
    for busybox in Busybox::both() {
        let running = busybox.spawn(&["--name", "victim"], &["sleep", "1000"]);
        kill_process(payload(&busybox.isolazi), Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(137, "");
        assert!(state(&busybox.isolazi, "{{.Names}} {{.Status}}").starts_with("victim Exited (137) "));
        assert_eq!(busybox.isolazi.run(&["rm", "victim"]).ok(), "victim\n");
        busybox.holds_nothing();
    }
}

#[test]
fn what_cannot_be_executed_has_dockers_codes_and_leaves_nothing() {
    for busybox in Busybox::both() {
        for (command, code, words) in [
            ("nosuch", 127, "executable file not found in $PATH"),
            ("/no/such", 127, "stat /no/such: no such file or directory"),
            ("/etc/passwd/x", 127, "stat /etc/passwd/x: not a directory"),
            ("/etc/passwd", 126, "permission denied"),
            ("/etc", 126, "is a directory"),
            ("./etc", 126, "is a directory"),
        ] {
            let output = busybox.run(&[], &[command]);
            let (error, _hints) = output.stderr.split_once('\n').unwrap();
            assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{output:?}");
            assert_eq!(error, format!("Error: exec: \"{command}\": {words}"));
        }
        busybox.holds_nothing();
    }
}

#[test]
fn a_start_that_failed_is_recorded_without_rm() {
    let busybox = Busybox::new();
    let run = |command| busybox.isolazi.run(&busybox.words(&["--name", "bad"], &[command])).code;
    assert_eq!(run("nosuch"), 127);
    assert_eq!(state(&busybox.isolazi, "{{.Names}} {{.State}}"), "bad created");
    assert_eq!(busybox.isolazi.run(&["rm", "bad"]).ok(), "bad\n");
    busybox.holds_nothing();
}

#[test]
fn input_comes_from_a_pipe_a_file_or_nowhere_and_only_when_wished() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let cat = busybox.words(&["--rm", "-i"], &["cat"]);
        assert_eq!(isolazi.run_with(&cat, b"from a pipe", LIMIT).ok(), "from a pipe");
        let path = isolazi.work().join("input");
        std::fs::write(&path, "from a file").unwrap();
        for (path, expected) in [(path.to_str().unwrap(), "from a file"), ("/dev/null", "")] {
            let mut command = isolazi.command(&cat);
            let child = command.stdin(Stdio::from(File::open(path).unwrap())).spawn().unwrap();
            assert_eq!(testkit::finish(child, b"", LIMIT).ok(), expected);
        }
        // The same words that open a shell on a terminal are a script's reader here.
        let shell = busybox.words(&["--rm", "-i"], &["/bin/sh"]);
        assert_eq!(
            isolazi.run_with(&shell, b"echo $((6 * 7)); exit 3", LIMIT),
            Output { code: 3, stdout: "42\n".into(), stderr: String::new() }
        );
        // Without -i there is none, though the pipe stays open.
        let mut running = busybox.spawn(&["--rm"], &["cat"]);
        let pipe = running.child().stdin.take();
        assert_eq!(running.finish(b"", LIMIT).ok(), "");
        drop(pipe);
    }
}

#[test]
fn megabytes_pass_in_both_directions_at_once() {
    for busybox in Busybox::both() {
        let sent = text(LARGE_BYTES);
        let cat = busybox.words(&["--rm", "-i"], &["cat"]);
        let echoed = busybox.isolazi.run_with(&cat, sent.as_bytes(), LIMIT).ok();
        assert!(echoed == sent, "{} bytes came back of {}", echoed.len(), sent.len());
    }
}

#[test]
fn a_payload_that_writes_before_it_reads_is_no_deadlock() {
    let busybox = Busybox::new();
    // All pipes are full: input waits for the payload, the payload for its readers.
    let script = "head -c 9000000 /dev/zero; head -c 9000000 /dev/zero >&2; wc -c";
    let words = busybox.words(&["--rm", "-i"], &["sh", "-c", script]);
    let output = busybox.isolazi.run_with(&words, text(LARGE_BYTES).as_bytes(), LIMIT);
    assert_eq!((output.code, output.stderr.len()), (0, 9_000_000));
    assert_eq!(output.stdout.trim_start_matches('\0'), format!("{LARGE_BYTES}\n"));
    assert_eq!(output.stdout.len(), 9_000_000 + format!("{LARGE_BYTES}\n").len());
}

#[test]
fn output_and_errors_stay_apart_and_the_last_line_needs_no_end() {
    for busybox in Busybox::both() {
        let output = busybox.sh(&[], "echo out; echo err >&2; printf 'no end'; printf 'none' >&2; exit 4");
        assert_eq!(output, Output { code: 4, stdout: "out\nno end".into(), stderr: "err\nnone".into() });
    }
}

#[test]
fn signals_reach_the_payload_that_handles_them() {
    for busybox in Busybox::both() {
        for (name, signal) in
            [("TERM", Signal::TERM), ("INT", Signal::INT), ("USR1", Signal::USR1), ("HUP", Signal::HUP)]
        {
            let script = format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.02; done");
            let mut running = busybox.spawn(&["--rm"], &["sh", "-c", &script]);
            read_until(&mut running, "ready\n");
            running.signal(signal);
            let output = running.finish(b"", LIMIT);
            assert_eq!((output.code, output.stdout), (9, format!("got {name}\n")));
        }
        busybox.holds_nothing();
    }
}

#[test]
fn a_payload_outlives_the_killed_command_line_and_is_recorded() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let go = isolazi.work().join("go");
        let volume = format!("{}:/go", isolazi.work().display());
        let script = "echo before; until [ -e /go/go ]; do sleep 0.02; done; echo after; exit 5";
        let mut running = busybox.spawn(&["--name", "survivor", "-v", &volume], &["sh", "-c", script]);
        read_until(&mut running, "before\n");
        running.signal(Signal::KILL);
        assert_eq!(running.finish(b"", LIMIT).code, 137);
        assert_eq!(state(isolazi, "{{.Names}} {{.State}}"), "survivor running");
        File::create_new(&go).unwrap().write_all(b"").unwrap();
        eventually("the payload's end", || state(isolazi, "{{.Status}}").starts_with("Exited (5) ").then_some(()));
        assert_eq!(isolazi.run(&["logs", "survivor"]).ok(), "before\nafter\n");
        assert_eq!(isolazi.run(&["rm", "survivor"]).ok(), "survivor\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_detached_container_runs_is_logged_and_removed_by_force() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "echo out; echo err >&2; exec sleep 1000";
        let id = isolazi.run(&busybox.words(&["-d", "--name", "web"], &["sh", "-c", script])).ok();
        let id = id.strip_suffix('\n').unwrap();
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(container(isolazi), isolazi.root().join("containers").join(id));
        let logged = eventually("two lines of log", || {
            Some(isolazi.run(&["logs", &id[..12]])).filter(|output| !output.stderr.is_empty())
        });
        assert_eq!(logged, Output { code: 0, stdout: "out\n".into(), stderr: "err\n".into() });
        isolazi.run(&["rm", "web"]).fails(
            1,
            "Error: cannot remove container \"web\": container is running: stop the container before removing or \
             force remove\n",
        );
        assert_eq!(isolazi.run(&["rm", "-f", "web"]).ok(), "web\n");
        busybox.holds_nothing();
    }
}

#[test]
fn a_payload_dies_with_its_monitor_and_is_told_dead() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let running = busybox.spawn(&["--name", "orphan"], &["sleep", "1000"]);
        let pid = payload(isolazi);
        kill_process(common::parent(pid), Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(125, "Error: the monitor of container orphan died\n");
        eventually("the payload's death", || rustix::process::test_kill_process(pid).is_err().then_some(()));
        assert_eq!(state(isolazi, "{{.Names}} {{.State}}"), "orphan dead");
        assert_eq!(isolazi.run(&["rm", "orphan"]).ok(), "orphan\n");
        busybox.holds_nothing();
    }
}

#[test]
fn rm_takes_the_anonymous_volumes_and_leaves_the_named() {
    let busybox = Busybox::new();
    busybox.sh(&["-v", "/anonymous", "-v", "kept:/named"], "touch /anonymous/a /named/b").ok();
    busybox.holds(&[busybox.isolazi.root().join("volumes/kept")]);
    assert_eq!(busybox.sh(&["-v", "kept:/elsewhere"], "ls /elsewhere").ok(), "b\n");
}

#[test]
fn a_name_is_free_again_when_its_run_has_ended() {
    for busybox in Busybox::both() {
        for round in 0..10 {
            assert_eq!(busybox.run(&["--name", "same"], &["echo", "done"]).ok(), "done\n", "round {round}");
        }
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "run",
            &[
                "",
                "--pull never nosuch",
                "Bad/Name",
                "--name made IMAGE",
                "-d -a stdout IMAGE",
                "--rm --restart always IMAGE",
                "-d --rm --rm=perhaps IMAGE",
                "--rm IMAGE nosuch",
                "--rm IMAGE /etc",
                "--rm -w /etc/passwd IMAGE true",
                "--rm -u ghost IMAGE true",
                "--rm -u 1:ghost IMAGE true",
                "--rm --entrypoint nosuch IMAGE",
                "--rm -it IMAGE",
                "--rm --detach-keys nope IMAGE true",
                "--rm IMAGE false",
                "--rm IMAGE echo said",
                "--rm -q 127.0.0.1:1/x",
                "--network host --network none IMAGE",
                "--network container:made IMAGE",
                "--network a:speed=9 IMAGE",
                "--ip 10.0.0.1 IMAGE",
                "--network bridge --ip x IMAGE",
                "--network bridge --ip6 10.0.0.1 IMAGE",
                "--network bridge --mac-address 1 IMAGE",
                "-p 80/x IMAGE",
            ],
        );
    }
}
