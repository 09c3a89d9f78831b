//! `run --init`: an init of ours as process 1.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, read_until, state};
use std::time::{Duration, Instant};
use testkit::Output;

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

#[test]
fn the_payload_is_its_child_and_its_code_the_containers() {
    for busybox in Busybox::both() {
        let script = "echo $$ $PPID; tr '\\0' ' ' </proc/1/cmdline; echo; cat /proc/1/comm; exit 7";
        let output = busybox.sh(&["--init"], script);
        let (first, rest) = output.stdout.split_once('\n').unwrap();
        assert!(first.ends_with(" 1") && first != "1 1", "{output:?}");
        assert!(
            rest.starts_with("/sbin/docker-init -- sh -c echo $$ $PPID; tr ") && rest.ends_with("\ndocker-init\n"),
            "{rest}"
        );
        assert_eq!((output.code, output.stderr.as_str()), (7, ""));
        assert_eq!(busybox.sh(&["--init"], "kill -KILL $$"), said(137, "", ""));
        assert_eq!(busybox.sh(&["--init"], "echo out; echo err >&2"), said(0, "out\n", "err\n"));
        busybox.holds_nothing();
    }
}

#[test]
fn what_cannot_be_executed_is_told_as_without() {
    let busybox = Busybox::new();
    let told = |command: &str| busybox.run(&["--init"], &[command]);
    assert_eq!(told("nope"), said(127, "", "Error: exec: \"nope\": executable file not found in $PATH\n"));
    assert_eq!(told("/etc").code, 126);
    busybox.holds_nothing();
}

#[test]
fn signals_are_handed_on_and_have_their_default_effect() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        // Without an init it would be process 1, and deaf.
        isolazi.run(&busybox.words(&["-d", "--init", "--name", "box"], &["sleep", "1000"])).ok();
        let begin = Instant::now();
        assert_eq!(isolazi.run(&["stop", "box"]).ok(), "box\n");
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert!(state(isolazi, "{{.Status}}").starts_with("Exited (143) "));
        isolazi.run(&["rm", "box"]).ok();
        let script = "trap 'echo usr' USR1; trap 'exit 9' INT; echo ready; while :; do sleep 0.01; done";
        let mut running = busybox.spawn(&["--init", "--name", "box"], &["sh", "-c", script]);
        read_until(&mut running, "ready\n");
        isolazi.run(&["kill", "-s", "USR1", "box"]).ok();
        read_until(&mut running, "usr\n");
        running.signal(rustix::process::Signal::INT);
        assert_eq!(running.finish(b"", LIMIT), said(9, "", ""));
        isolazi.run(&["rm", "box"]).ok();
    }
}

#[test]
fn orphans_are_waited_for_and_end_with_the_payload() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "for i in 1 2 3 4 5; do (sleep 0.05 & exec true); done; (sleep 1000 &); touch /done; exec sleep 1000";
    isolazi.run(&busybox.words(&["-d", "--init", "--name", "box"], &["sh", "-c", script])).ok();
    let done = common::container(isolazi).join("upper/done");
    eventually("all of them", || done.try_exists().unwrap().then_some(()));
    // One that was there when the names were read may be gone when they are opened: then grep says so by its code.
    let states = || isolazi.run(&["exec", "box", "sh", "-c", "exec grep -hs ^State /proc/[0-9]*/status"]).stdout;
    // Process 1, the payload, the orphan that stays, and the one that looks.
    eventually("no zombies", || {
        let states = states();
        (!states.contains("zombie") && states.lines().count() == 4).then_some(())
    });
    isolazi.run(&["kill", "-s", "TERM", "box"]).ok();
    assert_eq!(isolazi.run(&["wait", "box"]).ok(), "143\n");
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn it_has_the_payloads_rights_and_nothing_open() {
    for busybox in Busybox::both() {
        let script = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/1/status >/tmp/1
            grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status >/tmp/self; diff /tmp/1 /tmp/self && echo same
            grep -E '^(SigBlk|SigIgn)' /proc/self/status";
        for user in ["root", "daemon"] {
            let flags = ["--user", user, "--tmpfs", "/tmp:mode=1777"];
            // What signals are to a shell is its own matter.
            let without = busybox.sh(&flags, script).ok();
            assert!(without.starts_with("same\n"), "{without}");
            assert_eq!(busybox.sh(&[&["--init"], &flags[..]].concat(), script).ok(), without, "{user}");
        }
        // It has nothing open but its streams, and nobody in the container may look into it: it is a copy of our program.
        let output = busybox.sh(&["--init"], "ls /proc/1/fd; cat /proc/1/environ; readlink /proc/1/exe");
        assert_eq!(output.stdout, "0\n1\n2\n", "{output:?}");
    }
}

#[test]
fn keys_reach_the_payload_on_a_terminal() {
    let busybox = Busybox::new();
    let mut pty = busybox.isolazi.pty(&busybox.words(&["--rm", "--init", "-it"], &["sh"]));
    pty.expect("# ");
    pty.send("sleep 1000\n");
    pty.expect("sleep 1000");
    std::thread::sleep(Duration::from_millis(300));
    pty.send(b"\x03");
    pty.expect("# ");
    pty.send("exit 42\n");
    assert_eq!(pty.wait().0, 42);
    busybox.holds_nothing();
}

#[test]
fn it_goes_with_its_monitor_also_in_the_hosts_pid_namespace() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    for flags in [&["--init"][..], &["--init", "--pid", "host"]] {
        let flags = [&["-d", "--name", "box"], flags].concat();
        isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok();
        let monitor = common::parent(common::payload(isolazi));
        rustix::process::kill_process(monitor, rustix::process::Signal::KILL).unwrap();
        isolazi.run(&["wait", "box"]).ok();
        assert_eq!(isolazi.run(&["rm", "-f", "box"]).ok(), "box\n");
    }
    busybox.holds_nothing();
}
