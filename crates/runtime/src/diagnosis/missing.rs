//! What is there instead of what is not.

use super::inside::Inside;
use super::{listed, nearby, shown};
use crate::plan::ProcessPlan;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Where programs are, whatever `PATH` says.
const USUAL: [&str; 8] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/app", "/"];
/// So many folders of `PATH` are read.
const MOST_FOLDERS: usize = 32;
/// Anybody may execute it who may read it.
const EXECUTABLE: u32 = 0o111;

/// A command that is in no folder of `PATH`.
pub(super) fn command(inside: &Inside, plan: &ProcessPlan, candidates: &[PathBuf]) -> Vec<String> {
    let Some(name) = plan.argv.first().map(|name| OsStr::from_bytes(name.c().to_bytes())) else { return Vec::new() };
    let candidates = &candidates[..candidates.len().min(MOST_FOLDERS)];
    let is_there = |path: &Path| inside.find(path).is_ok_and(|found| found.is_file());
    if let Some(path) = candidates.iter().find(|path| is_there(path)) {
        // It was passed over because nobody may execute it.
        let mode = inside.find(path).map_or(0, |found| found.mode);
        return vec![format!("{} is there, but its mode is {mode:04o}: `chmod +x` makes it executable", shown(path))];
    }
    let folders: Vec<&Path> = candidates.iter().filter_map(|path| path.parent()).collect();
    let usual = USUAL.iter().map(Path::new).chain(std::iter::once(cwd(plan)));
    let elsewhere = usual.filter(|folder| !folders.contains(folder)).map(|folder| folder.join(name));
    let is_program = |path: &Path| inside.find(path).is_ok_and(|found| found.is_file() && found.mode & EXECUTABLE != 0);
    if let Some(path) = elsewhere.into_iter().find(|path| is_program(path)) {
        let folder = path.parent().unwrap_or(&path);
        return vec![format!("{} is there: name it so, or put {} into PATH", shown(&path), shown(folder))];
    }
    let mut names: Vec<OsString> = folders.iter().flat_map(|folder| inside.names(folder)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return vec!["no folder of PATH is in the image, or they are empty".to_owned()];
    }
    let near: Vec<String> = nearby::like(name, &names).into_iter().map(shown).collect();
    if near.is_empty() { Vec::new() } else { vec![format!("the image has {}", listed(&near))] }
}

fn cwd(plan: &ProcessPlan) -> &Path {
    super::path_of(plan.cwd.c().to_bytes())
}

/// A file that was named by its path.
pub(super) fn file(inside: &Inside, path: &Path) -> Option<String> {
    let mut way = PathBuf::from("/");
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        let next = way.join(name);
        match inside.find(&next) {
            Ok(found) if found.is_folder() => way = next,
            Ok(_) if next == path => return None,
            Ok(_) => return Some(format!("{} is no folder", shown(&next))),
            Err(_) => return Some(absent(inside, &way, name)),
        }
    }
    None
}

/// The first part of a path that is not there.
fn absent(inside: &Inside, folder: &Path, name: &OsStr) -> String {
    if let Some(target) = inside.link(&folder.join(name)) {
        return format!("{} is a link to {}, which is not there", shown(folder.join(name)), shown(&target));
    }
    let names = inside.names(folder);
    let covers = match inside.find(folder) {
        Ok(found) if found.is_mounted && folder != Path::new("/") => {
            ": something is mounted there, which hides what the image has"
        }
        _ => "",
    };
    if names.is_empty() {
        return format!("{} is empty{covers}", shown(folder));
    }
    let near: Vec<String> = nearby::like(name, &names).into_iter().map(|near| shown(folder.join(near))).collect();
    let text = format!("{} has no {}", shown(folder), shown(name));
    if near.is_empty() { format!("{text}{covers}") } else { format!("{text}; there is {}", listed(&near)) }
}
