//! Names in archives: where a path leads inside the layer, and whether it may.
//!
//! As in Docker and containerd, `/a`, `./a` and `a/` all mean `a` of the layer's root, and `a/../b` means `b`. A path
//! that leaves the root that way is an error. Names may hold any byte but zero and `/`, line breaks too.

use crate::limits::PATH_BYTES;
use error::{Error, Result};

/// Prefix of a whiteout: `.wh.x` says that `x` of the lower layers is gone (OCI image-spec, layer.md).
pub(crate) const WHITEOUT: &[u8] = b".wh.";

/// Prefix of AUFS's own files in old layers, which mean nothing elsewhere.
const AUFS: &[u8] = b".wh..wh.";

/// Says that nothing of this folder in lower layers is to be seen.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";

/// Folders in folders: no image comes near, and each costs a descriptor to whoever walks the tree.
const DEPTH: usize = 512;

/// What an entry's path asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A file at this path; the empty path is the root.
    Node(Vec<u8>),
    /// The file at this path is gone.
    Whiteout(Vec<u8>),
    /// The folder at this path hides what lower layers have in it.
    Opaque(Vec<u8>),
    /// Nothing.
    Nothing,
}

/// Reads an entry's path.
pub(crate) fn read(raw: &[u8]) -> Result<Asked> {
    let path = clean(raw)?;
    let (folder, name) = split(&path);
    if path.split(|&byte| byte == b'/').any(|name| name.starts_with(AUFS) && name != OPAQUE) {
        return Ok(Asked::Nothing);
    }
    if folder.split(|&byte| byte == b'/').any(|name| name.starts_with(WHITEOUT)) {
        return Err(invalid(raw, "a whiteout is no folder"));
    }
    if name == OPAQUE {
        return Ok(Asked::Opaque(folder.to_vec()));
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Asked::Node(path)),
        Some(b"" | b"." | b"..") => Err(invalid(raw, "a whiteout of nothing")),
        Some(gone) => Ok(Asked::Whiteout(join(folder, gone))),
    }
}

/// A path relative to the root without empty, `.` and `..` components.
pub(crate) fn clean(raw: &[u8]) -> Result<Vec<u8>> {
    if raw.len() > PATH_BYTES {
        return Err(invalid(raw, &format!("longer than {PATH_BYTES} bytes")));
    }
    if raw.contains(&0) {
        return Err(invalid(raw, "it holds a zero byte"));
    }
    let mut names: Vec<&[u8]> = Vec::new();
    for name in raw.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop().ok_or_else(|| invalid(raw, "it leads out of the archive"))?;
            }
            name => names.push(name),
        }
    }
    if names.len() > DEPTH {
        return Err(invalid(raw, &format!("deeper than {DEPTH} folders")));
    }
    Ok(names.join(&b'/'))
}

/// The folder and the last name of a clean path.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// The inverse of [`split`].
pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// Names of hostile length are shown by their start.
pub(crate) fn shown(path: &[u8]) -> String {
    const SHOWN_BYTES: usize = 200;
    let text = String::from_utf8_lossy(&path[..path.len().min(SHOWN_BYTES)]).into_owned();
    if path.len() > SHOWN_BYTES { text + "…" } else { text }
}

fn invalid(raw: &[u8], why: &str) -> Error {
    Error::invalid(format!("invalid name `{}` in the archive: {why}", shown(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_layers_root() {
        for (raw, clean_path) in
            [("a/b", "a/b"), ("/a//b/", "a/b"), ("./a/./b", "a/b"), ("a/../b", "b"), ("./", ""), ("a\nb", "a\nb")]
        {
            assert_eq!(clean(raw.as_bytes()).unwrap(), clean_path.as_bytes(), "{raw}");
        }
        for raw in ["..", "../a", "a/../../b", "/..", "a\0b"] {
            let text = clean(raw.as_bytes()).unwrap_err().to_string();
            assert!(text.starts_with("invalid name `"), "{text}");
        }
    }

    #[test]
    fn whiteouts_are_told_from_files() {
        let table: [(&str, Asked); 8] = [
            (".wh.x", Asked::Whiteout(b"x".to_vec())),
            ("a/.wh.x", Asked::Whiteout(b"a/x".to_vec())),
            ("a/.wh..wh..opq", Asked::Opaque(b"a".to_vec())),
            (".wh..wh..opq", Asked::Opaque(b"".to_vec())),
            (".wh..wh.plnk/12.34", Asked::Nothing),
            (".wh..wh.aufs", Asked::Nothing),
            ("a.wh.x", Asked::Node(b"a.wh.x".to_vec())),
            ("a/.whx", Asked::Node(b"a/.whx".to_vec())),
        ];
        for (raw, asked) in table {
            assert_eq!(read(raw.as_bytes()).unwrap(), asked, "{raw}");
        }
        for raw in [".wh.", ".wh..", ".wh...", ".wh.x/y"] {
            assert!(read(raw.as_bytes()).is_err(), "{raw}");
        }
    }
}
