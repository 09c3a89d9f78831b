//! Ways out by paths: links, nodes and mounts that an image or a neighbour puts where the runtime is about to act.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;
mod escape_common;

use common::{Ended, Room, add_mounts, bind, container, with};
use error::Kind;
use escape_common::Bundle;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, inotify, makedev, mknodat, renameat_with};
use serde_json::json;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn said(text: &str) -> Ended {
    Ended { text: text.to_owned(), code: 0 }
}

/// CVE-2019-16884: a volume over a file of `/proc` would make the runtime, or the payload, believe a lie.
#[test]
fn nothing_is_mounted_over_proc_by_way_of_a_link() {
    let room = Room::new();
    symlink("/proc", room.inside("link")).unwrap();
    symlink("../proc/self/attr", room.inside("etc/deep")).unwrap();
    let file = room.dir.join("file");
    fs::write(&file, "a lie").unwrap();
    let tmpfs = |target: &str| json!({"destination": target, "type": "tmpfs", "source": "tmpfs"});
    for mount in [
        bind(&file, "/link/self/attr/exec"),
        bind(&file, "/link/version"),
        bind(&room.dir.join("shared"), "/link"),
        bind(&room.dir.join("shared"), "/etc/deep"),
        bind(&room.dir.join("shared"), "/proc/../link/fs"),
        tmpfs("/link/sys"),
        tmpfs("/link"),
    ] {
        let error = room.run(add_mounts(container("true"), std::slice::from_ref(&mount))).unwrap_err();
        assert_eq!(error.kind, Kind::Denied, "{mount}: {error}");
        assert!(error.to_string().ends_with("permission denied"), "{mount}: {error}");
    }
    for target in ["/proc/self/attr/exec", "/proc/./sys/../version", "/../proc/fs"] {
        let error = room.run(add_mounts(container("true"), &[bind(&file, target)])).unwrap_err();
        assert!(error.to_string().contains("cannot be mounted because it is inside /proc"), "{error}");
    }
    // What may be covered still can be, however it is written.
    let mounts = [bind(&file, "/proc/../proc//cpuinfo"), bind(&file, "/proc/uptime")];
    assert_eq!(room.run(add_mounts(container("cat /proc/cpuinfo /proc/uptime"), &mounts)).unwrap(), said("a liea lie"));
}

/// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: `/proc` or `/sys` is a link into a volume, where a neighbour could
/// take it away before it is masked.
#[test]
fn proc_and_sys_are_mounted_where_their_names_say_or_not_at_all() {
    for place in ["proc", "sys"] {
        let room = Room::new();
        let shared = room.dir.join("shared");
        fs::create_dir(shared.join("spot")).unwrap();
        symlink("/volume/spot", room.inside(place)).unwrap();
        let mut document = container("true");
        document["mounts"].as_array_mut().unwrap().insert(0, bind(&shared, "/volume"));
        let error = room.run(document).unwrap_err();
        assert!(error.to_string().ends_with("too many levels of symbolic links"), "{error}");
        room.assert_outside_untouched();
    }
}

/// CVE-2025-52881: what looks like `/proc` in the container may be anything; kernel parameters are written to the real
/// one.
#[test]
fn kernel_parameters_are_written_to_the_real_proc() {
    let room = Room::new();
    let fake = room.dir.join("shared/sys/net/ipv4");
    fs::create_dir_all(&fake).unwrap();
    fs::write(fake.join("ip_forward"), "untouched").unwrap();
    let script = "cat /proc/sys/net/ipv4/ip_forward /real/sys/net/ipv4/ip_forward";
    let mut document = with(container(script), &json!({"linux": {"sysctl": {"net.ipv4.ip_forward": "1"}}}));
    document["mounts"][0] = bind(&room.dir.join("shared"), "/proc");
    let real = json!({"destination": "/real", "type": "proc", "source": "proc"});
    assert_eq!(room.run(add_mounts(document, &[real])).unwrap(), said("untouched1\n"));
}

/// Like CVE-2022-0185: parameters of file systems, as long and as odd as they come, are the kernel's to refuse, and the
/// refusal is an error of the mount.
#[test]
fn odd_mount_options_are_refused_one_by_one() {
    let room = Room::new();
    let long = "x".repeat(255);
    let options = [
        "x".repeat(4095),
        "x".repeat(1 << 20),
        format!("{long}={long}"),
        format!("size={}", "9".repeat(5000)),
        "=".to_owned(),
        "a=".to_owned(),
        "size=-1,mode=7777777777777".to_owned(),
        "\u{1}\u{7f}\n".to_owned(),
    ];
    for option in options {
        let mount = json!({"destination": "/x", "type": "tmpfs", "source": "tmpfs", "options": [option]});
        let error = room.run(add_mounts(container("true"), &[mount])).unwrap_err();
        let is_told = ["can't mount tmpfs on `/x`: ", "config.json: `mounts[5].options`: "];
        assert!(is_told.iter().any(|words| error.to_string().starts_with(words)), "{error}");
    }
    let many: Vec<String> = (0..2000).map(|n| format!("mode={:o}", n % 512)).collect();
    let mount = json!({"destination": "/x", "type": "tmpfs", "source": "tmpfs", "options": many});
    assert_eq!(room.run(add_mounts(container("true"), &[mount])).unwrap(), said(""));
}

