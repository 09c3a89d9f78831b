//! Why a program could not be executed, in words that say what to do about it.
//!
//! An init that fails at its exec waits until its launcher has looked: only in its own mount namespace are the files as
//! the payload would have found them, with every volume and bind. What lies there is hostile: it is opened inside the
//! root alone, never read unless it is a plain file, and only so much of it. What cannot be found out is left out: the
//! error then has the words that its errno gives.

mod access;
mod elf;
mod format;
mod inside;
mod missing;
mod nearby;
mod script;

use crate::failure::{Failure, Stage};
use crate::plan::ProcessPlan;
use error::Error;
use inside::Inside;
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest name that a hint shows: more than any real one that people type.
const MAX_SHOWN_CHARS: usize = 200;

/// The same error; where more can be found out about its cause than the errno says, with that for hints. `process`
/// waits, or is gone.
pub(crate) fn deepen(error: Error, failure: Failure, plan: &ProcessPlan, process: Pid) -> Error {
    if !failure.is_about_files() {
        return error;
    }
    let found = Inside::of(process).map(|inside| hints(&inside, failure, plan)).unwrap_or_default();
    if found.is_empty() { error } else { Error { hints: found, ..error } }
}

fn hints(inside: &Inside, failure: Failure, plan: &ProcessPlan) -> Vec<String> {
    if failure.stage == Stage::Cwd {
        return access::folder(inside, plan, path_of(plan.cwd.c().to_bytes())).into_iter().collect();
    }
    let candidates: Vec<PathBuf> = plan.candidates.iter().map(|path| absolute(plan, path.c().to_bytes())).collect();
    let is_there = |path: &&PathBuf| inside.find(path).is_ok_and(|found| found.is_file());
    let file = candidates.iter().find(is_there);
    match (failure.errno, failure.index, file) {
        (Errno::NOENT | Errno::NOTDIR, 1, _) if plan.searched => missing::command(inside, plan, &candidates),
        (Errno::NOENT | Errno::NOTDIR, 1, _) => {
            candidates.first().and_then(|path| missing::file(inside, path)).into_iter().collect()
        }
        (Errno::NOENT | Errno::NOEXEC | Errno::LIBBAD, _, Some(file)) => {
            format::not_executed(inside, file).into_iter().collect()
        }
        (Errno::ACCESS | Errno::PERM, _, _) => {
            candidates.first().and_then(|path| access::file(inside, plan, path)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// A path of the container as the init took it: from its working directory.
fn absolute(plan: &ProcessPlan, path: &[u8]) -> PathBuf {
    path_of(plan.cwd.c().to_bytes()).join(path_of(path))
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A name for people, in backticks.
fn shown(name: impl AsRef<OsStr>) -> String {
    let text = name.as_ref().to_string_lossy();
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// `a`, `b` and `c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [many @ .., last] => format!("{} and {last}", many.join(", ")),
    }
}
