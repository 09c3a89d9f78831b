//! What a payload finds: real launches, seen from inside, as root and as root of a user namespace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]
#![allow(unsafe_code, reason = "what a caller may have done to itself has no safe wrapper")]

mod common;

use common::{Ended, Room, add_mounts, bind, container, end, refuse, under, with};
use error::Kind;
use runtime::plan::Entry;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{CWD, FileType, Mode, Timespec, makedev, mknodat};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The first id of the ranges that the user namespace of these tests has.
const FIRST_ID: u32 = 100_000;

fn said(text: &str) -> Ended {
    Ended { text: text.into(), code: 0 }
}

fn in_user_namespace() -> bool {
    runtime::Host::read().unwrap().user_namespace
}

/// Runs this very program once more, as root of a user namespace with 65536 ids.
#[test]
fn all_of_this_holds_in_a_user_namespace() {
    if in_user_namespace() {
        return; // this is that run
    }
    let id = FIRST_ID.to_string();
    let words = ["--reuid", &id, "--regid", &id, "--clear-groups", "unshare", "--user", "--mount", "sh", "-c"];
    let mut child = Command::new("setpriv")
        .args(words)
        .arg("read _ && exec \"$0\" --test-threads=1")
        .arg(std::env::current_exe().unwrap())
        .current_dir("/")
        .env("TMPDIR", "/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let proc = format!("/proc/{}", child.id());
    let namespace = |path: String| std::fs::read_link(path).unwrap();
    while namespace(format!("{proc}/ns/user")) == namespace("/proc/self/ns/user".into()) {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(1));
    }
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("{proc}/{map}"), format!("0 {FIRST_ID} 65536")).unwrap();
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("0 passed"), "{text}");
}

#[test]
fn a_payload_has_three_descriptors_whatever_the_caller_holds() {
    let room = Room::new();
    let file = std::fs::File::open("/etc/passwd").unwrap();
    // SAFETY: plain numbers; the copy is closed below.
    let leaked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, 500) };
    assert!(leaked >= 500);
    // 3 is the directory that `ls` reads.
    let ended = room.run(container("exec ls /proc/self/fd"));
    // SAFETY: made above and used by nobody else.
    unsafe { libc::close(leaked) };
    assert_eq!(ended.unwrap(), said("0\n1\n2\n3\n"));
}

