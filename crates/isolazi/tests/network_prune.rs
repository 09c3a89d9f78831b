//! `isolazi network prune`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root()
        .records("network prune", &["x", "-f --filter x", "-f --filter colour=red", "--force=perhaps", "", "-f"]);
}

#[test]
fn networks_that_nobody_is_on_go() {
    let busybox = common::Busybox::new();
    let isolazi = &busybox.isolazi;
    for name in ["idle", "used", "kept"] {
        isolazi.run(&["network", "create", "--label", &format!("name={name}"), name]).ok();
    }
    isolazi.run(&busybox.words(&["-d", "--name", "box", "--network", "used"], &["sleep", "1000"])).ok();
    let prune = ["network", "prune", "-f", "--filter", "label!=name=kept"];
    assert_eq!(isolazi.run(&prune).ok(), "Deleted Networks:\nidle\n\n");
    assert_eq!(isolazi.run(&["network", "ls", "-f", "type=custom", "--format", "{{.Name}}"]).ok(), "kept\nused\n");
    isolazi.run(&["rm", "-f", "box"]).ok();
    assert_eq!(isolazi.run(&["network", "prune", "-f"]).ok(), "Deleted Networks:\nkept\nused\n\n");
    busybox.holds_nothing();
}
