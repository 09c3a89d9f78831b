//! Limits of cgroups: what a payload sees of them, what becomes of one that wants more, and what is refused.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, container, eventually, parent, payload};
use rustix::process::{Signal, kill_process};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::{Isolazi, Output};

/// Is it cgroup v2 that has the controllers?
fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").try_exists().unwrap()
}

/// Every folder of every hierarchy that has this container's name.
fn cgroups(id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = waiting.pop() {
        // One of another test may be gone by now.
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(folders.map(|entry| entry.path()));
        if folder.file_name().is_some_and(|name| name.to_string_lossy().contains(id)) {
            found.push(folder);
        }
    }
    found
}

#[test]
fn a_payload_sees_its_limits() {
    let busybox = Busybox::new();
    for (flags, v1, in_v1, v2, in_v2) in [
        (&["-m", "64m"][..], "memory/memory.limit_in_bytes", "67108864", "memory.max", "67108864"),
        (&["-m", "64m"], "memory/memory.memsw.limit_in_bytes", "134217728", "memory.swap.max", "67108864"),
        (
            &["--memory=64m", "--memory-swap", "64m"],
            "memory/memory.memsw.limit_in_bytes",
            "67108864",
            "memory.swap.max",
            "0",
        ),
        (&["--memory-reservation", "32m"], "memory/memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"),
        (&["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"),
        (
            &["--cpu-period", "50000", "--cpu-quota", "10000"],
            "cpu/cpu.cfs_period_us",
            "50000",
            "cpu.max",
            "10000 50000",
        ),
        (&["-c", "512"], "cpu/cpu.shares", "512", "cpu.weight", "59"),
        (&["--cpuset-cpus", "0", "--cpuset-mems", "0"], "cpuset/cpuset.cpus", "0", "cpuset.cpus", "0"),
        (&["--pids-limit", "20"], "pids/pids.max", "20", "pids.max", "20"),
        (&["--pids-limit", "-1"], "pids/pids.max", "", "pids.max", ""),
    ] {
        let (file, expected) = if unified() { (v2, in_v2) } else { (v1, in_v1) };
        let script = format!("cat /sys/fs/cgroup/{file} 2>/dev/null; true");
        assert_eq!(busybox.sh(flags, &script).ok().trim_end(), expected, "{flags:?}");
    }
    busybox.holds_nothing();
}

#[test]
fn a_process_too_many_is_refused_and_a_byte_too_many_kills() {
    let busybox = Busybox::new();
    let forks = "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done 2>&1; true";
    let output = busybox.sh(&["--pids-limit", "5"], forks);
    assert!((output.stdout.clone() + &output.stderr).contains("can't fork"), "{output:?}");
    let hungry = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    let output = busybox.isolazi.run(&busybox.words(&["-m", "16m", "--name", "hungry"], &["sh", "-c", hungry]));
    let note = "Note: out of memory: the limit is 16 MiB, and the kernel killed a process\n";
    assert_eq!(output, Output { code: 137, stdout: String::new(), stderr: note.into() });
    // Evidence of what it died of.
    let status = std::fs::read_to_string(container(&busybox.isolazi).join("status.json")).unwrap();
    assert!(status.contains("\"oom_killed\":true"), "{status}");
    busybox.isolazi.run(&["rm", "hungry"]).ok();
    let sated = busybox.isolazi.run(&busybox.words(&["-m", "16m", "--name", "sated"], &["true"]));
    assert_eq!(sated.ok(), "");
    let status = std::fs::read_to_string(container(&busybox.isolazi).join("status.json")).unwrap();
    assert!(status.contains("\"oom_killed\":false"), "{status}");
    busybox.isolazi.run(&["rm", "sated"]).ok();
    busybox.holds_nothing();
}

#[test]
fn what_only_version_one_has_is_refused_by_version_two() {
    let busybox = Busybox::new();
    for (flags, file, expected) in [
        (&["--memory-swappiness", "10"][..], "memory/memory.swappiness", "10\n"),
        (&["-m", "64m", "--oom-kill-disable"], "memory/memory.oom_control", "oom_kill_disable 1\n"),
    ] {
        let output = busybox.sh(flags, &format!("head -n 1 /sys/fs/cgroup/{file}"));
        if unified() {
            let option = flags.iter().rfind(|flag| flag.starts_with("--")).unwrap();
            let words = format!("`{option}` can't be applied: cgroup v2's controller `memory` has no such limit\n");
            output.fails(125, &format!("Error: {words}"));
        } else {
            assert_eq!(output.ok(), expected, "{flags:?}");
        }
    }
    // A weight has the scheduler's name, or the controller's.
    let ask = "cd /sys/fs/cgroup; for f in blkio/blkio.bfq.weight blkio/blkio.weight io.bfq.weight io.weight; do
        test -e $f && tail -n 1 $f && exit; done";
    let weight = busybox.sh(&["--blkio-weight", "500"], ask).ok();
    assert!(["500\n", "default 500\n", "default 4950\n"].contains(&weight.as_str()), "{weight}");
    busybox.holds_nothing();
}

#[test]
fn limits_hold_for_whoever_comes_in_and_after_another_start() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&busybox.words(&["-d", "--name", "kept", "--pids-limit", "20"], &["sleep", "1000"])).succeeds();
    let file = if unified() { "pids.max" } else { "pids/pids.max" };
    let ask = ["exec", "kept", "cat", &format!("/sys/fs/cgroup/{file}")];
    assert_eq!(isolazi.run(&ask).ok(), "20\n");
    let procs = if unified() { "cgroup.procs" } else { "pids/cgroup.procs" };
    let inside = ["exec", "kept", "sh", "-c", &format!("grep -c . /sys/fs/cgroup/{procs}; true")];
    // The payload, the shell and grep.
    assert_eq!(isolazi.run(&inside).ok(), "3\n");
    assert_eq!(isolazi.run(&["pause", "kept"]).ok(), "kept\n");
    assert_eq!(isolazi.run(&["update", "--pids-limit", "30", "kept"]).ok(), "kept\n");
    assert_eq!(isolazi.run(&["unpause", "kept"]).ok(), "kept\n");
    assert_eq!(isolazi.run(&ask).ok(), "30\n");
    isolazi.run(&["restart", "-t", "0", "kept"]).succeeds();
    assert_eq!(isolazi.run(&ask).ok(), "30\n");
    assert_eq!(isolazi.run(&["rm", "-f", "kept"]).ok(), "kept\n");
    busybox.holds_nothing();
}

