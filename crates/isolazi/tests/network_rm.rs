//! `isolazi network rm`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records("network rm", &["", "nope", "-f nope", "bridge", "host", "nope none"]);
}

#[test]
fn a_network_goes_when_nobody_is_on_it() {
    let busybox = common::Busybox::new();
    let isolazi = &busybox.isolazi;
    let id = isolazi.run(&["network", "create", "web"]).ok();
    isolazi.run(&["network", "create", "idle"]).ok();
    isolazi.run(&busybox.words(&["-d", "--name", "box", "--network", "web"], &["sleep", "1000"])).ok();
    let output = isolazi.run(&["network", "rm", "web", "idle"]);
    assert_eq!((output.code, output.stdout.as_str()), (1, "idle\n"));
    assert_eq!(
        output.stderr,
        "Error: error while removing network: network web has active endpoints\nHint: containers on it: box\n"
    );
    isolazi.run(&["kill", "box"]).ok();
    assert_eq!(isolazi.run(&["network", "remove", &id[..8]]).ok(), format!("{}\n", &id[..8]));
    isolazi.run(&["start", "box"]).fails(1, "Error: network web not found\n");
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}
