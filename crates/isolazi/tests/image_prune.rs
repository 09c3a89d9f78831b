//! `isolazi image prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, Made};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn images_without_a_name_go_and_with_a_all_that_nobody_uses() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let made = Made::new(Archive::busybox().file("big", 0o644, &[7; 300_000]), json!({"Labels": {"a": "1"}}));
        isolazi.run(&["pull", "-q", &made.name]).ok();
        let digest = isolazi.run(&["images", "--format", "{{.Digest}}", &made.name]).ok();
        // By its digest alone it has no name.
        isolazi.run(&["rmi", &made.name]).ok();
        isolazi.run(&["pull", "-q", &format!("{}@{}", made.name, digest.trim_end())]).ok();
        let nothing = "Total reclaimed space: 0B\n";
        for filter in ["label=b", "label!=a", "until=2000-01-01"] {
            let filtered = isolazi.run(&["image", "prune", "-f", "--filter", filter]).ok();
            // What does not say when it was made is older than all.
            let expected = if filter.starts_with("until") { "untagged: " } else { nothing };
            assert!(filtered == nothing || filtered.contains(expected), "{filter}: {filtered}");
            if filtered != nothing {
                isolazi.run(&["pull", "-q", &format!("{}@{}", made.name, digest.trim_end())]).ok();
            }
        }
        let pruned = isolazi.run(&["image", "prune", "-f", "--filter", "label=a=1"]).ok();
        let lines: Vec<&str> = pruned.lines().collect();
        assert_eq!(lines[..2], ["Deleted Images:", &format!("untagged: {}@{}", made.name, digest.trim_end())]);
        assert!(lines[2].starts_with("deleted: sha256:") && lines[3].starts_with("deleted: sha256:"), "{pruned}");
        assert!(lines[4].is_empty() && lines[5].starts_with("Total reclaimed space: ") && lines.len() == 6, "{pruned}");
        assert_ne!(lines[5], nothing.trim_end());

        // A used one stays, and goes when its container has gone.
        isolazi.run(&["create", "--name", "user", &busybox.image]).ok();
        let output = isolazi.run(&["image", "prune", "-a"]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (
                1,
                "WARNING! This will remove all images without at least one container associated to them.\nAre you sure \
                 you want to continue? [y/N] \n"
            )
        );
        assert_eq!(output.stderr, "Error: image prune has been cancelled\nHint: `--force` asks no question\n");
        assert_eq!(isolazi.run(&["image", "prune", "-af"]).ok(), nothing);
        isolazi.run(&["rm", "user"]).ok();
        assert_eq!(isolazi.run(&["image", "prune", "-f"]).ok(), nothing);
        let pruned = isolazi.run(&["image", "prune", "-f", "--filter", "dangling=false"]).ok();
        assert!(pruned.starts_with(&format!("Deleted Images:\nuntagged: {}:latest\n", busybox.image)), "{pruned}");
        assert_eq!(isolazi.run(&["images", "-q"]).ok(), "");
        let question = isolazi.run(&["image", "prune"]).stdout;
        assert!(question.starts_with("WARNING! This will remove all dangling images.\n"), "{question}");
        isolazi
            .run(&["image", "prune", "-f", "--filter", "x=y"])
            .fails(1, "Error: invalid filter 'x'\nHint: known filters are label, label!, until, dangling\n");
        // Nothing of them is left on the disk.
        let left = |folder: &str| std::fs::read_dir(isolazi.root().join(folder)).unwrap().count();
        assert_eq!((left("images/blobs/sha256"), left("snapshots/chains"), left("snapshots")), (0, 0, 1));
    }
}

/// The layers of an image whose name went while a container stood on it are nobody's when that has gone, too.
#[test]
fn layers_that_an_ended_container_held_are_given_back() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["create", "--name", "user", &busybox.image]).ok();
    isolazi.run(&["rmi", "-f", &busybox.image]).ok();
    let layers = || std::fs::read_dir(isolazi.root().join("snapshots")).unwrap().count();
    assert_eq!(isolazi.run(&["image", "prune", "-af"]).ok(), "Total reclaimed space: 0B\n");
    assert_eq!(layers(), 2);
    isolazi.run(&["rm", "user"]).ok();
    let pruned = isolazi.run(&["image", "prune", "-f"]).ok();
    assert!(pruned.starts_with("Total reclaimed space: ") && pruned != "Total reclaimed space: 0B\n", "{pruned}");
    assert_eq!(layers(), 1);
}

/// A container that is made while others prune either has all of its image, or there is none.
#[test]
fn a_container_that_is_made_meanwhile_keeps_its_layers() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                isolazi.run(&["image", "prune", "-af"]).ok();
            }
        });
        let maker = scope.spawn(|| {
            let mut made = 0;
            for _ in 0..25 {
                let output = isolazi.run(&["create", "-q", &busybox.image, "true"]);
                if output.code == 0 {
                    let id = output.stdout.trim_end();
                    isolazi.run(&["start", "-a", id]).ok();
                    isolazi.run(&["rm", id]).ok();
                    made += 1;
                }
            }
            made
        });
        let made = maker.join();
        is_over.store(true, Ordering::Relaxed);
        assert!(made.unwrap() > 0);
    });
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "image prune",
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