#[test]
fn nothing_of_the_callers_signals_is_inherited() {
    let room = Room::new();
    // SAFETY: this thread's mask, and a disposition that these tests do not depend on.
    let ended = unsafe {
        let mut all = std::mem::zeroed();
        let mut old = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        libc::signal(libc::SIGRTMAX(), libc::SIG_IGN);
        let ended = room.run(container("exec grep -E '^Sig(Blk|Ign)' /proc/self/status"));
        libc::signal(libc::SIGUSR1, libc::SIG_DFL);
        libc::signal(libc::SIGRTMAX(), libc::SIG_DFL);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, std::ptr::null_mut());
        ended
    };
    assert_eq!(ended.unwrap(), said("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
}

#[test]
fn user_groups_limits_and_capabilities_are_the_plans() {
    let room = Room::new();
    let patch = json!({"process": {
        "user": {"uid": 33, "gid": 34, "additionalGids": [34, 7], "umask": 0o027},
        "noNewPrivileges": true,
        "oomScoreAdj": 500,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "capabilities": {
            "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
            "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]
        }
    }});
    let script = "id -u; id -g; id -G; umask; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj
        grep -E '^(Cap|NoNew|Groups)' /proc/self/status";
    let text = "33\n34\n34 7\n0027\n50\n60\n500\nGroups:\t7 34 \n\
        CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n\
        CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020\nNoNewPrivs:\t1\n";
    assert_eq!(room.run(with(container(script), &patch)).unwrap(), said(text));
}

#[test]
fn capabilities_that_we_lack_ourselves_are_left_out() {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let room = Room::new();
    let text = std::thread::scope(|scope| {
        let poor = scope.spawn(|| {
            let all = capabilities(None).unwrap();
            let rest = all.permitted - CapabilitySet::MKNOD;
            set_capabilities(None, CapabilitySets { effective: rest, permitted: rest, ..all }).unwrap();
            // Root would get it back from the bounding set.
            let user = json!({"process": {
                "user": {"uid": 5, "gid": 5},
                "capabilities": {
                    "inheritable": ["CAP_MKNOD", "CAP_CHOWN"], "ambient": ["CAP_MKNOD", "CAP_CHOWN"]
                }
            }});
            room.run(with(container("grep -E '^Cap(Eff|Amb)' /proc/self/status"), &user)).unwrap()
        });
        poor.join().unwrap()
    });
    assert_eq!(text, said("CapEff:\t0000000000000001\nCapAmb:\t0000000000000001\n"));
}

#[test]
fn what_is_hidden_is_hidden_and_a_read_only_root_refuses() {
    let room = Room::new();
    let masked = ["/proc/version", "/proc/tty", "/proc/is-not-there", "/sys/kernel"];
    let patch = json!({
        "process": {"cwd": "/made/for/this"}, "root": {"path": "", "readonly": true}, "linux": {"maskedPaths": masked}
    });
    let script = "
        cat /proc/version; ls -A /proc/tty /sys/kernel
        for file in /x /etc/x /tmp/x /proc/sys/kernel/printk /proc/tty/x /sys/x; do
            if (: >$file) 2>/dev/null; then echo wrote $file; fi
        done
        : >/dev/x && : >/dev/shm/x && echo wrote /dev";
    assert_eq!(room.run(with(container(script), &patch)).unwrap(), said("/proc/tty:\n\n/sys/kernel:\nwrote /dev\n"));
}

#[test]
fn mounts_have_their_sources_names() {
    let room = Room::new();
    let ended = room.run(container("grep -vE ' (/|/dev/[a-z]*|/proc/.*|/sys/.*) ' /proc/mounts | cut -d' ' -f1-3; grep shm /proc/mounts | cut -d' ' -f1"));
    assert_eq!(ended.unwrap(), said("proc /proc proc\ntmpfs /dev tmpfs\nsysfs /sys sysfs\nshm\n"));
}

#[test]
fn a_destination_without_a_slash_starts_at_the_root() {
    let room = Room::new();
    std::fs::write(room.outside().join("file"), "").unwrap();
    let document = container("ls /made/there; ls /tmp");
    let mounts = [bind(&room.outside(), "made/there"), bind(&room.outside(), "tmp")];
    assert_eq!(room.run(add_mounts(document, &mounts)).unwrap(), said("file\nfile\n"));
    for below in ["proc/self", "a/../proc/self"] {
        let error = room.run(add_mounts(container("true"), &[bind(&room.outside(), below)])).unwrap_err();
        assert_eq!((error.kind, error.to_string().contains("it is inside /proc")), (Kind::Invalid, true), "{error}");
    }
}

#[test]
fn a_read_only_tmpfs_is_filled_first() {
    let room = Room::new();
    let script = "for dir in /dev /run; do (: > $dir/x) 2>/dev/null && echo wrote; done; echo a > /dev/null; ls /run";
    let mut document = container(script);
    document["mounts"][1]["options"].as_array_mut().unwrap().push(json!("ro"));
    let mounts = [
        json!({"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "mode=755"]}),
        bind(&room.outside(), "/run/made"),
    ];
    assert_eq!(room.run(add_mounts(document, &mounts)).unwrap(), said("made\n"));
}

#[test]
fn a_payload_dies_with_the_thread_that_launched_it() {
    let room = Room::new();
    let plan = room.compile(container("exec sleep 1000")).unwrap();
    let (running, _output) =
        std::thread::scope(|scope| scope.spawn(|| room.start(&plan, None).unwrap()).join().unwrap());
    let mut ended = [PollFd::new(&running.pidfd, PollFlags::IN)];
    assert_eq!(poll(&mut ended, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })), Ok(1));
    assert_eq!(end(&running), 128 + 9);
}

#[test]
fn a_terminal_is_the_containers_own() {
    let room = Room::new();
    let patch = json!({"process": {"terminal": true, "consoleSize": {"height": 33, "width": 77}, "user": {"uid": 5, "gid": 6}}});
    let script =
        "test -t 0 && test -t 2 && readlink /proc/self/fd/1; stty size; ls -ln /dev/console | cut -c1-10; : </dev/tty";
    symlink("busybox", room.inside("bin/stty")).unwrap();
    symlink("busybox", room.inside("bin/cut")).unwrap();
    let plan = room.compile(with(container(script), &patch)).unwrap();
    let (running, _) = room.start(&plan, None).unwrap();
    let mut text = Vec::new();
    // A terminal says EIO when its last user is gone.
    let _ = std::fs::File::from(running.console.as_ref().unwrap().try_clone().unwrap()).read_to_end(&mut text);
    assert_eq!(end(&running), 0);
    assert_eq!(String::from_utf8(text).unwrap(), "/dev/pts/0\r\n33 77\r\ncrw-------\r\n");
}

/// Whatever an image puts in the place of a mount target, nothing outside is touched.
#[test]
fn links_of_a_hostile_image_lead_nowhere() {
    let outside_of = |room: &Room| room.outside().to_str().unwrap().to_owned();
    let places = ["dev", "proc", "sys", "etc/hosts", "data", "work", "dir/deep"];
    type Link = fn(&str) -> String;
    let links: [Link; 8] = [
        |outside| outside.to_owned(),
        |outside| format!("../../../../../../../..{outside}"),
        |outside| format!("/proc/self/root{outside}"),
        |outside| format!("/proc/1/root{outside}"),
        |_| "/proc/self/cwd".into(),
        |_| "/proc/self/fd/3".into(),
        |_| "/proc/self/exe".into(),
        |_| "..".into(),
    ];
    for place in places {
        for link in links {
            let room = Room::new();
            let target = link(&outside_of(&room));
            std::fs::create_dir_all(room.inside(place).parent().unwrap()).unwrap();
            symlink(&target, room.inside(place)).unwrap();
            let hosts = room.dir.join("hosts");
            std::fs::write(&hosts, "of the host").unwrap();
            let mounts = [
                bind(&hosts, "/etc/hosts"),
                bind(&room.dir.join("shared"), "/data/sub"),
                json!({"destination": "/dir/deep/er", "type": "tmpfs", "source": "tmpfs"}),
            ];
            let document = add_mounts(with(container("true"), &json!({"process": {"cwd": "/work"}})), &mounts);
            let outcome = room.run(document);
            room.assert_outside_untouched();
            assert_eq!(std::fs::read_to_string(&hosts).unwrap(), "of the host");
            if let Err(error) = &outcome {
                assert_eq!(error.kind, Kind::Denied, "{place} → {target}: {error}");
            }
            if matches!(place, "proc" | "sys") {
                let fstype = if place == "proc" { "proc" } else { "sysfs" };
                let text = format!("can't mount {fstype} on `/{place}`: too many levels of symbolic links");
                assert_eq!(outcome.unwrap_err().to_string(), text, "{target}");
            }
        }
    }
}

/// In-between, not only at the start: a neighbour that shares a folder swaps a folder of it for a link.
#[test]
fn a_racing_neighbour_reaches_nothing() {
    let room = Room::new();
    let (shared, outside) = (room.dir.join("shared"), room.outside());
    std::fs::create_dir(shared.join("spot")).unwrap();
    symlink(&outside, shared.join("link")).unwrap();
    let climbing = format!("../../../../../../../..{}", outside.display());
    symlink(climbing, shared.join("climb")).unwrap();
    let over = AtomicBool::new(false);
    let (mut ran, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |one: &str, other: &str| {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, shared.join(one), CWD, shared.join(other), flags).unwrap();
            };
            while !over.load(Ordering::Relaxed) {
                for other in ["link", "climb"] {
                    exchange("spot", other);
                    exchange("spot", other);
                }
            }
        });
        let hosts = room.dir.join("hosts");
        std::fs::write(&hosts, "").unwrap();
        let mounts = [
            bind(&shared, "/shared"),
            bind(&hosts, "/shared/spot/a/file"),
            json!({"destination": "/shared/spot/b", "type": "tmpfs", "source": "tmpfs"}),
        ];
        let patch = json!({"process": {"cwd": "/shared/spot/c"}, "linux": {"maskedPaths": ["/shared/spot/a"], "readonlyPaths": ["/shared/spot"]}});
        let document = add_mounts(with(container("true"), &patch), &mounts);
        // Long enough to meet in many places, on a busy machine as well.
        let (begin, long) = (Instant::now(), Duration::from_secs(6));
        while begin.elapsed() < long || ran + refused <= 100 {
            match room.run(document.clone()) {
                Ok(ended) => {
                    assert_eq!(ended, said(""));
                    ran += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind, Kind::Denied, "{error}");
                    refused += 1;
                }
            }
            room.assert_outside_untouched();
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(ran > 0, "all {refused} were refused");
}

