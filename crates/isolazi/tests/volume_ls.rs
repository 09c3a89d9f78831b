//! `isolazi volume ls`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;

#[test]
fn volumes_are_listed_filtered_and_formatted() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        assert_eq!(isolazi.run(&["volume", "ls"]).ok(), "DRIVER    VOLUME NAME\n");
        isolazi.run(&["volume", "create", "--label", "a=1", "data"]).ok();
        isolazi.run(&["volume", "create", "used"]).ok();
        isolazi.run(&["create", "--name", "user", "-v", "used:/x", &busybox.image]).ok();
        assert_eq!(isolazi.run(&["volume", "ls"]).ok(), "DRIVER    VOLUME NAME\nlocal     data\nlocal     used\n");
        let list = |flags: &[&str]| isolazi.run(&[&["volume", "list", "-q"], flags].concat()).ok();
        for (filters, names) in [
            (&["dangling=true"][..], "data\n"),
            (&["dangling=0"], "used\n"),
            (&["driver=local"], "data\nused\n"),
            (&["driver=far"], ""),
            (&["label=a"], "data\n"),
            (&["label=a=2"], ""),
            (&["name=se"], "used\n"),
            (&["name=data", "name=used", "dangling=1"], "data\n"),
        ] {
            let flags: Vec<&str> = filters.iter().flat_map(|filter| ["-f", filter]).collect();
            assert_eq!(list(&flags), names, "{filters:?}");
        }
        let place = isolazi.root().join("volumes/data/_data");
        assert_eq!(
            isolazi.run(&["volume", "ls", "-f", "label=a", "--format", "json"]).ok(),
            format!(
                "{{\"Availability\":\"N/A\",\"Driver\":\"local\",\"Group\":\"N/A\",\"Labels\":\"a=1\",\"Links\":\"N/A\",\
                 \"Mountpoint\":\"{}\",\"Name\":\"data\",\"Scope\":\"local\",\"Size\":\"N/A\",\"Status\":\"N/A\"}}\n",
                place.display()
            )
        );
        assert_eq!(
            isolazi
                .run(&["volume", "ls", "--format", "{{.Name}}|{{.Label \"a\"}}|{{.Mountpoint}}", "-f", "name=data"])
                .ok(),
            format!("data|1|{}\n", place.display())
        );
        for (arguments, complaint) in [
            (
                &["-f", "colour=red"][..],
                "invalid filter 'colour'\nHint: known filters are dangling, driver, label and name\n",
            ),
            (&["-f", "dangling=x"], "invalid filter 'dangling=x'\n"),
            (&["-f", "name"], "invalid filter 'name': expected key=value\n"),
            (&["--format", "{{.Nope"], "template parsing error: template: :1: unclosed action\n"),
            (
                &["--format", "{{.Nope}}"],
                "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type \
                 row\nHint: the fields are Availability, Driver, Group, Labels, Links, Mountpoint, Name, Scope, Size, \
                 Status\n",
            ),
        ] {
            isolazi.run(&[&["volume", "ls"], arguments].concat()).fails(1, &format!("Error: {complaint}"));
        }
        isolazi.run(&["rm", "user"]).ok();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "volume ls",
            &[
                "x",
                "-f x",
                "-f colour=red",
                "-f dangling=perhaps",
                "-f name=(",
                "--format {{.Nope}}",
                "--format {{.Name",
                "",
            ],
        );
    }
}
