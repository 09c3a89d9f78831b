//! Each limit does what it says, on this kernel.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod cgroup_common;

use cgroup_common::{Group, here, name, only_v1, only_v2, planned, resources, until};
use runtime::cgroup::{OomEvent, make};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// Takes 64 MiB at once.
const HUNGRY: &str = "exec dd if=/dev/zero of=/dev/null bs=64M count=1";

#[test]
fn who_takes_more_memory_than_the_limit_is_killed_and_that_is_told() {
    let group = Group::new(&here(), json!({"memory": {"limit": 32 * MIB, "swap": 32 * MIB, "reservation": 16 * MIB}}));
    let mut watch = group.paths.watch_oom().unwrap();
    assert_eq!(watch.read().unwrap(), []);
    assert_eq!(group.paths.oom_kill_count().unwrap(), 0);
    assert_eq!(group.run(HUNGRY).2.signal(), Some(9));
    let timeout = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&watch.as_fd(), PollFlags::IN)], Some(&timeout)).unwrap(), 1);
    assert_eq!(watch.read().unwrap(), [OomEvent::Oom]);
    assert_eq!(group.paths.oom_kill_count().unwrap(), 1);
    let memory = group.paths.stats().unwrap().memory;
    assert_eq!((memory.usage.limit, memory.swap.limit, memory.event_count.oom_kill), (32 * MIB, 32 * MIB, 1));
    assert!(memory.usage.max > 16 * MIB && memory.raw["pgfault"] > 0, "{memory:?}");
    drop(group);
    assert_eq!(poll(&mut [PollFd::new(&watch.as_fd(), PollFlags::IN)], Some(&timeout)).unwrap(), 1);
    assert_eq!(watch.read().unwrap(), [OomEvent::Gone]);
}

#[test]
fn update_raises_and_lowers_memory_with_and_without_swap() {
    let group = Group::new(&here(), json!({"memory": {"limit": 32 * MIB, "swap": 32 * MIB}}));
    let read = || (group.read("memory", "memory.limit_in_bytes"), group.read("memory", "memory.memsw.limit_in_bytes"));
    for (limit, swap) in [(128, 256), (16, 16), (64, 64)] {
        let memory = json!({"memory": {"limit": limit * MIB, "swap": swap * MIB}});
        group.paths.update(&resources(memory)).unwrap();
        assert_eq!(read(), ((limit * MIB).to_string(), (swap * MIB).to_string()));
    }
    group.paths.update(&resources(json!({"memory": {"limit": 100 * MIB, "swap": 200 * MIB}}))).unwrap();
    assert!(group.run(HUNGRY).2.success());
    // Only swap: it is measured against the limit that is there.
    group.paths.update(&resources(json!({"memory": {"swap": 150 * MIB}}))).unwrap();
    let error = group.paths.update(&resources(json!({"memory": {"swap": 99 * MIB}}))).unwrap_err();
    assert_eq!(error.kind, error::Kind::Invalid, "{error}");
    group.paths.update(&resources(json!({"memory": {"limit": -1}}))).unwrap();
    assert!(read().0.len() == 19 && read().1.len() == 19, "{:?}", read());
}

#[test]
fn update_does_not_go_below_what_is_in_use_if_asked_not_to() {
    let group = Group::new(&here(), json!({}));
    let mut shell = group.start("x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo full; sleep 60");
    assert_eq!(shell.line(), "full");
    let low = json!({"memory": {"limit": 4 * MIB, "checkBeforeUpdate": true}});
    let error = group.paths.update(&resources(low)).unwrap_err();
    assert_eq!(error.kind, error::Kind::Conflict);
    assert!(error.to_string().contains("linux.resources.memory.limit"), "{error}");
}

#[test]
fn no_more_tasks_than_pids_limit() {
    let group = Group::new(&here(), json!({"pids": {"limit": 1}}));
    let (_, errors, status) = group.run("(echo never)");
    assert!(errors.contains("fork") && status.code() == Some(2), "{errors} {status}");
    group.paths.update(&resources(json!({"pids": {"limit": 5}}))).unwrap();
    assert_eq!(group.run("(echo now)").0, "now\n");
    assert_eq!(group.paths.stats().unwrap().pids.limit, 5);
}

