//! Namespaces and id maps as the specification has them, seen from inside of real containers.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "a process of one thread is a forked one")]

mod common;

use common::{Ended, Room, add_mounts, container, with};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, OFlags};
use rustix::mount::{MoveMountFlags, move_mount};
use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use sys::process::{leave_namespaces, namespace};

fn said(text: impl Into<String>) -> Ended {
    Ended { text: text.into(), code: 0 }
}

/// A room with a few more commands; its root file system belongs to `owner`.
fn room(owner: u32) -> Room {
    let room = Room::new();
    for name in ["stat", "hostname", "touch", "ps"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
    for path in ["", "bin", "etc", "tmp"] {
        chown(room.inside(path), Some(owner), Some(owner)).unwrap();
    }
    room
}

/// The container with these namespaces in place of those of the same kinds.
fn with_namespaces(mut document: Value, namespaces: &[Value]) -> Value {
    let all = document["linux"]["namespaces"].as_array_mut().unwrap();
    all.retain(|there| namespaces.iter().all(|one| one["type"] != there["type"]));
    all.extend_from_slice(namespaces);
    document
}

fn mappings(ranges: &[(u32, u32, u32)]) -> Value {
    ranges
        .iter()
        .map(|(inside, outside, size)| json!({"containerID": inside, "hostID": outside, "size": size}))
        .collect()
}

/// A file's owner on the disk.
#[track_caller]
fn assert_owner(path: &Path, uid: u32, gid: u32) {
    let there = std::fs::metadata(path).unwrap();
    assert_eq!((there.uid(), there.gid()), (uid, gid), "{}", path.display());
}

#[test]
fn every_range_of_a_new_user_namespace_maps_files_and_processes() {
    let room = room(100_000);
    let (uids, gids) =
        ([(0, 100_000, 10), (10, 200_000, 5), (1000, 300_000, 1)], [(0, 100_000, 20), (500, 400_000, 2)]);
    for (name, uid, gid) in [("a", 100_003, 100_004), ("b", 200_002, 400_001), ("c", 300_000, 400_000), ("d", 0, 5)] {
        std::fs::write(room.inside(&format!("etc/{name}")), "").unwrap();
        chown(room.inside(&format!("etc/{name}")), Some(uid), Some(gid)).unwrap();
    }
    chown(room.inside("tmp"), Some(200_004), None).unwrap();
    let script = "stat -c '%n %u %g' /etc/a /etc/b /etc/c /etc/d; id -u; id -G; touch /tmp/made
        for map in uid_map gid_map; do while read -r a b c; do echo $a $b $c; done < /proc/self/$map; done";
    let user = json!({
        "process": {"user": {"uid": 14, "gid": 501, "additionalGids": [3, 19]}},
        "linux": {"uidMappings": mappings(&uids), "gidMappings": mappings(&gids)}
    });
    let document = with_namespaces(with(container(script), &user), &[json!({"type": "user"})]);
    let text = "/etc/a 3 4\n/etc/b 12 501\n/etc/c 1000 500\n/etc/d 65534 65534\n14\n501 3 19\n\
        0 100000 10\n10 200000 5\n1000 300000 1\n0 100000 20\n500 400000 2\n";
    assert_eq!(room.run(document).unwrap(), said(text));
    assert_owner(&room.inside("tmp/made"), 200_004, 400_001);
}

#[test]
fn root_of_a_user_namespace_has_its_rights_there_alone() {
    let room = room(100_000);
    std::fs::write(room.inside("etc/hosts_own"), "").unwrap();
    let maps = mappings(&[(0, 100_000, 65536)]);
    let patch = json!({"linux": {"uidMappings": maps, "gidMappings": maps}});
    // The first file belongs to nobody here, the second to the user of the namespace.
    let script = "(echo x > /etc/hosts_own) 2> /dev/null && echo written; touch /etc/own; stat -c %u /etc/own
        hostname other && hostname; echo 1 > /dev/null; chroot / true && echo changed";
    let capabilities = ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"];
    let rights = json!({"process": {"capabilities": {
        "bounding": capabilities, "effective": capabilities, "permitted": capabilities
    }}});
    let document = with_namespaces(with(with(container(script), &patch), &rights), &[json!({"type": "user"})]);
    assert_eq!(room.run(document).unwrap(), said("0\nother\nchanged\n"));
    assert_owner(&room.inside("etc/own"), 100_000, 100_000);
}

/// Does it in a process of one thread, as launchers are.
fn alone(act: impl FnOnce()) {
    // SAFETY: the C library's fork keeps its own locks usable in the child, which acts and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        // SAFETY: nothing of the parent's is ended or flushed twice.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    let child = Pid::from_raw(child).unwrap();
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0), "the reason stands above");
}

