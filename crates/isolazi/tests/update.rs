//! `update`: limits change, of containers that run and of those that do not, and what is refused.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, container};
use std::path::Path;
use testkit::Isolazi;

/// Is it cgroup v2 that has the controllers?
fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").try_exists().unwrap()
}

/// Runs a container that says a file of its cgroup whenever it is asked.
struct Asked<'a> {
    isolazi: &'a Isolazi,
    running: testkit::Running,
}

impl<'a> Asked<'a> {
    fn new(busybox: &'a Busybox, flags: &[&str]) -> Self {
        let flags = [&["-i", "--rm", "--name", "asked"], flags].concat();
        let script = "echo ready; while read -r file; do cat $file; echo end; done";
        let mut running = busybox.spawn(&flags, &["sh", "-c", script]);
        assert_eq!(common::read_until(&mut running, "ready\n"), "ready\n");
        Self { isolazi: &busybox.isolazi, running }
    }

    fn update(&self, flags: &[&str]) -> testkit::Output {
        self.isolazi.run(&[&["update"], flags, &["asked"]].concat())
    }

    /// The files of the cgroup as the host has them: inside, those of v1 are not there if none were wanted at the start.
    #[track_caller]
    fn has(&self, v1: (&str, &str, &str), v2: (&str, &str)) {
        let id = container(self.isolazi).file_name().unwrap().to_string_lossy().into_owned();
        let (path, expected) = match (unified(), v1, v2) {
            (true, _, (file, expected)) => (format!("/sys/fs/cgroup/isolazi/{id}/{file}"), expected),
            (false, (controller, file, expected), _) => {
                (format!("/sys/fs/cgroup/{controller}/isolazi/{id}/{file}"), expected)
            }
        };
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), expected, "{path}");
        let members = Path::new(&path).parent().unwrap().join("cgroup.procs");
        assert!(!std::fs::read_to_string(members).unwrap().is_empty(), "nobody is limited by {path}");
    }

    fn end(mut self) {
        drop(self.running.child().stdin.take());
        assert_eq!(self.running.finish(b"", LIMIT).code, 0);
    }
}

#[test]
fn a_container_that_runs_gets_new_limits_at_once() {
    let busybox = Busybox::new();
    // With limits from the beginning, and without any.
    for flags in [&["-m", "64m", "--memory-swap", "64m"][..], &[]] {
        let asked = Asked::new(&busybox, flags);
        let limits = ["-m", "96m", "--memory-swap", "96m", "--cpus", "0.25", "--pids-limit", "30"];
        assert_eq!(asked.update(&limits).ok(), "asked\n");
        asked.has(("memory", "memory.limit_in_bytes", "100663296"), ("memory.max", "100663296"));
        asked.has(("cpu", "cpu.cfs_quota_us", "25000"), ("cpu.max", "25000 100000"));
        asked.has(("pids", "pids.max", "30"), ("pids.max", "30"));
        assert_eq!(asked.update(&["--pids-limit", "-1", "--cpuset-cpus", "0", "-c", "512"]).ok(), "asked\n");
        asked.has(("pids", "pids.max", "max"), ("pids.max", "max"));
        asked.has(("cpuset", "cpuset.cpus", "0"), ("cpuset.cpus", "0"));
        asked.has(("cpu", "cpu.shares", "512"), ("cpu.weight", "59"));
        asked.end();
        busybox.holds_nothing();
    }
}

#[test]
fn a_container_that_does_not_run_has_its_new_limits_in_its_record() {
    let busybox = Busybox::new();
    busybox.isolazi.run(&["create", "--name", "idle", "-m", "64m", &busybox.image, "true"]).succeeds();
    let update = ["update", "-m", "96m", "--pids-limit", "9", "idle"];
    assert_eq!(busybox.isolazi.run(&update).ok(), "idle\n");
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(container(&busybox.isolazi).join(name)).unwrap()).unwrap()
    };
    let resources = &read("config.json")["linux"]["resources"];
    assert_eq!(resources["memory"], serde_json::json!({"limit": 100_663_296, "swap": 201_326_592}));
    assert_eq!(resources["pids"]["limit"], 9);
    assert_eq!(read("container.json")["request"]["limits"]["memory"], 100_663_296);
    assert_eq!(busybox.isolazi.run(&["rm", "idle"]).ok(), "idle\n");
    busybox.holds_nothing();
}

