//! Archives that mean harm: nothing is written outside, nothing is left, and the error is one clear line.

#![allow(clippy::unwrap_used, reason = "tests fail by panics")]

mod common;

use common::*;
use oci::Digest;
use proptest::prelude::*;
use snapshot::{Limits, Store};

/// Unpacks what must fail, and checks that nothing is left of it.
fn refused(bytes: &[u8], limits: &Limits) -> String {
    let folder = Folder::new();
    refused_in(&folder, &folder.store(), &diff_id(bytes), bytes, limits)
}

fn refused_in(folder: &Folder, store: &Store, diff_id: &Digest, bytes: &[u8], limits: &Limits) -> String {
    let error = store.unpack(diff_id, &mut &*bytes, limits, &|_| {}).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains('\x1b'), "{text:?}");
    assert!(!store.contains(diff_id).unwrap());
    let left: Vec<_> = std::fs::read_dir(folder.0.join("snapshots")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    text.split_once("`: ").expect("the layer is named").1.to_owned()
}

#[test]
fn what_cannot_be_meant_well_is_refused_with_a_reason() {
    let long = "a/".repeat(2047) + "ab";
    let deep = "d/".repeat(600) + "f";
    let wide = (0..45).map(|n| symlink(format!("l{n}"), format!("l{}", n + 1))).chain([file("l0/x", "")]);
    let bad_sum = {
        let mut bytes = tar(&[file("f", "")]);
        bytes[0] = b'g';
        bytes
    };
    let mut overflow = file("f", "").header(USTAR);
    overflow[124..136].copy_from_slice(b"\x80\0\0\x01\0\0\0\0\0\0\0\0");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (tar(&[file("../f", "")]), "invalid name `../f` in the archive: it leads out of the archive"),
        (tar(&[file("a/../../f", "")]), "invalid name `a/../../f` in the archive: it leads out of the archive"),
        (tar(&[file("/..", "")]), "invalid name `/..` in the archive: it leads out of the archive"),
        (tar(&[file("x", "").pax("path", "a\0b")]), "invalid name `a\\u{0}b` in the archive: it holds a zero byte"),
        (
            tar(&[file("../\x1b[2J\n", "")]),
            "invalid name `../\\u{1b}[2J\\n` in the archive: it leads out of the archive",
        ),
        (tar(&[file(".wh...", "")]), "invalid name `.wh...` in the archive: a whiteout of nothing"),
        (tar(&[file("../.wh.x", "")]), "invalid name `../.wh.x` in the archive: it leads out of the archive"),
        (tar(&[file(&b"x"[..], "").pax("path", deep.as_bytes())]), "deeper than 512 folders"),
        (tar(&[file("x", "").pax("path", long.as_bytes()).pax("comment", "")]), "longer than 4095 bytes|deeper"),
        (
            tar(&[file("n".repeat(100), "").pax("path", "n".repeat(256))]),
            "can't make it: file name too long|filename too long",
        ),
        (
            tar(&[hardlink("h", "../../etc/passwd")]),
            "can't unpack `h`: invalid name `../../etc/passwd` in the archive: it leads out of the archive",
        ),
        (
            tar(&[hardlink("h", "/etc/passwd")]),
            "can't unpack `h`: it is a hard link to `etc/passwd`, which this layer does not have",
        ),
        (
            tar(&[symlink("a", "/etc"), hardlink("h", "a/passwd")]),
            "can't unpack `h`: it is a hard link to `a/passwd`, which this layer does not have",
        ),
        (tar(&[dir("d"), hardlink("h", "d")]), "can't unpack `h`: it is a hard link to the folder `d`"),
        (
            tar(&[file(".wh.w", ""), hardlink("h", "w")]),
            "can't unpack `h`: it is a hard link to `w`, which this layer does not have",
        ),
        (tar(&[hardlink("h", "")]), "invalid entry `h` in the archive: a link without a target"),
        (tar(&[symlink("s", "")]), "invalid entry `s` in the archive: a link without a target"),
        (
            tar(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "")]),
            "can't unpack `a/x`: too many symbolic links in `a`",
        ),
        (tar(&wide.collect::<Vec<_>>()), "can't unpack `l0/x`: too many symbolic links in `l0`"),
        (tar(&[file("f", ""), file("f/g", "")]), "can't unpack `f/g`: `f` in the layer is not a folder"),
        (tar(&[file("./", "")]), "can't unpack `./`: the layer's root must be a folder"),
        (tar(&[entry(b'3', "d").device(1 << 12, 0)]), "invalid entry `d` in the archive: no such device number"),
        (tar(&[entry(b'Z', "z")]), "invalid entry `z` in the archive: unknown type `Z`"),
        (tar(&[file("f", "").owner(1 << 32, 0)]), "invalid owner of `f` in the archive"),
        (tar(&[file("f", "").pax("uid", "4294967295")]), "invalid owner of `f` in the archive"),
        (tar(&[file("f", "").pax("gid", "0x1")]), "invalid group of `f` in the archive"),
        (tar(&[file("f", "abc").pax("size", "+3")]), "invalid size of `f` in the archive"),
        (tar(&[file("f", "").pax("mtime", "never")]), "invalid time of `f` in the archive"),
        (tar(&[file("f", "").pax("LIBARCHIVE.xattr.user.x", "*")]), "invalid extended attribute of `f` in the archive"),
        ([sealed(overflow).to_vec(), vec![0; 1024]].concat(), "invalid size of `f` in the archive"),
        (bad_sum, "the archive is not a valid tar archive: "),
        (b"this is no archive at all".repeat(50), "the archive is not a valid tar archive: "),
        (b"short".to_vec(), "the archive is truncated"),
        (open_tar(&[file("f", vec![1; 1000])])[..1024].to_vec(), "can't unpack `f`: the archive is truncated"),
        (tar(&[file("f", "").size(u64::from(u32::MAX))]), "can't unpack `f`: the archive is truncated"),
        (
            tar(&[file("f", "abc").pax("GNU.sparse.size", "9").pax("GNU.sparse.map", "0,2,1,1")]),
            "invalid entry `f` in the archive: the sparse map is out of order",
        ),
        (
            tar(&[file("f", "abc").pax("GNU.sparse.size", "2").pax("GNU.sparse.map", "0,3")]),
            "invalid entry `f` in the archive: the sparse map is larger than the file",
        ),
        (
            tar(&[file("f", "abc").pax("GNU.sparse.size", "9").pax("GNU.sparse.map", "0,2")]),
            "invalid entry `f` in the archive: the sparse map does not match the content",
        ),
        (
            tar(&[file("f", "")
                .pax("GNU.sparse.size", "18446744073709551615")
                .pax("GNU.sparse.map", "18446744073709551615,0")]),
            "invalid entry `f` in the archive: the sparse map is larger than the file",
        ),
        (
            tar(&[file("f", "").pax("comment", vec![b'x'; 2 << 20])]),
            "the archive is not a valid tar archive: metadata exceeds limit",
        ),
    ];
    for (bytes, reason) in cases {
        let text = refused(&bytes, &Limits::default());
        assert!(reason.split('|').any(|reason| text.contains(reason)), "{text}\n  is not\n{reason}");
    }
}

