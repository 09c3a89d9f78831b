//! `isolazi oci` under pressure: many callers at once, and callers that are killed at random moments. Whatever happens,
//! `delete --force` cleans up.
//!
//! One seed decides all moments. `ISOLAZI_SEED=` repeats a run as far as a scheduler can be repeated.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Moments, time_of};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::Isolazi;

/// Containers of the parallel test, and how many call at once.
const CONTAINERS: usize = 200;
const CALLERS: usize = 8;

/// Commands that are killed, and how many at once.
const ROUNDS: usize = 500;
const KILLERS: usize = 4;

/// What a container may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bundle and a folder of states, of which nothing is left in the end.
struct Place {
    isolazi: Isolazi,
    bundle: PathBuf,
    /// Begins the id of each container, and is in the command line of each payload.
    mark: String,
}

impl Place {
    fn new(name: &str, arguments: &[&str]) -> Self {
        let isolazi = Isolazi::new();
        let mark = format!("{name}-{}", std::process::id());
        let bundle = isolazi.work().join("bundle");
        std::fs::create_dir_all(bundle.join("rootfs/bin")).unwrap();
        let copied = Command::new("cp").arg("/bin/busybox").arg(bundle.join("rootfs/bin/busybox")).status();
        assert!(copied.unwrap().success(), "busybox-static is installed");
        for name in ["sh", "sleep"] {
            symlink("busybox", bundle.join("rootfs/bin").join(name)).unwrap();
        }
        let arguments = arguments.iter().map(|one| one.replace("MARK", &mark)).collect::<Vec<_>>();
        std::fs::write(bundle.join("config.json"), document(&arguments).to_string()).unwrap();
        Self { isolazi, bundle, mark }
    }

    /// Its containers have their caller's mounts.
    fn without_a_mount_namespace(self) -> Self {
        let path = self.bundle.join("config.json");
        let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        document["linux"]["namespaces"].as_array_mut().unwrap().retain(|one| one["type"] != "mount");
        std::fs::write(&path, document.to_string()).unwrap();
        self
    }

    /// Nobody listens to it: what is killed leaves an init that would keep a pipe open.
    fn spawn(&self, arguments: &[&str]) -> Child {
        let root = self.isolazi.work().join("states");
        let mut command = self.isolazi.command(&["oci", "--root", root.to_str().unwrap()]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs a command that says something, which must succeed.
    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        text
    }

    /// Output goes to a file: see above.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = self.isolazi.work().join(format!("out-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let file = std::fs::File::options().create_new(true).write(true).open(&path).unwrap();
        let root = self.isolazi.work().join("states");
        let mut command = self.isolazi.command(&["oci", "--root", root.to_str().unwrap()]);
        command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let status = command.status().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (status.code(), text)
    }

    fn create(&self, id: &str) -> (Option<i32>, String) {
        self.run(&["create", "--bundle", self.bundle.to_str().unwrap(), id])
    }

    /// No process, cgroup, folder or mount of any container.
    #[track_caller]
    fn nothing_is_left(&self) {
        let states = self.isolazi.work().join("states");
        let names: Vec<_> = std::fs::read_dir(&states).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.is_empty(), "{names:?}");
        assert_eq!(self.processes(), Vec::<String>::new());
        let mut found = Vec::new();
        cgroups(Path::new("/sys/fs/cgroup"), &self.mark, 6, &mut found);
        assert!(found.is_empty(), "{found:?}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.isolazi.work().to_str().unwrap()), "{mounts}");
    }

    /// Inits and payloads; they vanish some moments after their last parent.
    fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            // It may end while we look.
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&self.mark) {
                found.push(format!("{} {line}", path.display()));
            }
        }
        found
    }
}

fn document(arguments: &[String]) -> Value {
    json!({
        "ociVersion": "1.2.1",
        "process": {"args": arguments, "cwd": "/", "env": ["PATH=/bin"]},
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}
            ],
            "resources": {"pids": {"limit": 50}, "memory": {"limit": 100_000_000}},
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]
        }
    })
}

