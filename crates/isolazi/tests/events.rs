//! `events`: what happened is told in order, and what happens while it happens.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, eventually, payload_of};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use testkit::Isolazi;

/// What has happened so far, through a template.
fn told(isolazi: &Isolazi, format: &str, filters: &[&str]) -> Vec<String> {
    let filters: Vec<&str> = filters.iter().flat_map(|&filter| ["-f", filter]).collect();
    let asked = ["events", "--since", "0", "--until", "0s", "--format", format];
    isolazi.run(&[&asked[..], &filters].concat()).ok().lines().map(str::to_owned).collect()
}

#[test]
fn a_life_is_told_in_its_order() {
    // An ordinary user has no cgroup here that could be frozen.
    for (busybox, may_pause) in Busybox::both().into_iter().zip([true, false]) {
        let isolazi = &busybox.isolazi;
        let flags = ["--name", "web", "--label", "a=1"];
        let running = busybox.spawn(&flags, &["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.01; done"]);
        payload_of(isolazi, "web");
        if may_pause {
            isolazi.run(&["pause", "web"]).succeeds();
            isolazi.run(&["unpause", "web"]).succeeds();
        }
        isolazi.run(&["rename", "web", "site"]).succeeds();
        isolazi.run(&["kill", "-s", "TERM", "site"]).succeeds();
        running.finish(b"", LIMIT).fails(3, "");
        isolazi.run(&["rm", "site"]).succeeds();
        let id = told(isolazi, "{{.Actor.ID}}", &["event=create"]).remove(0);
        // The end comes from the monitor, and may come before what the command says that asked for it.
        let mut lives = told(isolazi, "{{.Action}} {{.Actor.Attributes.name}}", &[&format!("container={id}")]);
        let end = lives.len() - 3;
        lives[end..end + 2].sort();
        let paused: &[&str] = if may_pause { &["pause web", "unpause web"] } else { &[] };
        let last = ["rename site", "die site", "kill site", "destroy site"];
        assert_eq!(lives, [&["create web", "start web"], paused, &last].concat());
        let details = told(isolazi, "{{json .}}", &["event=die", "label=a=1"]);
        let die: Value = serde_json::from_str(&details[0]).unwrap();
        assert_eq!(
            (&die["Type"], &die["status"], &die["id"]),
            (&"container".into(), &"die".into(), &id.as_str().into())
        );
        assert_eq!(die["from"], busybox.image.as_str());
        let attributes = serde_json::json!({"a": "1", "exitCode": "3", "image": busybox.image, "name": "site"});
        assert_eq!(die["Actor"], serde_json::json!({"ID": id, "Attributes": attributes}));
        assert_eq!(die["time"].as_i64(), die["timeNano"].as_i64().map(|nanoseconds| nanoseconds / 1_000_000_000));

        let lines = isolazi.run(&["events", "--since", "1h", "--until", "0s", "-f", "event=destroy"]).ok();
        let end = format!(" container destroy {id} (a=1, image={}, name=site)\n", busybox.image);
        assert!(lines.starts_with("20") && lines.ends_with(&end) && lines.lines().count() == 1, "{lines}");
    }
}

#[test]
fn images_and_executed_processes_are_told_too() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let running = busybox.spawn(&["--name", "web", "--rm"], &["sleep", "1000"]);
    let pid = payload_of(isolazi, "web");
    isolazi.run(&["exec", "web", "sh", "-c", "exit 4"]).fails(4, "");
    kill_process(pid, Signal::KILL).unwrap();
    running.finish(b"", LIMIT).fails(137, "");
    let executed = eventually("its end", || {
        let executed = told(isolazi, "{{.Action}} {{.Actor.Attributes.exitCode}}", &["container=web"]);
        Some(executed).filter(|executed| executed.iter().any(|line| line.starts_with("destroy")))
    });
    assert_eq!(
        executed,
        [
            "create <no value>",
            "start <no value>",
            "exec_start: sh -c exit 4 <no value>",
            "exec_die 4",
            "die 137",
            "destroy <no value>"
        ]
    );
    isolazi.run(&["rmi", &busybox.image]).succeeds();
    let images = told(isolazi, "{{.Type}} {{.Action}} {{.Actor.ID}}", &["type=image"]);
    let name = format!("{}:latest", busybox.image);
    assert_eq!(images[..2], [format!("image pull {name}"), format!("image untag {name}")]);
    assert!(images.last().unwrap().starts_with("image delete sha256:"), "{images:?}");
}

