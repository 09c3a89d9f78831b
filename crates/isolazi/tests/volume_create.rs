//! `isolazi volume create`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;
use testkit::Isolazi;

#[test]
fn a_volume_is_made_once() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        assert_eq!(isolazi.run(&["volume", "create", "--label", "a=1", "--label", "b", "data"]).ok(), "data\n");
        // Again: it is the same, and what was known of it stays.
        assert_eq!(isolazi.run(&["volume", "create", "--label", "a=2", "-d", "local", "data"]).ok(), "data\n");
        assert_eq!(isolazi.run(&["volume", "ls", "--format", "{{.Name}} {{.Labels}}"]).ok(), "data a=1,b=\n");
        let name = isolazi.run(&["volume", "create"]).ok();
        assert_eq!(name.len(), 65, "{name}");
        assert_eq!(
            isolazi.run(&["volume", "inspect", "-f", "{{json .Labels}}", name.trim_end()]).ok(),
            "{\"com.docker.volume.anonymous\":\"\"}\n"
        );
    }
}

#[test]
fn options_say_where_the_content_lies() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        let work = isolazi.work();
        std::fs::write(work.join("file"), "there").unwrap();
        let device = format!("device={}", work.display());
        assert_eq!(
            isolazi.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]).ok(),
            "bound\n"
        );
        assert_eq!(busybox.sh(&["-v", "bound:/x"], "cat /x/file; echo new >/x/new").ok(), "there");
        assert_eq!(std::fs::read_to_string(work.join("new")).unwrap(), "new\n");
        // What it stands for is not its own.
        assert_eq!(isolazi.run(&["volume", "rm", "bound"]).ok(), "bound\n");
        assert!(work.join("file").is_file());
        isolazi
            .run(&["volume", "create", "-o", "size=1g", "x1"])
            .fails(1, "Error: invalid option: \"size\"\nHint: the options of a volume are `type`, `device` and `o`\n");
        isolazi
            .run(&["volume", "create", "-o", "type=tmpfs", "-o", "o=size=1m,dev", "x1"])
            .fails(1, "Error: invalid option for a volume of type `tmpfs`: dev\n");
        busybox.holds_nothing();
    }
}

#[test]
fn what_cannot_be_made_is_said() {
    let isolazi = Isolazi::new();
    isolazi.run(&["volume", "create", "a/b"]).fails(
        1,
        "Error: create a/b: \"a/b\" includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path\n",
    );
    isolazi
        .run(&["volume", "create", "a"])
        .fails(1, "Error: create a: volume name is too short, names should be at least two alphanumeric characters\n");
    isolazi.run(&["volume", "create", "-d", "far", "data"]).fails(
        1,
        "Error: create data: error looking up volume plugin far: plugin \"far\" not found\nHint: volumes are folders on \
         this machine (`local`)\n",
    );
    isolazi.run(&["volume", "create", "one", "two"]).fails(
        1,
        "Error: 'isolazi volume create' requires at most 1 argument\n\nUsage:  isolazi volume create [OPTIONS] \
         [VOLUME]\n\nSee 'isolazi volume create --help' for more information\n",
    );
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "volume create",
            &["a b", "a", "a/b", "-d nope data", "-o nope data", "-o type=nope data", "--label = data", "data", "data"],
        );
    }
}
