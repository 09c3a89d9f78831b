//! The same inside a user namespace, without any right outside: each test runs itself again under `unshare -Urm`.

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::*;
use rustix::mount::MountAttrFlags;
use snapshot::{Flavour, Skipped, Store, Upper};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

/// Set in the process that runs inside.
const INSIDE: &str = "SNAPSHOT_TEST_USER_NAMESPACE";

/// `true` inside; outside, runs the test inside and passes its verdict on.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare (Debian: util-linux) can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn store(folder: &Folder) -> Store {
    Store::open(&folder.0.join("snapshots"), Flavour::UserNamespace)
}

#[test]
fn a_stack_is_unpacked_and_mounted_without_rights() {
    if !inside("a_stack_is_unpacked_and_mounted_without_rights") {
        return;
    }
    let folder = Folder::new();
    let store = store(&folder);
    let layers = [
        tar(&[dir("d"), file("d/old", ""), file("gone", ""), dir("mode").mode(0o711), file("s", "x").mode(0o4755)]),
        tar(&[
            file("d/.wh..wh..opq", ""),
            file("d/new", ""),
            file(".wh.gone", ""),
            file("mode/implied", ""),
            dir("evil").pax("SCHILY.xattr.user.overlay.opaque", "y"),
        ]),
        tar(&[entry(b'3', "null").device(1, 3), entry(b'6', "fifo"), file("evil/f", "")]),
    ];
    let mut ids = Vec::new();
    let mut skipped = Skipped::default();
    for layer in &layers {
        let unpacked = unpack(&store, layer).unwrap();
        skipped.devices += unpacked.skipped.devices;
        ids.push(diff_id(layer));
    }
    assert_eq!(skipped, Skipped { devices: 1, xattrs: 0 }, "no device node can be made here");
    assert_eq!(xattr(&folder.layer(&layers[1]).join("d"), "user.overlay.opaque").as_deref(), Some(&b"y"[..]));
    assert_eq!(xattr(&folder.layer(&layers[1]).join("evil"), "user.overlay.opaque"), None);

    let chain = store.chain(&ids).unwrap();
    let upper = Upper::create(&folder.0, &chain).unwrap();
    let mount =
        snapshot::mount(&chain, Some(&upper), true, Flavour::UserNamespace, MountAttrFlags::MOUNT_ATTR_NODEV).unwrap();
    let view = PathBuf::from(format!("/proc/self/fd/{}/", mount.as_raw_fd()));
    assert_eq!(
        listing(&view),
        [
            "0755 0:0 dir\td",
            "0644 0:0 \"\"\td/new",
            "0755 0:0 dir\tevil",
            "0644 0:0 \"\"\tevil/f",
            "0644 0:0 fifo\tfifo",
            "0711 0:0 dir\tmode",
            "0644 0:0 \"\"\tmode/implied",
            "4755 0:0 \"x\"\ts",
        ]
    );
    std::fs::remove_file(view.join("s")).unwrap();

    let overlay = sys::overlay::Overlay {
        lower: &chain.lower,
        upper: None,
        volatile: false,
        userxattr: true,
        attributes: MountAttrFlags::empty(),
    };
    let mount = sys::overlay::classic(&overlay).unwrap();
    let view = PathBuf::from(format!("/proc/self/fd/{}/", mount.as_raw_fd()));
    assert_eq!(listing(&view).len(), 8, "the way of older kernels shows the same, with the file removed above");
}

#[test]
fn file_capabilities_are_kept() {
    if !inside("file_capabilities_are_kept") {
        return;
    }
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let folder = Folder::new();
    let bytes = tar(&[file("ping", "elf").pax("SCHILY.xattr.security.capability", capability)]);
    let unpacked = unpack(&store(&folder), &bytes).unwrap();
    assert_eq!(unpacked.skipped, Skipped::default());
    assert_eq!(xattr(&folder.layer(&bytes).join("ping"), "security.capability").unwrap(), capability);
}

#[test]
fn an_owner_outside_the_map_is_refused_with_the_remedy() {
    if !inside("an_owner_outside_the_map_is_refused_with_the_remedy") {
        return;
    }
    let folder = Folder::new();
    for odd in [file("f", "").owner(33, 0), dir("f").owner(0, 33), symlink("f", "x").owner(33, 33)] {
        let error = unpack(&store(&folder), &tar(&[odd])).unwrap_err();
        assert!(error.to_string().contains("can't unpack `f`: can't give it to user "), "{error}");
        assert!(error.hints[0].contains("/etc/subuid") && error.hints[0].contains("uidmap"), "{:?}", error.hints);
    }
}
