//! Volumes on the real file system, as root.

use super::*;
use crate::scratch::Folder;
use rustix::fs::{AtFlags, FileType, Gid, Timespec, Timestamps, Uid, XattrFlags, lgetxattr, lsetxattr, mknodat};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};

const TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 1_000_000_000, tv_nsec: 1 },
    last_modification: Timespec { tv_sec: 1_100_000_000, tv_nsec: 2 },
};

/// cap_net_bind_service=ep, as setcap(8) writes it: version 2 of `struct vfs_cap_data`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn open_folder(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn own(path: &Path, uid: u32, gid: u32) {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// An image root with a rich folder at `/srv/rich`.
fn image(folder: &Path) -> PathBuf {
    let root = folder.join("image");
    let rich = root.join("srv/rich");
    fs::create_dir_all(rich.join("inner/deep")).unwrap();
    fs::write(rich.join("plain"), "text").unwrap();
    fs::hard_link(rich.join("plain"), rich.join("inner/deep/same")).unwrap();
    symlink("/etc/passwd", rich.join("inner/link")).unwrap();
    fs::write(rich.join("tool"), "x").unwrap();
    own(&rich.join("tool"), 5, 6);
    fs::set_permissions(rich.join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    lsetxattr(rich.join("tool"), c"security.capability", &CAPABILITY, XattrFlags::empty()).unwrap();
    lsetxattr(rich.join("plain"), c"user.note", b"n\0te", XattrFlags::empty()).unwrap();
    let sparse = fs::OpenOptions::new().write(true).create_new(true).open(rich.join("sparse")).unwrap();
    sparse.write_at(b"end", 8 << 20).unwrap();
    for (name, kind, device) in [
        ("fifo", FileType::Fifo, 0),
        ("socket", FileType::Socket, 0),
        ("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
    ] {
        mknodat(CWD, rich.join(name), kind, Mode::RUSR | Mode::WGRP, device).unwrap();
    }
    own(&rich.join("inner"), 7, 8);
    own(&rich.join("inner/link"), 9, 10);
    own(&rich, 33, 34);
    fs::set_permissions(&rich, fs::Permissions::from_mode(0o1770)).unwrap();
    for name in ["inner/deep/same", "inner/deep", "inner/link", "inner", "tool", "sparse", "fifo", "null", "."] {
        rustix::fs::utimensat(CWD, rich.join(name), &TIMES, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    root
}

/// Everything about a tree that a container can see, one line an entry.
fn picture(top: &Path) -> Vec<String> {
    fn look(top: &Path, at: &Path, lines: &mut Vec<String>) {
        let path = top.join(at);
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() {
            oci::Digest::of(&fs::read(&path).unwrap()).short()
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        let mut attributes = String::new();
        for name in [c"user.note", c"security.capability"] {
            let mut value = [0; 64];
            if let Ok(length) = lgetxattr(&path, name, &mut value[..]) {
                attributes += &format!(" {name:?}={:?}", &value[..length]);
            }
        }
        let links = if meta.is_dir() { 0 } else { meta.nlink() };
        lines.push(format!(
            "{} {:o} {}:{} {}.{} links {links} size {} rdev {} {content}{attributes}",
            at.display(),
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            if meta.is_dir() { 0 } else { meta.size() },
            meta.rdev(),
        ));
        if meta.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            for name in names {
                look(top, &at.join(name), lines);
            }
        }
    }
    let mut lines = Vec::new();
    look(top, Path::new(""), &mut lines);
    lines
}

#[test]
fn an_empty_volume_becomes_what_the_image_has() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    let data = volumes.named("web").unwrap();
    let before = picture(&root.join("srv/rich"));
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    let after = picture(&data);
    assert_eq!(after, before);
    assert_eq!(after.len(), 11, "{after:#?}");
    let same = |name: &str| fs::metadata(data.join(name)).unwrap().ino();
    assert_eq!(same("plain"), same("inner/deep/same"));
    let sparse = fs::metadata(data.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "the hole stays a hole: {} blocks", sparse.blocks());
    let left: Vec<_> = fs::read_dir(data.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["_data"]);
}

#[test]
fn what_a_volume_holds_is_never_touched() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    let data = volumes.named("web").unwrap();
    fs::write(data.join("mine"), "mine").unwrap();
    let before = picture(&data);
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    assert_eq!(picture(&data), before);
}

#[test]
fn a_target_that_is_no_folder_of_the_image_fills_nothing() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    fs::create_dir(folder.join("outside")).unwrap();
    fs::write(folder.join("outside/secret"), "").unwrap();
    symlink("../../../../outside", root.join("srv/escape")).unwrap();
    symlink("/srv/rich", root.join("srv/inside")).unwrap();
    for target in ["/none", "/none/at/all", "/srv/rich/plain", "/srv/rich/plain/x", "/srv/escape", "/srv/rich/fifo"] {
        let data = volumes.named("web").unwrap();
        volumes.fill(open_folder(&root).as_fd(), target, &data).unwrap();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "{target}");
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o755);
    }
    let data = volumes.named("web").unwrap();
    volumes.fill(open_folder(&root).as_fd(), "/srv/inside", &data).unwrap();
    assert_eq!(picture(&data), picture(&root.join("srv/rich")), "links inside the image are followed");
}

