//! What a layer's archive means: each sort of entry, on the real file system. Needs root (devices, owners, xattrs).

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::*;
use snapshot::Limits;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn files_of_every_sort_keep_mode_owner_and_content() {
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        dir("./"),
        dir("./d/").mode(0o1777).owner(3, 4),
        file("./d/f", "text").mode(0o640).owner(1000, 2000),
        file("d/suid", "s").mode(0o4755).owner(5, 6),
        dir("d/sgid").mode(0o2775).owner(0, 7),
        file("d/sgid/inside", "not group 7"),
        symlink("d/l", "../x").owner(8, 9),
        hardlink("d/h", "d/f"),
        entry(b'3', "d/null").mode(0o666).device(1, 3),
        entry(b'4', "d/disk").mode(0o660).device(8, 1).owner(0, 6),
        entry(b'6', "d/fifo").mode(0o600),
        file("/absolute", ""),
        dir("closed").mode(0),
        file("closed/in", "x").mode(0o000),
        file("line\nbreak \x1b[31m", "y"),
    ]);
    assert_eq!(
        listing(&fs),
        [
            "0644 0:0 \"\"\tabsolute",
            "0000 0:0 dir\tclosed",
            "0000 0:0 \"x\"\tclosed/in",
            "1777 3:4 dir\td",
            "0660 0:6 block 8:1\td/disk",
            "0640 1000:2000 \"text\"\td/f",
            "0600 0:0 fifo\td/fifo",
            "0640 1000:2000 \"text\"\td/h",
            "0777 8:9 -> ../x\td/l",
            "0666 0:0 char 1:3\td/null",
            "2775 0:7 dir\td/sgid",
            "0644 0:0 \"not group 7\"\td/sgid/inside",
            "4755 5:6 \"s\"\td/suid",
            "0644 0:0 \"y\"\tline\nbreak \x1b[31m",
        ]
    );
    assert_eq!(std::fs::metadata(fs.join("d/f")).unwrap().ino(), std::fs::metadata(fs.join("d/h")).unwrap().ino());
}

#[test]
fn times_are_exact_also_before_1970_and_of_folders() {
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        dir("d").mtime(5),
        file("d/pax", "").pax("mtime", "1700000000.123456789"),
        file("d/old", "").pax("mtime", "-1.5"),
        symlink("d/link", "x").pax("mtime", "12.25"),
        file("d/header", "").mtime(77),
        file("implied/f", ""),
    ]);
    for (path, seconds, nanoseconds) in [
        ("d", 5, 0),
        ("d/pax", 1_700_000_000, 123_456_789),
        ("d/old", -2, 500_000_000),
        ("d/link", 12, 250_000_000),
        ("d/header", 77, 0),
        ("implied", 0, 0),
    ] {
        let meta = std::fs::symlink_metadata(fs.join(path)).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (seconds, nanoseconds), "{path}");
    }
}

#[test]
fn long_names_come_from_pax_and_from_gnu() {
    let long = ["n"; 30].map(|part| part.repeat(9)).join("/");
    let target = "t".repeat(300);
    let mut tar_bytes = open_tar(&[
        file("short", "pax").pax("path", format!("pax/{long}")),
        symlink("link", "cut").pax("linkpath", &target),
    ]);
    for (kind, text) in [(b'L', format!("gnu/{long}\0")), (b'K', format!("{target}\0"))] {
        tar_bytes.extend(sealed(file("././@LongLink", &text).kind(kind).header(GNU)));
        tar_bytes.extend(text.as_bytes());
        padded(&mut tar_bytes);
    }
    tar_bytes.extend(sealed(symlink("cut", "cut").header(GNU)));
    tar_bytes.extend([0; 1024]);
    let folder = Folder::new();
    unpack(&folder.store(), &tar_bytes).unwrap();
    let fs = folder.layer(&tar_bytes);
    assert_eq!(std::fs::read(fs.join("pax").join(&long)).unwrap(), b"pax");
    assert_eq!(std::fs::read_link(fs.join("link")).unwrap(), Path::new(&target));
    assert_eq!(std::fs::read_link(fs.join("gnu").join(&long)).unwrap(), Path::new(&target));
}

#[test]
fn xattrs_are_binary_and_overlays_own_are_refused() {
    // VFS_CAP_REVISION_2, effective, CAP_NET_RAW permitted.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        file("ping", "elf").mode(0o755).owner(0, 5).pax("SCHILY.xattr.security.capability", capability),
        file("binary", "").pax("SCHILY.xattr.user.b", b"a\nb=\0\xff"),
        file("bsd", "").pax("LIBARCHIVE.xattr.user.s%25", "AAEC/w"),
        dir("d")
            .pax("SCHILY.xattr.trusted.overlay.opaque", "y")
            .pax("SCHILY.xattr.user.overlay.opaque", "y")
            .pax("SCHILY.xattr.trusted.overlay.redirect", "/etc")
            .pax("SCHILY.xattr.security.selinux", "system_u:object_r:evil_t:s0")
            .pax("SCHILY.xattr.user.kept", "k"),
        symlink("l", "ping").pax("SCHILY.xattr.trusted.onlink", "v"),
    ]);
    assert_eq!(xattr(&fs.join("ping"), "security.capability").unwrap(), capability);
    assert_eq!(xattr(&fs.join("binary"), "user.b").unwrap(), b"a\nb=\0\xff");
    assert_eq!(xattr(&fs.join("bsd"), "user.s%").unwrap(), [0, 1, 2, 255]);
    assert_eq!(xattr(&fs.join("l"), "trusted.onlink").unwrap(), b"v");
    assert_eq!(xattr(&fs.join("ping"), "trusted.onlink"), None, "the link's target is left alone");
    let mut names = [0; 4096];
    let length = rustix::fs::llistxattr(fs.join("d"), &mut names).unwrap();
    assert_eq!(&names[..length], b"user.kept\0");
}

