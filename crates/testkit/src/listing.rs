//! A file tree as text, line for line what `tests/material/list.py` prints: the golden form of an unpacked image.

use std::ffi::{CStr, CString, OsStr};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More than any xattr list or value that an image holds: 64 KiB is the kernel's limit (xattr(7)).
const XATTR_BYTES: usize = 64 << 10;

/// One line per path: `type mode uid gid nlink size mtime path[ -> target][ xattr=hex ...]`, sorted by bytes.
pub fn listing(root: &Path) -> String {
    let mut paths = vec![root.to_owned()];
    collect(root, &mut paths);
    // By bytes, not by component as `Path` compares: so does list.py.
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let mut text = String::new();
    for path in paths {
        line(root, &path, &mut text);
    }
    text
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display())) {
        let entry = entry.expect("a folder that opened can be read");
        paths.push(entry.path());
        if entry.file_type().expect("Linux tells the type").is_dir() {
            collect(&entry.path(), paths);
        }
    }
}

fn line(root: &Path, path: &Path, text: &mut String) {
    let facts = std::fs::symlink_metadata(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let kind = match facts.mode() & 0o170_000 {
        0o100_000 => 'f',
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o010_000 => 'p',
        0o020_000 => 'c',
        0o060_000 => 'b',
        other => panic!("{}: type {other:o}", path.display()),
    };
    let (mode, uid, gid) = (facts.mode() & 0o7777, facts.uid(), facts.gid());
    let name = match path.strip_prefix(root).expect("collected below the root") {
        name if name.as_os_str().is_empty() => ".".to_owned(),
        name => quoted(name.as_os_str()),
    };
    let sized = match kind {
        'd' => "- - -".to_owned(),
        _ => format!("{} {} {}", facts.nlink(), facts.len(), facts.mtime()),
    };
    write!(text, "{kind} {mode:o} {uid} {gid} {sized} {name}").expect("a string takes any text");
    if kind == 'l' {
        let target = std::fs::read_link(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        write!(text, " -> {}", quoted(target.as_os_str())).expect("a string takes any text");
    }
    for (name, value) in xattrs(path) {
        write!(text, " {}=", name.to_string_lossy()).expect("a string takes any text");
        for byte in value {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
    }
    text.push('\n');
}

fn quoted(name: &OsStr) -> String {
    name.as_bytes().iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\x5c"),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").expect("a string takes any text"),
        }
        text
    })
}

fn xattrs(path: &Path) -> Vec<(CString, Vec<u8>)> {
    let mut buffer = vec![0; XATTR_BYTES];
    let used = rustix::fs::llistxattr(path, &mut buffer).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let mut names: Vec<CString> = buffer[..used]
        .split_inclusive(|byte| *byte == 0)
        .map(|name| CStr::from_bytes_with_nul(name).expect("each name ends with a zero").to_owned())
        // Overlayfs marks are how a store works, not what an image holds.
        .filter(|name| !name.to_bytes().starts_with(b"trusted.overlay."))
        .collect();
    names.sort();
    let value = |name: CString| {
        let mut buffer = vec![0; XATTR_BYTES];
        let used = rustix::fs::lgetxattr(path, &name, &mut buffer)
            .unwrap_or_else(|cause| panic!("{}: {}: {cause}", path.display(), name.to_string_lossy()));
        buffer.truncate(used);
        (name, buffer)
    };
    names.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn lists_a_tree_as_the_python_script_does() {
        let root = std::env::temp_dir().join(format!("testkit-listing-{}", std::process::id()));
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("a/file"), "x").unwrap();
        std::fs::write(root.join("a-b"), "sorts before a/file").unwrap();
        std::fs::hard_link(root.join("a/file"), root.join("a/twin")).unwrap();
        std::os::unix::fs::symlink("../sp ace", root.join("a/link")).unwrap();
        std::fs::write(root.join(OsString::from_vec(b"odd\n\\\xff".to_vec())), "").unwrap();
        let none = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(root.join("a/file"), "user.note", b"\x00\xff", none).unwrap();

        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/material/list.py");
        let python = std::process::Command::new("python3").arg(script).arg(&root).output().unwrap();
        let ours = listing(&root);
        std::fs::remove_dir_all(&root).unwrap();
        assert!(python.status.success());
        assert_eq!(ours, String::from_utf8(python.stdout).unwrap());
        assert!(ours.contains(" a/file user.note=00ff\n"), "{ours}");
    }
}