#[test]
fn a_quota_holds_back_who_wants_more() {
    let group = Group::new(&here(), json!({"cpu": {"shares": 512, "quota": 5000, "period": 50_000, "burst": 1000}}));
    let files = [("cpu.shares", "512"), ("cpu.cfs_quota_us", "5000"), ("cpu.cfs_period_us", "50000")];
    for (file, value) in files.into_iter().chain([("cpu.cfs_burst_us", "1000")]) {
        assert_eq!(group.read("cpu", file), value);
    }
    let shell = group.start("while :; do :; done");
    until("throttled", || group.paths.stats().unwrap().cpu.throttling.throttled_periods >= 5);
    let usage = group.paths.stats().unwrap().cpu.usage;
    assert!(usage.total > 1_000_000 && usage.percpu.iter().sum::<u64>() > 1_000_000, "{usage:?}");
    // A longer period alone doesn't fit the quota in all kernels' eyes; together they do in any order.
    for (quota, period) in [(400_000, 1_000_000), (1000, 10_000), (-1, 100_000)] {
        let cpu = json!({"cpu": {"quota": quota, "period": period, "burst": 0}});
        group.paths.update(&resources(cpu)).unwrap();
        assert_eq!(group.read("cpu", "cpu.cfs_quota_us"), quota.to_string());
        assert_eq!(group.read("cpu", "cpu.cfs_period_us"), period.to_string());
    }
    drop(shell);
}

#[test]
fn a_cpuset_says_on_which_processors() {
    let group = Group::new(&here(), json!({"cpu": {"cpus": "0"}}));
    let (allowed, ..) = group.run("grep Cpus_allowed_list /proc/self/status");
    assert_eq!(allowed.split_whitespace().last(), Some("0"));
    let stats = group.paths.stats().unwrap();
    assert_eq!((stats.cpuset.cpus, stats.cpuset.mems), (vec![0], vec![0]));
}

#[test]
fn a_process_can_join_a_new_cpuset_below_new_ones() {
    let path = format!("/{}/a/b", name());
    let plan = runtime::cgroup::plan(&only_v1(), &path, "id", &resources(json!({})), Default::default()).unwrap();
    let cgroup = make(&plan).unwrap();
    let top: Vec<_> =
        plan.groups.iter().map(|group| group.place.path().ancestors().nth(2).unwrap().to_owned()).collect();
    let group = Group { paths: cgroup.paths().clone(), cgroup };
    assert_eq!(group.run("echo in").0, "in\n");
    let joined = group.start("cat /proc/self/cgroup").child.stdout.take().map(|mut output| {
        let mut text = [0; 4096];
        let count = std::io::Read::read(&mut output, &mut text).unwrap();
        String::from_utf8_lossy(&text[..count]).into_owned()
    });
    let joined = joined.unwrap();
    assert_eq!(joined.lines().filter(|line| line.ends_with(&path)).count(), plan.groups.len(), "{joined}");
    drop(group);
    // What was made on the way goes, too.
    for top in top {
        assert!(!top.try_exists().unwrap(), "{}", top.display());
    }
}

#[test]
fn a_disk_gives_no_more_than_its_rate() {
    let file = std::env::temp_dir().join(name());
    std::fs::write(&file, vec![7; 1 << 20]).unwrap();
    std::fs::File::open(&file).unwrap().sync_all().unwrap();
    let device = std::fs::metadata(&file).unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let limits = json!({"blockIO": {
        "weight": 500,
        "throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": MIB / 2}],
    }});
    let group = Group::new(&here(), limits);
    assert_eq!(group.read("blkio", "blkio.throttle.read_bps_device"), format!("{major}:{minor} {}", MIB / 2));
    assert_eq!(group.read("blkio", "blkio.bfq.weight"), "500");
    let started = Instant::now();
    let (_, errors, status) = group.run(&format!("dd if={} of=/dev/null iflag=direct bs=64k", file.display()));
    std::fs::remove_file(&file).unwrap();
    assert!(status.success(), "{errors}");
    assert!(started.elapsed() > Duration::from_millis(1500), "{:?}", started.elapsed());
    let read = group.paths.stats().unwrap().blkio.io_service_bytes_recursive;
    let bytes = read.iter().find(|entry| entry.op == "Read" && entry.minor == u64::from(minor)).unwrap().value;
    assert!(bytes >= MIB, "{read:?}");
}

#[test]
fn v2s_controllers_are_passed_down_and_a_refused_value_leaves_nothing() {
    let top = only_v2().v2.unwrap().mount.join("cgroup.subtree_control");
    let before = std::fs::read_to_string(&top).unwrap();
    let size = json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    let group = Group::new(&here(), json!({"hugepageLimits": size}));
    assert_eq!(group.read("", "hugetlb.2MB.max"), "4194304");
    assert_eq!(group.read("", "hugetlb.2MB.rsvd.max"), "4194304");
    assert_eq!(group.paths.stats().unwrap().hugetlb["2MB"], Default::default());
    let plan = planned(&here(), json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]})).unwrap();
    let error = make(&plan).unwrap_err();
    assert_eq!(error.kind, error::Kind::Unsupported);
    assert!(error.to_string().contains("has no file `hugetlb.3MB.max`"), "{error}");
    for group in &plan.groups {
        assert!(!group.place.path().try_exists().unwrap(), "{}", group.place.path().display());
    }
    drop(group);
    if !before.contains("hugetlb") {
        // As it was before, unless somebody else has come to need it.
        let _ = std::fs::write(top, "-hugetlb");
    }
}