/// A container in the launcher's own mount namespace would take the machine's root for its own.
#[test]
fn the_launchers_mount_namespace_is_not_joined() {
    let room = Room::new();
    std::thread::scope(|scope| {
        let launcher = scope.spawn(|| {
            // In a namespace of this thread's own, so that nobody is harmed where it is joined after all.
            sys::process::leave_namespaces(sys::process::namespace::MOUNT).unwrap();
            let mut document = container("true");
            document["linux"]["namespaces"][0]["path"] = "/proc/thread-self/ns/mnt".into();
            room.run(document).unwrap_err().to_string()
        });
        let error = launcher.join().unwrap();
        let words = "config.json: `linux.namespaces`: the mount namespace `/proc/thread-self/ns/mnt` is the host's";
        assert_eq!(error, words);
    });
}

/// A payload may put the node of a device at `/etc/passwd` that it could not open; the runtime must not open it either.
#[test]
fn a_home_is_looked_up_in_a_regular_file_only() {
    let room = Room::new();
    let passwd = room.inside("etc/passwd");
    let bundle = Bundle::new(&room, "home");
    let home = |room: &Room| {
        let out = room.dir.join("shared/home");
        bundle.run(&add_mounts(container("echo $HOME > /shared/home"), &[bind(&room.dir.join("shared"), "/shared")]));
        fs::read_to_string(out).unwrap()
    };
    fs::write(&passwd, "root:x:0:0::/somewhere:\n").unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
    let mut space = [MaybeUninit::uninit(); 1024];
    let mut was_opened = || inotify::Reader::new(&watch, &mut space).next().is_ok();
    inotify::add_watch(&watch, &passwd, inotify::WatchFlags::OPEN).unwrap();
    assert_eq!(home(&room), "/somewhere\n");
    assert!(was_opened());
    while was_opened() {}
    for kind in [FileType::CharacterDevice, FileType::Fifo] {
        fs::remove_file(&passwd).unwrap();
        mknodat(CWD, &passwd, kind, Mode::from_raw_mode(0o644), makedev(1, 5)).unwrap();
        while was_opened() {} // the old file's end
        inotify::add_watch(&watch, &passwd, inotify::WatchFlags::OPEN).unwrap();
        assert_eq!(home(&room), "/\n");
        assert!(!was_opened(), "{kind:?}");
    }
    fs::remove_file(&passwd).unwrap();
    symlink("/proc/self/fd/0", &passwd).unwrap();
    assert_eq!(home(&room), "/\n");
    // A link of the image ends inside.
    fs::remove_file(&passwd).unwrap();
    fs::write(room.dir.join("shared/passwd"), "root:x:0:0::/outside:\n").unwrap();
    symlink(room.dir.join("shared/passwd"), &passwd).unwrap();
    assert_eq!(home(&room), "/\n");
}

/// CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565: a neighbour swaps folders for links while nodes, the
/// console, masks, a copied-up tmpfs and the working directory are made.
#[test]
fn a_neighbour_that_swaps_paths_gets_nothing_outside() {
    let room = Room::new();
    let (rootfs, outside) = (room.dir.join("rootfs"), room.outside());
    let secret = room.dir.join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("file"), "of the host").unwrap();
    for name in ["dev", "work/masked", "up"] {
        fs::create_dir_all(rootfs.join(name)).unwrap();
    }
    fs::write(rootfs.join("up/file"), "of the image").unwrap();
    let climb = |to: &Path| format!("../../../../../../../../../..{}", to.display());
    symlink(climb(&outside), rootfs.join("dev~")).unwrap();
    symlink(&outside, rootfs.join("work~")).unwrap();
    symlink(climb(&secret), rootfs.join("up~")).unwrap();
    let mut document = container("cat /up/file 2>/dev/null; test ! -e /up/file -o ! -e /work/escaped");
    // `/dev` is the image's own, so that everything is made where the neighbour swaps.
    document["mounts"]
        .as_array_mut()
        .unwrap()
        .retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    let mounts = [
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"]}),
        json!({"destination": "/up", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}),
    ];
    let patch = json!({
        "process": {"cwd": "/work/made", "terminal": true},
        "linux": {
            "maskedPaths": ["/work/masked", "/dev/full"], "readonlyPaths": ["/up", "/dev/null"],
            "devices": [{"path": "/work/node", "type": "c", "major": 1, "minor": 3}]
        }
    });
    let document = add_mounts(with(document, &patch), &mounts);
    let over = AtomicBool::new(false);
    let mut tried = 0;
    let attempt = || -> error::Result<String> {
        let plan = room.compile(document.clone()).unwrap();
        let (running, _) = room.start(&plan, None)?;
        let mut text = Vec::new();
        let mut console = fs::File::from(running.console.as_ref().unwrap().try_clone().unwrap());
        // It ends with EIO when nobody has the other end any more.
        let _ = std::io::Read::read_to_end(&mut console, &mut text);
        common::end(&running);
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    assert_eq!(attempt().unwrap(), "of the image", "as long as nobody swaps anything");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for name in ["dev", "work", "up"] {
                    let (one, other) = (rootfs.join(name), rootfs.join(format!("{name}~")));
                    for _ in 0..2 {
                        renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                    }
                }
            }
        });
        let until = Instant::now() + Duration::from_secs(6);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while Instant::now() < until {
                match attempt() {
                    Ok(text) => assert!(!text.contains("of the host"), "{text}"),
                    Err(error) => {
                        assert!(matches!(error.kind, Kind::Denied | Kind::NotFound | Kind::Conflict), "{error}");
                    }
                }
                tried += 1;
                room.assert_outside_untouched();
                assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
            }
        }));
        over.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    assert!(tried > 20, "{tried}");
}
