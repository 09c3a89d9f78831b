//! Cgroups: what a container may use, what it uses, and that it can be stopped in its tracks.

use crate::container::{Container, eventually, run, words};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Engine, Kind};

/// Is it cgroup v2 that has the controllers?
fn unified() -> bool {
    std::fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok()
}

/// The files of a container's cgroup, as it sees them itself: name in v1, what is in it, name in v2, what is in it.
#[track_caller]
fn holds(container: &Container, limits: &[(&str, &str, &str, &str)]) {
    for (old, in_old, new, in_new) in limits {
        let (file, expected) = if unified() { (new, in_new) } else { (old, in_old) };
        assert_eq!(container.sh(&[], &format!("cat /sys/fs/cgroup/{file}")).trim(), *expected, "{file}");
    }
}

/// The container's folders in every hierarchy that the engine's parent leads to, from the host.
fn folders(container: &Container) -> Vec<PathBuf> {
    let table = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    let paths = table.lines().filter_map(|line| {
        // 4:memory:/parent/container
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        let top = match names.strip_prefix("name=").unwrap_or(names) {
            "" if unified() => Path::new("/sys/fs/cgroup").to_owned(),
            "" => Path::new("/sys/fs/cgroup/unified").to_owned(),
            name => Path::new("/sys/fs/cgroup").join(name),
        };
        path.starts_with(container.engine.group()).then(|| top.join(path.trim_start_matches('/')))
    });
    paths.collect()
}

pub fn limits_are_in_the_cgroup_and_gone_afterwards(engine: &Engine) {
    let flags = [
        ["--memory", "64m"],
        ["--memory-swap", "64m"],
        ["--memory-reservation", "32m"],
        ["--pids-limit", "55"],
        ["--cpus", "0.5"],
        ["--cpuset-cpus", "0"],
        ["--oom-score-adj", "500"],
    ];
    let container = Container::sleeping(engine, "limited", flags.as_flattened());
    holds(
        &container,
        &[
            ("memory/memory.limit_in_bytes", "67108864", "memory.max", "67108864"),
            ("memory/memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"),
            ("pids/pids.max", "55", "pids.max", "55"),
            ("cpu/cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"),
            ("cpu/cpu.cfs_period_us", "100000", "cpu.max", "50000 100000"),
            ("cpuset/cpuset.cpus", "0", "cpuset.cpus", "0"),
        ],
    );
    assert_eq!(container.sh(&[], "nproc; cat /proc/1/oom_score_adj"), "1\n500\n");
    let folders = folders(&container);
    // Every controller's: with v1 there are nine or more.
    assert!(folders.len() >= if unified() { 1 } else { 6 }, "{folders:?}");
    for folder in &folders {
        let pids = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap();
        assert!(pids.lines().any(|pid| pid == container.pid().to_string()), "{}: {pids}", folder.display());
    }
    drop(container);
    for folder in &folders {
        assert!(std::fs::metadata(folder).is_err(), "{} is left", folder.display());
    }
}

pub fn limits_are_enforced(engine: &Engine) {
    let script = "for i in $(seq 30); do sleep 5 & done; wait";
    let output = run(engine, &["--pids-limit", "10"], &["sh", "-c", script]);
    assert!(output.code != 0 && output.stderr.contains("can't fork"), "{output:#?}");
}

pub fn too_much_memory_is_seen_as_such(engine: &Engine) {
    let name = "hungry";
    let flags = ["--name", name, "--memory", "32m", "--memory-swap", "32m"];
    let image = engine.image();
    // The shell outlives its child, so that whoever watches the cgroup can still look at it.
    let script = "dd if=/dev/zero of=/dev/null bs=200M count=1; code=$?; cd /sys/fs/cgroup
        grep -s '^oom_kill ' memory/memory.oom_control memory.events; exec 2>&-; sleep 0.3; exit $code";
    let output = engine.run(&words(engine, &image, &flags, &["sh", "-c", script]));
    let container = Container { engine, name: name.to_owned() };
    assert!(output.code == 137 && output.stdout.ends_with("oom_kill 1\n"), "{output:#?}");
    if engine.kind() == Kind::Docker || unified() {
        // Podman's conmon misses it with cgroup v1, whatever the runtime.
        eventually("the reason", || (container.inspect(".State.OOMKilled") == "true").then_some(()));
    }
}