#[test]
fn malformed_pax_records_are_not_guessed_at() {
    for records in ["5 k=v\n", "9 k=v\n", "6 k=v", "x k=v\n", "6 kvv\n"] {
        let mut bytes = sealed(file("pax", records).kind(b'x').header(USTAR)).to_vec();
        bytes.extend(records.as_bytes());
        padded(&mut bytes);
        bytes.extend(tar(&[file("f", "")]));
        let text = refused(&bytes, &Limits::default());
        assert!(text.contains("malformed pax header") || text.contains("PAX error"), "{records:?}: {text}");
    }
}

/// The classic escapes, each followed by an honest write: whatever becomes of the archive, the outside stays as it was.
#[test]
fn no_link_leads_a_write_outside() {
    let folder = Folder::new();
    let outside = folder.0.join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "untouched").unwrap();
    let target = outside.to_str().unwrap();
    let up = "../".repeat(40) + target.trim_start_matches('/');
    for target in [target, &up] {
        for last in [
            file("a/secret", "owned"),
            file("a/.wh.secret", ""),
            file("a/.wh..wh..opq", ""),
            dir("a/new"),
            symlink("a/secret", "x"),
            entry(b'3', "a/secret").device(1, 3),
            dir("a").mode(0o777).owner(1, 1),
            file("a", "over the link"),
            file(".wh.a", ""),
        ] {
            let bytes = tar(&[symlink("a", target), last]);
            // Most succeed inside the layer's root, as they would in a chroot.
            let _ = unpack(&folder.store(), &bytes);
        }
        let link =
            [symlink("a", format!("{target}/secret")), hardlink("b", "a"), file("b", "owned"), file("a", "owned")];
        let _ = unpack(&folder.store(), &tar(&link));
    }
    let names: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"untouched");
    assert!(!is_opaque(&outside));
}

