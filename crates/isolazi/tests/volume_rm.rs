//! `isolazi volume rm`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn a_volume_goes_when_nobody_uses_it() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        // Files of another user of the container, which an ordinary user could not remove by himself.
        busybox.sh(&["-v", "used:/x"], "mkdir -m 700 /x/inner; touch /x/inner/f; chown -R 33:33 /x/inner").ok();
        let id = isolazi.run(&["create", "--name", "user", "-v", "used:/x", &busybox.image]).ok();
        isolazi.run(&["volume", "create", "free"]).ok();
        let output = isolazi.run(&["volume", "rm", "used", "free", "none"]);
        assert_eq!((output.code, output.stdout.as_str()), (1, "free\n"));
        assert_eq!(
            output.stderr,
            format!("Error: remove used: volume is in use - [{}]\nError: get none: no such volume\n", id.trim_end())
        );
        // `-f` is about what is not there; what is used stays.
        isolazi
            .run(&["volume", "rm", "-f", "used"])
            .fails(1, &format!("Error: remove used: volume is in use - [{}]\n", id.trim_end()));
        assert_eq!(isolazi.run(&["volume", "rm", "-f", "none"]).ok(), "none\n");
        isolazi.run(&["rm", "-v", "user"]).ok();
        assert_eq!(isolazi.run(&["volume", "remove", "used"]).ok(), "used\n");
        isolazi.run(&["volume", "rm", "../names"]).fails(1, "Error: get ../names: no such volume\n");
        isolazi.run(&["volume", "rm"]).fails(
            1,
            "Error: 'isolazi volume rm' requires at least 1 argument\n\nUsage:  isolazi volume rm [OPTIONS] VOLUME \
             [VOLUME...]\n\nSee 'isolazi volume rm --help' for more information\n",
        );
        busybox.holds_nothing();
    }
}

#[test]
fn the_anonymous_volumes_of_a_container_go_with_rm_v_only() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        for (flags, left) in [(&["rm"][..], 1), (&["rm", "-v"], 1), (&["rm", "-f", "-v"], 1)] {
            isolazi.run(&["create", "--name", "one", "-v", "/own", "-v", "kept:/kept", &busybox.image]).ok();
            isolazi.run(&[flags, &["one"]].concat()).ok();
            let anonymous = isolazi.run(&["volume", "ls", "-q", "-f", "name=^.{64}$"]).ok();
            assert_eq!(anonymous.lines().count(), left, "{flags:?}");
            assert_eq!(isolazi.run(&["volume", "ls", "-q", "-f", "name=kept"]).ok(), "kept\n");
        }
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("volume rm", &["", "nope", "-f nope", "../names", "nope -f"]);
    }
}
