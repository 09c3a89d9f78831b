//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy can check.
//!
//! A *fault* fails the task; a *look* is only listed, so that somebody looks.

mod floors;
mod rules;

use crate::source::Source;
use crate::workspace;
use error::{Error, Kind, Result, ResultExt};
use std::collections::BTreeSet;
use std::path::Path;

/// What a rule found, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// `crates/x/src/lib.rs:12`
    pub place: String,
    pub what: String,
    pub fault: bool,
}

impl Finding {
    fn fault(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), fault: true }
    }

    fn look(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), fault: false }
    }
}

/// Checks the whole tree.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let mut findings = floors::check(root)?;
    let mut files = Vec::new();
    for folder in ["bench", "crates", "fuzz", "xtask"] {
        sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut texts = Vec::new();
    let mut test_files = BTreeSet::new();
    for path in &files {
        let file = path.strip_prefix(root).expect("found below the root").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).context(|| format!("can't read `{file}`"))?;
        let source = Source::parse(&text);
        test_files.extend(source.test_modules().iter().map(|module| module_file(&file, module)));
        texts.push((file, text, source));
    }
    for (file, text, source) in &texts {
        let is_test = rules::is_test(file) || test_files.contains(file);
        findings.extend(rules::check(file, text, source, is_test));
    }
    for finding in &findings {
        println!("{}: {}{}", finding.place, if finding.fault { "" } else { "look: " }, finding.what);
    }
    let faults = findings.iter().filter(|finding| finding.fault).count();
    println!("tidy: {} files, {faults} faults, {} to look at", files.len(), findings.len() - faults);
    if faults == 0 { Ok(()) } else { Err(Error::new(Kind::Invalid, "the tree is not tidy")) }
}

/// Where the module `name` of a file is.
fn module_file(file: &str, name: &str) -> String {
    let (folder, own) = file.rsplit_once('/').unwrap_or((".", file));
    match own {
        "lib.rs" | "main.rs" | "mod.rs" => format!("{folder}/{name}.rs"),
        _ => format!("{folder}/{}/{name}.rs", own.trim_end_matches(".rs")),
    }
}

/// Rust files below a folder, without build products; a folder that is not there has none.
fn sources(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause).context(|| format!("can't list `{}`", folder.display())),
    };
    for entry in entries {
        let entry = entry.context(|| format!("can't list `{}`", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().context(|| format!("can't look at `{}`", path.display()))?;
        if kind.is_dir() && entry.file_name() != "target" {
            sources(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