#[test]
fn a_restart_policy_is_written_down_and_heeded() {
    for busybox in Busybox::both() {
        busybox.isolazi.run(&["create", "--name", "idle", &busybox.image, "true"]).succeeds();
        let policy = || -> serde_json::Value {
            let text = std::fs::read(container(&busybox.isolazi).join("container.json")).unwrap();
            serde_json::from_slice::<serde_json::Value>(&text).unwrap()["request"]["restart"].clone()
        };
        let update = |policy: &str| busybox.isolazi.run(&["update", "--restart", policy, "idle"]);
        for (text, expected) in [
            ("unless-stopped", serde_json::json!("unless-stopped")),
            ("on-failure:3", serde_json::json!({"on-failure": 3})),
            ("no", serde_json::Value::Null),
        ] {
            assert_eq!(update(text).ok(), "idle\n");
            assert_eq!(policy(), expected);
        }
        let words = "Error: invalid restart policy: unknown policy 'x'; use one of 'no', 'always', 'on-failure', or \
                     'unless-stopped'\n";
        update("x").fails(1, words);
        assert_eq!(busybox.isolazi.run(&["rm", "idle"]).ok(), "idle\n");
        let id = busybox.isolazi.run(&["create", "--rm", "--name", "idle", &busybox.image, "true"]).ok();
        update("always").fails(
            1,
            &format!(
                "Error: Cannot update container {}: Restart policy cannot be updated because AutoRemove is enabled for the \
                 container\n",
                id.trim()
            ),
        );
        assert_eq!(busybox.isolazi.run(&["rm", "idle"]).ok(), "idle\n");
        // One that runs starts again from now on.
        let shared = busybox.isolazi.work().join("shared");
        let volume = format!("{}:/shared", shared.display());
        let script = "echo x >>/shared/starts; while ! test -e /shared/go; do sleep 0.05; done";
        let words = busybox.words(&["-d", "--name", "again", "-v", &volume], &["sh", "-c", script]);
        busybox.isolazi.run(&words).succeeds();
        assert_eq!(busybox.isolazi.run(&["update", "--restart", "always", "again"]).ok(), "again\n");
        std::fs::write(shared.join("go"), "").unwrap();
        common::eventually("a second start", || {
            (std::fs::read_to_string(shared.join("starts")).ok()?.lines().count() > 1).then_some(())
        });
        assert_eq!(busybox.isolazi.run(&["rm", "-f", "again"]).ok(), "again\n");
        busybox.holds_nothing();
    }
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let busybox = Busybox::new();
    busybox.isolazi.run(&["create", "--name", "busy", &busybox.image, "true"]).succeeds();
    let id = container(&busybox.isolazi).file_name().unwrap().to_string_lossy().into_owned();
    let changes: [&[&str]; 6] = [
        &["update", "-m", "96m", &id],
        &["update", "--pids-limit", "9", &id],
        &["update", "--cpus", "0.5", &id],
        &["update", "--cpuset-cpus", "0", &id],
        &["update", "--restart", "on-failure:3", &id],
        &["rename", &id, "renamed"],
    ];
    let running: Vec<_> = changes.iter().map(|words| busybox.isolazi.spawn(words)).collect();
    for running in running {
        assert_eq!(running.finish(b"", LIMIT).code, 0);
    }
    let text = std::fs::read(container(&busybox.isolazi).join("container.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let limits = serde_json::json!({
        "memory": 100_663_296, "pids": 9, "nano_cpus": 500_000_000, "cpuset_cpus": "0",
    });
    assert_eq!((&record["name"], &record["request"]["limits"]), (&"renamed".into(), &limits));
    assert_eq!(record["request"]["restart"], serde_json::json!({"on-failure": 3}));
    assert_eq!(busybox.isolazi.run(&["rm", "renamed"]).ok(), "renamed\n");
    busybox.holds_nothing();
}

#[test]
fn what_cannot_be_changed_is_told_and_the_others_are_changed_all_the_same() {
    let busybox = Busybox::new();
    let create = |name: &str, flags: &[&str]| {
        let words = [&["create", "--name", name], flags, &[&*busybox.image, "true"]].concat();
        busybox.isolazi.run(&words).ok().trim().to_owned()
    };
    let id = create("swap", &["-m", "64m", "--memory-swap", "64m", "--cpus", "1"]);
    create("plain", &[]);
    let update = |words: &[&str]| busybox.isolazi.run(&[&["update"], words].concat());
    update(&["nosuch"]).fails(1, "Error: you must provide one or more flags when using this command\n");
    update(&["-m", "96m", "nosuch"]).fails(1, "Error: No such container: nosuch\n");
    let told = |why: &str| format!("Error: Cannot update container {id}: {why}\n");
    for (flags, why) in [
        (
            &["-m", "96m"][..],
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
        (&["--cpu-quota", "1000"], "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"),
        (&["-m", "1m"], "Minimum memory limit allowed is 6MB"),
        (&["--cpuset-cpus", "x"], "Invalid value x for cpuset cpus"),
    ] {
        update(&[flags, &["swap"]].concat()).fails(1, &told(why));
    }
    let both = update(&["-m", "96m", "swap", "plain"]);
    assert_eq!((both.code, both.stdout.as_str()), (1, "plain\n"));
    let wrong = "Error: invalid argument \"x\" for \"--pids-limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\n\n\
                 See 'isolazi update --help'.\n";
    update(&["--pids-limit", "x", "plain"]).fails(125, wrong);
    update(&[]).fails(
        1,
        "Error: 'isolazi update' requires at least 1 argument\n\nUsage:  isolazi update [OPTIONS] CONTAINER \
         [CONTAINER...]\n\nSee 'isolazi update --help' for more information\n",
    );
    assert_eq!(busybox.isolazi.run(&["rm", "swap", "plain"]).ok(), "swap\nplain\n");
    busybox.holds_nothing();
}

#[test]
fn an_ordinary_user_without_controllers_is_told_which_one_is_missing() {
    let busybox = Busybox::ordinary();
    busybox.isolazi.run(&["create", "--name", "idle", &busybox.image, "true"]).succeeds();
    let output = busybox.isolazi.run(&["update", "--pids-limit", "9", "idle"]);
    let named = output.stderr.contains("`--pids-limit`") && output.stderr.contains("`pids`");
    assert!(output.code == 1 && output.stdout.is_empty() && named, "{output:?}");
    assert_eq!(busybox.isolazi.run(&["rm", "idle"]).ok(), "idle\n");
    busybox.holds_nothing();
}

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records(
            "update",
            &[
                "",
                "made",
                "nope -m 64m",
                "-m 64m nope",
                "-m lots made",
                "-m 1 made",
                "--cpus x made",
                "--restart nope made",
                "--pids-limit x made",
                "--blkio-weight 5 made",
                "--cpuset-cpus x made",
                "--memory-swap 1m -m 64m made",
                "--restart no AMBIGUOUS",
                "--restart always made",
            ],
        );
    }
}