#[test]
fn whiteouts_speak_of_lower_layers_only() {
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        file(".wh.gone", ""),
        // Before or after, the layer's own file stays.
        file(".wh.file", ""),
        file("file", "new"),
        file("kept", "mine"),
        file(".wh.kept", ""),
        // A folder that replaces the lower one hides what was in it.
        file(".wh.dir", ""),
        dir("dir"),
        file("dir/x", ""),
        file(".wh.way", ""),
        file("way/there", ""),
        dir("late"),
        file(".wh.late", ""),
        file("turned", "a file first"),
        dir("turned"),
        // An opaque mark keeps what the layer itself has, in any order.
        file("opq/a", "1"),
        file("opq/.wh..wh..opq", ""),
        file("opq/b", "2"),
        file(".wh..wh.plnk/1.2", "aufs"),
    ]);
    assert_eq!(
        listing(&fs),
        [
            "0755 0:0 dir\tdir",
            "0644 0:0 \"\"\tdir/x",
            "0644 0:0 \"new\"\tfile",
            "0000 0:0 char 0:0\tgone",
            "0644 0:0 \"mine\"\tkept",
            "0755 0:0 dir\tlate",
            "0755 0:0 dir\topq",
            "0644 0:0 \"1\"\topq/a",
            "0644 0:0 \"2\"\topq/b",
            "0755 0:0 dir\tturned",
            "0755 0:0 dir\tway",
            "0644 0:0 \"\"\tway/there",
        ]
    );
    for path in ["dir", "late", "opq", "turned", "way"] {
        assert!(is_opaque(&fs.join(path)), "{path}");
    }
}

#[test]
fn the_last_entry_of_a_name_wins() {
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        file("a", "one"),
        file("a", "two"),
        file("b", "file"),
        dir("b"),
        file("b/in", ""),
        symlink("b", "a"),
        symlink("c", "a"),
        file("c", "not through the link"),
        dir("d").mode(0o700).owner(1, 1),
        file("d/stays", ""),
        dir("d").mode(0o755),
        file("e", "x"),
        hardlink("e", "e"),
        file("f/g/h", ""),
        file("f", "was a folder"),
        entry(b'6', "c2"),
        symlink("c2", "y"),
    ]);
    assert_eq!(
        listing(&fs),
        [
            "0644 0:0 \"two\"\ta",
            "0777 0:0 -> a\tb",
            "0644 0:0 \"not through the link\"\tc",
            "0777 0:0 -> y\tc2",
            "0755 0:0 dir\td",
            "0644 0:0 \"\"\td/stays",
            "0644 0:0 \"x\"\te",
            "0644 0:0 \"was a folder\"\tf",
        ]
    );
}

#[test]
fn links_of_the_same_layer_are_followed_inside_the_root() {
    let folder = Folder::new();
    let fs = folder.unpacked(&[
        dir("usr"),
        dir("usr/bin"),
        symlink("bin", "usr/bin"),
        file("bin/sh", "sh"),
        symlink("abs", "/usr/bin"),
        file("abs/ls", "ls"),
        symlink("dangling", "/made/by/link"),
        file("dangling/f", "f"),
        symlink("up", "../../../../usr/./bin/../bin"),
        file("up/cat", "cat"),
        hardlink("up/tac", "abs/cat"),
    ]);
    assert_eq!(
        listing(&fs).into_iter().filter(|line| line.contains('"')).collect::<Vec<_>>(),
        [
            "0644 0:0 \"f\"\tmade/by/link/f",
            "0644 0:0 \"cat\"\tusr/bin/cat",
            "0644 0:0 \"ls\"\tusr/bin/ls",
            "0644 0:0 \"sh\"\tusr/bin/sh",
            "0644 0:0 \"cat\"\tusr/bin/tac",
        ]
    );
}

