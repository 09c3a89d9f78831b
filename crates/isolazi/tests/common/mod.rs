//! What the end-to-end tests share: an installation that has busybox, images that a test makes itself, and waiting.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod archive;
mod made;
mod moments;
mod scene;
mod told;

pub use archive::Archive;
pub use made::Made;
pub use moments::{Moments, time_of};
pub use scene::Scene;
pub use told::is_told;

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use testkit::{Isolazi, Output, Running, registries};

/// Longer than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What a wait may take: everything waited for takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name of one of the images of `tests/material` on the plain registry.
pub fn reference(image: &str) -> String {
    format!("{}/{image}", registries().plain.addr)
}

/// An installation that has pulled busybox.
pub struct Busybox {
    pub isolazi: Isolazi,
    pub image: String,
}

impl Busybox {
    /// Root's.
    pub fn new() -> Self {
        Self::of(Isolazi::new())
    }

    /// An ordinary user's, who has ranges in `/etc/subuid`.
    pub fn ordinary() -> Self {
        Self::of(Isolazi::ordinary())
    }

    /// Both, for what must hold for everybody.
    pub fn both() -> [Self; 2] {
        [Self::new(), Self::ordinary()]
    }

    fn of(isolazi: Isolazi) -> Self {
        let image = reference("busybox");
        assert_eq!(isolazi.run(&["pull", "-q", &image]).ok(), format!("{image}:latest\n"));
        Self { isolazi, image }
    }

    /// `isolazi run FLAGS busybox COMMAND`.
    pub fn words<'a>(&'a self, flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
        [&["run"], flags, &[self.image.as_str()], command].concat()
    }

    /// Runs a command in a container that goes away, without network.
    #[track_caller]
    pub fn run(&self, flags: &[&str], command: &[&str]) -> Output {
        let flags = [&["--rm", "--network", "none"], flags].concat();
        self.isolazi.run(&self.words(&flags, command))
    }

    /// The same for a script.
    #[track_caller]
    pub fn sh(&self, flags: &[&str], script: &str) -> Output {
        self.run(flags, &["sh", "-c", script])
    }

    /// Starts a command and goes on.
    pub fn spawn(&self, flags: &[&str], command: &[&str]) -> Running {
        self.isolazi.spawn(&self.words(flags, command))
    }

    /// Asserts that no container, volume or name is left, nor anything half made or half removed. A monitor tells the
    /// end before it tidies up, so this may take a moment.
    #[track_caller]
    pub fn holds_nothing(&self) {
        self.holds(&[]);
    }

    /// Asserts that nothing is left but these.
    #[track_caller]
    pub fn holds(&self, expected: &[PathBuf]) {
        let deadline = Instant::now() + PATIENCE;
        while contents(&self.isolazi) != expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(contents(&self.isolazi), expected);
    }
}

/// Everything in the folders of containers, names and volumes.
pub fn contents(isolazi: &Isolazi) -> Vec<PathBuf> {
    let folders = ["containers", "names", "volumes"].map(|name| isolazi.root().join(name));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads from a run's standard output until `text` has come: then the payload is where the test wants it.
#[track_caller]
pub fn read_until(running: &mut Running, text: &str) -> String {
    let stdout = running.child().stdout.as_mut().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(text.as_bytes()) {
        let mut byte = [0];
        let count = stdout.read(&mut byte).unwrap();
        assert!(count > 0, "{text:?} did not come, only {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

/// The folder of the only container.
pub fn container(isolazi: &Isolazi) -> PathBuf {
    eventually("a container's folder", || {
        let entries = std::fs::read_dir(isolazi.root().join("containers")).ok()?;
        let mut found = entries.map(|entry| entry.unwrap()).filter(|e| e.file_name().len() == 64);
        found.next().map(|entry| entry.path())
    })
}

/// The payload's process id on the host, as the only container's status says it.
pub fn payload(isolazi: &Isolazi) -> rustix::process::Pid {
    let path = container(isolazi).join("status.json");
    eventually("a running payload", || {
        let status: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).ok()?).unwrap();
        rustix::process::Pid::from_raw(i32::try_from(status["pid"].as_i64()?).unwrap())
    })
}

/// The payload's process id on the host, of one container among several.
pub fn payload_of(isolazi: &Isolazi, name: &str) -> rustix::process::Pid {
    let pid = eventually("a running payload", || {
        let told = isolazi.run(&["inspect", "-f", "{{.State.Pid}}", name]).stdout;
        told.trim_end().parse::<i32>().ok().filter(|&pid| pid > 0)
    });
    rustix::process::Pid::from_raw(pid).unwrap()
}

/// The parent of a process: a payload's is its monitor.
pub fn parent(pid: rustix::process::Pid) -> rustix::process::Pid {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}

/// What `ps -a` says of one container in one column: `{{.State}}`.
#[track_caller]
pub fn state(isolazi: &Isolazi, format: &str) -> String {
    isolazi.run(&["ps", "-a", "--format", format]).ok().trim_end().to_owned()
}