#[test]
fn a_disk_is_read_and_written_no_faster_than_said() {
    let busybox = Busybox::new();
    let disk = (0..8).map(|number| format!("/dev/loop{number}")).find(|path| Path::new(path).try_exists().unwrap());
    let disk = disk.expect("the machine has a loop device");
    for (flag, rate, v1, v2) in [
        ("--device-read-bps", "1mb", "blkio/blkio.throttle.read_bps_device", "rbps=1048576"),
        ("--device-write-bps", "2mb", "blkio/blkio.throttle.write_bps_device", "wbps=2097152"),
        ("--device-read-iops", "30", "blkio/blkio.throttle.read_iops_device", "riops=30"),
        ("--device-write-iops", "40", "blkio/blkio.throttle.write_iops_device", "wiops=40"),
    ] {
        let value = format!("{disk}:{rate}");
        let file = if unified() { "io.max" } else { v1 };
        let line = busybox.sh(&[flag, &value], &format!("cat /sys/fs/cgroup/{file}")).ok();
        let number = v2.split_once('=').unwrap().1;
        let expected = if unified() { v2.to_owned() } else { format!(" {number}") };
        assert!(line.contains(&expected), "{flag}: {line:?}");
        busybox.run(&[flag, "/dev/null:1"], &["true"]).fails(125, "Error: `/dev/null` is not a block device\n");
        let missing = "Error: can't find the device `/dev/nosuch`: no such file or directory\n";
        busybox.run(&[flag, "/dev/nosuch:1"], &["true"]).fails(125, missing);
    }
    busybox.holds_nothing();
}

