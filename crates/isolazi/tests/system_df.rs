//! `isolazi system df`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::Busybox;
use testkit::Isolazi;

#[test]
fn nothing_takes_no_room() {
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        assert_eq!(
            isolazi.run(&["system", "df"]).ok(),
            "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
             Images          0         0         0B        0B\n\
             Containers      0         0         0B        0B\n\
             Local Volumes   0         0         0B        0B\n\
             Build Cache     0         0         0B        0B\n"
        );
    }
}

#[test]
fn all_that_takes_room_is_told() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        // Log and files count, in containers that run and in those that do not.
        isolazi
            .run(&busybox.words(&["--name", "ended", "--network", "none"], &["sh", "-c", "printf 1234567 >/file"]))
            .ok();
        isolazi
            .run(&busybox.words(
                &["-d", "--name", "runs", "-v", "used:/x", "--log-driver", "none"],
                &["sh", "-c", "printf 123 >/x/file; exec sleep 1000"],
            ))
            .ok();
        busybox.sh(&["-v", "free:/x"], "printf 1234567 >/x/file").ok();
        common::eventually("the file", || {
            std::fs::read(isolazi.root().join("volumes/used/_data/file")).ok().filter(|content| content.len() == 3)
        });
        let format = "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}";
        let image = isolazi.run(&["system", "df", "--format", "{{if eq .Type \"Images\"}}{{.Size}}{{end}}"]).ok();
        assert_eq!(
            isolazi.run(&["system", "df", "--format", format]).ok(),
            format!(
                "Images|1|1|{}|0B (0%)\nContainers|2|1|7B|7B (100%)\nLocal Volumes|2|1|10B|7B (70%)\nBuild Cache|0|0|0B|0B\n",
                image.trim()
            )
        );
        assert_eq!(
            isolazi.run(&["system", "df", "--format", "json"]).ok().lines().nth(2).unwrap(),
            "{\"Active\":\"1\",\"Reclaimable\":\"7B (70%)\",\"Size\":\"10B\",\"TotalCount\":\"2\",\"Type\":\"Local Volumes\"}"
        );
        let text = isolazi.run(&["system", "df", "-v"]).ok();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let has = |words: &str| lines.contains(&words.split(' ').collect());
        for words in [
            "Images space usage:",
            "REPOSITORY TAG IMAGE ID CREATED SIZE SHARED SIZE UNIQUE SIZE CONTAINERS",
            "Containers space usage:",
            "CONTAINER ID IMAGE COMMAND LOCAL VOLUMES SIZE CREATED STATUS NAMES",
            "Local Volumes space usage:",
            "VOLUME NAME LINKS SIZE",
            "free 0 7B",
            "used 1 3B",
            "Build cache usage: 0B",
        ] {
            assert!(has(words), "{words}: {text}");
        }
        let image = lines.iter().find(|words| words.first() == Some(&busybox.image.as_str())).unwrap();
        assert_eq!((image[1], image.last()), ("latest", Some(&"2")), "{text}");
        isolazi
            .run(&["system", "df", "-v", "--format", "json"])
            .fails(1, "Error: the verbose and the format options conflict\n");
        isolazi.run(&["system", "df", "--format", "{{.Nope}}"]).fails(
            1,
            "Error: template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type \
             row\nHint: the fields are Active, Reclaimable, Size, TotalCount, Type\n",
        );
        isolazi.run(&["rm", "-f", "runs", "ended"]).ok();
        isolazi.run(&["volume", "prune", "-af"]).ok();
        busybox.holds_nothing();
    }
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("system df", &["x", "-v --format json", "--format {{.Nope}}", "--format {{.Type"]);
    }
}
