//! Volumes on the real file system, as root.

use super::fill::{FILLED, FILLING};
use super::*;
use crate::record::{self, Record, file};
use crate::scratch::Folder;
use api::VolumeSource;
use error::Kind;
use rustix::fs::{AtFlags, FileType, Gid, Timespec, Timestamps, Uid, XattrFlags, lgetxattr, lsetxattr, mknodat};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::sync::atomic::Ordering;
use sys::copy;

const TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 1_000_000_000, tv_nsec: 1 },
    last_modification: Timespec { tv_sec: 1_100_000_000, tv_nsec: 2 },
};

/// cap_net_bind_service=ep, as setcap(8) writes it: version 2 of `struct vfs_cap_data`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn named(volumes: &Volumes, name: &str) -> Leased {
    volumes.named(name, Facts::default).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

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
    let data = named(&volumes, "web").data;
    let before = picture(&root.join("srv/rich"));
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    let after = picture(&data);
    assert_eq!(after, before);
    assert_eq!(after.len(), 11, "{after:#?}");
    let same = |name: &str| fs::metadata(data.join(name)).unwrap().ino();
    assert_eq!(same("plain"), same("inner/deep/same"));
    let sparse = fs::metadata(data.join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "the hole stays a hole: {} blocks", sparse.blocks());
    assert_eq!(names(data.parent().unwrap()), ["_data", "volume.json"]);
}

#[test]
fn what_a_volume_holds_is_never_touched() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    let data = named(&volumes, "web").data;
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
        let data = named(&volumes, "web").data;
        volumes.fill(open_folder(&root).as_fd(), target, &data).unwrap();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "{target}");
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o755);
    }
    let data = named(&volumes, "web").data;
    volumes.fill(open_folder(&root).as_fd(), "/srv/inside", &data).unwrap();
    assert_eq!(picture(&data), picture(&root.join("srv/rich")), "links inside the image are followed");
}

#[test]
fn a_filling_that_was_killed_is_thrown_away_or_completed() {
    let folder = Folder::new();
    let (root, volumes) = (image(&folder), Volumes::new(&folder));
    let expected = picture(&root.join("srv/rich"));
    // Killed while copying.
    let data = named(&volumes, "early").data;
    fs::create_dir_all(data.with_file_name(FILLING).join("half")).unwrap();
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    assert_eq!(picture(&data), expected);
    // Killed while moving: some entries have arrived, and the next user need not even fill.
    let data = named(&volumes, "late").data;
    volumes.fill(open_folder(&root).as_fd(), "/srv/rich", &data).unwrap();
    let filled = data.with_file_name(FILLED);
    fs::create_dir_all(filled.join("content")).unwrap();
    for name in ["inner", "tool"] {
        fs::rename(data.join(name), filled.join("content").join(name)).unwrap();
    }
    copy::folder_metadata(open_folder_to_read(&root.join("srv/rich")).as_fd(), open_folder_to_read(&filled).as_fd())
        .unwrap();
    assert_eq!(named(&volumes, "late").data, data);
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
                let data = named(&volumes, "web").data;
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
    let data = named(&volumes, "web").data;
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
        assert_eq!(named(&volumes, good).data, folder.join("volumes").join(good).join("_data"));
    }
    for bad in ["", "_a", ".a", "a/b", "../x", "a b", "ä1", "a\nb"] {
        let texts = [
            format!("create {bad}"),
            format!(
                "\"{bad}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" \
                 are allowed. If you intended to pass a host directory, use absolute path"
            ),
        ];
        assert_eq!(volumes.named(bad, Facts::default).unwrap_err().messages, texts);
    }
    let short = "create a: volume name is too short, names should be at least two alphanumeric characters";
    assert_eq!(volumes.named("a", Facts::default).unwrap_err().to_string(), short);
    assert!(volumes.named(&too_long, Facts::default).is_err());
}

#[test]
fn a_removed_volume_is_gone_with_what_a_killed_removal_left() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let missing = "get web: no such volume";
    assert_eq!(volumes.remove("web").unwrap_err().to_string(), missing);
    let made = volumes.anonymous(Facts::default()).unwrap();
    let name = made.name.clone();
    assert_eq!((name.len(), made.data.is_dir(), made.facts.is_anonymous()), (64, true, true));
    fs::write(named(&volumes, "web").data.join("file"), "").unwrap();
    fs::create_dir_all(folder.join("volumes/.removing-x/_data")).unwrap();
    volumes.remove("web").unwrap();
    assert_eq!(volumes.remove("web").unwrap_err().to_string(), missing);
    assert_eq!(volumes.remove("../volumes").unwrap_err().to_string(), "get ../volumes: no such volume");
    assert_eq!(names(&folder.join("volumes")), [name.as_str()]);
}