pub fn stats_tell_memory_and_processes(engine: &Engine) {
    let flags = ["--memory", "64m", "--memory-swap", "64m"];
    let container = Container::start(engine, "counted", &flags, &["sh", "-c", "sleep 1000 & sleep 1001 & wait"]);
    let text = eventually("both children", || {
        let text = engine.ok(&["stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", &container.name]);
        text.starts_with("3 ").then_some(text)
    });
    // `3 868.4kB / 67.11MB`, or `3 848KiB / 64MiB`
    let fields: Vec<&str> = text.split_whitespace().collect();
    assert!(["67.11MB", "64MiB"].contains(&fields[3]), "{text}");
    let digits = fields[1].trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    assert!(digits.parse::<f64>().unwrap() > 0.1, "{text}");
}

pub fn a_paused_payload_stands_still(engine: &Engine) {
    let folder = engine.folder("paused");
    let volume = format!("{}:/out", folder.display());
    let script = "while :; do i=$((i+1)); echo $i >/out/new; mv /out/new /out/count; sleep 0.01; done";
    let container = Container::start(engine, "paused", &["-v", &volume], &["sh", "-c", script]);
    let count = || std::fs::read_to_string(folder.join("count")).ok();
    let seen = eventually("the first count", count);
    eventually("the next count", || (count()? != seen).then_some(()));
    container.ok(&["pause"]);
    assert_eq!(container.inspect(".State.Status"), "paused");
    let seen = count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), seen, "it goes on");
    container.ok(&["unpause"]);
    assert_eq!(container.inspect(".State.Status"), "running");
    eventually("the count to go on", || (count() != seen).then_some(()));
    // One that stands still can be removed all the same.
    container.ok(&["pause"]);
}

pub fn limits_of_a_running_container_change(engine: &Engine) {
    let container = Container::sleeping(engine, "updated", &["--memory", "64m", "--memory-swap", "64m"]);
    // Docker's order: the limit of memory and swap must never be below that of memory.
    container.ok(&["update", "--memory", "96m", "--memory-swap", "96m", "--cpus", "0.25"]);
    holds(
        &container,
        &[
            ("memory/memory.limit_in_bytes", "100663296", "memory.max", "100663296"),
            ("cpu/cpu.cfs_quota_us", "25000", "cpu.max", "25000 100000"),
        ],
    );
    if engine.kind() == Kind::Docker {
        // Not every podman can.
        container.ok(&["update", "--pids-limit", "77"]);
        holds(&container, &[("pids/pids.max", "77", "pids.max", "77")]);
    }
}

pub fn devices_that_were_not_given_cannot_be_opened(engine: &Engine) {
    // 10:237 is the control of loop devices, which everybody may open whom the file's mode lets.
    let node = engine.folder("device").join("node");
    let made = std::process::Command::new("mknod").arg(&node).args(["c", "10", "237"]).status().unwrap();
    assert!(made.success(), "mknod: {made}");
    let given = format!("{}:/dev/given:r", node.display());
    let flags = ["--cap-add", "MKNOD", "--device", &given];
    // 1:3 is everybody's; 1:1 is the machine's memory.
    let script = "mknod /null c 1 3; mknod /mem c 1 1; : </null && echo null
        (: </mem) 2>&1; (: </dev/given) && echo read; (: >/dev/given) 2>&1; echo end";
    let output = run(engine, &flags, &["sh", "-c", script]);
    let expected = "null\nsh: can't open /mem: Operation not permitted\nread\n\
        sh: can't create /dev/given: Operation not permitted\nend\n";
    assert_eq!((output.code, output.stdout.as_str()), (0, expected), "{output:#?}");
}
