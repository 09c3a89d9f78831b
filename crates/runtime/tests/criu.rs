//! Checkpoints of real containers, and what is said where `criu` cannot make them. `CRIU` names a program other than
//! the installed one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Room, add_mounts, bind, container, end, with};
use error::{Kind, Result};
use oci::runtime::Spec;
use runtime::cgroup::{self, Cgroup, Driver, Hierarchies};
use runtime::criu::{Common, Container, Criu, Dump, Event, Restore, Restoring, dump, restore};
use runtime::plan::Plan;
use runtime::{Launch, Running};
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a container may take to show a sign of life, in seconds.
const TIMEOUT_S: u64 = 20;

/// The program; or what a user is told, who has none that works here.
fn criu() -> Option<Criu> {
    let found = match std::env::var_os("CRIU") {
        Some(program) => Criu::at(Path::new(&program)),
        None => Criu::find(),
    };
    let error = match found {
        Ok(criu) => return Some(criu),
        Err(error) => error,
    };
    assert_eq!(error.kind, Kind::Unsupported);
    assert_eq!((error.messages.len(), error.hints.len()), (1, 1), "{error:?}");
    let text = error.to_string();
    if text == "can't find the program `criu`" {
        assert_eq!(error.hints, ["checkpoint and restore need it: install the package `criu`"]);
    } else {
        // The reason is the program's own.
        let (said, why) = text.split_once(" does not work on this kernel: ").unwrap();
        assert!(said.starts_with("criu ") && !why.is_empty() && why != "it does not say why", "{text}");
        let output = std::process::Command::new("criu").arg("check").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{text}");
    }
    None
}

/// A container that counts in `/tmp/count`, and how to come back to it.
struct Counting {
    room: Room,
    document: Value,
    images: PathBuf,
    descriptors: Vec<String>,
    cgroup: Option<Cgroup>,
}

const COUNT: &str = "i=0; while :; do
    i=$((i + 1)); echo $i > /tmp/count~; mv /tmp/count~ /tmp/count
    cat /proc/sys/kernel/hostname /mnt/shared/word > /tmp/seen~; mv /tmp/seen~ /tmp/seen
    sleep 0.02
done";

impl Counting {
    fn new(patch: &Value) -> Self {
        let room = Room::new();
        std::os::unix::fs::symlink("busybox", room.inside("bin/mv")).unwrap();
        std::fs::write(room.dir.join("shared/word"), "bound").unwrap();
        std::fs::write(room.inside("etc/secret"), "secret").unwrap();
        let shared = room.dir.join("shared");
        let masked = json!({"linux": {"maskedPaths": ["/etc/secret", "/proc/is-not-there", "/sys/firmware"]}});
        let document = with(add_mounts(container(COUNT), &[bind(&shared, "/mnt/shared")]), &masked);
        let document = with(document, patch);
        let images = room.dir.join("images");
        let descriptors = vec![null_name(), String::new(), String::new(), "/dev/null".to_owned()];
        Self { room, document, images, descriptors, cgroup: None }
    }

    fn spec(&self) -> Spec {
        serde_json::from_value(self.document.clone()).unwrap()
    }

    /// As an OCI runtime has it: whoever makes a container, or restores it, ends before it does.
    fn plan(&self) -> Plan {
        let mut plan = self.room.compile(self.document.clone()).unwrap();
        plan.process.dies_with_launcher = false;
        plan
    }

    /// Cgroups of its own, in each hierarchy of this machine.
    fn make_cgroups(&mut self) -> String {
        let name = format!("criu-{}", std::process::id());
        let resources = oci::runtime::Resources::default();
        let path = format!("/{name}");
        let plan = cgroup::plan(&Hierarchies::read().unwrap(), &path, "id", &resources, Driver::Cgroupfs).unwrap();
        self.cgroup = Some(cgroup::make(&plan).unwrap());
        path
    }

