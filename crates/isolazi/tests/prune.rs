//! `isolazi prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn without_a_person_nothing_is_asked() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&busybox.words(&["-d", "--name", "runs", "--network", "none"], &["sleep", "1000"])).ok();
        let id = isolazi.run(&["create", "--name", "made", "-v", "/own", &busybox.image]).ok();
        assert_eq!(isolazi.run(&["prune"]).ok(), format!("Deleted Containers:\n{id}\nTotal reclaimed space: 0B\n"));
        // The image of one that runs, and volumes, stay.
        assert_eq!(isolazi.run(&["images", "-q"]).ok().lines().count(), 1);
        assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok().lines().count(), 1);
        isolazi.run(&["rm", "-f", "runs"]).ok();
        let pruned = isolazi.run(&["prune", "-f"]).ok();
        assert!(pruned.starts_with(&format!("Deleted Images:\nuntagged: {}:latest\n", busybox.image)), "{pruned}");
        assert_eq!(isolazi.run(&["prune"]).ok(), "Total reclaimed space: 0B\n");
        isolazi
            .run(&["prune", "--filter", "x=y"])
            .fails(1, "Error: invalid filter 'x'\nHint: known filters are label, label!, until\n");
        isolazi.run(&["volume", "prune", "-f"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn a_person_sees_what_goes_and_is_asked() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&["create", "--name", "made", &busybox.image]).ok();
        let list = format!("This will remove:\n  container made (0B)\n  image     {}:latest (1.98MB)\n", busybox.image);
        let question = format!("{list}Are you sure you want to continue? [y/N] ");
        let mut pty = isolazi.pty(&["prune"]);
        let seen = pty.expect("[y/N] ");
        assert_eq!(seen.replace('\r', ""), question);
        pty.send("n\n");
        let (code, text) = pty.wait();
        assert!(code == 1 && text.contains("Error: prune has been cancelled"), "{code} {text}");
        assert_eq!(isolazi.run(&["ps", "-aq"]).ok().lines().count(), 1);
        let mut pty = isolazi.pty(&["prune"]);
        pty.expect("[y/N] ");
        pty.send("y\n");
        let (code, text) = pty.wait();
        assert!(code == 0 && text.contains("Deleted Containers:") && text.contains("Deleted Images:"), "{code} {text}");
        // Nothing to be said, nothing to be asked.
        let (code, text) = isolazi.pty(&["prune"]).wait();
        assert_eq!((code, text.as_str()), (0, "Total reclaimed space: 0B\r\n"));
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "prune",
            &[
                "x",
                "-f --filter x",
                "-f --filter colour=red",
                "-f --filter until=soon",
                "-f --filter =",
                "--force=perhaps",
            ],
        );
    }
}
