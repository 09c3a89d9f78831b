//! `isolazi volume prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn only_what_nobody_uses_goes() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let nothing = "Total reclaimed space: 0B\n";
        assert_eq!(isolazi.run(&["volume", "prune", "-f"]).ok(), nothing);
        isolazi.run(&["create", "--name", "stopped", "-v", "/own", "-v", "used:/x", &busybox.image]).ok();
        isolazi.run(&busybox.words(&["-d", "--name", "runs", "-v", "/own"], &["sleep", "1000"])).ok();
        isolazi.run(&["volume", "create", "--label", "keep", "named"]).ok();
        let free = isolazi.run(&["volume", "create", "--label", "a=1"]).ok();
        let free = free.trim_end();
        let volumes = || isolazi.run(&["volume", "ls", "-q"]).ok().lines().count();
        assert_eq!(volumes(), 5);

        let question = "WARNING! This will remove anonymous local volumes not used by at least one container.\n\
                        Are you sure you want to continue? [y/N] ";
        let output = isolazi.run(&["volume", "prune"]);
        assert_eq!((output.code, output.stdout), (1, format!("{question}\n")));
        assert_eq!(output.stderr, "Error: volume prune has been cancelled\nHint: `--force` asks no question\n");
        let output = isolazi.run_with(&["volume", "prune"], b"no\n", LIMIT);
        assert_eq!((output.code, output.stdout.as_str()), (1, question));
        assert_eq!(isolazi.run(&["volume", "prune", "-f", "--filter", "label=b"]).ok(), nothing);
        assert_eq!(isolazi.run(&["volume", "prune", "-f", "--filter", "label!=a"]).ok(), nothing);
        assert_eq!(
            isolazi.run_with(&["volume", "prune"], b"y\n", LIMIT).ok(),
            format!("{question}Deleted Volumes:\n{free}\n\nTotal reclaimed space: 0B\n")
        );
        assert_eq!(isolazi.run(&["volume", "prune", "-af", "--filter", "label!=keep"]).ok(), nothing);
        let question = question.replace("anonymous local", "all local");
        assert_eq!(
            isolazi.run_with(&["volume", "prune", "--filter", "all=true"], b"Y\n", LIMIT).ok(),
            format!("{question}Deleted Volumes:\nnamed\n\nTotal reclaimed space: 0B\n")
        );
        // Running or not, what a container uses stays.
        assert_eq!(volumes(), 3);
        for (arguments, complaint) in [
            (&["--filter", "until=1h"][..], "invalid filter 'until'\nHint: known filters are label, label!, all\n"),
            (&["--filter", "all=x"], "invalid filter 'all=x'\n"),
            (&["--filter", "x"], "invalid filter 'x': expected key=value\n"),
            (&["-a", "--filter", "all=1"], "conflicting options: cannot specify both --all and --filter all=1\n"),
        ] {
            isolazi.run(&[&["volume", "prune", "-f"], arguments].concat()).fails(1, &format!("Error: {complaint}"));
        }
        isolazi.run(&["rm", "-f", "-v", "runs", "stopped"]).ok();
        assert_eq!(
            isolazi.run(&["volume", "prune", "-af"]).ok(),
            "Deleted Volumes:\nused\n\nTotal reclaimed space: 0B\n"
        );
        busybox.holds_nothing();
    }
}

/// Containers are made while others prune all the time: each finds its volumes, with what the image put inside.
#[test]
fn a_container_that_is_made_meanwhile_keeps_its_volumes() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    isolazi.run(&["volume", "prune", "-af"]).ok();
                }
            });
        }
        let makers: Vec<_> = (0..2)
            .map(|number| {
                let (busybox, name) = (&busybox, format!("shared{number}:/etc"));
                scope.spawn(move || {
                    for _ in 0..15 {
                        let output =
                            busybox.sh(&["-v", &name, "-v", "/own"], "test -s /etc/passwd; echo x >/own/x; cat /own/x");
                        assert_eq!(output.ok(), "x\n");
                    }
                })
            })
            .collect();
        let failed = makers.into_iter().filter_map(|maker| maker.join().err()).count();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0);
    });
    isolazi.run(&["volume", "prune", "-af"]).ok();
    busybox.holds_nothing();
}

/// Killed between the making of its volume and its own appearance, a container leaves a volume that is found.
#[test]
fn what_a_killed_create_left_is_found() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let mut moments = common::Moments::new("killed create");
    let words = ["create", "-v", "/own", "-v", "/etc", &busybox.image];
    let whole = common::time_of(|| drop(isolazi.run(&words)));
    for _ in 0..40 {
        let running = isolazi.spawn(&words);
        moments.pass(whole);
        running.signal(rustix::process::Signal::KILL);
        running.finish(b"", LIMIT);
    }
    let containers = isolazi.run(&["ps", "-aq"]).ok();
    let containers: Vec<&str> = containers.lines().collect();
    isolazi.run(&[&["rm", "-v"], &containers[..]].concat()).ok();
    isolazi.run(&["volume", "prune", "-f"]).ok();
    assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok(), "");
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "volume prune",
            &[
                "x",
                "-f --filter x",
                "-f --filter colour=red",
                "-f --filter until=soon",
                "-f --filter =",
                "--force=perhaps",
                "",
            ],
        );
    }
}
