//! `isolazi exec`: one more process in a container that runs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, parent, payload, read_until};
use rustix::process::{Signal, kill_process};
use std::process::Stdio;
use testkit::{Isolazi, Output, finish};

fn said(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code, stdout: stdout.into(), stderr: stderr.into() }
}

/// A container `box` that sleeps; its id.
#[track_caller]
fn start(busybox: &Busybox, flags: &[&str]) -> String {
    let flags = [&["-d", "--network", "none", "--name", "box"], flags].concat();
    busybox.isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok().trim().to_owned()
}

#[track_caller]
fn exec(isolazi: &Isolazi, arguments: &[&str]) -> Output {
    isolazi.run(&[&["exec"], arguments].concat())
}

#[test]
fn streams_stay_apart_and_the_code_is_the_processes() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, &[]);
        let sh = |script: &str| exec(isolazi, &["box", "sh", "-c", script]);
        assert_eq!(sh("echo out; echo err >&2; exit 7"), said(7, "out\n", "err\n"));
        assert_eq!(sh("kill -TERM $$"), said(143, "", ""));
        // Its input is empty unless it is asked for.
        assert_eq!(isolazi.run_with(&["exec", "box", "cat"], b"unheard", LIMIT), said(0, "", ""));
        let shout = ["container", "exec", "-i", "box", "tr", "a-z", "A-Z"];
        assert_eq!(isolazi.run_with(&shout, b"hello\n", LIMIT), said(0, "HELLO\n", ""));
        let bytes = vec![b'x'; 3_000_000];
        let output = isolazi.run_with(&["exec", "-i", "box", "cat"], &bytes, LIMIT);
        assert!(output.code == 0 && output.stdout.as_bytes() == bytes, "{} bytes", output.stdout.len());
        // The payload's log is not for others.
        assert_eq!(isolazi.run(&["logs", "box"]).ok(), "");
        isolazi.run(&["rm", "-f", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn it_is_in_the_container_and_has_no_more_rights_than_the_payload() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, &["-e", "SAID=1", "-w", "/tmp", "--hostname", "inside"]);
        let facts = "hostname; pwd; echo $SAID $HOME; id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
            for kind in pid mnt ipc uts net cgroup; do
                [ $(readlink /proc/self/ns/$kind) = $(readlink /proc/1/ns/$kind) ] || echo $kind differs
            done; cat /proc/self/cgroup | sed 's/^[0-9]*:[^:]*://' | sort -u; ls /proc/self/fd | wc -l";
        let executed = exec(isolazi, &["box", "sh", "-c", facts]).ok();
        // The same script as a payload says the same.
        let flags = ["-e", "SAID=1", "-w", "/tmp", "--hostname", "inside"];
        assert_eq!(executed, busybox.run(&flags, &["sh", "-c", facts]).ok());
        // Nothing of the host's is left open: the three streams, and the folder that is listed.
        assert!(executed.starts_with("inside\n/tmp\n1 /root\n0\n") && executed.ends_with("\n4\n"), "{executed}");
        isolazi.run(&["rm", "-f", "box"]).ok();
    }
}

#[test]
fn user_folder_environment_and_rights_can_be_chosen() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, &["-e", "A=payload", "-e", "B=payload"]);
    let file = isolazi.work().join("env");
    std::fs::write(&file, "FROM_FILE=1\nB=file\n").unwrap();
    let script = "id; pwd; echo $A $B $FROM_FILE $HOME; grep -E '^Cap(Eff|Bnd)' /proc/self/status";
    let arguments = ["-u", "daemon", "-w", "/etc", "-e", "A=exec", "--env-file", file.to_str().unwrap()];
    assert_eq!(
        exec(isolazi, &[&arguments[..], &["box", "sh", "-c", script]].concat()).ok(),
        "uid=1(daemon) gid=1(daemon) groups=1(daemon)\n/etc\nexec file 1 /usr/sbin\nCapEff:\t0000000000000000\n\
         CapBnd:\t00000000a80425fb\n"
    );
    let who = |user: &str| exec(isolazi, &["--user", user, "box", "sh", "-c", "id -u; id -g"]);
    assert_eq!(who("12:34").ok(), "12\n34\n");
    assert_eq!(
        who("nobody-here"),
        said(126, "", "Error: unable to find user nobody-here: no matching entries in passwd file\n")
    );
    let rights = "grep -E '^(CapEff|Seccomp:)' /proc/self/status";
    // All that we have ourselves.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let all = own.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    assert_eq!(
        exec(isolazi, &["--privileged", "box", "sh", "-c", rights]).ok(),
        format!("CapEff:\t{all}\nSeccomp:\t0\n")
    );
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn what_cannot_be_executed_says_why() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let id = start(&busybox, &[]);
        let refused = |arguments: &[&str], code: i32, told: &str| {
            assert_eq!(exec(isolazi, arguments), said(code, "", &format!("Error: {told}\n")), "{arguments:?}");
        };
        refused(&["box", "nope"], 127, "exec: \"nope\": executable file not found in $PATH");
        refused(&["box", "/etc"], 126, "exec: \"/etc\": is a directory");
        let output = exec(isolazi, &["box", "/etc/passwd"]);
        let told = "Error: exec: \"/etc/passwd\": permission denied\nHint: `/etc/passwd` belongs to 0";
        assert!(output.code == 126 && output.stderr.starts_with(told), "{output:?}");
        refused(
            &["-w", "tmp", "box", "true"],
            1,
            "the working directory 'tmp' is invalid, it needs to be an absolute path",
        );
        refused(&["nope", "true"], 1, "No such container: nope");
        let output = exec(isolazi, &["-it", "box", "sh"]);
        assert_eq!(output.code, 1);
        assert!(output.stderr.contains("the input device is not a TTY"), "{output:?}");
        let output = exec(isolazi, &["box"]);
        assert_eq!(output.code, 1);
        assert!(output.stderr.starts_with("Error: 'isolazi exec' requires at least 2 arguments\n"), "{output:?}");
        isolazi.run(&["kill", "box"]).ok();
        refused(&["box", "true"], 1, &format!("container {id} is not running"));
        isolazi.run(&["rm", "box"]).ok();
    }
}

