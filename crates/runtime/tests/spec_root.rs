//! `root`, `linux.rootfsPropagation`, `linux.devices`, default devices, masked and read-only paths, as a payload sees them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::bundle::Bundle;
use common::{Ended, Room, add_mounts, container, in_own_mounts, with};
use oci::runtime::Status;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};

fn said(text: &str) -> Ended {
    Ended { text: text.into(), code: 0 }
}

fn with_stat(room: &Room) {
    for name in ["stat", "touch", "mkdir"] {
        symlink("busybox", room.inside(&format!("bin/{name}"))).unwrap();
    }
}

#[test]
fn a_root_is_writable_or_not_as_the_document_says() {
    for (readonly, text) in [(false, "wrote\nrw,"), (true, "ro,")] {
        let room = Room::new();
        let script = "(: >/tmp/x) 2>/dev/null && echo wrote
            while read -r _ _ _ _ at options _; do [ $at = / ] && echo $options; done </proc/self/mountinfo";
        let document = with(container(script), &json!({"root": {"path": "rootfs", "readonly": readonly}}));
        let ended = room.run(document).unwrap();
        assert!(ended.text.starts_with(text), "{ended:?}");
        assert_eq!(room.inside("tmp/x").try_exists().unwrap(), !readonly);
    }
}

#[test]
fn a_root_has_the_propagation_that_the_document_says() {
    for (word, found) in [
        ("", "-"),
        ("private", "-"),
        ("rprivate", "-"),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ] {
        let room = Room::new();
        let script = "while read -r _ _ _ _ at _ more; do case $at in /|/proc) echo $at $more;; esac; done </proc/self/mountinfo";
        let document = with(container(script), &json!({"linux": {"rootfsPropagation": word}}));
        let text = room.run(document).unwrap().text;
        let of = |at: &str| text.lines().find_map(|line| line.strip_prefix(at)?.strip_prefix(' ')).unwrap().to_owned();
        assert!(of("/").starts_with(found), "{word}: {text}");
        // What lies below follows when the word begins with an r.
        let below = if word.starts_with('r') { found } else { "-" };
        assert!(of("/proc").starts_with(below), "{word}: {text}");
    }
}

/// What the host mounts below the root file system while the container runs.
#[test]
fn a_root_that_is_a_slave_sees_the_hosts_mounts_and_gives_it_none() {
    for (word, comes_in) in [("rslave", true), ("slave", true), ("rprivate", false), ("rshared", false)] {
        in_own_mounts(|| {
            let bundle = Bundle::new(&Value::Null);
            let room = &bundle.room;
            let rootfs = room.dir.join("rootfs");
            mount_bind(&rootfs, &rootfs).unwrap();
            mount_change(&rootfs, MountPropagationFlags::SHARED).unwrap();
            std::fs::create_dir(room.inside("late")).unwrap();
            mkfifoat(CWD, room.dir.join("shared/go"), Mode::RWXU).unwrap();
            let script =
                "read _ </shared/go; grep -c ' /late ' /proc/self/mountinfo; grep -o 'master:' /proc/self/mountinfo";
            bundle.configure(&with(bundle.document(script), &json!({"linux": {"rootfsPropagation": word}})));
            bundle.create().unwrap();
            bundle.start().unwrap();
            mount("tmpfs", room.inside("late"), "tmpfs", MountFlags::empty(), None).unwrap();
            std::fs::write(room.dir.join("shared/go"), "\n").unwrap();
            bundle.wait_for(Status::Stopped);
            let said = bundle.said();
            assert_eq!(said.starts_with("1\n"), comes_in, "{word}: {said}");
            assert_eq!(said.contains("master:"), comes_in, "{word}: {said}");
            let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            assert!(!mounts.contains("/rootfs/proc "), "{mounts}");
            bundle.delete().unwrap();
            unmount(room.inside("late"), UnmountFlags::DETACH).unwrap();
            unmount(&rootfs, UnmountFlags::DETACH).unwrap();
        });
    }
}

#[test]
fn every_container_has_the_default_devices_and_links() {
    let room = Room::new();
    with_stat(&room);
    let script = "stat -c '%n %F %t:%T %a %u:%g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
        for link in fd stdin stdout stderr ptmx; do readlink /dev/$link; done
        echo x >/dev/null; (echo x >/dev/full) 2>/dev/null || echo full; ls /dev";
    let text = "/dev/null character special file 1:3 666 0:0\n/dev/zero character special file 1:5 666 0:0\n\
        /dev/full character special file 1:7 666 0:0\n/dev/random character special file 1:8 666 0:0\n\
        /dev/urandom character special file 1:9 666 0:0\n/dev/tty character special file 5:0 666 0:0\n\
        /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\nfull\n\
        fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(room.run(container(script)).unwrap(), said(text));
    // Where devices cannot be made, or would not work, they are the host's.
    for (host, attributes) in [(false, "nosuid"), (true, "nodev")] {
        let mut plan = room
            .compile(with_dev(
                container("stat -c '%n %t:%T' /dev/full; : </dev/zero && : >/dev/null && echo works"),
                attributes,
            ))
            .unwrap();
        assert_eq!(plan.root.sources.len() > 1, host, "{attributes}");
        plan.process.umask = 0o777;
        assert_eq!(room.run_plan(&plan).unwrap(), said("/dev/full 1:7\nworks\n"));
    }
}

