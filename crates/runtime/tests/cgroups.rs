//! A container's cgroup: joined from the first moment, killed as a whole, gone afterwards. Needs root of the machine.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "a launcher that can be killed is a forked one")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, add_mounts, bind, container, end, with};
use runtime::{Host, cgroup};
use rustix::fd::{AsFd, OwnedFd};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// A cgroup that goes with the test, also when it fails.
struct Group {
    base: PathBuf,
    id: String,
    fd: OwnedFd,
}

impl Group {
    fn new(name: &str) -> Self {
        let base = Host::read().unwrap().cgroup.expect("root may make cgroups");
        let id = format!("test-{name}-{}", std::process::id());
        let fd = cgroup::create(&base, &id).unwrap();
        Self { base, id, fd }
    }

    fn dir(&self) -> PathBuf {
        cgroup::path(&self.base, &self.id)
    }

    fn remove(&self) {
        cgroup::remove(&self.base, &self.id).unwrap();
        assert!(!self.dir().try_exists().unwrap());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Gone already unless the test failed.
        let _ = cgroup::remove(&self.base, &self.id);
    }
}

#[test]
fn a_payload_is_in_its_cgroup_and_sees_it_as_the_top() {
    let (room, group) = (Room::new(), Group::new("join"));
    let plan = room
        .compile(container(
            "while read line; do case $line in 0:*) echo $line;; esac; done </proc/self/cgroup; exec sleep 1000",
        ))
        .unwrap();
    let (running, output) = room.start(&plan, Some(group.fd.as_fd())).unwrap();
    let mut line = [0; 5];
    std::fs::File::from(output).read_exact(&mut line).unwrap();
    assert_eq!(&line, b"0::/\n");
    let pids = std::fs::read_to_string(group.dir().join("cgroup.procs")).unwrap();
    assert_eq!(pids, format!("{}\n", running.pid.as_raw_nonzero()));
    group.remove();
    assert_eq!(end(&running), 128 + 9);
}

#[test]
fn a_crowd_that_keeps_forking_is_killed_with_its_cgroup() {
    let (room, group) = (Room::new(), Group::new("crowd"));
    // In the host's pid namespace, so that nothing but the cgroup holds them together.
    let shared = json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "network"}]}});
    let script = "
        breed() { while :; do sleep 0.01 & wait; done }
        for n in 0 1 2 3 4; do for m in 0 1 2 3 4 5 6 7 8 9; do breed & done; done
        echo crowded; wait";
    let plan = room.compile(with(container(script), &shared)).unwrap();
    let (running, output) = room.start(&plan, Some(group.fd.as_fd())).unwrap();
    let mut output = std::fs::File::from(output);
    output.read_exact(&mut [0; 8]).unwrap();
    let dir = group.dir();
    let crowd = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap().lines().count();
    assert!(crowd >= 50, "{crowd}");
    group.remove();
    assert_eq!(end(&running), 128 + 9);
    // Every one of them held the pipe.
    assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
}

/// The monitor is killed while the init has not yet asked to die with it.
#[test]
fn an_init_whose_launcher_is_gone_executes_nothing() {
    let (room, group) = (Room::new(), Group::new("orphan"));
    let dir = group.dir();
    let freeze = |state: &str| std::fs::write(dir.join("cgroup.freeze"), state).unwrap();
    let mounts = [bind(&room.dir.join("shared"), "/shared")];
    let plan = room.compile(add_mounts(container(": >/shared/ran"), &mounts)).unwrap();
    for kill in [false, true] {
        freeze("1");
        // SAFETY: the C library's fork keeps its own locks usable in the child, which launches and exits.
        let launcher = unsafe { libc::fork() };
        if launcher == 0 {
            let started = room.start(&plan, Some(group.fd.as_fd()));
            sys::process::exit_now(i32::from(started.is_err() || end(&started.unwrap().0) != 0));
        }
        let events = || std::fs::read_to_string(dir.join("cgroup.events")).unwrap();
        while !events().contains("populated 1") {
            std::thread::sleep(Duration::from_millis(1));
        }
        let signal = if kill { libc::SIGKILL } else { 0 };
        let mut status = 0;
        // SAFETY: our child, our variable.
        unsafe { assert_eq!(libc::kill(launcher, signal), 0) };
        if kill {
            // SAFETY: as above. Gone before the init goes on.
            unsafe { libc::waitpid(launcher, &raw mut status, 0) };
        }
        freeze("0");
        if !kill {
            // SAFETY: as above.
            unsafe { libc::waitpid(launcher, &raw mut status, 0) };
            assert_eq!(status, 0);
        }
        while events().contains("populated 1") {
            std::thread::sleep(Duration::from_millis(1));
        }
        // The first round shows that the payload would have left a trace.
        assert_eq!(std::fs::remove_file(room.dir.join("shared/ran")).is_ok(), !kill);
    }
    group.remove();
}

#[test]
fn a_start_in_a_removed_cgroup_is_an_error() {
    let (room, group) = (Room::new(), Group::new("gone"));
    group.remove();
    let plan = room.compile(container("true")).unwrap();
    let error = room.start(&plan, Some(group.fd.as_fd())).unwrap_err();
    assert_eq!(error.to_string(), "can't make the container's namespaces (clone3): no such file or directory");
}
