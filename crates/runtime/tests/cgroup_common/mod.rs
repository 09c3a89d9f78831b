//! Cgroups of a test's own, and shells in them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use error::Result;
use oci::runtime::Resources;
use runtime::cgroup::{Cgroup, CgroupPlan, Driver, Hierarchies, Paths, make, plan};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Cgroups that go with this value, whatever is in them.
pub struct Group {
    pub cgroup: Cgroup,
    pub paths: Paths,
}

pub fn resources(value: Value) -> Resources {
    serde_json::from_value(value).unwrap()
}

/// All hierarchies of this machine.
pub fn here() -> Hierarchies {
    Hierarchies::read().unwrap()
}

/// v2 alone.
pub fn only_v2() -> Hierarchies {
    Hierarchies { v1: Vec::new(), ..here() }
}

/// v1 alone.
pub fn only_v1() -> Hierarchies {
    Hierarchies { v2: None, ..here() }
}

pub fn name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("isolazi-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub fn planned(hierarchies: &Hierarchies, value: Value) -> Result<CgroupPlan> {
    plan(hierarchies, &format!("/{}", name()), "id", &resources(value), Driver::Cgroupfs)
}

impl Group {
    pub fn new(hierarchies: &Hierarchies, value: Value) -> Self {
        let cgroup = make(&planned(hierarchies, value).unwrap()).unwrap();
        let paths = cgroup.paths().clone();
        Self { cgroup, paths }
    }

    /// Starts a shell that is in the cgroup before it does anything.
    pub fn start(&self, script: &str) -> Shell {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("read go; {script}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        self.cgroup.add(pid).inspect_err(|_| drop((child.kill(), child.wait()))).unwrap();
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        Shell { child, pid }
    }

    /// Runs a script to its end: its output, its errors, its end.
    pub fn run(&self, script: &str) -> (String, String, ExitStatus) {
        let mut shell = self.start(script);
        let (mut output, mut errors) = (String::new(), String::new());
        shell.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        shell.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (output, errors, shell.child.wait().unwrap())
    }

    /// A file in the hierarchy with this controller (`""`: v2).
    pub fn read(&self, controller: &str, file: &str) -> String {
        let place = self.paths.places.iter().find(|place| match controller {
            "" => place.version == runtime::cgroup::Version::V2,
            name => place.has(name),
        });
        std::fs::read_to_string(place.unwrap().path().join(file)).unwrap().trim().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let removed = self.paths.remove();
        if !std::thread::panicking() {
            removed.unwrap();
            for place in &self.paths.places {
                assert!(!place.path().try_exists().unwrap(), "{}", place.path().display());
            }
        }
    }
}

/// A process in a cgroup; killed on drop.
pub struct Shell {
    pub child: Child,
    pub pid: Pid,
}

impl Shell {
    /// Waits for a line of its output.
    pub fn line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let output = self.child.stdout.as_mut().unwrap();
        while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn assert_killed(&mut self) {
        assert_eq!(self.wait().signal(), Some(Signal::KILL.as_raw()));
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it holds; what a kernel does by itself takes a moment.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