/// Directories whose name begins with `mark`. One that goes while we look is gone.
fn cgroups(dir: &Path, mark: &str, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(mark)) {
            found.push(entry.path());
        } else if depth > 0 {
            cgroups(&entry.path(), mark, depth - 1, found);
        }
    }
}

#[test]
fn two_hundred_containers_of_eight_callers_come_and_go() {
    let place = Place::new("crowd", &["sh", "-c", ": MARK"]);
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CONTAINERS {
                        return;
                    }
                    let id = format!("{}-{number}", place.mark);
                    let (code, text) = place.create(&id);
                    assert_eq!((code, &*text), (Some(0), ""), "{id}");
                    assert!(place.must(&["state", &id]).contains(r#""status": "created""#));
                    place.must(&["start", &id]);
                    let since = Instant::now();
                    while !place.must(&["state", &id]).contains(r#""status": "stopped""#) {
                        assert!(since.elapsed() < PATIENCE, "{id} does not end");
                    }
                    assert_eq!(place.must(&["delete", &id]), "");
                }
            });
        }
    });
    println!("{CONTAINERS} containers in {:?}", begin.elapsed());
    assert_eq!(place.must(&["list", "-q"]), "");
    place.nothing_is_left();
}

#[test]
fn a_runtime_that_is_killed_anywhere_leaves_nothing_that_a_forced_delete_does_not_find() {
    kill_everywhere(&Place::new("killed", &["sh", "-c", "sleep 1000; : MARK"]));
}

#[test]
fn a_runtime_that_is_killed_anywhere_leaves_no_mount_of_a_container_without_a_mount_namespace() {
    kill_everywhere(&Place::new("killed-bare", &["sh", "-c", "sleep 1000; : MARK"]).without_a_mount_namespace());
}

fn kill_everywhere(place: &Place) {
    // How long each command takes here and now.
    let id = format!("{}-first", place.mark);
    let mut lengths = Vec::new();
    for command in ["create", "start", "exec", "delete"] {
        let arguments = words(place, command, &id);
        lengths
            .push((command, time_of(|| drop(place.must(&arguments.iter().map(String::as_str).collect::<Vec<_>>())))));
    }
    println!("{lengths:?}");
    let moments = Mutex::new(Moments::new("killed runtimes"));
    let (next, begin) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..KILLERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= ROUNDS {
                        return;
                    }
                    let (command, length) = lengths[number % 4];
                    let id = format!("{}-{number}", place.mark);
                    for before in ["create", "start"].iter().take(number % 4) {
                        place.must(&words(place, before, &id).iter().map(String::as_str).collect::<Vec<_>>());
                    }
                    let arguments = words(place, command, &id);
                    let delay = moments.lock().unwrap().within(length);
                    let mut child = place.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
                    std::thread::sleep(delay);
                    child.kill().unwrap();
                    child.wait().unwrap();
                    assert_eq!(place.must(&["delete", "--force", &id]), "", "{command} was killed after {delay:?}");
                    let (code, text) = place.run(&["state", &id]);
                    assert!(code != Some(0) && text.contains("does not exist"), "{command}, {delay:?}: {text}");
                }
            });
        }
    });
    println!("{ROUNDS} rounds in {:?}", begin.elapsed());
    // An init that finds its launcher gone ends by itself.
    let since = Instant::now();
    while !place.processes().is_empty() && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    place.nothing_is_left();
}

fn words(place: &Place, command: &str, id: &str) -> Vec<String> {
    let bundle = place.bundle.to_str().unwrap();
    let words: &[&str] = match command {
        "create" => &["create", "--bundle", bundle, id],
        "exec" => &["exec", id, "sh", "-c", ":"],
        // Of one that runs.
        "delete" => &["delete", "--force", id],
        command => &[command, id],
    };
    words.iter().map(ToString::to_string).collect()
}
