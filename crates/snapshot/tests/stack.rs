//! Layers stacked by the real overlayfs: what the payload sees. Needs root.

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::*;
use error::Kind;
use oci::Digest;
use rustix::mount::MountAttrFlags;
use snapshot::{Chain, Flavour, Upper};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const ATTRIBUTES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;

/// Unpacks the layers, bottom first, and stacks them.
fn stacked(folder: &Folder, layers: &[Vec<Entry>]) -> (Vec<Digest>, Chain) {
    let mut ids = Vec::new();
    for layer in layers {
        let bytes = tar(layer);
        unpack(&folder.store(), &bytes).unwrap();
        ids.push(diff_id(&bytes));
    }
    let chain = folder.store().chain(&ids).unwrap();
    (ids, chain)
}

/// Where a detached mount can be looked at.
fn view(mount: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}/", mount.as_raw_fd()).into()
}

fn read_only(chain: &Chain) -> OwnedFd {
    snapshot::mount(chain, None, false, Flavour::Privileged, ATTRIBUTES).unwrap()
}

#[test]
fn upper_layers_hide_replace_and_add() {
    let folder = Folder::new();
    let (_, chain) = stacked(
        &folder,
        &[
            vec![
                dir("d"),
                file("d/gone", ""),
                file("d/stays", "1"),
                dir("opq"),
                file("opq/old", ""),
                dir("r"),
                file("r/x", ""),
            ],
            vec![
                dir("d"),
                file("d/.wh.gone", ""),
                file("d/new", "2"),
                file("opq/.wh..wh..opq", ""),
                file("opq/new", ""),
                file(".wh.r", ""),
                dir("r"),
            ],
        ],
    );
    let mount = read_only(&chain);
    assert_eq!(
        listing(&view(&mount)),
        [
            "0755 0:0 dir\td",
            "0644 0:0 \"2\"\td/new",
            "0644 0:0 \"1\"\td/stays",
            "0755 0:0 dir\topq",
            "0644 0:0 \"\"\topq/new",
            "0755 0:0 dir\tr",
        ]
    );
}

#[test]
fn implied_folders_look_as_the_lower_layers_describe_them() {
    let folder = Folder::new();
    let layers = [
        vec![
            dir("home").mode(0o711).owner(1, 2).mtime(10),
            dir("home/user").mode(0o700).owner(1000, 1000).mtime(20).pax("SCHILY.xattr.user.mark", "m"),
            file("home/user/old", ""),
            dir("tmp").mode(0o1777),
            dir("hidden").mode(0o700),
            dir("cut").mode(0o700),
            dir("cut/in").mode(0o700),
        ],
        // Implied twice over the description, and once with nothing below.
        vec![file("home/user/a", ""), file("fresh/f", ""), file(".wh.hidden", ""), file("cut/.wh..wh..opq", "")],
        vec![file("home/user/b", ""), file("tmp/t", ""), file("hidden/h", ""), file("cut/in/c", "")],
    ];
    let (ids, chain) = stacked(&folder, &layers);
    let mount = read_only(&chain);
    let folders: Vec<_> = listing(&view(&mount)).into_iter().filter(|line| line.contains(" dir\t")).collect();
    assert_eq!(
        folders,
        [
            "0755 0:0 dir\tcut",
            "0755 0:0 dir\tcut/in",
            "0755 0:0 dir\tfresh",
            "0755 0:0 dir\thidden",
            "0711 1:2 dir\thome",
            "0700 1000:1000 dir\thome/user",
            "1777 0:0 dir\ttmp",
        ]
    );
    assert_eq!(std::fs::metadata(view(&mount).join("home/user")).unwrap().mtime(), 20);
    assert_eq!(xattr(&view(&mount).join("home/user"), "user.mark").unwrap(), b"m");
    let names = std::fs::read_dir(view(&mount).join("home/user")).unwrap().count();
    assert_eq!(names, 3, "the files of all layers are there");
    assert_eq!(folder.store().chain(&ids).unwrap(), chain, "settled once, read later");
}

#[test]
fn the_root_has_the_metadata_of_its_topmost_entry() {
    let folder = Folder::new();
    let (_, chain) = stacked(&folder, &[vec![dir("./").mode(0o711).owner(3, 4).mtime(9)], vec![file("f", "")]]);
    let upper = Upper::create(&folder.0, &chain).unwrap();
    let mount = snapshot::mount(&chain, Some(&upper), true, Flavour::Privileged, ATTRIBUTES).unwrap();
    let meta = std::fs::metadata(view(&mount)).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime()), (0o711, 3, 4, 9));
}

#[test]
fn an_opaque_root_hides_all_layers_below() {
    let folder = Folder::new();
    let (_, chain) = stacked(&folder, &[vec![file("old", "")], vec![file(".wh..wh..opq", ""), file("new", "")]]);
    assert_eq!(listing(&view(&read_only(&chain))), ["0644 0:0 \"\"\tnew"]);
}

