//! `isolazi system prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT};

#[test]
fn what_goes_is_what_was_said() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let sure = "\nAre you sure you want to continue? [y/N] ";
        let dangling = format!(
            "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one \
             container\n  - all dangling images\n{sure}"
        );
        let output = isolazi.run(&["system", "prune"]);
        assert_eq!((output.code, output.stdout), (1, format!("{dangling}\n")));
        assert_eq!(output.stderr, "Error: system prune has been cancelled\nHint: `--force` asks no question\n");
        let everything = format!(
            "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  \
             - all anonymous volumes not used by at least one \
             container\n  - all images without at least one container associated to them\n\n  Items to be pruned will be \
             filtered with:\n  - label!=keep\n{sure}"
        );
        let output = isolazi.run(&["system", "prune", "-a", "--volumes", "--filter", "label!=keep"]);
        assert_eq!(output.stdout, format!("{everything}\n"));

        let made = |name: &str, label: &str| {
            isolazi
                .run(&["create", "--name", name, "--label", label, "-v", "/own", "-v", "named:/x", &busybox.image])
                .ok()
        };
        let (going, _) = (made("going", "a"), made("kept", "keep"));
        assert_eq!(
            isolazi.run(&["system", "prune", "-f", "--filter", "label!=keep"]).ok(),
            format!("Deleted Containers:\n{going}\nTotal reclaimed space: 0B\n")
        );
        // Its volume is nobody's now; the other's is still used, and so is the image.
        let output =
            isolazi.run_with(&["system", "prune", "-a", "--volumes", "--filter", "label!=keep"], b"y\n", LIMIT).ok();
        let answer = output.strip_prefix(&everything).unwrap();
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!((lines[0], lines[1].len(), lines[2], lines.len()), ("Deleted Volumes:", 64, "", 4), "{answer}");
        assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok().lines().count(), 2);
        let output = isolazi.run(&["system", "prune", "-a", "-f", "--volumes"]).ok();
        for title in ["Deleted Containers:\n", "Deleted Volumes:\n", "Deleted Images:\n", "Total reclaimed space: "] {
            assert!(output.contains(title), "{output}");
        }
        assert_eq!(isolazi.run(&["volume", "ls", "-q"]).ok(), "named\n");
        isolazi
            .run(&["system", "prune", "-f", "--volumes", "--filter", "until=1h"])
            .fails(1, "Error: The \"until\" filter is not supported with \"--volumes\"\n");
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "system prune",
            &[
                "x",
                "-f --filter x",
                "-f --filter colour=red",
                "-f --filter until=soon",
                "-f --filter =",
                "--force=perhaps",
                "-f --volumes --filter until=1h",
                "",
            ],
        );
    }
}