/// The same file in all four ways: 3 bytes at 1 MiB, 2 bytes at 3 MiB, 4 MiB long.
#[test]
fn sparse_files_stay_sparse() {
    const MIB: u64 = 1 << 20;
    let (size, map) = ((4 * MIB).to_string(), [(MIB, 3u64), (3 * MIB, 2), (4 * MIB, 0)]);
    let pairs = map.map(|(offset, length)| format!("{offset},{length}")).join(",");
    let lines = map.map(|(offset, length)| format!("{offset}\n{length}\n")).concat();

    let mut v10 = format!("3\n{lines}").into_bytes();
    padded(&mut v10);
    v10.extend(b"abcde");
    let v00 = map.iter().fold(file("v00", "abcde").pax("GNU.sparse.size", &size), |entry, (offset, length)| {
        entry.pax("GNU.sparse.offset", offset.to_string()).pax("GNU.sparse.numbytes", length.to_string())
    });
    let mut bytes = open_tar(&[
        v00,
        file("x", "abcde").pax("GNU.sparse.size", &size).pax("GNU.sparse.name", "v01").pax("GNU.sparse.map", pairs),
        file("GNUSparseFile.1/v10", &v10)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", "v10")
            .pax("GNU.sparse.realsize", &size)
            .pax("size", v10.len().to_string()),
    ]);
    let mut old = file("old", "abcde").kind(b'S').header(GNU);
    for (index, (offset, length)) in map.iter().enumerate() {
        let start = 386 + 24 * index;
        old[start..start + 24].copy_from_slice(format!("{offset:011o}\0{length:011o}\0").as_bytes());
    }
    old[483..495].copy_from_slice(format!("{:011o}\0", 4 * MIB).as_bytes());
    bytes.extend(sealed(old));
    bytes.extend(b"abcde");
    padded(&mut bytes);
    bytes.extend(tar(&[file("after", "in step")]));

    let folder = Folder::new();
    unpack(&folder.store(), &bytes).unwrap();
    let fs = folder.layer(&bytes);
    let mut expected = vec![0; 4 << 20];
    expected[1 << 20..][..3].copy_from_slice(b"abc");
    expected[3 << 20..][..2].copy_from_slice(b"de");
    for name in ["v00", "v01", "v10", "old"] {
        let path = fs.join(name);
        assert!(std::fs::read(&path).unwrap() == expected, "{name}");
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 64 << 10, "{name} has no holes");
    }
    assert_eq!(std::fs::read(fs.join("after")).unwrap(), b"in step");
}

#[test]
fn odd_but_valid_archives_are_read() {
    let mut v7 = entry(0, "olddir/").header(b"\0\0\0\0\0\0\0\0");
    v7[329..345].fill(0);
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("no end mark", open_tar(&[file("a", "1")]), "a"),
        ("one zero block", [open_tar(&[file("a", "2")]), vec![0; 512]].concat(), "a"),
        ("rubbish after the end", [tar(&[file("a", "3")]), vec![7; 3000]].concat(), "a"),
        ("a folder as before ustar", [sealed(v7).to_vec(), vec![0; 1024]].concat(), "olddir"),
        ("a folder with a size", tar(&[dir("a").size(5), file("a/b", "")]), "a/b"),
        ("an empty archive", vec![0; 1024], ""),
    ];
    for (what, bytes, path) in cases {
        let folder = Folder::new();
        unpack(&folder.store(), &bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(folder.layer(&bytes).join(path).symlink_metadata().is_ok(), "{what}");
    }
}

/// As Docker and containerd do; git archives carry one with the commit.
#[test]
fn global_pax_headers_are_passed_over() {
    let records = record(b"path", b"evil");
    let mut bytes = sealed(file("pax_global_header", &records).kind(b'g').header(USTAR)).to_vec();
    bytes.extend(records);
    padded(&mut bytes);
    bytes.extend(tar(&[file("a", "")]));
    let folder = Folder::new();
    unpack(&folder.store(), &bytes).unwrap();
    assert_eq!(listing(&folder.layer(&bytes)), ["0644 0:0 \"\"\ta"]);
}

#[test]
fn compression_is_told_by_the_bytes() {
    let plain = tar(&[file("big", vec![b'x'; 300_000]), file("small", "y")]);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let (start, end) = plain.split_at(100_001);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    for (what, blob) in [
        ("plain", plain.clone()),
        ("gzip", gzip(&plain)),
        ("gzip in two members", [gzip(start), gzip(end)].concat()),
        ("zstd", zstd(&plain)),
        ("zstd in two frames", [zstd(start), zstd(end)].concat()),
        ("zstd with skippable frames", [skippable.clone(), zstd(&plain), skippable].concat()),
    ] {
        let folder = Folder::new();
        let seen = std::cell::Cell::new(0);
        // One byte at a time, as a slow network gives it, and with interruptions.
        let mut dribble = Dribble { bytes: &blob, interrupt: false };
        folder.store().unpack(&diff_id(&plain), &mut dribble, &Limits::default(), &|read| seen.set(read)).unwrap();
        assert_eq!(seen.get(), blob.len() as u64, "{what}");
        let fs = folder.layer(&plain);
        assert_eq!(std::fs::read(fs.join("big")).unwrap(), vec![b'x'; 300_000], "{what}");
    }
}

struct Dribble<'a> {
    bytes: &'a [u8],
    interrupt: bool,
}

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let length = self.bytes.len().min(buffer.len()).min(1);
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes = &self.bytes[length..];
        Ok(length)
    }
}
