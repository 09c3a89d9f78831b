//! Other engines that run containers by our OCI runtime, each in a private place: podman, containerd, Docker.
//!
//! The binary under test is copied as `isolazi-oci`, which is the name by which it is an OCI runtime. Daemons are private
//! ones: own folders, own socket, no bridge, no firewall rules. Whatever an engine started ends with its [`Engine`].

mod containerd;
mod docker;
mod groups;
mod podman;

use crate::isolazi::binary;
use crate::output::{Output, finish};
use crate::place::{Place, ordinary_ids};
use crate::pty::Pty;
use crate::registries::registries;
use rustix::process::{Pid, Signal, kill_process};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any command here takes on a busy machine; one that hangs must not take all day.
const LIMIT: Duration = Duration::from_secs(40);
/// A daemon that is up answers within seconds, one that is told to end has nothing left to do.
const DAEMON_LIMIT: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(50);

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `podman`, which needs no daemon.
    Podman,
    /// `docker`, with a `dockerd` and its containerd.
    Docker,
    /// `ctr`, with a `containerd`.
    Containerd,
}

/// One engine, its stores, its daemon if it has one, and busybox.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    program: PathBuf,
    /// Words that come before every command's.
    globals: Vec<String>,
    /// The cgroup that holds the containers, from the top of each hierarchy.
    group: String,
    daemon: Option<Child>,
    place: Place,
}

impl Engine {
    /// Podman of whoever runs the test.
    pub fn podman() -> Self {
        Self::place(Kind::Podman, None).set_up_podman()
    }

    /// Podman of the ordinary user `isolazi-test`; the test itself is root.
    pub fn ordinary_podman() -> Self {
        Self::place(Kind::Podman, Some(ordinary_ids())).set_up_podman()
    }

    /// A private Docker.
    pub fn docker() -> Self {
        Self::place(Kind::Docker, None).set_up_docker()
    }

    /// A private containerd.
    pub fn containerd() -> Self {
        Self::place(Kind::Containerd, None).set_up_containerd()
    }

    fn place(kind: Kind, user: Option<(u32, u32)>) -> Self {
        let mut place = Place::new(user);
        let name = place.path().file_name().expect("a place has a name").to_string_lossy();
        // Not `isolazi-…`: tests of ours that run meanwhile take empty groups of that name for leaks of theirs.
        let group = format!("engine-{name}");
        place.watch_groups(&group);
        place.copy_program(&binary(), "isolazi-oci");
        let program = PathBuf::from(match kind {
            Kind::Podman => "podman",
            // A client elsewhere on PATH may belong to another machine's daemon; Debian's fits Debian's.
            Kind::Docker => "/usr/bin/docker",
            Kind::Containerd => "ctr",
        });
        Self { kind, program, globals: Vec::new(), group: format!("/{group}"), daemon: None, place }
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Is it run by an ordinary user, who has no cgroup?
    pub fn is_ordinary(&self) -> bool {
        self.place.is_ordinary()
    }

    /// The OCI runtime under test.
    pub fn runtime(&self) -> PathBuf {
        self.place.folder("isolazi-oci")
    }

    /// The cgroup under which the containers' own have to lie.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The full reference of busybox.
    pub fn image(&self) -> String {
        format!("{}/busybox:latest", registries().plain.addr)
    }

    /// A folder for a test's own files, which the user owns.
    pub fn folder(&self, name: &str) -> PathBuf {
        let name = format!("work/{name}");
        self.place.make_folder(&name, 0o755);
        self.place.folder(&name)
    }

    /// A command that is ready to be spawned, for whatever the methods below do not do.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.command(&self.program);
        command.args(&self.globals).args(words);
        command
    }

    /// Runs with an empty standard input.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, b"")
    }

    /// Runs with this standard input.
    #[track_caller]
    pub fn run_with(&self, words: &[&str], stdin: &[u8]) -> Output {
        let child = self.command(words).spawn();
        finish(child.unwrap_or_else(|cause| panic!("{}: {cause}", self.program.display())), stdin, LIMIT)
    }

    /// What it printed, if all went well; engines warn of much.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.code == 0, "{words:?}: {output:#?}");
        output.stdout
    }

    /// Runs on a new terminal of 24 rows and 80 columns.
    pub fn pty(&self, words: &[&str]) -> Pty {
        self.place.pty(&self.program, self.globals.iter().map(String::as_str).chain(words.iter().copied()))
    }

    /// The runtime itself, for questions that engines don't ask.
    #[track_caller]
    pub fn ask_runtime(&self, words: &[&str]) -> Output {
        let mut command = self.place.command(&self.runtime());
        if !self.is_ordinary() {
            // Podman does not hand root's on, and a runtime may look for its state there.
            command.env_remove("XDG_RUNTIME_DIR");
        }
        finish(command.args(words).spawn().expect("our copy"), b"", LIMIT)
    }

    /// A shell of the user's, for descriptors and redirections; its arguments may follow.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.place.command(Path::new("sh"));
        command.args(["-c", script]);
        command
    }

    /// Starts the daemon in a mount namespace of its own: its mounts end with it. `covered` is a folder of the machine's
    /// that it would write to.
    fn start_daemon(&mut self, covered: &str, words: &[String], version: &[&str]) {
        let log = self.place.folder("daemon.log");
        let open = || Stdio::from(std::fs::File::options().append(true).create(true).open(&log).expect("our own file"));
        let mut command = self.place.command(Path::new("unshare"));
        let script = "if test -d \"$0\"; then mount -t tmpfs none \"$0\"; fi; exec \"$@\"";
        command.args(["--mount", "--", "sh", "-c", script, covered]).args(words);
        let child = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn().expect("util-linux has unshare");
        let child = self.daemon.insert(child);
        let pid = child.id();
        let deadline = Instant::now() + DAEMON_LIMIT;
        while self.run(version).code != 0 {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let ended = std::fs::metadata(format!("/proc/{pid}/fd/0")).is_err();
            assert!(!ended && Instant::now() < deadline, "{} does not start: {text}", words[0]);
            std::thread::sleep(STEP);
        }
    }

    fn stop_daemon(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        // Unreaped, so the pid is still its own; it may have ended by itself.
        let _ = kill_process(Pid::from_child(&daemon), Signal::TERM);
        let deadline = Instant::now() + DAEMON_LIMIT;
        while daemon.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                let _ = daemon.kill();
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let end = || match self.kind {
            Kind::Podman => self.end_podman(),
            Kind::Docker => self.end_docker(),
            Kind::Containerd => self.end_containerd(),
        };
        // Whatever hangs here is ended by the place.
        let ended = catch_unwind(AssertUnwindSafe(end));
        self.stop_daemon();
        groups::remove(&self.group, self.kind);
        // What is left now was left by the runtime: the place looks for it.
        assert!(ended.is_ok() || std::thread::panicking(), "the engine could not be ended");
    }
}
