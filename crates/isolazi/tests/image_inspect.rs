//! `isolazi image inspect`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "image inspect",
            &["", "nope", "made", "Bad/Name", "-f {{.Nope}} IMAGE", "-f {{.Os IMAGE", "-f {{.Os}} IMAGE nope"],
        );
    }
}
