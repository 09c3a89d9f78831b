//! Random commands from many callers on few containers, while command lines, monitors and payloads are killed: every
//! status is true in the end, everything can be removed, and nothing is left.
//!
//! One seed decides which commands and when. `ISOLAZI_SEED=` repeats them as far as a scheduler can be repeated;
//! `ISOLAZI_ROUNDS=` makes it longer.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, Moments, contents, eventually, is_told};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Mutex;
use std::time::Duration;

/// As many at once.
const CALLERS: u64 = 8;
/// They share so many containers.
const CONTAINERS: u64 = 20;
/// Commands of all callers together, for root and for an ordinary user; the thousand by `ISOLAZI_ROUNDS=1000`.
const ROUNDS: u64 = 240;

/// What a container's name may be followed by.
fn arguments<'a>(busybox: &'a Busybox, name: &'a str, choice: u64) -> Vec<&'a str> {
    let image = busybox.image.as_str();
    let polite = "trap 'exit 3' TERM; while :; do sleep 0.05; done";
    let run = |flags: &[&'a str], script: &'a str| {
        [&["run", "-d", "--network", "none", "--name", name], flags, &[image, "sh", "-c", script]].concat()
    };
    match choice {
        0 | 1 => run(&[], polite),
        2 => run(&["--init", "-v", "/anonymous"], "sleep 1000"),
        3 => run(&["--restart", "always"], "sleep 0.1; exit 1"),
        4 => run(&["--rm", "-v", "/anonymous"], "sleep 0.2"),
        5 => vec!["create", "--name", name, image, "sh", "-c", polite],
        6 | 7 => vec!["start", name],
        8 => vec!["stop", "-t", "1", name],
        9 => vec!["restart", "-t", "0", name],
        10 => vec!["kill", name],
        11 => vec!["pause", name],
        12 => vec!["unpause", name],
        13 | 14 => vec!["exec", name, "true"],
        15 => vec!["exec", "-d", name, "sleep", "1000"],
        16 | 17 => vec!["rm", "-f", "-v", name],
        18 => vec!["logs", name],
        _ => vec!["ps", "-a"],
    }
}
const CHOICES: u64 = 20;

/// What a command may take while nobody holds it up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The payloads and monitors of these containers, found as a user would: by their records.
fn processes(busybox: &Busybox) -> Vec<Pid> {
    let mut pids = Vec::new();
    for path in contents(&busybox.isolazi) {
        let Ok(text) = std::fs::read(path.join("status.json")) else { continue };
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&text) else { continue };
        let pid = status["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let Some(pid) = pid.filter(|_| status["finished"] == "") else { continue };
        // Not somebody else's by now: its parent is one of our monitors, by its command line.
        let file = |pid: Pid, name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
        let Ok(facts) = file(pid, "status") else { continue };
        let parent = facts.lines().find_map(|line| Pid::from_raw(line.strip_prefix("PPid:")?.trim().parse().ok()?));
        let Some(parent) = parent else { continue };
        let line = file(parent, "cmdline").unwrap_or_default();
        if line.contains(&*path.to_string_lossy()) {
            pids.extend([pid, parent]);
        }
    }
    pids
}

#[test]
fn whatever_is_killed_every_status_is_true_and_nothing_stays() {
    let rounds = std::env::var("ISOLAZI_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    for busybox in Busybox::both() {
        let odd = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (busybox, odd) = (&busybox, &odd);
                scope.spawn(move || {
                    let mut moments = Moments::new(&format!("caller {caller}"));
                    // Each caller its own choices, also with a seed from outside.
                    for _ in 0..caller * 7 {
                        moments.below(2);
                    }
                    for _ in 0..rounds / CALLERS {
                        call(busybox, &mut moments, odd);
                    }
                });
            }
        });
        let odd = odd.into_inner().unwrap();
        assert!(odd.is_empty(), "{odd:#?}");
        every_status_is_true(&busybox);
        let isolazi = &busybox.isolazi;
        eventually("all removed", || {
            let ids = isolazi.run(&["ps", "-aq", "--no-trunc"]).ok();
            for id in ids.lines() {
                let output = isolazi.run(&["rm", "-f", "-v", id]);
                assert_eq!(output.code, 0, "{output:?}");
            }
            ids.is_empty().then_some(())
        });
        // Drafts of killed makers are taken for abandoned after a minute; volumes of containers that died in their birth
        // or removal are their users', as in Docker.
        let folder = |name: &str| isolazi.root().join(name);
        let left = contents(isolazi).into_iter().filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            path.parent() != Some(&folder("volumes")) && !name.starts_with("new-")
        });
        let left: Vec<_> = left.collect();
        isolazi.run(&["ps"]).ok();
        assert!(left.iter().all(|path| !path.try_exists().unwrap()), "{left:?}");
        assert_eq!(busybox.run(&[], &["echo", "fine"]).ok(), "fine\n");
    }
}

/// One command; at times it, or a process of some container, is killed.
fn call(busybox: &Busybox, moments: &mut Moments, odd: &Mutex<Vec<String>>) {
    let name = format!("box{}", moments.below(CONTAINERS));
    let arguments: Vec<String> =
        arguments(busybox, &name, moments.below(CHOICES)).into_iter().map(str::to_owned).collect();
    match moments.below(8) {
        0 => {
            let running = busybox.isolazi.spawn(&arguments);
            moments.pass(Duration::from_millis(20));
            running.signal(Signal::KILL);
            running.finish(b"", LIMIT);
            return;
        }
        1 => {
            let pids = processes(busybox);
            if let Some(pid) = pids.get(usize::try_from(moments.below(64)).unwrap()) {
                // It may have ended meanwhile.
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
        _ => {}
    }
    let output = std::thread::scope(|scope| {
        let (done, waits) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            // What was executed may have been frozen with its container.
            if waits.recv_timeout(PATIENCE).is_err_and(|why| why == std::sync::mpsc::RecvTimeoutError::Timeout) {
                println!("{name} takes long: {:?}", busybox.isolazi.run(&["unpause", &name]));
            }
        });
        let output = busybox.isolazi.spawn(&arguments).finish(b"", LIMIT);
        drop(done);
        output
    });
    if output.code != 0 && !is_told(&output) {
        odd.lock().unwrap().push(format!("{arguments:?} {output:?}"));
    }
}

/// Who is said to run has a process, and who is not has none.
#[track_caller]
fn every_status_is_true(busybox: &Busybox) {
    let isolazi = &busybox.isolazi;
    let facts = || isolazi.run(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}"]).ok();
    eventually("no more changes of those that are restarting or ending", || {
        let before = facts();
        let wrong: Vec<String> = before
            .lines()
            .filter(|line| {
                let (id, state) = line.split_once(' ').unwrap();
                let path = isolazi.root().join("containers").join(id).join("status.json");
                let status: serde_json::Value =
                    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
                let lives = status["pid"].as_u64().is_some_and(|pid| {
                    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
                    cgroup.contains(id)
                });
                match state {
                    "running" | "paused" => !lives,
                    "exited" | "created" | "dead" => lives,
                    _ => false,
                }
            })
            .map(str::to_owned)
            .collect();
        // Those of `--restart always` go on all the time.
        (wrong.is_empty() || facts() != before && wrong.is_empty()).then_some(())
    });
}