#[test]
fn limits_stop_bombs() {
    let bytes = tar(&[file("f", vec![0; 1 << 20])]);
    let bomb = zstd::encode_all(&bytes[..], 1).unwrap();
    let folder = Folder::new();
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let text = refused_in(&folder, &folder.store(), &diff_id(&bytes), &bomb, &limits);
    assert_eq!(text, "can't inflate the archive (zstd): the archive is larger than 1048576 bytes");

    let many: Vec<_> = (0..11).map(|n| file(n.to_string(), "")).collect();
    let text = refused(&tar(&many), &Limits { entries: 10, ..Limits::default() });
    assert_eq!(text, "the archive has more than 10 entries");
}

#[test]
fn broken_blobs_and_wrong_digests_leave_nothing() {
    use std::io::Write;
    let bytes = tar(&[file("f", (0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>())]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = zstd::encode_all(&bytes[..], 1).unwrap();
    let flipped = |blob: &[u8]| {
        let mut blob = blob.to_vec();
        let middle = blob.len() / 2;
        blob[middle] ^= 0x10;
        blob
    };
    for (blob, reason) in [
        (gzip[..gzip.len() / 2].to_vec(), "can't inflate the archive (gzip): "),
        (flipped(&gzip), ""),
        (zstd[..zstd.len() / 2].to_vec(), "can't inflate the archive (zstd): "),
        (flipped(&zstd), ""),
        ([&gzip[..], b"rubbish"].concat(), "can't inflate the archive (gzip): "),
        (tar(&[file("other", "")]), "its content is `sha256:"),
        (Vec::new(), "its content is `sha256:e3b0c442"),
    ] {
        let folder = Folder::new();
        let text = refused_in(&folder, &folder.store(), &diff_id(&bytes), &blob, &Limits::default());
        assert!(text.starts_with(reason), "{text}");
        unpack(&folder.store(), &bytes).expect("a good one afterwards succeeds");
    }
}

/// Archives with one of everything, for mutation.
fn rich() -> Vec<u8> {
    let mut map = b"1\n100\n3\n".to_vec();
    padded(&mut map);
    map.extend(b"abc");
    tar(&[
        dir("d").mode(0o2755),
        file("d/f", vec![7; 700]).pax("SCHILY.xattr.user.x", "v").pax("mtime", "-1.5"),
        hardlink("d/h", "d/f"),
        symlink("l", "d"),
        file("l/through", "t"),
        file("s", &map).pax("GNU.sparse.major", "1").pax("GNU.sparse.minor", "0").pax("GNU.sparse.realsize", "200"),
        file("d/.wh.gone", ""),
        entry(b'6', "fifo"),
        file("x", "y").pax("path", "long/".repeat(30) + "name"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Bytes changed, blocks swapped, ends cut, with header sums made right again: no panic, nothing outside, and
    /// whatever is refused leaves nothing.
    #[test]
    fn mutated_archives_do_no_harm(
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut archive = rich();
        for (place, byte) in bytes {
            let place = place.index(archive.len());
            archive[place] = byte;
        }
        let blocks = archive.len() / 512;
        for (a, b) in swaps {
            let (a, b) = (a.index(blocks) * 512, b.index(blocks) * 512);
            for offset in 0..512 {
                archive.swap(a + offset, b + offset);
            }
        }
        for block in archive.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            let header = sealed((&*block).try_into().unwrap());
            block.copy_from_slice(&header);
        }
        if let Some(cut) = cut {
            archive.truncate(cut.index(archive.len()));
        }
        let folder = Folder::new();
        let result = unpack(&folder.store(), &archive);
        prop_assert!(result.as_ref().err().is_none_or(|error| error.kind != error::Kind::Internal
            || !error.to_string().contains("panicked")), "{result:?}");
        let names: Vec<_> = std::fs::read_dir(folder.0.join("snapshots")).unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        prop_assert_eq!(names, if result.is_ok() { vec![diff_id(&archive).hex()] } else { vec![] });
        prop_assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}