#[test]
fn a_paused_container_takes_none() {
    let busybox = Busybox::new();
    start(&busybox, &[]);
    busybox.isolazi.run(&["pause", "box"]).ok();
    let told = "Error: Container box is paused, unpause the container before exec\n";
    assert_eq!(exec(&busybox.isolazi, &["box", "true"]), said(1, "", told));
    busybox.isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn a_terminal_is_a_terminal_and_can_be_left() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        start(&busybox, &[]);
        let mut pty = isolazi.pty(&["exec", "-it", "box", "sh"]);
        pty.expect("# ");
        pty.send("stty size; tty; echo $TERM\n");
        pty.expect("24 80");
        pty.expect("/dev/pts/");
        pty.expect("xterm");
        pty.resize(33, 101);
        pty.send("sleep 0.2; stty size\n");
        pty.expect("33 101");
        pty.send("exit 42\n");
        assert_eq!(pty.wait().0, 42);
        let mut pty = isolazi.pty(&["exec", "-it", "box", "sh", "-c", "echo up; sleep 1234"]);
        pty.expect("up");
        pty.send(b"\x10\x11");
        assert_eq!(pty.wait().0, 0);
        assert!(exec(isolazi, &["box", "ps"]).ok().contains("sleep 1234"));
        isolazi.run(&["rm", "-f", "box"]).ok();
    }
}

#[test]
fn one_in_the_background_goes_on_alone() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, &[]);
    let script = "echo said; touch /up; while [ -e /up ]; do sleep 0.01; done; touch /down";
    assert_eq!(exec(isolazi, &["-d", "box", "sh", "-c", script]), said(0, "", ""));
    assert_eq!(exec(isolazi, &["-d", "box", "nope"]).code, 127);
    let upper = common::container(isolazi).join("upper");
    let there = |name: &str| upper.join(name).try_exists().unwrap();
    eventually("the process", || there("up").then_some(()));
    assert_eq!(exec(isolazi, &["box", "rm", "/up"]).ok(), "");
    eventually("its end", || there("down").then_some(()));
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn signals_reach_the_process_and_a_lost_client_does_not_end_it() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    start(&busybox, &[]);
    let script = "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut running = isolazi.spawn(&["exec", "box", "sh", "-c", script]);
    read_until(&mut running, "ready\n");
    running.signal(Signal::TERM);
    assert_eq!(running.finish(b"", LIMIT), said(3, "got\n", ""));
    let mut running = isolazi.spawn(&["exec", "box", "sh", "-c", "echo ready; sleep 1; touch /after; sleep 1000"]);
    read_until(&mut running, "ready\n");
    running.signal(Signal::KILL);
    running.finish(b"", LIMIT);
    let after = common::container(isolazi).join("upper/after");
    eventually("what it does next", || after.try_exists().unwrap().then_some(()));
    isolazi.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn it_ends_with_the_payload_and_with_the_monitor() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        for end in ["kill", "monitor"] {
            start(&busybox, &[]);
            let mut running = isolazi.spawn(&["exec", "box", "sh", "-c", "echo ready; sleep 1000"]);
            read_until(&mut running, "ready\n");
            if end == "kill" {
                isolazi.run(&["kill", "box"]).ok();
            } else {
                kill_process(parent(payload(isolazi)), Signal::KILL).unwrap();
            }
            assert_eq!(running.finish(b"", LIMIT), said(137, "", ""), "{end}");
            isolazi.run(&["rm", "-f", "box"]).ok();
        }
        busybox.holds_nothing();
    }
}

#[test]
fn many_at_once_all_come_back_whatever_becomes_of_the_container() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    for round in 0..6 {
        start(&busybox, &[]);
        let children: Vec<_> = (0..16)
            .map(|number| {
                let mut command = isolazi.command(&["exec", "box", "echo", &number.to_string()]);
                command.stdin(Stdio::null()).spawn().unwrap()
            })
            .collect();
        // Once while they come in, once after: every one of them gets an answer.
        if round % 2 == 0 {
            isolazi.run(&["kill", "box"]).ok();
        }
        for (number, child) in children.into_iter().enumerate() {
            let output = finish(child, b"", LIMIT);
            let whole = output == said(0, &format!("{number}\n"), "");
            let ended = output.stdout.len() <= 3 && matches!(output.code, 1 | 126 | 137);
            assert!(whole || round % 2 == 0 && ended, "round {round}: {output:?}");
        }
        isolazi.run(&["rm", "-f", "box"]).ok();
    }
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "exec",
            &[
                "",
                "runs",
                "nope true",
                "AMBIGUOUS true",
                "made true",
                "ended true",
                "runs nosuch",
                "runs /etc",
                "-u ghost runs true",
                "-u 1:ghost runs true",
                "-w /nosuch runs true",
                "-w relative runs true",
                "-e =x runs true",
                "--env-file nosuch runs true",
                "-t runs true",
                "-d -t runs nosuch",
                "--detach-keys nope runs true",
                "--privileged=perhaps runs true",
                "runs false",
                "runs echo said",
            ],
        );
    }
}
