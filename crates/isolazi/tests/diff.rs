//! `isolazi diff`: what a container changed, and what only seems so.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, LIMIT, Made, read_until};
use serde_json::json;
use testkit::Isolazi;

/// An image with files to be changed.
fn image() -> Made {
    let archive =
        Archive::busybox().folder("etc").folder("data").folder("data/deep").file("data/deep/old", 0o644, b"old");
    let archive = archive
        .file("data/gone", 0o644, b"gone")
        .file("data/kept", 0o644, b"kept")
        .folder("same")
        .file("same/x", 0o644, b"x");
    Made::new(archive.folder("replaced").file("replaced/a", 0o644, b"a").file("replaced/b", 0o644, b"b"), json!({}))
}

#[test]
fn added_changed_and_deleted_paths_are_listed_in_order() {
    let made = image();
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let script = "b=/bin/busybox; cd /data; echo more >>kept; $b rm gone; $b chmod 700 deep; $b touch deep/new; \
            # Opened for writing, and left as it was.
            : >>/same/x; \
            # A folder in the place of another; a file in the place of a folder.
            $b rm -r /replaced; $b mkdir /replaced; echo b >/replaced/b; $b mkdir /replaced/c; \
            $b mkdir -p /new/folder; $b ln -s x /new/link; $b touch /new-er; $b touch /new/came; $b rm /new/came; \
            echo up; cat";
        let mut running = isolazi.spawn(&[
            "run",
            "-i",
            "--name",
            "box",
            "-q",
            "--network",
            "none",
            "-v",
            "/vol",
            &made.name,
            "sh",
            "-c",
            script,
        ]);
        read_until(&mut running, "up\n");
        let expected = "\
C /data
C /data/deep
A /data/deep/new
D /data/gone
C /data/kept
A /new
A /new-er
A /new/folder
A /new/link
C /replaced
D /replaced/a
C /replaced/b
A /replaced/c
A /vol
";
        assert_eq!(isolazi.run(&["diff", "box"]).ok(), expected);
        drop(running.child().stdin.take());
        running.finish(b"", LIMIT);
        assert_eq!(isolazi.run(&["container", "diff", "box"]).ok(), expected);
        isolazi.run(&["rm", "-v", "box"]).ok();
    }
}

#[test]
fn a_tree_of_ill_will_is_compared_or_refused() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "i=0; while [ $i -lt DEPTH ]; do mkdir d; cd d; i=$((i + 1)); done";
    for (name, depth) in [("deep", "255"), ("deeper", "300")] {
        let script = script.replace("DEPTH", depth);
        isolazi.run(&busybox.words(&["--name", name, "--network", "none", "-w", "/"], &["sh", "-c", &script])).ok();
    }
    assert_eq!(isolazi.run(&["diff", "deep"]).ok().lines().count(), 255);
    let at = "d/".repeat(100);
    isolazi
        .run(&["diff", "deeper"])
        .fails(1, &format!("Error: can't compare `/{at}…` with the image: deeper than 256 folders\n"));
    isolazi.run(&["rm", "deep", "deeper"]).ok();
    busybox.holds_nothing();
}

#[test]
fn who_changed_nothing_has_no_changes() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&["create", "--name", "box", &busybox.image, "true"]).succeeds();
        assert_eq!(isolazi.run(&["diff", "box"]).ok(), "");
        isolazi.run(&["start", "-a", "box"]).ok();
        assert_eq!(isolazi.run(&["diff", "box"]).ok(), "");
        isolazi.run(&["rm", "box"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_wrong_is_said() {
    let isolazi = Isolazi::new();
    isolazi.run(&["diff", "nosuch"]).fails(1, "Error: No such container: nosuch\n");
    for arguments in [&["diff"][..], &["diff", "a", "b"]] {
        isolazi.run(arguments).fails(
            1,
            "Error: 'isolazi diff' requires 1 argument\n\nUsage:  isolazi diff CONTAINER\n\nSee 'isolazi diff --help' for \
             more information\n",
        );
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("diff", &["", "nope", "AMBIGUOUS", "made ended", "made"]);
    }
}