    fn start(&mut self) -> (Alive, OwnedFd) {
        let mut plan = self.plan();
        plan.stops.at_birth = true;
        let (null, root) = (std::fs::File::open("/dev/null").unwrap(), self.room.root());
        let (output, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let launch = Launch {
            root: root.as_fd(),
            stdio: Some([null.as_fd(), writer.as_fd(), writer.as_fd()]),
            cgroup: None,
            task_files: &[],
            launchers: None,
            start: None,
            agent: None,
            hook_input: None,
            attend: &mut |event| match (event, &self.cgroup) {
                (runtime::Event::Born(pid, _), Some(cgroup)) => cgroup.add(pid),
                _ => Ok(()),
            },
        };
        let running = runtime::launch(&plan, launch).unwrap();
        // What the room gave it: nothing, and a pipe twice.
        let name = |fd: i32| std::fs::read_link(format!("/proc/{}/fd/{fd}", running.pid.as_raw_nonzero())).unwrap();
        self.descriptors = (0..3).map(|fd| name(fd).to_str().unwrap().to_owned()).collect();
        self.descriptors[0] = null_name();
        self.descriptors.extend(["/dev/null", "", ""].map(String::from));
        let running = Alive(Some(running));
        self.wait_for(1);
        (running, output)
    }

    fn count(&self) -> u32 {
        let text = std::fs::read_to_string(self.room.inside("tmp/count")).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    #[track_caller]
    fn wait_for(&self, count: u32) {
        let begin = Instant::now();
        while self.count() < count {
            assert!(begin.elapsed() < Duration::from_secs(TIMEOUT_S), "it does not count up to {count}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn dump(&self, criu: &Criu, running: &Running, options: Dump) -> Result<()> {
        let (spec, rootfs) = (self.spec(), self.room.dir.join("rootfs"));
        let pid = running.pid.as_raw_nonzero().get();
        let (bundle, descriptors) = (&*self.room.dir, &*self.descriptors);
        let common = Common { image_path: self.images.clone(), ..options.common.clone() };
        let container = Container {
            spec: &spec,
            bundle,
            rootfs: &rootfs,
            pid,
            cgroups: self.cgroup.as_ref().map(Cgroup::paths),
            descriptors,
        };
        dump(criu, &container, &Dump { common, ..options })
    }

    fn restore(&self, criu: &Criu, attend: &mut (dyn FnMut(Event) -> Result<()> + Send)) -> Result<Alive> {
        let (spec, root) = (self.spec(), self.room.root());
        let rootfs = self.room.dir.join("rootfs");
        let what = Restoring {
            spec: &spec,
            bundle: &self.room.dir,
            rootfs: &rootfs,
            root: root.as_fd(),
            cgroup: self.cgroup.as_ref(),
            attend,
        };
        let common = Common { image_path: self.images.clone(), ..Common::default() };
        restore(criu, what, &Restore { common, ..Restore::default() }).map(|running| Alive(Some(running)))
    }

    /// What is at a path inside.
    fn look(&self, running: &Running, path: &str) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/root/{path}", running.pid.as_raw_nonzero())).unwrap()
    }
}

/// The name of the host's `/dev/null`, which rooms give as standard input.
fn null_name() -> String {
    use std::os::unix::fs::MetadataExt;
    let null = std::fs::File::open("/dev/null").unwrap();
    let flags = rustix::fs::StatxFlags::MNT_ID;
    let mount = rustix::fs::statx(&null, c"", rustix::fs::AtFlags::EMPTY_PATH, flags).unwrap().stx_mnt_id;
    format!("file[{mount:x}:{:x}]", null.metadata().unwrap().ino())
}

/// Does not outlive its test.
struct Alive(Option<Running>);

impl Alive {
    fn kill(mut self) {
        let running = self.0.take().unwrap();
        pidfd_send_signal(&running.pidfd, Signal::KILL).unwrap();
        assert_eq!(end(&running), 137);
    }
}

impl std::ops::Deref for Alive {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            // It may be gone, and the test has failed already.
            let _ = pidfd_send_signal(&running.pidfd, Signal::KILL);
        }
    }
}

#[test]
fn a_container_goes_on_counting_where_it_was() {
    let Some(criu) = criu() else { return };
    let mut counting = Counting::new(&json!({}));
    let (running, _output) = counting.start();
    let first = running.pid;
    counting.dump(&criu, &running, Dump::default()).unwrap();
    assert_eq!(end(&running), 137);
    drop(running);
    let count = counting.count();
    let mut events = Vec::new();
    let running = counting
        .restore(&criu, &mut |event| {
            events.push(event);
            Ok(())
        })
        .unwrap();
    assert_eq!(events, [Event::Namespaces(running.pid), Event::Restored(running.pid)]);
    assert_ne!(first, running.pid);
    counting.wait_for(count + 1);
    assert!(counting.count() < count + 100);
    assert_eq!(counting.look(&running, "tmp/seen"), b"room\nbound");
    // Masked again.
    assert_eq!(counting.look(&running, "etc/secret"), b"");
    running.kill();
    counting.room.assert_outside_untouched();
}

#[test]
fn a_container_can_go_on_after_its_checkpoint() {
    let Some(criu) = criu() else { return };
    let mut counting = Counting::new(&json!({}));
    let (running, _output) = counting.start();
    counting.dump(&criu, &running, Dump { leave_running: true, ..Dump::default() }).unwrap();
    counting.wait_for(counting.count() + 2);
    running.kill();
}

#[test]
fn a_terminal_comes_back_and_what_is_typed_arrives() {
    let Some(criu) = criu() else { return };
    let script =
        "echo ready > /tmp/count; while read -r word; do echo $word > /tmp/word~; mv /tmp/word~ /tmp/word; done";
    let terminal = json!({"process": {"terminal": true, "args": ["sh", "-c", script]}});
    let counting = Counting::new(&terminal);
    let plan = counting.plan();
    let (running, _) = counting.room.start(&plan, None).unwrap();
    let running = Alive(Some(running));
    let heard = |console: &OwnedFd, word: &str| {
        rustix::io::write(console, format!("{word}\n").as_bytes()).unwrap();
        let begin = Instant::now();
        while std::fs::read_to_string(counting.room.inside("tmp/word")).unwrap_or_default() != format!("{word}\n") {
            assert!(begin.elapsed() < Duration::from_secs(TIMEOUT_S), "`{word}` does not arrive");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    heard(running.console.as_ref().unwrap(), "before");
    counting.dump(&criu, &running, Dump::default()).unwrap();
    assert_eq!(end(&running), 137);
    drop(running);
    let running = counting.restore(&criu, &mut |_| Ok(())).unwrap();
    heard(running.console.as_ref().unwrap(), "after");
    running.kill();
}

#[test]
fn a_container_of_a_user_namespace_goes_on_in_one() {
    let Some(criu) = criu() else { return };
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let user = json!({
        "process": {"user": {"uid": 33, "gid": 34}}, "linux": {"uidMappings": maps, "gidMappings": maps}
    });
    let mut counting = Counting::new(&user);
    counting.document["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for (path, id) in [("", 100_000), ("etc", 100_000), ("tmp", 100_033)] {
        std::os::unix::fs::chown(counting.room.inside(path), Some(id), Some(id)).unwrap();
    }
    let (running, _output) = counting.start();
    counting.dump(&criu, &running, Dump::default()).unwrap();
    assert_eq!(end(&running), 137);
    drop(running);
    let count = counting.count();
    let running = counting.restore(&criu, &mut |_| Ok(())).unwrap();
    counting.wait_for(count + 1);
    let map = std::fs::read_to_string(format!("/proc/{}/uid_map", running.pid.as_raw_nonzero())).unwrap();
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    running.kill();
}

#[test]
fn a_restored_container_is_in_the_cgroups_it_is_given() {
    let Some(criu) = criu() else { return };
    let mut counting = Counting::new(&json!({}));
    let path = counting.make_cgroups();
    let (running, _output) = counting.start();
    counting.dump(&criu, &running, Dump::default()).unwrap();
    assert_eq!(end(&running), 137);
    drop(running);
    let count = counting.count();
    let running = counting.restore(&criu, &mut |_| Ok(())).unwrap();
    counting.wait_for(count + 1);
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", running.pid.as_raw_nonzero())).unwrap();
    for line in text.lines() {
        assert!(line.ends_with(&format!(":{path}")), "{text}");
    }
    running.kill();
}

#[test]
fn a_failure_has_crius_words_and_the_place_of_its_log() {
    let Some(criu) = criu() else { return };
    let mut counting = Counting::new(&json!({}));
    let (running, _output) = counting.start();
    // CRIU finds a file of the host then, and nobody said that it is outside.
    counting.descriptors[0] = "/dev/null".to_owned();
    let error = counting.dump(&criu, &running, Dump::default()).unwrap_err();
    assert_eq!((error.kind, error.messages[0].as_str()), (Kind::Denied, "can't checkpoint the container"));
    assert!(
        error.messages[1].contains("Can't lookup mount=") && error.messages[1].contains("path=/dev/null"),
        "{error}"
    );
    let log = counting.images.join("dump.log");
    assert_eq!(error.hints, [format!("criu's log is `{}`", log.display())]);
    // It goes on.
    counting.wait_for(counting.count() + 2);
    running.kill();
    let error = counting.restore(&criu, &mut |_| Ok(())).map(drop).unwrap_err();
    assert_eq!((error.kind, error.messages[0].as_str()), (Kind::Denied, "can't restore the container"));
}

#[test]
fn mounts_below_a_bind_mount_come_back_with_it() {
    let Some(criu) = criu() else { return };
    // In a mount namespace of the test's own.
    let test = || {
        sys::process::leave_namespaces(sys::process::namespace::MOUNT).unwrap();
        let top = std::fs::File::open("/").unwrap();
        sys::mount::set_attributes(&top, 0, 0, sys::mount::propagation::PRIVATE, true).unwrap();
        let mut counting = Counting::new(&json!({}));
        let below = counting.room.dir.join("shared/below");
        std::fs::create_dir(&below).unwrap();
        let tmpfs = sys::mount::new_mount(c"tmpfs", 0).unwrap();
        let flags = rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(&tmpfs, c"", rustix::fs::CWD, &below, flags).unwrap();
        std::fs::write(below.join("word"), "below").unwrap();
        let (running, _output) = counting.start();
        counting.dump(&criu, &running, Dump::default()).unwrap();
        assert_eq!(end(&running), 137);
        drop(running);
        let running = counting.restore(&criu, &mut |_| Ok(())).unwrap();
        assert_eq!(counting.look(&running, "mnt/shared/below/word"), b"below");
        running.kill();
        rustix::mount::unmount(&below, rustix::mount::UnmountFlags::DETACH).unwrap();
    };
    std::thread::scope(|scope| scope.spawn(test).join().unwrap());
}
