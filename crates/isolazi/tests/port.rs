//! `isolazi port`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "port",
            &["", "nope", "AMBIGUOUS", "nope x", "made x", "made 80/x", "made 99999", "made 80", "made 80 81", "made"],
        );
    }
}
