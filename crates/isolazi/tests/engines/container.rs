//! Runs and containers of engines with Docker's command line.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use testkit::{Engine, Kind, Output};

/// Everything waited for takes milliseconds; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// `run FLAGS busybox COMMAND`, without network, in the engine's cgroup.
pub fn words<'a>(engine: &'a Engine, image: &'a str, flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["run"];
    if !flags.iter().any(|flag| flag.starts_with("--network")) {
        words.extend(["--network", "none"]);
    }
    // Docker's daemon knows it; an ordinary user's podman makes no cgroup, and refuses to be told where.
    if engine.kind() == Kind::Podman && !engine.is_ordinary() {
        words.extend(["--cgroup-parent", engine.group()]);
    }
    words.extend(flags);
    words.push(image);
    words.extend(command);
    words
}

/// Runs a command in a container that goes away.
#[track_caller]
pub fn run(engine: &Engine, flags: &[&str], command: &[&str]) -> Output {
    engine.run(&words(engine, &engine.image(), &[&["--rm"], flags].concat(), command))
}

/// What a script prints in a container that goes away.
#[track_caller]
pub fn sh(engine: &Engine, flags: &[&str], script: &str) -> String {
    let output = run(engine, flags, &["sh", "-c", script]);
    assert!(output.code == 0, "{flags:?} {script}: {output:#?}");
    output.stdout
}

/// A container in the background; dropping it removes it by force.
pub struct Container<'a> {
    pub engine: &'a Engine,
    pub name: String,
}

impl<'a> Container<'a> {
    #[track_caller]
    pub fn start(engine: &'a Engine, name: &str, flags: &[&str], command: &[&str]) -> Self {
        // First, so that it is removed even if only its start fails.
        let container = Self { engine, name: name.to_owned() };
        let flags = [&["--detach", "--name", name], flags].concat();
        engine.ok(&words(engine, &engine.image(), &flags, command));
        container
    }

    /// One that does nothing.
    #[track_caller]
    pub fn sleeping(engine: &'a Engine, name: &str, flags: &[&str]) -> Self {
        Self::start(engine, name, flags, &["sleep", "1000"])
    }

    #[track_caller]
    pub fn exec(&self, flags: &[&str], command: &[&str]) -> Output {
        self.engine.run(&self.exec_words(flags, command))
    }

    pub fn exec_words<'b>(&'b self, flags: &[&'b str], command: &[&'b str]) -> Vec<&'b str> {
        [&["exec"], flags, &[self.name.as_str()], command].concat()
    }

    /// What a script prints inside.
    #[track_caller]
    pub fn sh(&self, flags: &[&str], script: &str) -> String {
        self.engine.ok(&self.exec_words(flags, &["sh", "-c", script]))
    }

    /// A command with this container's name at its end.
    #[track_caller]
    pub fn ok(&self, command: &[&str]) -> String {
        self.engine.ok(&[command, &[self.name.as_str()]].concat())
    }

    #[track_caller]
    pub fn inspect(&self, field: &str) -> String {
        self.ok(&["inspect", "--format", &format!("{{{{{field}}}}}")]).trim().to_owned()
    }

    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.inspect(".State.Pid").parse().unwrap()
    }

    /// Waits for the end, and for the exit code.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        self.ok(&["wait"]).trim().parse().unwrap()
    }

    /// Waits until the log is this.
    #[track_caller]
    pub fn logs(&self, expected: &str) {
        let mut seen = String::new();
        let found = wait_for(|| {
            seen = self.ok(&["logs"]);
            (seen == expected).then_some(())
        });
        assert!(found.is_some(), "{expected:?} is not the log, but {seen:?}");
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Podman would let it have its time to stop.
        let time: &[&str] = if self.engine.kind() == Kind::Podman { &["--time", "0"] } else { &[] };
        let remove = || self.engine.run(&[&["rm", "--force"], time, &[self.name.as_str()]].concat());
        if std::thread::panicking() {
            // The check has failed already, perhaps for what keeps this from working, too.
            let _ = catch_unwind(AssertUnwindSafe(remove));
            return;
        }
        let mut output = remove();
        // Podman before 4.4 may come upon a mount that its process for the cleaning is about to take away
        // (containers/podman#11594).
        let busy = |output: &Output| output.stderr.contains("device or resource busy");
        if self.engine.kind() == Kind::Podman && busy(&output) {
            eventually("the cleaning", || {
                output = remove();
                (!busy(&output)).then_some(())
            });
        }
        assert!(output.code == 0, "rm --force {}: {output:#?}", self.name);
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_for(ask).unwrap_or_else(|| panic!("{what}: not after {PATIENCE:?}"))
}

fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of an engine's test: no container is left in the engine, and none in the runtime.
#[track_caller]
pub fn none_is_left(engine: &Engine) {
    let list: &[&str] = match engine.kind() {
        Kind::Containerd => &["containers", "list", "--quiet"],
        Kind::Podman | Kind::Docker => &["ps", "--all", "--quiet"],
    };
    assert_eq!(engine.ok(list), "");
}

/// Is the process gone?
pub fn is_gone(pid: i32) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_err()
}