/// A process that keeps namespaces alive.
struct Holder {
    child: Child,
    /// The process that is in them.
    pid: u32,
}

impl Holder {
    /// `unshare` of util-linux with these words, and a process in the new namespaces.
    fn new(words: &[&str]) -> Self {
        let own = |pid: u32, name: &str| std::fs::read_link(format!("/proc/{pid}/ns/{name}"));
        let mut child = Command::new("unshare");
        child.args(["--fork", "--kill-child"]).args(words).args(["sleep", "300"]).stdin(Stdio::null());
        let child = child.spawn().expect("util-linux is installed");
        let mut holder = Self { pid: child.id(), child };
        let begin = Instant::now();
        loop {
            let children = format!("/proc/{0}/task/{0}/children", holder.child.id());
            let text = std::fs::read_to_string(children).unwrap_or_default();
            if let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok())
                && std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == "sleep\n")
                && own(pid, "net").is_ok()
            {
                holder.pid = pid;
                return holder;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "unshare {words:?} does not start");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn path(&self, name: &str) -> String {
        format!("/proc/{}/ns/{name}", self.pid)
    }

    /// Which namespace it is: `net:[4026532008]`.
    fn link(&self, name: &str) -> String {
        std::fs::read_link(self.path(name)).unwrap().to_str().unwrap().to_owned()
    }

