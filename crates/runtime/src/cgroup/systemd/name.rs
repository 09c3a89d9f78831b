//! `cgroupsPath` in systemd's way: `slice:prefix:name` becomes a scope's name and its place in the tree.

use error::{Error, Result};
use std::path::PathBuf;

/// systemd's own limit for a unit's name, in bytes (systemd.unit(5)).
const MOST_BYTES: usize = 255;
/// The prefix of a scope without a name of its own.
const PREFIX: &str = "isolazi";

/// A scope, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// `prefix-name.scope`
    pub(super) unit: String,
    /// `a-b.slice`
    pub(super) slice: String,
    /// Below the manager's cgroup: `a.slice/a-b.slice/prefix-name.scope`
    pub(super) dir: PathBuf,
}

/// Reads `linux.cgroupsPath`. Without one, the scope has the container's name; without a slice it is in the manager's
/// default one.
pub(super) fn parse(cgroups_path: &str, id: &str, default_slice: &str) -> Result<Name> {
    let parts: Vec<&str> = match cgroups_path {
        "" => vec!["", PREFIX, id],
        path => path.split(':').collect(),
    };
    let &[slice, prefix, name] = parts.as_slice() else {
        return Err(invalid(cgroups_path, "for systemd it is `slice:prefix:name`"));
    };
    let slice = if slice.is_empty() { default_slice } else { slice };
    let slices =
        slices(slice).ok_or_else(|| invalid(cgroups_path, &format!("`{slice}` is not the name of a slice")))?;
    let unit = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
    // systemd.unit(5): letters, digits and these; all else would have to be escaped.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\');
    if name.is_empty() || unit.len() > MOST_BYTES || !unit.chars().all(plain) {
        return Err(invalid(cgroups_path, &format!("`{unit}` can't be the name of a unit")));
    }
    let dir = slices.iter().chain([&unit]).collect();
    Ok(Name { unit, slice: slice.to_owned(), dir })
}

/// Where a slice lies: each dash is a step down (systemd.slice(5)). `-.slice` is the root.
fn slices(slice: &str) -> Option<Vec<String>> {
    let stem = slice.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(Vec::new());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '\\' | '@');
    let mut line = String::new();
    let mut slices = Vec::new();
    for step in stem.split('-') {
        if step.is_empty() || !step.chars().all(plain) {
            return None;
        }
        if !line.is_empty() {
            line.push('-');
        }
        line.push_str(step);
        slices.push(format!("{line}.slice"));
    }
    (slice.len() <= MOST_BYTES).then_some(slices)
}

fn invalid(path: &str, why: &str) -> Error {
    Error::invalid(format!("config.json: `linux.cgroupsPath`: `{path}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_scope_and_its_place() {
        for (path, dir) in [
            ("system.slice:docker:c1", "system.slice/docker-c1.scope"),
            ("a-b-c.slice:x:y-z", "a.slice/a-b.slice/a-b-c.slice/x-y-z.scope"),
            ("-.slice:x:y", "x-y.scope"),
            (":x:y", "user.slice/x-y.scope"),
            ("::y", "user.slice/y.scope"),
            ("", "user.slice/isolazi-id.scope"),
        ] {
            let name = parse(path, "id", "user.slice").unwrap();
            assert_eq!(name.dir.to_str().unwrap(), dir, "{path}");
            assert!(dir.ends_with(&name.unit), "{path}");
        }
    }

    #[test]
    fn what_is_no_unit_or_slice_is_refused() {
        for (path, why) in [
            ("/a/b", "`/a/b`: for systemd it is `slice:prefix:name`"),
            ("a.slice:b", "`a.slice:b`: for systemd it is `slice:prefix:name`"),
            ("a:b:c", "`a:b:c`: `a` is not the name of a slice"),
            ("a--b.slice:b:c", "`a--b.slice:b:c`: `a--b.slice` is not the name of a slice"),
            ("../a.slice:b:c", "`../a.slice:b:c`: `../a.slice` is not the name of a slice"),
            ("a.slice:b:", "`a.slice:b:`: `b-.scope` can't be the name of a unit"),
            ("a.slice:b:../c", "`a.slice:b:../c`: `b-../c.scope` can't be the name of a unit"),
        ] {
            let error = parse(path, "id", "system.slice").unwrap_err().to_string();
            assert_eq!(error, format!("config.json: `linux.cgroupsPath`: {why}"));
        }
        assert!(parse(&format!("::{}", "x".repeat(250)), "id", "a.slice").is_err());
    }
}
