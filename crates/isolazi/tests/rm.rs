//! `isolazi rm`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "rm",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "runs",
                "-f nope",
                "-f AMBIGUOUS",
                "-f=perhaps made",
                "made nope ended",
                "-f runs",
                "runs",
            ],
        );
    }
}