#[test]
fn writes_go_to_the_upper_folder_only() {
    let folder = Folder::new();
    let (_, chain) = stacked(&folder, &[vec![file("f", "lower"), dir("d")]]);
    let upper = Upper::create(&folder.0, &chain).unwrap();
    {
        let mount = snapshot::mount(&chain, Some(&upper), false, Flavour::Privileged, ATTRIBUTES).unwrap();
        std::fs::write(view(&mount).join("f"), "changed").unwrap();
        std::fs::remove_dir(view(&mount).join("d")).unwrap();
        assert_eq!(listing(&view(&mount)), ["0644 0:0 \"changed\"\tf"]);
    }
    assert_eq!(listing(chain.lower.last().unwrap()), ["0755 0:0 dir\td", "0644 0:0 \"lower\"\tf"]);
    assert_eq!(listing(&upper.dir), ["0000 0:0 char 0:0\td", "0644 0:0 \"changed\"\tf"]);
}

#[test]
fn a_hundred_and_twenty_eight_layers_can_be_stacked_both_ways() {
    let folder = Folder::new();
    let layers: Vec<_> = (0..128).map(|n| vec![file(format!("f{n}"), ""), file("last", n.to_string())]).collect();
    let (ids, chain) = stacked(&folder, &layers);
    let upper = Upper::create(&folder.0, &chain).unwrap();
    let overlay = sys::overlay::Overlay {
        lower: &chain.lower,
        upper: Some(sys::overlay::Upper { dir: &upper.dir, work: &upper.work }),
        volatile: false,
        userxattr: false,
        attributes: ATTRIBUTES,
    };
    for mount in [sys::overlay::mount, sys::overlay::classic] {
        let mount = mount(&overlay).unwrap();
        assert_eq!(std::fs::read_dir(view(&mount)).unwrap().count(), 129);
        assert_eq!(std::fs::read(view(&mount).join("last")).unwrap(), b"127");
        std::fs::write(view(&mount).join("f0"), "copied up").unwrap();
    }
    let error = folder.store().chain(&[ids.clone(), ids].concat()).unwrap_err();
    assert_eq!(error.to_string(), "the image has 256 layers, more than the 128 that can be stacked");
    // The classic way made its mount in a namespace that is gone.
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(folder.0.to_str().unwrap()), "{mounts}");
}

#[test]
fn any_folder_name_will_do() {
    for name in ["comma,colon:back\\slash space", &"long/".repeat(60), "new\nline"] {
        let folder = Folder::new();
        let odd = folder.0.join(name);
        std::fs::create_dir_all(odd.join("low")).unwrap();
        std::fs::create_dir_all(odd.join("up")).unwrap();
        std::fs::create_dir_all(odd.join("work")).unwrap();
        std::fs::write(odd.join("low/f"), "x").unwrap();
        let overlay = sys::overlay::Overlay {
            lower: &[odd.join("low")],
            upper: Some(sys::overlay::Upper { dir: &odd.join("up"), work: &odd.join("work") }),
            volatile: true,
            userxattr: false,
            attributes: ATTRIBUTES,
        };
        let mount = sys::overlay::mount(&overlay).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(std::fs::read(view(&mount).join("f")).unwrap(), b"x", "{name}");
    }
}

#[test]
fn refusals_say_what_the_kernel_says() {
    let folder = Folder::new();
    let (_, chain) = stacked(&folder, &[vec![file("f", "")]]);
    let upper = Upper::create(&folder.0, &chain).unwrap();
    let mount = snapshot::mount(&chain, Some(&upper), false, Flavour::Privileged, ATTRIBUTES).unwrap();
    // An upper folder on another overlay is what happens inside containers.
    let inner = view(&mount).join("inner");
    std::fs::create_dir(&inner).unwrap();
    let upper = Upper::create(&inner, &chain).unwrap();
    let error = snapshot::mount(&chain, Some(&upper), false, Flavour::Privileged, ATTRIBUTES).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("overlay: "), "{error}");
    assert!(error.hints[0].contains("ext4"), "{:?}", error.hints);

    let mut gone = chain;
    gone.lower = vec!["/does/not/exist".into()];
    let error = snapshot::mount(&gone, Some(&upper), false, Flavour::Privileged, ATTRIBUTES).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
}

#[test]
fn an_image_without_layers_has_an_empty_root() {
    let folder = Folder::new();
    let chain = folder.store().chain(&[]).unwrap();
    let upper = Upper::create(&folder.0, &chain).unwrap();
    let mount = snapshot::mount(&chain, Some(&upper), true, Flavour::Privileged, ATTRIBUTES).unwrap();
    assert_eq!(listing(&view(&mount)), Vec::<String>::new());
}

#[test]
fn a_missing_layer_is_named() {
    let folder = Folder::new();
    let missing = diff_id(b"nothing");
    let error = folder.store().chain(&[missing]).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(error.to_string(), format!("can't stack the image's layers: layer `{missing}` is not unpacked"));
    assert!(!Path::new(&folder.0.join("snapshots/chains")).read_dir().unwrap().any(|_| true), "nothing is left");
}