    fn joined(&self, kind: &str, name: &str) -> Value {
        json!({"type": kind, "path": self.path(name)})
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Gone already, or killed now; its child goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_namespace_of_each_kind_is_joined_by_its_path() {
    alone(|| {
        let room = room(0);
        let holder = Holder::new(&["--net", "--ipc", "--uts", "--cgroup", "--pid", "--time", "--mount"]);
        for (kind, name) in [
            ("network", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
            ("cgroup", "cgroup"),
            ("pid", "pid"),
            ("time", "time"),
            ("mount", "mnt"),
        ] {
            let script = format!("readlink /proc/self/ns/{name}; echo $(ls /)");
            let document = with_namespaces(container(&script), &[holder.joined(kind, name)]);
            let ended = room.run(document).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(ended, said(format!("{}\nbin dev etc proc sys tmp\n", holder.link(name))), "{kind}");
        }
        // All at once, and what else is new is not theirs.
        let all = ["network net", "ipc ipc", "uts uts", "pid pid", "time time"].map(|words| {
            let (kind, name) = words.split_once(' ').unwrap();
            holder.joined(kind, name)
        });
        let document =
            with_namespaces(container("for n in net ipc uts pid time; do readlink /proc/self/ns/$n; done"), &all);
        let links: Vec<String> = ["net", "ipc", "uts", "pid", "time"].map(|name| holder.link(name) + "\n").into();
        assert_eq!(room.run(document).unwrap(), said(links.concat()));
        room.assert_outside_untouched();
    });
}

#[test]
fn a_launcher_is_home_again_after_joining() {
    alone(|| {
        let room = room(0);
        let holder = Holder::new(&["--net", "--ipc", "--uts", "--pid", "--time", "--cgroup"]);
        let names =
            ["net", "ipc", "uts", "pid", "pid_for_children", "time", "time_for_children", "cgroup", "mnt", "user"];
        let links = || names.map(|name| std::fs::read_link(format!("/proc/thread-self/ns/{name}")).unwrap());
        let before = links();
        let joined = [
            ("network", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
            ("pid", "pid"),
            ("time", "time"),
            ("cgroup", "cgroup"),
        ]
        .map(|(kind, name)| holder.joined(kind, name));
        room.run(with_namespaces(container("true"), &joined)).unwrap();
        assert_eq!(links(), before);
        // Also when it comes to nothing.
        let wrong = [joined[0].clone(), json!({"type": "ipc", "path": holder.path("net")})];
        let error = room.run(with_namespaces(container("true"), &wrong)).unwrap_err();
        assert!(error.to_string().starts_with("can't join the namespace `/proc/"), "{error}");
        assert_eq!(error.hints, ["it must be a namespace of the kind `ipc`"]);
        assert_eq!(links(), before);
    });
}

#[test]
fn in_a_joined_pid_namespace_a_payload_is_one_of_several_and_sees_them() {
    let room = room(0);
    let holder = Holder::new(&["--pid"]);
    let script = "[ $$ -gt 1 ] && echo later; cat /proc/1/comm; ps | grep -c '[s]leep 300'";
    let document = with_namespaces(container(script), &[holder.joined("pid", "pid")]);
    assert_eq!(room.run(document).unwrap(), said("later\nsleep\n1\n"));
}

#[test]
fn a_joined_uts_namespace_keeps_its_name_unless_the_document_has_one() {
    let room = room(0);
    let holder = Holder::new(&["--uts"]);
    let unnamed = with(container("hostname"), &json!({"hostname": null}));
    let outside = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    let document = with_namespaces(unnamed.clone(), &[holder.joined("uts", "uts")]);
    assert_eq!(room.run(document).unwrap(), said(format!("{outside}\n")));
    let document = with_namespaces(container("hostname"), &[holder.joined("uts", "uts")]);
    assert_eq!(room.run(document).unwrap(), said("room\n"));
    let document = with_namespaces(unnamed, &[holder.joined("uts", "uts")]);
    assert_eq!(room.run(document).unwrap(), said("room\n"));
}

#[test]
fn a_joined_user_namespace_maps_and_owns_the_new_ones() {
    let room = room(100_000);
    std::fs::write(room.inside("etc/a"), "").unwrap();
    chown(room.inside("etc/a"), Some(100_033), Some(100_034)).unwrap();
    let holder = Holder::new(&["--user"]);
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", holder.pid), "0 100000 65536").unwrap();
    }
    // Only its root may name the new uts namespace, mount the new /proc, and become another user.
    let script = "readlink /proc/self/ns/user; stat -c '%u %g' /etc/a; id -u; hostname";
    let user = json!({"process": {"user": {"uid": 33, "gid": 34}}});
    let document = with_namespaces(with(container(script), &user), &[holder.joined("user", "user")]);
    let text = format!("{}\n33 34\n33\nroom\n", holder.link("user"));
    assert_eq!(room.run(document).unwrap(), said(text));
}

#[test]
fn a_new_time_namespace_has_the_offsets() {
    alone(|| {
        let room = room(0);
        let offsets = json!({"linux": {"timeOffsets": {
            "monotonic": {"secs": 1000, "nanosecs": 500_000_000}, "boottime": {"secs": 500_000}
        }}});
        let script = "while read -r clock secs nanos; do echo $clock $secs $nanos; done < /proc/self/timens_offsets
        cat /proc/uptime";
        let document = with_namespaces(with(container(script), &offsets), &[json!({"type": "time"})]);
        let ended = room.run(document).unwrap();
        let (offsets, uptime) =
            ended.text.split_at(ended.text.rfind("\n").map_or(0, |_| ended.text.trim_end().rfind('\n').unwrap() + 1));
        assert_eq!(offsets, "monotonic 1000 500000000\nboottime 500000 0\n");
        let seconds = |text: &str| text.split('.').next().unwrap().parse::<u64>().unwrap();
        let outside = seconds(&std::fs::read_to_string("/proc/uptime").unwrap());
        let passed = seconds(uptime) - outside;
        assert!((499_990..=500_000).contains(&passed), "{passed}");
    });
}

/// The launcher has no threads in the process between, whatever it has itself.
#[test]
fn a_process_of_several_threads_can_make_a_time_namespace() {
    let room = room(0);
    let (done, waits) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        // Ends when the other end is gone, also by a panic.
        scope.spawn(move || waits.recv());
        let done = done;
        let script = "readlink /proc/self/ns/time";
        let ended = room.run(with_namespaces(container(script), &[json!({"type": "time"})])).unwrap();
        let ours = std::fs::read_link("/proc/self/ns/time").unwrap();
        assert!(ended.code == 0 && ended.text.starts_with("time:["), "{ended:?}");
        assert_ne!(ended.text.trim(), ours.to_str().unwrap());
        drop(done);
    });
}

/// Does it in a thread with a mount namespace of its own.
fn with_own_mounts<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            leave_namespaces(namespace::MOUNT).unwrap();
            let top = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty()).unwrap();
            sys::mount::set_attributes(&top, 0, 0, sys::mount::propagation::PRIVATE, true).unwrap();
            act()
        });
        there.join().unwrap()
    })
}

