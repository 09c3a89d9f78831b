//! `isolazi commit`: an image of a container, and what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Archive, Busybox, LIMIT, Made, read_until, state};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::Isolazi;

fn inspect(isolazi: &Isolazi, image: &str) -> Value {
    let text = isolazi.run(&["image", "inspect", image]).ok();
    serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
}

#[test]
fn a_run_of_the_image_sees_what_was_changed_and_not_what_was_removed() {
    let archive = Archive::busybox().folder("data").file("data/gone", 0o644, b"x").folder("opaque").file(
        "opaque/old",
        0o644,
        b"x",
    );
    let made = Made::new(archive, json!({}));
    for isolazi in [Isolazi::new(), Isolazi::ordinary()] {
        let script = "b=/bin/busybox; $b rm /data/gone; $b rm -r /opaque; $b mkdir /opaque; echo new >/opaque/new; \
            echo one >/one; $b ln /one /two; $b chown 12:34 /one; $b chmod 4755 /one; $b mkdir -m 1777 /sticky; \
            $b touch -d @1000000000 /sticky; $b mkfifo /fifo; echo up; cat";
        let words =
            ["run", "-i", "-q", "--name", "box", "--network", "none", "-v", "/vol", &made.name, "sh", "-c", script];
        let mut running = isolazi.spawn(&words);
        read_until(&mut running, "up\n");
        // An ordinary user has no cgroup here by which it could be frozen.
        let output = isolazi.run(&["commit", "box", "changed"]).succeeds();
        let id = output.stdout.trim().to_owned();
        assert!(id.len() == 71 && id.starts_with("sha256:"), "{output:?}");
        let hint = "Warning: the container went on meanwhile: can't pause container box: it has no cgroup of its own\n";
        assert!(output.stderr.is_empty() || output.stderr == hint, "{output:?}");
        assert_eq!(state(&isolazi, "{{.State}}"), "running");
        drop(running.child().stdin.take());
        running.finish(b"", LIMIT);
        let look = "b=/bin/busybox; $b ls /data /opaque; cat /opaque/new; $b stat -c '%A %u:%g %h %Y %n' /one /two /sticky /fifo \
            | $b sed 's/ [0-9]* \\(.one\\|.two\\|.fifo\\)/ \\1/'; $b test -e /vol && echo vol";
        let seen = isolazi.run(&["run", "--rm", "--network", "none", "changed", "sh", "-c", look]).ok();
        let expected = "/data:\n\n/opaque:\nnew\nnew\n-rwsr-xr-x 12:34 2 /one\n-rwsr-xr-x 12:34 2 /two\n\
            drwxrwxrwt 0:0 2 1000000000 /sticky\nprw-r--r-- 0:0 1 /fifo\nvol\n";
        assert_eq!(seen, expected);
        // Again from what was made so: a layer on a layer.
        isolazi
            .run(&["run", "--name", "second", "--network", "none", "changed", "sh", "-c", "/bin/busybox rm /one"])
            .ok();
        isolazi.run(&["commit", "second", "again:2"]).succeeds();
        let gone = "cat /two; cat /one";
        let seen = isolazi.run(&["run", "--rm", "--network", "none", "again:2", "sh", "-c", gone]);
        assert_eq!((seen.code, seen.stdout.as_str()), (1, "one\n"), "{seen:?}");
        // The image outlives its container.
        isolazi.run(&["rm", "-v", "box", "second"]).ok();
        assert_eq!(isolazi.run(&["run", "--rm", "--network", "none", &id, "cat", "/one"]).ok(), "one\n");
        isolazi.run(&["rmi", "again:2", "changed"]).ok();
    }
}

