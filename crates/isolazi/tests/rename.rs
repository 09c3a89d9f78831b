//! `isolazi rename`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn a_new_name_holds_at_once_also_for_one_that_runs() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let words = busybox.words(&["-d", "--rm", "--name", "old"], &["sleep", "1000"]);
        let id = isolazi.run(&words).ok();
        let other = isolazi.run(&["create", "--name", "other", &busybox.image]).ok();
        assert_eq!(isolazi.run(&["rename", "old", "new"]).ok(), "");
        assert_eq!(isolazi.run(&["ps", "--format", "{{.Names}}"]).ok(), "new\n");
        isolazi.run(&["kill", "old"]).fails(1, "Error: No such container: old\n");
        isolazi.run(&["container", "rename", "new", "other"]).fails(
            1,
            &format!(
                "Error: Conflict. The container name \"/other\" is already in use by container \"{}\". You have to \
                 remove (or rename) that container to be able to reuse that name.\n",
                other.trim()
            ),
        );
        isolazi
            .run(&["rename", "new", "no good"])
            .fails(1, "Error: Invalid container name (no good), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed\n");
        isolazi.run(&["rename", "nope", "x1"]).fails(1, "Error: No such container: nope\n");
        // By its id, to the name that it has: nothing to be done, but not its own.
        isolazi
            .run(&["rename", id.trim(), "new"])
            .fails(1, "Error: Renaming a container with the same name as its current name\n");
        isolazi.run(&["kill", "new"]).ok();
        // The old name is free, and the monitor gives back the new one.
        isolazi.run(&["rename", "other", "old"]).ok();
        isolazi.run(&["rm", "old"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "rename",
            &[
                "",
                "made",
                "made a b",
                "nope a1",
                "AMBIGUOUS a1",
                "made runs",
                "made -x",
                "made a/b",
                "made x",
                "made ''",
                "made made",
                "made other",
                "made a1",
            ],
        );
    }
}
