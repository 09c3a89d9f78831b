//! `isolazi network inspect`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records(
        "network inspect",
        &["", "nope", "-f {{.Nope}} host", "-f {{.Name host", "-f {{.Name}}:{{.Driver}} bridge nope host none"],
    );
}
