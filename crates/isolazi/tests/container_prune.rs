//! `isolazi container prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT};

#[test]
fn stopped_containers_go_and_others_stay() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let create = |name: &str, label: &str| {
            isolazi
                .run(&["create", "--name", name, "--label", label, "-v", "/own", &busybox.image])
                .ok()
                .trim_end()
                .to_owned()
        };
        isolazi.run(&busybox.words(&["-d", "--name", "runs", "--network", "none"], &["sleep", "1000"])).ok();
        let words = busybox.words(&["--name", "ended", "--network", "none"], &["sh", "-c", "printf 12345 >/file"]);
        isolazi.run(&words).ok();
        let ended = isolazi.run(&["ps", "-aq", "--no-trunc", "-f", "name=ended"]).ok();
        let made = create("made", "a=1");

        let question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ";
        let output = isolazi.run(&["container", "prune"]);
        assert_eq!((output.code, output.stdout), (1, format!("{question}\n")));
        assert_eq!(output.stderr, "Error: container prune has been cancelled\nHint: `--force` asks no question\n");
        let nothing = "Total reclaimed space: 0B\n";
        for filter in ["until=2020-01-01", "until=1h", "label=b", "label=a=2"] {
            assert_eq!(isolazi.run(&["container", "prune", "-f", "--filter", filter]).ok(), nothing, "{filter}");
        }
        assert_eq!(
            isolazi.run(&["container", "prune", "-f", "--filter", "label!=a"]).ok(),
            format!("Deleted Containers:\n{ended}\nTotal reclaimed space: 5B\n")
        );
        assert_eq!(
            isolazi.run_with(&["container", "prune", "--filter", "until=0s"], b"y\n", LIMIT).ok(),
            format!("{question}Deleted Containers:\n{made}\n\nTotal reclaimed space: 0B\n")
        );
        assert_eq!(isolazi.run(&["ps", "-a", "--format", "{{.Names}}"]).ok(), "runs\n");
        // Volumes are another matter.
        assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok().lines().count(), 1);
        for (filter, complaint) in [
            ("until", "invalid filter 'until': expected key=value\n"),
            ("until=soon", "invalid filter 'until=soon'\n"),
            ("name=x", "invalid filter 'name'\nHint: known filters are label, label!, until\n"),
        ] {
            isolazi.run(&["container", "prune", "-f", "--filter", filter]).fails(1, &format!("Error: {complaint}"));
        }
        isolazi.run(&["container", "prune", "x"]).fails(
            1,
            "Error: 'isolazi container prune' accepts no arguments\n\nUsage:  isolazi container prune [OPTIONS]\n\nSee \
             'isolazi container prune --help' for more information\n",
        );
        isolazi.run(&["rm", "-f", "runs"]).ok();
        isolazi.run(&["volume", "prune", "-f"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "container prune",
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
