//! `stats`: what containers use.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, payload_of, read_until};
use rustix::process::{Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const HEADINGS: &str = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS\n";

#[test]
fn what_a_busy_container_uses_is_told() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        assert_eq!(isolazi.run(&["stats", "--no-stream"]).ok(), HEADINGS);
        isolazi.run(&["create", "--name", "idle", &busybox.image]).ok();
        let script = "dd if=/dev/zero of=/dev/null & x=$(head -c 3000000 /dev/zero | tr '\\0' x); echo up; wait";
        let mut running = busybox.spawn(&["--name", "busy", "--network", "none"], &["sh", "-c", script]);
        read_until(&mut running, "up\n");
        let pid = payload_of(isolazi, "busy");

        let table = isolazi.run(&["stats", "--no-stream"]).ok();
        assert_eq!(table.lines().count(), 2, "{table}");
        let told = |arguments: &[&str]| isolazi.run(&[&["stats", "--no-stream"], arguments].concat()).ok();
        let format = "{{.Name}} {{.CPUPerc}} {{.MemPerc}} {{.NetIO}} {{.PIDs}}";
        let line = told(&["--format", format, "busy"]);
        let cells: Vec<&str> = line.split_whitespace().collect();
        let percent = |text: &str| text.strip_suffix('%').unwrap().parse::<f64>().unwrap();
        // A busy machine gives it less than a processor, but not nothing.
        assert!(cells[0] == "busy" && percent(cells[1]) > 1.0 && percent(cells[1]) < 250.0, "{line}");
        assert_eq!(cells[3..], ["0B", "/", "0B", "2"], "{line}");
        let memory = told(&["--format", "{{.MemUsage}}", "busy"]);
        let (used, limit) = memory.trim_end().split_once(" / ").unwrap();
        assert!(used.ends_with("MiB") && limit.ends_with("GiB"), "{memory}");

        // Those that do not run are told if they are named, or all are asked for.
        let idle = told(&["--format", "{{.Container}} {{.CPUPerc}} {{.MemUsage}} {{.BlockIO}} {{.PIDs}}", "idle"]);
        assert_eq!(idle, "idle 0.00% 0B / 0B 0B / 0B 0\n");
        assert_eq!(told(&["-a", "--format", "{{.Name}}"]), "busy\nidle\n");
        let id = told(&["--no-trunc", "--format", "{{.ID}}"]);
        assert_eq!(id, isolazi.run(&["ps", "-q", "--no-trunc"]).ok());
        assert!(told(&["--format", "json", "busy"]).starts_with("{\"BlockIO\":\""));

        kill_process(pid, Signal::KILL).unwrap();
        running.finish(b"", LIMIT).fails(137, "");
        isolazi.run(&["rm", "busy", "idle"]).succeeds();
    }
}

#[test]
fn a_stream_goes_on_until_its_reader_leaves_or_the_container_is_gone() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["create", "--name", "one", &busybox.image]).ok();
    let mut stats = isolazi.command(&["stats", "--format", "{{.Name}}", "one"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stats.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        assert_eq!(lines.next().unwrap().unwrap(), "one");
    }
    drop(lines);
    assert_eq!(stats.wait().unwrap().code(), Some(141));

    let stats = isolazi.spawn(&["stats", "--format", "{{.Name}}", "one"]);
    isolazi.run(&["rm", "one"]).succeeds();
    stats.finish(b"", LIMIT).fails(1, "Error: No such container: one\n");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let busybox = Busybox::new();
    let stats = |arguments: &[&str]| busybox.isolazi.run(&[&["stats", "--no-stream"], arguments].concat());
    stats(&["nobody"]).fails(1, "Error: No such container: nobody\n");
    stats(&["--format", "{{.ID"]).fails(1, "Error: template parsing error: template: :1: unclosed action\n");
    stats(&["--format", "{{.Nope}}"]).fails(
        1,
        "Error: template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type row\n\
         Hint: the fields are BlockIO, CPUPerc, Container, ID, MemPerc, MemUsage, Name, NetIO, PIDs\n",
    );
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "stats",
            &[
                "--no-stream nope",
                "--no-stream AMBIGUOUS",
                "--no-stream --format {{.ID",
                "--no-stream --format {{.Nope}} made",
                "--no-stream=perhaps",
                "--no-stream --format {{.Name}}:{{.PIDs}} made runs",
            ],
        );
    }
}
