//! `top`: the processes of a container, by our own reading or by the host's `ps`.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, payload, read_until};
use rustix::process::{Signal, kill_process};

#[test]
fn the_processes_are_told() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let script = "sleep 1001 & sleep 1002 & echo up; wait";
        let mut running = busybox.spawn(&["--name", "many"], &["sh", "-c", script]);
        read_until(&mut running, "up\n");
        let pid = payload(isolazi);

        // They are forked before they are executed.
        let is_whole = |told: &String| told.contains("sleep 1001\n") && told.contains("sleep 1002\n");
        let told = eventually("both", || Some(isolazi.run(&["top", "many"]).ok()).filter(is_whole));
        let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
        assert!(told.starts_with("UID                 PID                 PPID "), "{told}");
        let commands: Vec<String> = rows[1..].iter().map(|row| row[7..].join(" ")).collect();
        assert_eq!((commands.len(), &commands[0]), (3, &format!("sh -c {script}")), "{told}");
        assert_eq!(rows[1][1], pid.as_raw_nonzero().to_string());
        assert_eq!(isolazi.run(&["container", "top", "many", "-ef"]).ok(), told);

        // The host's `ps` shows only this container's, too.
        let by_ps = isolazi.run(&["top", "many", "-o", "pid,args"]).ok();
        let rows: Vec<&str> = by_ps.lines().collect();
        assert_eq!(rows.len(), 4, "{by_ps}");
        assert!(rows[0].starts_with("PID                 ") && by_ps.contains("sleep 1002\n"), "{by_ps}");

        kill_process(pid, Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(137, "");
        let id = isolazi.run(&["ps", "-aq", "--no-trunc"]).ok();
        isolazi.run(&["top", "many"]).fails(1, &format!("Error: container {} is not running\n", id.trim_end()));
        isolazi.run(&["rm", "many"]).succeeds();
    }
}

#[test]
fn what_cannot_be_told_is_said() {
    let busybox = Busybox::new();
    busybox.isolazi.run(&["top", "nobody"]).fails(1, "Error: No such container: nobody\n");
    busybox.isolazi.run(&["top"]).fails(
        1,
        "Error: 'isolazi top' requires at least 1 argument\n\nUsage:  isolazi top CONTAINER [ps OPTIONS]\n\nSee 'isolazi top \
         --help' for more information\n",
    );
    let running = busybox.spawn(&["--name", "one"], &["sleep", "1000"]);
    let pid = payload(&busybox.isolazi);
    let odd = busybox.isolazi.run(&["top", "one", "-o", "args"]);
    odd.fails(1, "Error: couldn't find PID field in ps output\n");
    kill_process(pid, Signal::KILL).unwrap();
    running.finish(b"", LIMIT).fails(137, "");
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("top", &["", "nope", "AMBIGUOUS", "made", "ended", "runs -o args"]);
    }
}
