//! What power cuts, kills, full disks and neighbours do to a container: the others stay usable, and it can be removed.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Busybox, container, contents, eventually};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::time::Duration;

/// What becomes of a file's text.
type Damage = fn(String) -> String;

/// A file that lost its content in a power cut, was cut, is of a newer program, or is another container's.
const DAMAGES: [(&str, Damage); 6] = [
    ("container.json", |_| String::new()),
    ("container.json", |text| text[..text.len() / 2].to_owned()),
    ("container.json", |text| text.replacen(r#""version":1"#, r#""version":9"#, 1)),
    ("container.json", |text| text.replacen(r#""id":""#, r#""id":"../../"#, 1)),
    ("status.json", |_| String::new()),
    ("status.json", |_| r#"{"version":1,"started":7}"#.to_owned()),
];

#[test]
fn a_damaged_container_is_dead_in_nobodys_way_and_can_be_removed() {
    for (index, (file, damage)) in DAMAGES.into_iter().enumerate() {
        let busybox = Busybox::new();
        let isolazi = &busybox.isolazi;
        assert_eq!(isolazi.run(&busybox.words(&["--name", "broken"], &["true"])).ok(), "");
        let folder = container(isolazi);
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let damaged = damage(text.clone());
        assert_ne!(damaged, text);
        std::fs::write(&path, damaged).unwrap();
        busybox.run(&["--name", "other"], &["true"]).succeeds();
        let id = folder.file_name().unwrap().to_str().unwrap();
        let list = isolazi.run(&["ps", "-a", "--format", "{{.ID}} {{.State}}"]);
        assert_eq!(list.ok(), format!("{} dead\n", &id[..12]), "{index}");
        isolazi.run(&["info"]).succeeds();
        let name = if index % 2 == 0 { "broken" } else { &id[..12] };
        assert_eq!(isolazi.run(&["rm", name]).ok(), format!("{name}\n"), "{index}");
        busybox.holds_nothing();
    }
}

/// The lock of a container whose monitor was killed may be held for a moment by whoever looks at it or clears up. The
/// process id in its status is somebody else's by then.
#[test]
fn a_process_that_got_the_number_of_a_dead_payload_is_not_killed() {
    for operation in [FlockOperation::LockExclusive, FlockOperation::LockShared] {
        let busybox = Busybox::new();
        let isolazi = &busybox.isolazi;
        isolazi.run(&busybox.words(&["--name", "dead"], &["true"])).ok();
        let folder = container(isolazi);
        let mut innocent = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = "2026-01-02T03:04:05.000000000Z";
        let status = format!(r#"{{"version":1,"started":"{started}","pid":{}}}"#, innocent.id());
        std::fs::write(folder.join("status.json"), status).unwrap();
        let lock = File::open(folder.join("lock")).unwrap();
        flock(&lock, operation).unwrap();
        let removal = isolazi.spawn(&["rm", "-f", "dead"]);
        std::thread::sleep(Duration::from_millis(300));
        drop(lock);
        assert_eq!(removal.finish(b"", common::LIMIT).ok(), "dead\n");
        assert_eq!(innocent.try_wait().unwrap(), None, "killed");
        innocent.kill().unwrap();
        innocent.wait().unwrap();
        busybox.holds_nothing();
    }
}

#[test]
fn looking_at_a_container_is_no_lock_that_a_removal_fails_for() {
    let busybox = Busybox::new();
    let isolazi = &busybox.isolazi;
    isolazi.run(&["create", "--name", "new", &busybox.image]).succeeds();
    let lock = File::open(container(isolazi).join("lock")).unwrap();
    flock(&lock, FlockOperation::LockShared).unwrap();
    let removal = isolazi.spawn(&["rm", "new"]);
    std::thread::sleep(Duration::from_millis(100));
    drop(lock);
    assert_eq!(removal.finish(b"", common::LIMIT).ok(), "new\n");
}

#[test]
fn removing_by_force_tells_the_name_of_a_container_that_removes_itself() {
    for busybox in Busybox::both() {
        let isolazi = &busybox.isolazi;
        isolazi.run(&busybox.words(&["-d", "--rm", "--name", "brief"], &["sleep", "60"])).ok();
        assert_eq!(isolazi.run(&["rm", "-f", "/brief"]).ok(), "/brief\n");
        busybox.holds_nothing();
    }
}

#[test]
fn what_a_killed_removal_left_goes_with_its_volumes_and_only_with_those_it_was_told_to_take() {
    for (prefix, volumes) in [("gone-", 1), ("gone-with-volumes-", 0)] {
        let busybox = Busybox::new();
        let isolazi = &busybox.isolazi;
        isolazi.run(&["create", "-v", "/data", &busybox.image]).succeeds();
        let folder = container(isolazi);
        let id = folder.file_name().unwrap().to_str().unwrap();
        std::fs::rename(&folder, folder.with_file_name(format!("{prefix}{id}"))).unwrap();
        std::fs::create_dir(isolazi.root().join("volumes/.removing-0")).unwrap();
        assert_eq!(isolazi.run(&["ps", "-aq"]).ok(), "");
        let left = contents(isolazi);
        assert_eq!(left.len(), volumes, "{left:?}");
        assert!(left.iter().all(|path| path.parent().unwrap().ends_with("volumes")), "{left:?}");
    }
}

#[test]
fn lists_neither_fail_nor_see_ghosts_while_containers_come_and_go() {
    let busybox = Busybox::new();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| (0..15).for_each(|_| drop(busybox.run(&["-e", "A=1"], &["true"]).succeeds()))))
            .collect();
        while runs.iter().any(|run| !run.is_finished()) {
            let list = busybox.isolazi.run(&["ps", "-a", "--format", "{{.State}} {{.Status}}"]).ok();
            assert!(!list.contains("dead"), "{list}");
        }
    });
    busybox.holds_nothing();
}

/// Whoever was handed an end of the payload's pipes may write to it for ever; the container ends with its payload.
#[test]
fn an_outsider_who_goes_on_writing_does_not_keep_a_container_alive() {
    use std::io::Write;
    let busybox = Busybox::new();
    let mut running = busybox.spawn(&["--rm", "-i", "--network", "none"], &["sh", "-c", "echo up; read line"]);
    common::read_until(&mut running, "up\n");
    let payload = common::payload(&busybox.isolazi).as_raw_nonzero();
    let pipe = File::options().write(true).open(format!("/proc/{payload}/fd/1")).unwrap();
    // Much, so that a reader who reads until nothing is there never comes to an end.
    rustix::pipe::fcntl_setpipe_size(&pipe, 1 << 20).unwrap();
    for _ in 0..4 {
        let mut pipe = pipe.try_clone().unwrap();
        std::thread::spawn(move || while pipe.write_all(&[b'x'; 1 << 16]).is_ok() {});
    }
    let output = running.finish(b"", Duration::from_secs(10));
    assert_eq!(output.code, 1, "read found the end of its input");
}

#[test]
fn a_payload_that_fills_the_disk_keeps_its_exit_code() {
    let isolazi = testkit::Isolazi::new();
    let small = isolazi.root().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        let status = std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(&small).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=12m", "none"]);
    let (data, image) = (small.join("data"), common::reference("busybox"));
    let run = |words: &[&str]| isolazi.run(&[&["--root", data.to_str().unwrap()], words].concat());
    run(&["pull", "-q", &image]).succeeds();
    let payload = run(&["run", "--name", "full", &image, "sh", "-c", "seq 300000; exit 7"]);
    let list = run(&["ps", "-a", "--format", "{{.State}} {{.Status}}"]);
    let removed = run(&["rm", "full"]);
    let left = std::fs::read_dir(data.join("containers")).unwrap().count();
    mount(&["umount"]);
    assert_eq!((payload.code, payload.stderr.as_str(), payload.stdout.lines().count()), (7, "", 300_000));
    assert!(list.stdout.starts_with("exited Exited (7) "), "{list:?}");
    assert_eq!((removed.ok().as_str(), left), ("full\n", 0));
}

#[test]
fn the_cgroup_of_a_container_whose_monitor_was_killed_while_it_started_goes() {
    let busybox = Busybox::new();
    busybox.isolazi.run(&["create", &busybox.image]).succeeds();
    let id = container(&busybox.isolazi).file_name().unwrap().to_owned();
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(std::path::Path::new);
    let mount = mounts.into_iter().find(|path| std::fs::metadata(path.join("cgroup.procs")).is_ok()).unwrap();
    let cgroup = mount.join("isolazi").join(id);
    std::fs::create_dir_all(&cgroup).unwrap();
    assert_eq!(busybox.isolazi.run(&["ps", "-a", "--format", "{{.State}}"]).ok(), "created\n");
    assert!(!cgroup.try_exists().unwrap());
}

/// `nohup` and `trap '' TERM` hand an ignored signal down to every child.
#[test]
fn an_ordinary_users_container_ends_by_force_also_if_its_starter_ignored_sigterm() {
    let busybox = Busybox::ordinary();
    let isolazi = &busybox.isolazi;
    let words = busybox.words(&["-d", "-u", "1000", "--name", "deaf"], &["sleep", "60"]);
    let run = isolazi.command(&words);
    let mut shell = std::process::Command::new("setpriv");
    let (uid, gid) = rustix_ids(&isolazi.root());
    shell.args(["--reuid", &uid, "--regid", &gid, "--clear-groups", "sh", "-c", "trap '' TERM; exec \"$@\"", "sh"]);
    shell.arg(run.get_program()).args(run.get_args()).env_clear().current_dir("/");
    shell.envs(run.get_envs().filter_map(|(key, value)| Some((key, value?))));
    assert!(shell.output().unwrap().status.success());
    assert_eq!(isolazi.run(&["rm", "-f", "deaf"]).ok(), "deaf\n");
    eventually("nothing", || contents(isolazi).is_empty().then_some(()));
}

fn rustix_ids(path: &std::path::Path) -> (String, String) {
    let stat = rustix::fs::stat(path).unwrap();
    (stat.st_uid.to_string(), stat.st_gid.to_string())
}