/// Another option for the tmpfs at `/dev`.
fn with_dev(mut document: Value, option: &str) -> Value {
    document["mounts"][1]["options"] = json!(["mode=755", option]);
    document
}

#[test]
fn devices_are_made_as_the_document_describes_them() {
    let room = Room::new();
    with_stat(&room);
    std::fs::create_dir(room.inside("srv")).unwrap();
    let devices = json!([
        {"path": "/dev/c", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/u", "type": "u", "major": 300, "minor": 70000},
        {"path": "/dev/deep/b", "type": "b", "major": 7, "minor": 99, "fileMode": 0o600},
        {"path": "/srv/p", "type": "p", "fileMode": 0o622, "uid": 7},
        // Instead of the default one.
        {"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600, "gid": 9},
        // The same once more.
        {"path": "/srv/p", "type": "p"}
    ]);
    let script = "stat -c '%n %F %t:%T %a %u:%g' /dev/c /dev/u /dev/deep/b /srv/p /dev/full";
    let text = "/dev/c character special file a:e5 640 7:8\n/dev/u character special file 12c:11170 666 0:0\n\
        /dev/deep/b block special file 7:63 600 0:0\n/srv/p fifo 0:0 622 7:0\n/dev/full character special file 1:7 600 0:9\n";
    let document = with(container(script), &json!({"linux": {"devices": devices}}));
    assert_eq!(room.run(document).unwrap(), said(text));
}

#[test]
fn another_file_at_the_place_of_a_device_is_an_error() {
    let room = Room::new();
    std::fs::write(room.inside("file"), "").unwrap();
    symlink("/dev/null", room.inside("link")).unwrap();
    for (path, kind) in [("/file", "c"), ("/file", "p"), ("/link", "c"), ("/bin", "b"), ("/dev/null", "b")] {
        let devices = json!([{"path": path, "type": kind, "major": 1, "minor": 3}]);
        // The default `/dev/null` gives way to the document's.
        let mount = json!({"destination": "/dev/null", "type": "bind", "source": "/dev/null", "options": ["bind"]});
        let document = add_mounts(with(container("true"), &json!({"linux": {"devices": devices}})), &[mount]);
        let error = room.run(document).unwrap_err();
        assert_eq!(error.to_string(), format!("can't make the device `{path}`: file exists"), "{kind}");
    }
    assert_eq!(std::fs::read(room.inside("file")).unwrap(), b"");
}

#[test]
fn masked_paths_are_empty_and_read_only_paths_refuse_writers() {
    let room = Room::new();
    for dir in ["secrets", "frozen/deep"] {
        std::fs::create_dir_all(room.inside(dir)).unwrap();
    }
    std::fs::write(room.inside("secrets/one"), "secret").unwrap();
    std::fs::write(room.inside("key"), "secret").unwrap();
    std::fs::set_permissions(room.inside("key"), std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::write(room.inside("frozen/file"), "text").unwrap();
    symlink("secrets", room.inside("way")).unwrap();
    let mounts = [json!({"destination": "/frozen/mount", "type": "tmpfs"})];
    let patch = json!({"linux": {
        "maskedPaths": ["/way", "/key", "/absent", "/key/absent", "/proc/version"],
        "readonlyPaths": ["/frozen", "/etc/absent", "/tmp"]
    }});
    let script = "
        cat /key /proc/version; ls -A /secrets
        for at in /secrets /frozen /frozen/deep /frozen/mount /tmp; do (: >$at/new) 2>/dev/null && echo wrote $at; done
        (echo x >/key) 2>/dev/null; cat /key; cat /frozen/file; : >/new && echo wrote /";
    let document = add_mounts(with(container(script), &patch), &mounts);
    assert_eq!(room.run(document).unwrap(), said("textwrote /\n"));
    assert_eq!(std::fs::read(room.inside("key")).unwrap(), b"secret");
}

#[test]
fn the_root_path_may_be_relative_absolute_or_a_link() {
    let bundle = Bundle::saying("cat /etc/here");
    let room = &bundle.room;
    std::fs::write(room.inside("etc/here"), "here").unwrap();
    symlink("rootfs", room.dir.join("link")).unwrap();
    let absolute = room.dir.join("rootfs");
    for path in ["rootfs", "./link", absolute.to_str().unwrap(), "shared/../rootfs/"] {
        bundle.configure(&with(bundle.document("cat /etc/here"), &json!({"root": {"path": path}})));
        assert_eq!(bundle.live(), "here", "{path}");
    }
    for (root, text) in [
        (json!({"root": null}), "config.json: `root` is missing".to_owned()),
        (json!({"root": {"path": ""}}), "config.json: `root.path` is empty".to_owned()),
        (
            json!({"root": {"path": "nowhere"}}),
            format!(
                "can't find the root file system `{}`: no such file or directory",
                room.dir.canonicalize().unwrap().join("nowhere").display()
            ),
        ),
    ] {
        bundle.configure(&with(bundle.document("true"), &root));
        assert_eq!(bundle.create().unwrap_err().to_string(), text);
        assert!(!bundle.folder().try_exists().unwrap());
    }
}
