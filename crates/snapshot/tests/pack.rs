//! Trees become archives that others read and that become the same trees again; archives become files of a tree that is
//! in use, and nothing leads out of it.

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::{Folder, dir, entry, file, hardlink, listing, symlink, tar, xattr};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, utimensat};
use snapshot::{Ground, Owners, Packed, Packer, Received, receive};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink as link};
use std::path::Path;

fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn packed(tree: &Path) -> (Vec<u8>, Packed) {
    let mut archive = Vec::new();
    let mut packer = Packer::new(&mut archive);
    packer.content(open(tree).as_fd()).unwrap();
    let packed = packer.finish().unwrap();
    (archive, packed)
}

/// Puts an archive into `ground/folder`.
fn put(archive: &[u8], ground: &Path, folder: &str, owners: Owners) -> error::Result<Received> {
    let root = open(ground);
    receive(&mut &*archive, Ground { root: root.as_fd(), folder: folder.as_bytes(), follow_links: true }, owners)
}

/// One of everything, with names, owners and times that a plain header has no room for.
fn strange_tree(tree: &Path) {
    let path = |name: &[u8]| tree.join(OsStr::from_bytes(name));
    let set_time = |name: &[u8], tv_sec, tv_nsec| {
        let time = Timespec { tv_sec, tv_nsec };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    };
    std::fs::create_dir_all(path(b"a/b")).unwrap();
    let long = b"l".repeat(200);
    for name in [&b"a/file"[..], b"a/b/empty", b"not-\xff-utf8", "ümlaut".as_bytes(), &long] {
        std::fs::write(path(name), if name.ends_with(b"empty") { &b""[..] } else { b"content" }).unwrap();
    }
    std::fs::hard_link(path(b"a/file"), path(b"z")).unwrap();
    link("x".repeat(300), path(b"a/link")).unwrap();
    link("nowhere", path(b"dangling")).unwrap();
    rustix::fs::mknodat(CWD, path(b"fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let device = rustix::fs::makedev(1, 300);
    rustix::fs::mknodat(CWD, path(b"device"), FileType::CharacterDevice, Mode::from_raw_mode(0o640), device).unwrap();
    chown(path(b"a/b"), Some(3_000_000), Some(4_000_000)).unwrap();
    lchown(path(b"dangling"), Some(7), Some(8)).unwrap();
    std::fs::set_permissions(path(&long), std::fs::Permissions::from_mode(0o6711)).unwrap();
    std::fs::set_permissions(path(b"a"), std::fs::Permissions::from_mode(0o3777)).unwrap();
    rustix::fs::setxattr(path(b"a/file"), "user.note", b"with\nlines\0and zero", XattrFlags::empty()).unwrap();
    set_time(b"a/file", -1, 250_000_000);
    set_time(b"dangling", 1 << 33, 1);
    set_time(b"a/b", 12, 0);
}

fn times(tree: &Path) -> Vec<(String, i64, i64)> {
    let names = ["a/file", "dangling", "a/b", "a", "fifo", "device"];
    let facts = names.map(|name| (name, std::fs::symlink_metadata(tree.join(name)).unwrap()));
    facts.map(|(name, facts)| (name.to_owned(), facts.mtime(), facts.mtime_nsec())).to_vec()
}

#[test]
fn a_tree_survives_the_way_through_an_archive() {
    let place = Folder::new();
    let (from, to) = (place.0.join("from"), place.0.join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    strange_tree(&from);
    let (archive, told) = packed(&from);
    assert_eq!(told, Packed { size: 28, sockets: 0 });
    let received = put(&archive, &to, "", Owners::Archived).unwrap();
    assert_eq!(received, Received { size: 28, ..Received::default() });
    assert_eq!(listing(&to), listing(&from));
    assert_eq!(times(&to), times(&from));
    assert_eq!(xattr(&to.join("a/file"), "user.note").unwrap(), b"with\nlines\0and zero");
    let inode = |name: &str| std::fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("a/file"), inode("z"));
    // The same tree, the same archive.
    assert!(packed(&to).0 == archive);
}

#[test]
fn gnu_tar_reads_it() {
    let place = Folder::new();
    let (from, to) = (place.0.join("from"), place.0.join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    strange_tree(&from);
    std::fs::write(place.0.join("archive"), packed(&from).0).unwrap();
    let mut command = std::process::Command::new("tar");
    command
        .args(["--numeric-owner", "--xattrs", "--warning=no-timestamp", "-xpf"])
        .arg(place.0.join("archive"))
        .arg("-C")
        .arg(&to);
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(listing(&to), listing(&from));
    assert_eq!(times(&to), times(&from));
}

#[test]
fn sockets_are_counted_and_left_out() {
    let place = Folder::new();
    let _socket = std::os::unix::net::UnixListener::bind(place.0.join("s")).unwrap();
    assert_eq!(packed(&place.0), (vec![0; 1024], Packed { size: 0, sockets: 1 }));
}

#[test]
fn links_of_the_tree_are_followed_inside_it_only() {
    let place = Folder::new();
    let root = place.0.join("root");
    std::fs::create_dir_all(root.join("real")).unwrap();
    std::fs::create_dir(place.0.join("outside")).unwrap();
    link("/real", root.join("inside")).unwrap();
    link(place.0.join("outside"), root.join("absolute")).unwrap();
    link("../../../../..", root.join("up")).unwrap();
    let archive = tar(&[file("inside/f", "x"), file("up/g", "y"), hardlink("up/h", "inside/f")]);
    put(&archive, &root, "", Owners::Root).unwrap();
    // What an absolute link names is not in the root.
    let text = put(&tar(&[file("absolute/f", "")]), &root, "", Owners::Root).unwrap_err().to_string();
    assert_eq!(text, "can't unpack `absolute/f`: can't open `/absolute`: no such file or directory");
    let names: Vec<String> = listing(&root).iter().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["absolute", "g", "h", "inside", "real", "real/f", "up"]);
    assert!(listing(&place.0.join("outside")).is_empty());
    // And where none are expected, none are followed.
    let fd = open(&root);
    let ground = Ground { root: fd.as_fd(), folder: b"", follow_links: false };
    let text = receive(&mut &*archive, ground, Owners::Caller).unwrap_err().to_string();
    assert_eq!(text, "can't unpack `inside/f`: can't open `/inside`: too many levels of symbolic links");
}

#[test]
fn names_of_archives_lead_nowhere_else() {
    let place = Folder::new();
    for (archive, text) in [
        (
            tar(&[file("../f", "")]),
            "can't unpack `../f`: invalid name `../f` in the archive: it leads out of the archive",
        ),
        (
            tar(&[hardlink("h", "../../etc/passwd")]),
            "can't unpack `h`: invalid name `../../etc/passwd` in the archive: it leads out of the archive",
        ),
    ] {
        assert_eq!(put(&archive, &place.0, "", Owners::Root).unwrap_err().to_string(), text);
    }
    assert!(listing(&place.0).is_empty());
}

#[test]
fn folders_and_others_do_not_take_each_others_place() {
    let place = Folder::new();
    let there = [dir("d"), file("d/kept", "kept"), file("f", "old"), symlink("l", "f")];
    put(&tar(&there), &place.0, "", Owners::Root).unwrap();
    for (archive, text) in [
        (tar(&[file("d", "")]), "can't unpack `d`: cannot overwrite directory \"/d\" with non-directory"),
        (tar(&[dir("f")]), "can't unpack `f`: cannot overwrite non-directory \"/f\" with directory"),
        (tar(&[dir("l")]), "can't unpack `l`: cannot overwrite non-directory \"/l\" with directory"),
    ] {
        assert_eq!(put(&archive, &place.0, "", Owners::Root).unwrap_err().to_string(), text);
    }
    // A folder takes the archive's mode and keeps its content; a link gives way and is not written through. Names that
    // would be whiteouts in a layer are names.
    let archive = tar(&[dir("d").mode(0o700), file("l", "new"), file(".wh.f", "x"), dir("./").mode(0o711)]);
    put(&archive, &place.0, "", Owners::Root).unwrap();
    assert_eq!(
        listing(&place.0),
        [
            "0644 0:0 \"x\"\t.wh.f",
            "0700 0:0 dir\td",
            "0644 0:0 \"kept\"\td/kept",
            "0644 0:0 \"old\"\tf",
            "0644 0:0 \"new\"\tl"
        ]
    );
    assert_eq!(std::fs::metadata(&place.0).unwrap().mode() & 0o7777, 0o755, "the target itself stays as it is");
}

#[test]
fn what_a_caller_takes_home_has_no_rights_of_others() {
    let place = Folder::new();
    let capability = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let entries = [
        file("suid", "x").mode(0o6755).owner(5, 6).pax("SCHILY.xattr.security.capability", capability),
        entry(b'3', "disk").mode(0o666).device(8, 0),
        entry(b'6', "fifo").mode(0o4644),
        dir("dir").mode(0o2777),
    ];
    let skipped = put(&tar(&entries), &place.0, "home", Owners::Caller);
    assert!(skipped.is_err(), "there is no such folder");
    std::fs::create_dir(place.0.join("home")).unwrap();
    let received = put(&tar(&entries), &place.0, "home", Owners::Caller).unwrap();
    assert_eq!((received.size, received.skipped.devices), (1, 1));
    let home = place.0.join("home");
    assert_eq!(listing(&home), ["0777 0:0 dir\tdir", "0644 0:0 fifo\tfifo", "0755 0:0 \"x\"\tsuid"]);
    assert_eq!(xattr(&home.join("suid"), "security.capability"), None);
    // As it was, if that is asked for.
    put(&tar(&entries), &place.0, "home", Owners::Archived).unwrap();
    assert!(xattr(&home.join("suid"), "security.capability").is_some());
    assert_eq!(listing(&home)[3], "6755 5:6 \"x\"\tsuid");
}

/// A folder in a folder in a folder …, made and entered step by step.
fn deep_tree(top: &Path, depth: usize) {
    let mut here = open(top);
    for _ in 0..depth {
        rustix::fs::mkdirat(&here, "d", Mode::from_raw_mode(0o755)).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        here = rustix::fs::openat(&here, "d", flags, Mode::empty()).unwrap();
    }
}

#[test]
fn a_deep_tree_is_packed_in_a_threads_stack_and_a_deeper_one_refused() {
    let place = Folder::new();
    let (from, to) = (place.0.join("from"), place.0.join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    deep_tree(&from, 511);
    let (archive, _) = packed(&from);
    put(&archive, &to, "", Owners::Root).unwrap();
    assert!(packed(&to).0 == archive);
    std::fs::create_dir(place.0.join("deeper")).unwrap();
    deep_tree(&place.0.join("deeper"), 520);
    let mut archive = Vec::new();
    let mut packer = Packer::new(&mut archive);
    let text = packer.content(open(&place.0.join("deeper")).as_fd()).unwrap_err().to_string();
    assert!(text.starts_with("can't pack `d/d/") && text.ends_with("…`: deeper than 512 folders"), "{text}");
}
