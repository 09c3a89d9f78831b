//! `isolazi pull`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "pull",
            &[
                "",
                "a b",
                "Bad/Name",
                "''",
                "IMAGE:nosuch",
                "IMAGE:-",
                "IMAGE@sha256:1",
                "--platform x IMAGE",
                "127.0.0.1:1/x",
                "-q IMAGE",
            ],
        );
    }
}
