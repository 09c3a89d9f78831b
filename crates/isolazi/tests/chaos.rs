//! Kills at random moments: the command line, the monitor or both die during pulls and runs, and nothing is broken or
//! left for ever.
//!
//! One seed decides all moments. `ISOLAZI_SEED=` repeats a run as far as a scheduler can be repeated.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, LIMIT, Moments, contents, eventually, reference, time_of};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};
use testkit::{Isolazi, Running};

/// Of pulls and of runs, for root and for an ordinary user, and for root with limits: 330 in all.
const PULLS: u64 = 30;
const RUNS: u64 = 90;

fn end(running: Running) {
    running.signal(Signal::KILL);
    running.finish(b"", LIMIT);
}

/// Everything of these containers and images is where it should be or gone: folders of what is half made or removed,
/// and temporary files, are swept by the commands that list and by the next pull.
#[track_caller]
fn nothing_is_left(Busybox { isolazi, image }: &Busybox) {
    eventually("the end of all containers", || {
        let ids = isolazi.run(&["ps", "-aq", "--no-trunc"]).ok();
        for id in ids.lines() {
            // One whose monitor lived may have been removed by it in this moment.
            let said = isolazi.run(&["rm", "-f", "-v", id]).ok();
            assert!(said == format!("{id}\n") || said.is_empty(), "{said}");
        }
        ids.is_empty().then_some(())
    });
    // A draft is only taken for abandoned after a minute: here everybody who could work on it is dead.
    for path in contents(isolazi) {
        if path.file_name().unwrap().as_bytes().starts_with(b"new-") {
            let old = SystemTime::now() - Duration::from_secs(3600);
            std::fs::File::open(&path).unwrap().set_modified(old).unwrap();
        }
    }
    // Every removal sweeps.
    let id = isolazi.run(&["create", image]).ok();
    assert_eq!(isolazi.run(&["rm", id.trim()]).ok(), id);
    // An anonymous volume whose container was never born or died in its removal is a dangling one, as in Docker: only
    // its user knows whether it holds something.
    let volumes = isolazi.root().join("volumes");
    let left: Vec<_> = contents(isolazi).into_iter().filter(|path| path.parent() != Some(&volumes)).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
fn killed_pulls_leave_a_store_that_takes_the_image() {
    let mut moments = Moments::new("pulls");
    // The ordinary user has no ids for all of `layers`.
    for (place, image) in [(Isolazi::new(), "layers:latest"), (Isolazi::ordinary(), "derived:script")] {
        let image = reference(image);
        let (mut cut, mut complete) = (0, 0);
        let run = || place.run(&["run", "--rm", "--entrypoint", "echo", &image, "ran"]);
        let mut whole = time_of(|| assert!(!place.run(&["pull", "-q", &image]).ok().is_empty()));
        remove_images(&place);
        for round in 0..PULLS {
            let pull = place.spawn(&["pull", "-q", &image]);
            moments.pass(whole);
            end(pull);
            // What is listed under its name is whole: it runs.
            let name = place.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
            if name.trim() == image {
                complete += 1;
                whole = whole * 9 / 10;
                assert_eq!(run().ok(), "ran\n", "{round}");
                remove_images(&place);
            } else {
                // Between its content and its name an image is a nameless one, as after an update of the name.
                assert!(name.is_empty() || name.trim_end().ends_with(":<none>"), "round {round}: {name}");
                cut += 1;
                // A disk on which much was just deleted can be slower than it was: the moments follow it.
                whole = whole * 11 / 10;
            }
        }
        assert!(cut > 0 && complete > 0, "the moments were badly chosen: {cut} cut, {complete} complete");
        place.run(&["pull", "-q", &image]).ok();
        assert_eq!(run().ok(), "ran\n");
        remove_images(&place);
        let left = leftovers_of_pulls(&place);
        assert_eq!(left, Vec::<String>::new(), "after {cut} cut and {complete} complete pulls");
    }
}

/// Also one that a kill has left without a name.
fn remove_images(isolazi: &Isolazi) {
    let ids = isolazi.run(&["images", "-aq", "--no-trunc"]).ok();
    let unique: std::collections::BTreeSet<&str> = ids.lines().collect();
    for id in unique {
        isolazi.run(&["rmi", "-f", id]).succeeds();
    }
}

/// Layers and temporary files that no image has a use for.
fn leftovers_of_pulls(isolazi: &Isolazi) -> Vec<String> {
    let mut left = Vec::new();
    for folder in ["snapshots", "snapshots/chains", "images/tmp", "images/leases", "images/blobs/sha256"] {
        for entry in std::fs::read_dir(isolazi.root().join(folder)).into_iter().flatten() {
            left.push(format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    // A file that was being written aside (`w-`, some bytes) is swept when it is old: see the store's own tests.
    left.retain(|path| path != "snapshots/chains" && !path.starts_with("images/tmp/w-"));
    left
}

/// The processes that hold a container's lock or run in it: its monitors.
fn monitors(isolazi: &Isolazi) -> Vec<Pid> {
    let place = isolazi.root().join("containers");
    let mention = place.as_os_str().as_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        line.windows(9).any(|word| word == b"\0monitor\0") && line.windows(mention.len()).any(|part| part == mention)
    })
    .collect()
}

#[test]
fn killed_runs_leave_nothing_that_rm_does_not_take() {
    kill_runs("runs", &Busybox::both(), &["-v", "/anonymous"]);
}

/// Their cgroups are in every hierarchy, made one after the other.
#[test]
fn killed_runs_with_limits_leave_no_cgroup() {
    kill_runs("limited runs", &[Busybox::new()], &["-v", "/anonymous", "-m", "64m", "--pids-limit", "50"]);
}

fn kill_runs(name: &str, places: &[Busybox], flags: &[&str]) {
    let mut moments = Moments::new(name);
    for busybox in places {
        let isolazi = &busybox.isolazi;
        let script = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done";
        let whole = time_of(|| assert_eq!(busybox.sh(flags, script).ok(), ""));
        for round in 0..RUNS {
            let kept = round % 3 == 0;
            let flags = if kept { flags.to_vec() } else { [&["--rm"], flags].concat() };
            let running = busybox.spawn(&flags, &["sh", "-c", script]);
            moments.pass(whole);
            // The command line first, its monitor first, or only one of them.
            let kill_monitors = || {
                for pid in monitors(isolazi) {
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, Signal::KILL);
                }
            };
            match moments.below(4) {
                0 => end(running),
                1 => {
                    kill_monitors();
                    let output = running.finish(b"", LIMIT);
                    let told = output.stderr.is_empty() || output.stderr.lines().count() == 1;
                    assert!(matches!(output.code, 0 | 125) && told, "round {round}: {output:?}");
                }
                2 => {
                    running.signal(Signal::KILL);
                    kill_monitors();
                    running.finish(b"", LIMIT);
                }
                _ => {
                    kill_monitors();
                    end(running);
                }
            }
        }
        // Whoever was not killed comes to an end by himself.
        eventually("the end of all monitors", || monitors(isolazi).is_empty().then_some(()));
        assert_eq!(busybox.run(&["--name", "after"], &["echo", "fine"]).ok(), "fine\n");
        nothing_is_left(busybox);
        assert_eq!(isolazi.run(&["pull", "-q", &busybox.image]).ok(), format!("{}:latest\n", busybox.image));
        assert_eq!(busybox.run(&[], &["echo", "fine"]).ok(), "fine\n");
    }
}