#[test]
fn links_to_nothing_are_followed_inside() {
    let room = Room::new();
    symlink("../run/resolve/stub.conf", room.inside("etc/resolv.conf")).unwrap();
    symlink("/run", room.inside("var-run")).unwrap();
    let file = room.dir.join("resolv.conf");
    std::fs::write(&file, "nameserver ::1").unwrap();
    let mounts = [bind(&file, "/etc/resolv.conf"), json!({"destination": "/var-run/x/y/", "type": "tmpfs"})];
    let ended = room.run(add_mounts(container("cat /run/resolve/stub.conf; test -d /run/x/y"), &mounts)).unwrap();
    assert_eq!(ended, said("nameserver ::1"));
}

/// Breaks out of a chroot as anybody with CAP_SYS_CHROOT can, and looks for a file of the host.
const CLIMB: &str = r#"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char **words) {
    int here = open("/", O_RDONLY);
    if (mkdir("/hole", 0755) || chroot("/hole") || fchdir(here)) return 1;
    for (int i = 0; i < 64; i++) if (chdir("..")) return 2;
    if (chroot(".")) return 3;
    if (access("/bin/busybox", F_OK)) return 4;
    return access(words[1], F_OK) ? 0 : 42;
}"#;

#[test]
fn a_root_that_cannot_be_pivoted_to_is_no_way_out() {
    let room = Room::new();
    room.build("climb", CLIMB);
    let canary = room.dir.join("canary");
    std::fs::write(&canary, "").unwrap();
    let document = container(&format!("climb {}; code=$?; rmdir /hole; exit $code", canary.display()));
    symlink("busybox", room.inside("bin/rmdir")).unwrap();
    assert_eq!(room.run(document.clone()).unwrap(), said(""), "pivoted");
    let covered = under(&refuse("pivot_root", 22), || room.run(document));
    assert_eq!(covered.unwrap(), said(""), "covered, as an initramfs is");
}