/// `shared/` with a file of user 1000 and group 1001, and a file system below it with another.
fn shared_with_a_mount_below(room: &Room) {
    let shared = room.dir.join("shared");
    std::fs::create_dir(shared.join("below")).unwrap();
    let tmpfs: OwnedFd = sys::mount::new_mount(c"tmpfs", 0).unwrap();
    move_mount(&tmpfs, c"", CWD, shared.join("below"), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).unwrap();
    for path in ["file", "below/file"] {
        std::fs::write(shared.join(path), "").unwrap();
        chown(shared.join(path), Some(1000), Some(1001)).unwrap();
    }
    for dir in ["", "below"] {
        chown(shared.join(dir), Some(1000), Some(1001)).unwrap();
    }
}

#[test]
fn an_id_mapped_mount_shows_and_stores_other_ids() {
    let room = room(0);
    with_own_mounts(|| {
        shared_with_a_mount_below(&room);
        let mount = |option: &str| {
            json!({
                "destination": "/mnt", "type": "bind", "source": room.dir.join("shared"), "options": ["rbind", option],
                "uidMappings": mappings(&[(1000, 33, 1)]), "gidMappings": mappings(&[(1001, 34, 1)])
            })
        };
        let script = "stat -c '%u %g' /mnt/file /mnt/below/file; touch /mnt/$MADE && stat -c '%u %g' /mnt/$MADE";
        let document = |option: &str| {
            let user = json!({"process": {
                "user": {"uid": 33, "gid": 34}, "env": ["PATH=/bin", format!("MADE=by-{option}")],
                "capabilities": {"bounding": [], "effective": [], "permitted": []}
            }});
            add_mounts(with(container(script), &user), &[mount(option)])
        };
        // Neither word asks for the mounts below.
        for option in ["idmap", "rw"] {
            let ended = room.run(document(option)).unwrap();
            assert_eq!(ended, said("33 34\n1000 1001\n33 34\n"), "{option}");
            assert_owner(&room.dir.join(format!("shared/by-{option}")), 1000, 1001);
        }
        assert_eq!(room.run(document("ridmap")).unwrap(), said("33 34\n33 34\n33 34\n"));
        assert_owner(&room.dir.join("shared/by-ridmap"), 1000, 1001);
    });
}

#[test]
fn an_id_mapped_mount_without_mappings_has_those_of_the_new_user_namespace() {
    let room = room(100_000);
    with_own_mounts(|| {
        shared_with_a_mount_below(&room);
        let maps = mappings(&[(0, 100_000, 65536)]);
        let patch = json!({"linux": {"uidMappings": maps, "gidMappings": maps}});
        let mount = |destination: &str, option: &str| {
            let source = room.dir.join("shared");
            json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", option]})
        };
        let mounts = [mount("/mapped", "idmap"), mount("/all", "ridmap"), mount("/plain", "rw")];
        let script = "for d in mapped all plain; do echo $(stat -c '%u %g' /$d/file /$d/below/file); done
            touch /all/below/made";
        let document = with_namespaces(with(container(script), &patch), &[json!({"type": "user"})]);
        let ended = room.run(add_mounts(document, &mounts)).unwrap();
        assert_eq!(ended, said("1000 1001 65534 65534\n1000 1001 1000 1001\n65534 65534 65534 65534\n"));
        assert_owner(&room.dir.join("shared/below/made"), 0, 0);
    });
}

#[test]
fn id_mapped_mounts_with_different_maps_stand_side_by_side() {
    let room = room(0);
    std::fs::write(room.dir.join("shared/file"), "").unwrap();
    chown(room.dir.join("shared/file"), Some(0), Some(0)).unwrap();
    let mount = |destination: &str, to: u32| {
        let maps = mappings(&[(0, to, 1)]);
        let source = room.dir.join("shared");
        json!({
            "destination": destination, "type": "bind", "source": source, "options": ["bind"],
            "uidMappings": maps, "gidMappings": maps
        })
    };
    let mounts = [mount("/one", 7), mount("/two", 8), mount("/three", 7)];
    let document = add_mounts(container("stat -c '%u %g' /one/file /two/file /three/file"), &mounts);
    assert_eq!(room.run(document).unwrap(), said("7 7\n8 8\n7 7\n"));
}