#[test]
fn what_cannot_hold_is_refused_before_anything_is_made() {
    let cpus = std::thread::available_parallelism().unwrap();
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let range = format!("Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available");
    let processors = format!("Requested CPUs are not available - requested 4095, available: {}", online.trim());
    for busybox in Busybox::both() {
        for (flags, complaint) in [
            (&["-m", "1m"][..], "Minimum memory limit allowed is 6MB"),
            (
                &["-m", "64m", "--memory-swap", "32m"],
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (
                &["--memory-swap", "32m"],
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (&["--cpus", "4096"], &range),
            (
                &["--cpus", "1", "--cpu-quota", "1000"],
                "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
            ),
            (&["--cpuset-cpus", "4095"], &processors),
            (&["--cpuset-cpus", "x"], "Invalid value x for cpuset cpus"),
            (&["--blkio-weight", "5"], "Range of blkio weight is from 10 to 1000"),
            (&["--memory-swappiness", "101"], "Invalid value: 101, valid memory swappiness range is 0-100"),
        ] {
            busybox.run(flags, &["true"]).fails(125, &format!("Error: {complaint}\n"));
        }
        let see = "See 'isolazi run --help'.\n";
        let wrong = "Error: invalid argument \"64q\" for \"-m, --memory\" flag: invalid suffix: 'q'\n\n";
        busybox.run(&["-m", "64q"], &["true"]).fails(125, &format!("{wrong}{see}"));
        let parent = busybox.run(&["--cgroup-parent", "a/../b"], &["true"]);
        assert!(parent.code == 125 && parent.stderr.starts_with("Error: `--cgroup-parent`: "), "{parent:?}");
        busybox.holds_nothing();
    }
}

#[test]
fn an_ordinary_user_without_controllers_is_told_which_one_is_missing() {
    let busybox = Busybox::ordinary();
    for (flags, option, controller) in [
        (&["-m", "64m"][..], "--memory", "memory"),
        (&["--cpus", "0.5"], "--cpus", "cpu"),
        (&["--pids-limit", "5"], "--pids-limit", "pids"),
        (&["--cpuset-cpus", "0"], "--cpuset-cpus", "cpuset"),
    ] {
        let output = busybox.run(flags, &["true"]);
        let first = output.stderr.lines().next().unwrap_or_default().to_owned();
        assert!(output.code == 125 && output.stdout.is_empty(), "{output:?}");
        assert!(first.contains(&format!("`{option}`")) && first.contains(&format!("`{controller}`")), "{output:?}");
    }
    busybox.holds_nothing();
}

#[test]
fn a_parent_of_ones_own_holds_the_containers_cgroups() {
    let busybox = Busybox::new();
    // Not of our name: other tests look for cgroups of ours that are left.
    let parent = format!("test-parent-{}", std::process::id());
    for flags in [&["--cgroup-parent", &parent][..], &["--cgroup-parent", &format!("/{parent}"), "-m", "64m"]] {
        let flags = [&["--rm", "-d", "--name", "child"], flags].concat();
        let id = busybox.isolazi.run(&busybox.words(&flags, &["sleep", "1000"])).ok();
        let table =
            std::fs::read_to_string(format!("/proc/{}/cgroup", payload(&busybox.isolazi).as_raw_nonzero())).unwrap();
        let path = format!(":/{parent}/{}", id.trim());
        assert!(table.lines().all(|line| line.ends_with(&path)), "{table}");
        assert_eq!(busybox.isolazi.run(&["rm", "-f", "child"]).ok(), "child\n");
        assert_eq!(cgroups(id.trim()), [] as [PathBuf; 0]);
    }
    // It was made on the way, and somebody else may want it.
    for folder in cgroups(&parent).iter().rev() {
        std::fs::remove_dir(folder).unwrap();
    }
    busybox.holds_nothing();
}

#[test]
fn every_cgroup_goes_with_its_container_even_after_a_kill() {
    let busybox = Busybox::new();
    for kill_monitor in [false, true] {
        let flags = ["-d", "-m", "64m", "--name", "limited"];
        let id = busybox.isolazi.run(&busybox.words(&flags, &["sh", "-c", "sleep 1000 & sleep 1000"])).ok();
        let pid = payload(&busybox.isolazi);
        let found = cgroups(id.trim());
        assert!(!found.is_empty() && (unified() || found.len() > 5), "{found:?}");
        if kill_monitor {
            kill_process(parent(pid), Signal::KILL).unwrap();
            eventually("the end of a payload without its monitor", || {
                std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_err().then_some(())
            });
            assert!(!cgroups(id.trim()).is_empty());
        }
        assert_eq!(busybox.isolazi.run(&["rm", "-f", "limited"]).ok(), "limited\n");
        assert_eq!(cgroups(id.trim()), [] as [PathBuf; 0]);
    }
    // With --rm nobody has to ask: whoever lists sweeps.
    let running = busybox.spawn(&["--rm", "-m", "64m"], &["sleep", "1000"]);
    let pid = payload(&busybox.isolazi);
    let id = container(&busybox.isolazi).file_name().unwrap().to_string_lossy().into_owned();
    kill_process(parent(pid), Signal::KILL).unwrap();
    assert_ne!(running.finish(b"", LIMIT).code, 0);
    eventually("a sweep", || {
        busybox.isolazi.run(&["ps", "-aq"]).ok();
        cgroups(&id).is_empty().then_some(())
    });
    busybox.holds_nothing();
}

/// Runs as whoever `isolazi` belongs to where cgroup v2 is all there is, after `prepare`.
#[track_caller]
fn on_v2_alone(isolazi: &Isolazi, prepare: &str, arguments: &[&str]) -> Output {
    let ours = isolazi.command(arguments);
    let owner = std::fs::metadata(isolazi.root()).unwrap();
    let script = format!(
        "umount -l /sys/fs/cgroup/* 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup || exit 99; {prepare}
        exec setpriv --reuid \"$0\" --regid \"$1\" --clear-groups -- \"${{@:2}}\""
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", &script]).args([owner.uid().to_string(), owner.gid().to_string()]);
    command.arg(ours.get_program()).args(ours.get_args()).env_clear().current_dir(isolazi.work());
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    testkit::finish(command.spawn().unwrap(), b"", LIMIT)
}

#[test]
fn version_two_alone_has_its_own_way_with_devices() {
    let busybox = Busybox::new();
    let run = |flags: &[&str], script: &str| {
        let flags = [&["--rm", "--network", "none"], flags].concat();
        on_v2_alone(&busybox.isolazi, "", &busybox.words(&flags, &["sh", "-c", script]))
    };
    assert_eq!(run(&[], "ls /sys/fs/cgroup/cgroup.procs").ok(), "/sys/fs/cgroup/cgroup.procs\n");
    let script = "mknod /made c 10 237 && (: <>/made) && echo opened; mknod /other c 10 229; (: </other) 2>&1; true";
    let refused = "sh: can't open /other: Operation not permitted\n";
    assert_eq!(run(&["--device-cgroup-rule", "c 10:237 rw"], script).ok(), format!("opened\n{refused}"));
    let script = "for m in '<' '>'; do (eval \": ${m}/dev/loop-control\") 2>/dev/null && echo $m; done; true";
    assert_eq!(run(&["--device", "/dev/loop-control:r"], script).ok(), "<\n");
    if !unified() {
        // What v1 has is in nobody's reach here.
        let words = "Error: `--memory` can't be applied: the cgroup controller `memory` is not available\n";
        run(&["-m", "64m"], "true").fails(125, words);
    }
    busybox.holds_nothing();
}

#[test]
fn a_delegated_part_holds_the_containers_of_an_ordinary_user() {
    let busybox = Busybox::ordinary();
    // Not of our name: other tests look for cgroups of ours that are left.
    let part = format!("test-part-{}", std::process::id());
    let prepare = format!(
        "p=/sys/fs/cgroup/{part}; mkdir -p $p/leaf; chown -R $0:$1 $p; echo $$ >$p/leaf/cgroup.procs || exit 98;"
    );
    let run = |flags: &[&str]| {
        let script = "cat /proc/self/cgroup | grep '^0:'; ls /sys/fs/cgroup/cgroup.procs";
        let flags = [&["--rm", "--network", "none", "--cgroupns", "host"], flags].concat();
        on_v2_alone(&busybox.isolazi, &prepare, &busybox.words(&flags, &["sh", "-c", script])).ok()
    };
    assert!(run(&[]).starts_with(&format!("0::/{part}/isolazi/")));
    assert!(run(&["--cgroup-parent", "mine"]).starts_with(&format!("0::/{part}/mine/")));
    busybox.holds_nothing();
    // The last monitor may still be on its way out of it.
    eventually("the end of the part", || {
        for folder in cgroups(&part) {
            let below = ["mine", "isolazi", "leaf"].map(|name| folder.join(name));
            for folder in below.iter().chain([&folder]) {
                // What is not gone yet is found again.
                let _ = std::fs::remove_dir(folder);
            }
        }
        cgroups(&part).is_empty().then_some(())
    });
}
