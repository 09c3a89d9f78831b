//! `isolazi network ls`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records(
        "network ls",
        &[
            "x",
            "-f x",
            "-f colour=red",
            "-f dangling=perhaps",
            "-f type=colour",
            "-f name=(",
            "--format {{.Nope}}",
            "--format {{.Name",
            "--format {{.Name}}:{{.Driver}}:{{.Scope}}",
            "--format {{.Name}} -f driver=null",
            "--format {{.Name}} -f type=custom",
        ],
    );
}