/// A container that is in the list, with what its record says.
fn container(data: &Path, digit: &str, change: impl FnOnce(&mut Record)) -> String {
    let id = digit.repeat(64);
    let dir = data.join("containers").join(&id);
    fs::create_dir_all(&dir).unwrap();
    let mut record = Record::lost(&id);
    change(&mut record);
    record::write_new(&dir.join(file::RECORD), &record).unwrap();
    id
}

fn of_volume(name: &str) -> api::Volume {
    api::Volume { source: VolumeSource::Named(name.into()), ..api::Volume::default() }
}

#[test]
fn a_volume_that_somebody_uses_or_is_about_to_use_stays() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    for name in ["asked", "placed", "own", "free"] {
        named(&volumes, name);
    }
    let asked = container(&folder, "a", |record| record.request.volumes.push(of_volume("asked")));
    let placed = container(&folder, "b", |record| record.mounts.push(of_volume("placed")));
    let own = container(&folder, "c", |record| record.anonymous_volumes.push("own".into()));
    for (name, user) in [("asked", &asked), ("placed", &placed), ("own", &own)] {
        let error = volumes.remove(name).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert_eq!(error.to_string(), format!("remove {name}: volume is in use - [{user}]"));
    }
    let lease = named(&volumes, "free");
    let error = volumes.remove("free").unwrap_err();
    assert_eq!(error.to_string(), "remove free: volume is in use - [a container that is being made]");
    drop(lease);
    // One that cannot say what it uses may use all.
    let damaged = "d".repeat(64);
    fs::create_dir_all(folder.join("containers").join(&damaged)).unwrap();
    fs::write(folder.join("containers").join(&damaged).join(file::RECORD), "{").unwrap();
    let error = volumes.remove("free").unwrap_err();
    assert_eq!(error.to_string(), format!("remove free: volume is in use - [{damaged}]"));
    fs::remove_dir_all(folder.join("containers").join(&damaged)).unwrap();
    let outcomes = volumes.take(&["own", "free", "none"].map(String::from), true).unwrap();
    assert_eq!(outcomes, [Outcome::Used(vec![own]), Outcome::Gone(0), Outcome::Missing]);
    volumes.sweep().unwrap();
    assert_eq!(names(&folder.join("volumes")), ["asked", "own", "placed"]);
}

#[test]
fn who_makes_containers_and_who_removes_volumes_never_meet() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let left = std::sync::atomic::AtomicU32::new(5);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (volumes, left) = (&volumes, &left);
            scope.spawn(move || {
                for _ in 0..200 {
                    let leased = named(volumes, "web");
                    let file = leased.data.join(number.to_string());
                    fs::write(&file, "x").unwrap();
                    assert_eq!(fs::read(&file).unwrap(), b"x");
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                let found = volumes.existing("web").unwrap();
                assert!(found.is_none_or(|leased| leased.data.is_dir()));
            }
            left.fetch_sub(1, Ordering::Relaxed);
        });
        // A maker that failed is never done.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while left.load(Ordering::Relaxed) > 0 && std::time::Instant::now() < deadline {
            // It may not be there, or be in use.
            let _ = volumes.remove("web");
        }
    });
}

#[test]
fn what_is_known_of_a_volume_is_written_down_once() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let labels: BTreeMap<String, String> = [("a".to_owned(), "1".to_owned())].into();
    let made = volumes.named("web", || Facts::new(&labels, &BTreeMap::new())).unwrap();
    let again = volumes.named("web", || Facts::new(&BTreeMap::new(), &BTreeMap::new())).unwrap();
    assert_eq!(made.facts, again.facts);
    assert!(made.facts.labels == labels && made.facts.created.ends_with('Z'), "{:?}", made.facts);
    // Older, or cut short by a power failure: it is nobody's labelled one.
    fs::write(folder.join("volumes/web/volume.json"), "").unwrap();
    fs::create_dir_all(folder.join("volumes/old/_data")).unwrap();
    let expected = [("old".to_owned(), Facts::default()), ("web".to_owned(), Facts::default())];
    assert_eq!(volumes.list().unwrap(), expected);
}

#[test]
fn a_volume_that_was_half_made_is_none_and_goes() {
    let folder = Folder::new();
    let volumes = Volumes::new(&folder);
    let aside = folder.join("volumes/.new-x");
    fs::create_dir_all(aside.join("_data")).unwrap();
    assert_eq!(volumes.list().unwrap(), []);
    // It may be somebody's who is at it.
    volumes.sweep().unwrap();
    assert!(aside.is_dir());
    let old = Timestamps { last_access: TIMES.last_access, last_modification: TIMES.last_modification };
    rustix::fs::utimensat(CWD, &aside, &old, AtFlags::empty()).unwrap();
    let held = open_folder_to_read(&aside);
    flock(&held, FlockOperation::LockShared).unwrap();
    volumes.sweep().unwrap();
    assert!(aside.is_dir());
    drop(held);
    volumes.sweep().unwrap();
    assert!(!aside.try_exists().unwrap());
}
