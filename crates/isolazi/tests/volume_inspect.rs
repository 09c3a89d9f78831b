//! `isolazi volume inspect`, and `inspect` of a volume.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use testkit::Isolazi;

#[test]
fn a_volume_is_told_in_dockers_words() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        isolazi.run(&["volume", "create", "--label", "a=1", "-o", "type=tmpfs", "data"]).ok();
        let created = isolazi.run(&["volume", "inspect", "-f", "{{.CreatedAt}}", "data"]).ok();
        let place = isolazi.root().join("volumes/data/_data");
        let expected = format!(
            "[\n    {{\n        \"CreatedAt\": \"{}\",\n        \"Driver\": \"local\",\n        \"Labels\": {{\n            \
             \"a\": \"1\"\n        }},\n        \"Mountpoint\": \"{}\",\n        \"Name\": \"data\",\n        \
             \"Options\": {{\n            \"type\": \"tmpfs\"\n        }},\n        \"Scope\": \"local\"\n    }}\n]\n",
            created.trim_end(),
            place.display()
        );
        assert_eq!(isolazi.run(&["volume", "inspect", "data"]).ok(), expected);
        assert_eq!(isolazi.run(&["inspect", "data"]).ok(), expected);
        assert_eq!(isolazi.run(&["inspect", "--type", "volume", "-f", "{{.Name}}", "data"]).ok(), "data\n");
        let output = isolazi.run(&["volume", "inspect", "-f", "{{.Name}}", "none", "data", "../data"]);
        assert_eq!((output.code, output.stdout.as_str()), (1, "data\n"));
        assert_eq!(output.stderr, "Error: get none: no such volume\nError: get ../data: no such volume\n");
        let output = isolazi.run(&["volume", "inspect", "none"]);
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (1, "[]\n", "Error: get none: no such volume\n")
        );
        isolazi
            .run(&["volume", "inspect", "-f", "{{.Name", "data"])
            .fails(64, "Error: template parsing error: template: :1: unclosed action\n");
        isolazi.run(&["volume", "inspect"]).fails(
            1,
            "Error: 'isolazi volume inspect' requires at least 1 argument\n\nUsage:  isolazi volume inspect [OPTIONS] \
             VOLUME [VOLUME...]\n\nSee 'isolazi volume inspect --help' for more information\n",
        );
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("volume inspect", &["", "nope", "../names", "-f {{.Nope}} nope", "-f {{.Name nope"]);
    }
}