#[test]
fn a_filling_that_was_killed_is_thrown_away_or_completed() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    let expected = picture(&root.join("srv/rich"));
    // Killed while copying.
    let data = volumes.named("early").unwrap();
    fs::create_dir_all(data.with_file_name(FILLING).join("half")).unwrap();
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    assert_eq!(picture(&data), expected);
    // Killed while moving: some entries have arrived, and the next user need not even fill.
    let data = volumes.named("late").unwrap();
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    let filled = data.with_file_name(FILLED);
    fs::create_dir_all(filled.join("content")).unwrap();
    for name in ["inner", "tool"] {
        fs::rename(data.join(name), filled.join("content").join(name)).unwrap();
    }
    copy::folder_metadata(open_folder_to_read(&root.join("srv/rich")).as_fd(), open_folder_to_read(&filled).as_fd())
        .unwrap();
    assert_eq!(volumes.named("late").unwrap(), data);
    assert_eq!(picture(&data), expected);
    assert!(!filled.try_exists().unwrap());
}

fn open_folder_to_read(path: &Path) -> OwnedFd {
    openat(CWD, path, FOLDER, Mode::empty()).unwrap()
}

#[test]
fn containers_that_start_at_once_fill_a_volume_once() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let data = volumes.named("web").unwrap();
                volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
                assert_eq!(picture(&data), picture(&root.join("srv/rich")));
            });
        }
    });
}

#[test]
fn a_failure_leaves_the_volume_empty_and_says_where_it_was() {
    let folder = Folder::new();
    let (root, volumes) = (folder.join("image"), Volumes::new(&folder));
    let mut deep = root.join("srv");
    for _ in 0..=copy::MAX_DEPTH {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let data = volumes.named("web").unwrap();
    let error = volumes.fill(open_folder(&root).as_fd(), "/srv", &data).unwrap_err();
    assert_eq!(error.messages[0], "can't copy `/srv` of the image into its volume");
    assert!(error.messages[1].starts_with("can't copy `/d/d/d"), "{error}");
    assert_eq!(error.messages[2], "folders lie too deep in each other");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    assert!(!data.with_file_name(FILLING).try_exists().unwrap());
}

#[test]
fn names_are_as_docker_allows_them() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let (long, too_long) = ("a".repeat(MAX_NAME_BYTES), "a".repeat(MAX_NAME_BYTES + 1));
    for good in ["ab", "0_.-", long.as_str()] {
        assert_eq!(volumes.named(good).unwrap(), folder.join("volumes").join(good).join("_data"));
    }
    for bad in ["", "_a", ".a", "a/b", "../x", "a b", "ä1", "a\nb"] {
        let texts = [
            format!("create {bad}"),
            format!(
                "\"{bad}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" \
                 are allowed. If you intended to pass a host directory, use absolute path"
            ),
        ];
        assert_eq!(volumes.named(bad).unwrap_err().messages, texts);
    }
    let short = "create a: volume name is too short, names should be at least two alphanumeric characters";
    assert_eq!(volumes.named("a").unwrap_err().to_string(), short);
    assert!(volumes.named(&too_long).is_err());
}

#[test]
fn a_removed_volume_is_gone_with_what_a_killed_removal_left() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let missing = "get web: no such volume";
    assert_eq!(volumes.remove("web").unwrap_err().to_string(), missing);
    let (name, data) = volumes.anonymous().unwrap();
    assert_eq!((name.len(), data.is_dir()), (64, true));
    fs::write(volumes.named("web").unwrap().join("file"), "").unwrap();
    fs::create_dir_all(folder.join("volumes/.removing-x/_data")).unwrap();
    volumes.remove("web").unwrap();
    assert_eq!(volumes.remove("web").unwrap_err().to_string(), missing);
    assert_eq!(volumes.remove("../volumes").unwrap_err().to_string(), "get ../volumes: no such volume");
    let left: Vec<_> = fs::read_dir(folder.join("volumes")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [name.as_str()]);
}