#[test]
fn a_turn_of_health_is_told() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let checks = ["--health-cmd", "test -e /well", "--health-interval", "10ms", "--health-retries", "1"];
    let flags = [&["-d", "--name", "box"], &checks[..]].concat();
    isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok();
    let turns = |count: usize| {
        eventually("a turn", || {
            let turns = told(isolazi, "{{.Action}}", &["event=health_status"]);
            Some(turns).filter(|turns| turns.len() >= count)
        })
    };
    assert_eq!(turns(1), ["health_status: unhealthy"]);
    isolazi.run(&["exec", "box", "touch", "/well"]).succeeds();
    assert_eq!(turns(2), ["health_status: unhealthy", "health_status: healthy"]);
    let state = isolazi.run(&["inspect", "-f", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}", "box"]).ok();
    assert_eq!(state, "healthy 0\n");
    isolazi.run(&["rm", "-f", "box"]).succeeds();
}

#[test]
fn what_happens_is_told_while_it_happens() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let asked = ["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}", "-f", "type=container"];
        let mut events = isolazi.command(&asked).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
        // It tells when it listens only by what it tells.
        let mut number = 0;
        let first = std::thread::scope(|scope| {
            let first = scope.spawn(|| lines.next().unwrap().unwrap());
            while !first.is_finished() {
                isolazi.run(&["create", "--name", &format!("c{number}"), &busybox.image]).ok();
                number += 1;
            }
            first.join().unwrap()
        });
        assert!(first.starts_with("create c"), "{first}");
        isolazi.run(&["rm", "c0"]).succeeds();
        let last = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("destroy"));
        assert_eq!(last.as_deref(), Some("destroy c0"));
        drop(lines);
        // Its reader has left: it ends with the next event.
        isolazi.run(&["create", "--name", "last", &busybox.image]).ok();
        assert_eq!(events.wait().unwrap().code(), Some(141));

        // A time that is over ends it, and one to come when it comes.
        assert_eq!(isolazi.run(&["events", "--until", "0s"]).ok(), "");
        let soon = seconds_now() + 1;
        assert_eq!(isolazi.run(&["events", "--until", &soon.to_string()]).ok(), "");
        assert!(seconds_now() >= soon);
    }
}

/// Seconds since 1970.
fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let isolazi = Isolazi::new();
    for (arguments, code, complaint) in [
        (
            &["-f", "colour=red"][..],
            1,
            "Error: invalid filter 'colour'\nHint: known filters are container, event, image, label, type and volume\n",
        ),
        (&["-f", "start"], 1, "Error: invalid filter 'start': expected key=value\n"),
        (&["--format", "{{.Action"], 64, "Error: template parsing error: template: :1: unclosed action\n"),
        (&["--since", "soon"], 1, "Error: invalid value for \"since\": failed to parse value as time: \"soon\"\n"),
        (
            &["web"],
            1,
            "Error: 'isolazi events' accepts no arguments\n\nUsage:  isolazi events [OPTIONS]\n\nSee 'isolazi events --help' \
             for more information\n",
        ),
    ] {
        isolazi.run(&[&["events"], arguments].concat()).fails(code, complaint);
    }
    // Nothing has happened yet.
    assert_eq!(isolazi.run(&["system", "events", "--since", "0", "--until", "0s"]).ok(), "");
}

#[test]
fn what_is_done_with_a_containers_files_is_told() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&busybox.words(&["-d", "--name", "box", "--network", "none"], &["sleep", "1000"])).succeeds();
    isolazi.run(&["cp", "box:/etc/passwd", "copy"]).ok();
    isolazi.run(&["cp", "copy", "box:/tmp"]).ok();
    isolazi.run(&["export", "-o", "all", "box"]).ok();
    let image = isolazi.run(&["commit", "-m", "why", "box", "made"]).ok();
    isolazi.run(&["rm", "-f", "box"]).ok();
    let format = "{{.Action}} {{.Actor.Attributes.path}} {{.Actor.Attributes.imageID}} {{.Actor.Attributes.imageRef}}";
    let actions = told(isolazi, format, &["container=box"]);
    let none = "<no value>";
    let expected = [
        format!("create {none} {none} {none}"),
        format!("start {none} {none} {none}"),
        format!("archive-path /etc/passwd {none} {none}"),
        format!("extract-to-dir /tmp {none} {none}"),
        format!("export {none} {none} {none}"),
        format!("pause {none} {none} {none}"),
        format!("unpause {none} {none} {none}"),
        format!("commit {none} {} made:latest", image.trim()),
    ];
    assert_eq!(actions[..8], expected);
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "events",
            &[
                "x",
                "-f x",
                "-f colour=red",
                "--until 0s -f event=",
                "--format {{.Action",
                "--since soon",
                "--until soon",
                "--since 0 --until 0s --format {{.Nope}} -f event=die",
                "--since 0 --until 0s --format {{.Action}} -f container=ended",
            ],
        );
    }
}
