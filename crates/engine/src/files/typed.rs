//! A path as it was typed, cleaned as Go does it: what its end says is kept, for it says what is meant.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How a path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a name.
    Name,
    /// With `/`: it is a folder.
    Slash,
    /// With `/.`: what is in the folder is meant.
    Dot,
}

/// An absolute path without `.`, `..` and empty names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    pub path: PathBuf,
    pub ending: Ending,
}

impl Typed {
    /// `typed` in a folder with an absolute path.
    pub(super) fn new(directory: &Path, typed: &[u8]) -> Self {
        let ending = match typed {
            _ if typed == b"." || typed.ends_with(b"/.") => Ending::Dot,
            _ if typed.ends_with(b"/") => Ending::Slash,
            _ => Ending::Name,
        };
        let mut path = PathBuf::from("/");
        for component in directory.join(std::ffi::OsStr::from_bytes(typed)).components() {
            match component {
                std::path::Component::Normal(name) => path.push(name),
                std::path::Component::ParentDir => {
                    path.pop();
                }
                _ => {}
            }
        }
        Self { path, ending }
    }

    /// Its last name, or `.`.
    pub(super) fn base(&self) -> &[u8] {
        match (self.ending, self.path.file_name()) {
            (Ending::Dot, _) | (_, None) => b".",
            (_, Some(name)) => name.as_bytes(),
        }
    }

    /// The folder that has that name.
    pub(super) fn folder(&self) -> &Path {
        match self.ending {
            Ending::Dot => &self.path,
            _ => self.path.parent().unwrap_or(&self.path),
        }
    }

    /// Does its end say that it is a folder?
    pub(super) fn asserts_folder(&self) -> bool {
        self.ending != Ending::Name
    }

    /// What a link at this path means.
    pub(super) fn link(&self, target: &[u8]) -> Self {
        let directory = self.path.parent().unwrap_or(&self.path);
        Self { ending: self.ending, ..Self::new(directory, target) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_their_ends_kept() {
        for (typed, path, ending, base, folder) in [
            ("a", "/d/a", Ending::Name, "a", "/d"),
            ("/a/b/", "/a/b", Ending::Slash, "b", "/a"),
            ("/a/b/.", "/a/b", Ending::Dot, ".", "/a/b"),
            (".", "/d", Ending::Dot, ".", "/d"),
            ("../../x", "/x", Ending::Name, "x", "/"),
            ("/a//./b/../c", "/a/c", Ending::Name, "c", "/a"),
            ("/", "/", Ending::Slash, ".", "/"),
            ("", "/d", Ending::Name, "d", "/"),
        ] {
            let found = Typed::new(Path::new("/d"), typed.as_bytes());
            assert_eq!((found.path.as_path(), found.ending), (Path::new(path), ending), "{typed}");
            assert_eq!((found.base(), found.folder()), (base.as_bytes(), Path::new(folder)), "{typed}");
        }
    }
}
