//! `isolazi unpause`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records("unpause", &["", "nope", "AMBIGUOUS", "made", "ended", "runs"]);
}
