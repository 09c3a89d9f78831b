//! `isolazi images`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "images",
            &[
                "a b",
                "-f x",
                "-f colour=red",
                "-f before=nope",
                "-f since=nope",
                "-f dangling=perhaps",
                "-f until=soon",
                "--format {{.Nope}}",
                "--format {{.ID",
                "nosuch",
                "--format {{.Repository}}:{{.Tag}} IMAGE",
                "--format {{.Tag}} -f reference=IMAGE",
            ],
        );
    }
}