#[test]
fn a_root_that_only_covers_leaves_no_proc_to_be_seen_whole() {
    let room = Room::new();
    for name in ["unshare", "mount"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
    let mut document = container("unshare -Urmpf mount -t proc proc /proc && echo mounted; ls /proc/self/status");
    for set in ["bounding", "effective", "permitted"] {
        // Who maps root's id needs it (user_namespaces(7), Linux 5.12).
        document["process"]["capabilities"][set].as_array_mut().unwrap().push(json!("CAP_SETFCAP"));
    }
    let mut plan = room.compile(document).unwrap();
    for entry in [Entry::Pivot, Entry::Cover] {
        plan.root.entry = entry;
        let said = room.run_plan(&plan).unwrap().text;
        assert!(said.contains("mount: permission denied") && !said.contains("mounted\n"), "{entry:?}: {said}");
        assert!(said.ends_with("/proc/self/status\n"), "{entry:?}: {said}");
    }
}

#[test]
fn a_launcher_in_a_chroot_gives_no_way_out() {
    if in_user_namespace() {
        return; // the kernel lets nobody make a user namespace in a chroot: unshare(2), EPERM
    }
    let room = Room::new();
    room.build("climb", CLIMB);
    symlink("busybox", room.inside("bin/rmdir")).unwrap();
    std::fs::create_dir(room.dir.join("dev")).unwrap();
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        let node = room.dir.join("dev").join(name);
        mknodat(CWD, node, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor)).unwrap();
    }
    std::fs::write(room.dir.join("canary"), "").unwrap();
    let spec =
        serde_json::from_value(container("climb /canary || exit 1; climb=$?; rmdir /hole; exit $climb")).unwrap();
    let outer = room.dir.join("canary");
    let outer_spec =
        serde_json::from_value(container(&format!("climb {}; code=$?; rmdir /hole; exit $code", outer.display())))
            .unwrap();
    let host = runtime::Host::read().unwrap();
    for spec in [spec, outer_spec] {
        let plan = runtime::compile(&spec, &common::setting(&host, "/".as_ref(), "/at".as_ref())).unwrap();
        let (root, null) = (room.root(), std::fs::File::open("/dev/null").unwrap());
        let code = std::thread::scope(|scope| {
            let launcher = scope.spawn(|| {
                // SAFETY: FS gives this thread a root of its own.
                unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }.unwrap();
                rustix::process::chroot(&room.dir).unwrap();
                rustix::process::chdir("/").unwrap();
                let with = common::launching(root.as_fd(), Some([null.as_fd(); 3]));
                end(&runtime::launch(&plan, with).unwrap())
            });
            launcher.join().unwrap()
        });
        assert_eq!(code, 0);
    }
}
