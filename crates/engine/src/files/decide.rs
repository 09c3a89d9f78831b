//! Where a copy goes and what it is called there: Docker's rules.

use super::typed::Typed;
use error::{Error, Kind, Result};
use std::path::PathBuf;

/// What stands where something is to be copied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    Folder,
    Other,
}

/// The folder that the copy is put into, and its name there; the name `.` stands for what is in the source.
pub(super) fn decide(base: &[u8], is_folder: bool, target: &Typed, there: There) -> Result<(PathBuf, Vec<u8>)> {
    let wrong = |text: &str| Err(Error::new(Kind::Invalid, text));
    match there {
        There::Folder => Ok((target.path.clone(), base.to_vec())),
        There::Other if is_folder => wrong("cannot copy directory"),
        There::Nothing if !is_folder && target.asserts_folder() => wrong("no such directory"),
        There::Other | There::Nothing => Ok((target.folder().to_owned(), target.base().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_kind_of_source_goes_where_docker_puts_it() {
        type Case = (&'static str, bool, &'static str, There, Result<(&'static str, &'static str), &'static str>);
        let cases: [Case; 11] = [
            ("f", false, "/t", There::Nothing, Ok(("/", "t"))),
            ("f", false, "/t", There::Other, Ok(("/", "t"))),
            ("f", false, "/t", There::Folder, Ok(("/t", "f"))),
            ("f", false, "/t/", There::Nothing, Err("no such directory")),
            ("f", false, "/t/.", There::Nothing, Err("no such directory")),
            ("d", true, "/t", There::Nothing, Ok(("/", "t"))),
            ("d", true, "/t/", There::Nothing, Ok(("/", "t"))),
            ("d", true, "/t", There::Folder, Ok(("/t", "d"))),
            ("d", true, "/t", There::Other, Err("cannot copy directory")),
            (".", true, "/t", There::Nothing, Ok(("/", "t"))),
            (".", true, "/t", There::Folder, Ok(("/t", "."))),
        ];
        for (base, is_folder, target, there, expected) in cases {
            let target = Typed::new(Path::new("/"), target.as_bytes());
            let decided = decide(base.as_bytes(), is_folder, &target, there).map_err(|error| error.to_string());
            let expected = expected.map(|(folder, name)| (folder.into(), name.as_bytes().to_vec()));
            assert_eq!(decided, expected.map_err(str::to_owned), "{base} to {target:?} ({there:?})");
        }
    }
}