#[test]
fn the_image_says_what_the_container_was_told_and_what_is_changed() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let flags =
        ["create", "--name", "box", "-e", "A=1", "-e", "B=2", "-w", "/w", "-u", "12", "-l", "l=1", "--expose", "80"];
    isolazi.run(&[&flags[..], &[&busybox.image, "echo", "hi"]].concat()).succeeds();
    isolazi.run(&["commit", "box", "plain"]).ok();
    let plain = inspect(isolazi, "plain");
    let config = &plain["Config"];
    let has = |entry: &str| config["Env"].as_array().unwrap().iter().any(|known| known == entry);
    assert!(has("A=1") && has("B=2"), "{config}");
    assert_eq!((&config["WorkingDir"], &config["User"]), (&json!("/w"), &json!("12")));
    assert_eq!((&config["Cmd"], &config["Labels"]), (&json!(["echo", "hi"]), &json!({"l": "1"})));
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}}));
    assert_eq!((&plain["Author"], &plain["Comment"]), (&json!(""), &json!("")));
    let changes = [
        "ENV A=\"x y\" C=3",
        "CMD [\"cat\", \"/etc/passwd\"]",
        "ENTRYPOINT exec env",
        "EXPOSE 53/udp",
        "LABEL m=2",
        "USER root",
        "WORKDIR deep",
        "VOLUME /v",
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK --interval=5s CMD true",
        "ONBUILD RUN true",
    ];
    let changes: Vec<&str> = changes.iter().flat_map(|change| ["-c", change]).collect();
    let id =
        isolazi.run(&[&["commit", "-a", "Me <me@x>", "-m", "why"], &changes[..], &["box", "changed:1"]].concat()).ok();
    let changed = inspect(isolazi, "changed:1");
    assert_eq!((&changed["Author"], &changed["Comment"]), (&json!("Me <me@x>"), &json!("why")));
    assert_eq!(changed["Id"], id.trim());
    let config = &changed["Config"];
    for (name, expected) in [
        ("Entrypoint", json!(["/bin/sh", "-c", "exec env"])),
        ("Cmd", json!(["cat", "/etc/passwd"])),
        ("ExposedPorts", json!({"53/udp": {}, "80/tcp": {}})),
        ("Labels", json!({"l": "1", "m": "2"})),
        ("User", json!("root")),
        ("WorkingDir", json!("/w/deep")),
        ("Volumes", json!({"/v": {}})),
        ("StopSignal", json!("SIGINT")),
        ("Healthcheck", json!({"Interval": 5_000_000_000_u64, "Test": ["CMD-SHELL", "true"]})),
        ("OnBuild", json!(["RUN true"])),
    ] {
        assert_eq!(config[name], expected, "{name}");
    }
    let seen = isolazi.run(&["run", "--rm", "changed:1"]).ok();
    assert!(["A=x y", "B=2", "C=3"].iter().all(|line| seen.lines().any(|known| known == *line)), "{seen}");
    // One layer more, of which the new name is sure; the old image is as it was.
    let layers = |image: &str| inspect(isolazi, image)["RootFS"]["Layers"].as_array().unwrap().len();
    assert_eq!((layers(&busybox.image), layers("changed:1")), (1, 2));
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn an_image_without_a_name_has_an_id() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["run", "--name", "box", &busybox.image, "touch", "/x"]).ok();
    let id = isolazi.run(&["commit", "box"]).ok().trim().to_owned();
    let listed = isolazi.run(&["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).ok();
    assert!(listed.lines().any(|line| line == format!("<none>:<none> {id}")), "{listed}");
    let facts = inspect(isolazi, &id);
    assert_eq!((&facts["RepoTags"], &facts["RepoDigests"]), (&json!([]), &json!([])));
    assert_eq!(isolazi.run(&["run", "--rm", &id, "ls", "/x"]).ok(), "/x\n");
    isolazi.run(&["rm", "box"]).ok();
    let removed = isolazi.run(&["rmi", &id]).ok();
    assert!(removed.starts_with(&format!("Deleted: {id}\n")), "{removed}");
    let listed = isolazi.run(&["images", "-q", "--no-trunc"]).ok();
    assert!(!listed.contains(&id), "{listed}");
    busybox.holds_nothing();
}

fn ended(running: &mut testkit::Running) -> bool {
    running.child().try_wait().unwrap().is_some()
}

#[test]
fn a_container_is_frozen_only_meanwhile() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    let script = "dd if=/dev/zero of=/big bs=1M count=32 2>/dev/null; i=0; while :; do i=$((i + 1)); echo $i >/a; echo $i >/b; done";
    isolazi.run(&busybox.words(&["-d", "--name", "box", "--network", "none"], &["sh", "-c", script])).ok();
    common::eventually("a payload at work", || std::fs::metadata(common::container(isolazi).join("upper/b")).ok());
    for _ in 0..5 {
        isolazi.run(&["commit", "box", "moment"]).ok();
        // Written one after the other, they never differ by more than one.
        let seen = isolazi.run(&["run", "--rm", "--network", "none", "moment", "cat", "/a", "/b"]).ok();
        let numbers: Vec<i64> = seen.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.len() < 2 || (numbers[0] - numbers[1]).abs() <= 1, "{seen}");
        assert_eq!(state(isolazi, "{{.State}}"), "running");
    }
    // Also if the commit does not live to see its end.
    for round in 0..5 {
        let mut commit = isolazi.spawn(&["commit", "box", "killed"]);
        common::eventually("a frozen container", || {
            (state(isolazi, "{{.State}}") == "paused" || ended(&mut commit)).then_some(())
        });
        commit.signal(if round == 0 { Signal::INT } else { Signal::KILL });
        commit.finish(b"", LIMIT);
        common::eventually("a container that goes on", || (state(isolazi, "{{.State}}") == "running").then_some(()));
    }
    isolazi.run(&["commit", "--pause=false", "box", "moment"]).ok();
    // Who froze it himself finds it frozen.
    isolazi.run(&["pause", "box"]).ok();
    isolazi.run(&["commit", "box", "moment"]).ok();
    assert_eq!(state(isolazi, "{{.State}}"), "paused");
    isolazi.run(&["rm", "-f", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_wrong_is_said() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["run", "--name", "box", "--network", "none", &busybox.image, "touch", "/.wh.x"]).ok();
    for (arguments, text) in [
        (&["nosuch"][..], "No such container: nosuch"),
        (&["box", "Big"], "invalid reference format: repository name (Big) must be lowercase"),
        (&["box", "a:b:c"], "invalid reference format"),
        (&["-c", "RUN x", "box"], "RUN is not a valid change command"),
        (&["-c", "STOPSIGNAL SIGNOT", "box"], "invalid signal: SIGNOT"),
        (
            &["box"],
            "can't make a layer of container box: can't pack `.wh.x`: in a layer, names that begin with `.wh.` say that a \
             file is gone",
        ),
    ] {
        isolazi.run(&[&["commit"], arguments].concat()).fails(1, &format!("Error: {text}\n"));
    }
    for arguments in [&["commit"][..], &["commit", "a", "b", "c"]] {
        isolazi.run(arguments).fails(
            1,
            "Error: 'isolazi commit' requires at least 1 and at most 2 arguments\n\nUsage:  isolazi commit [OPTIONS] \
             CONTAINER [REPOSITORY[:TAG]]\n\nSee 'isolazi commit --help' for more information\n",
        );
    }
    // Nothing half made stays: neither a name nor a layer.
    assert_eq!(isolazi.run(&["images", "--format", "{{.Repository}}"]).ok().lines().count(), 1);
    isolazi.run(&["rm", "box"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "commit",
            &[
                "",
                "nope",
                "AMBIGUOUS",
                "made a b",
                "made Bad/Name",
                "made a@sha256:1",
                "-c nope made",
                "-c FROM=x made",
                "--pause=perhaps made",
            ],
        );
    }
}
