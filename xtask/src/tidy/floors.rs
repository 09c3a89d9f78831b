//! Floors: `ARCHITECTURE.md` says which crate may import which, `crates/*/Cargo.toml` says which does.
//!
//! Both are read here and must agree, so the paper cannot drift from the house. The table's rows look like
//! ``| `image` | `oci` `sys` `error` | how layers are unpacked |``.

use super::Finding;
use error::{Result, ResultExt};
use std::collections::BTreeMap;
use std::path::Path;

const PAPER: &str = "ARCHITECTURE.md";

/// Crate name to the crates of ours that it may import.
type Floors = BTreeMap<String, Vec<String>>;

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let paper = std::fs::read_to_string(root.join(PAPER)).context(|| format!("can't read `{PAPER}`"))?;
    let allowed = table(&paper);
    let mut found = Floors::new();
    for entry in std::fs::read_dir(root.join("crates")).context(|| "can't list `crates`")? {
        let folder = entry.context(|| "can't list `crates`")?.path();
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).context(|| format!("can't read `{}`", manifest.display()))?;
        let name = folder.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        found.insert(name, dependencies(&text));
    }
    Ok(compare(&allowed, &found))
}

fn compare(allowed: &Floors, found: &Floors) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, imports) in found {
        let place = format!("crates/{name}/Cargo.toml");
        let Some(may) = allowed.get(name) else {
            findings.push(Finding::fault(place, format!("crate `{name}` is missing in the floor table of {PAPER}")));
            continue;
        };
        for import in imports.iter().filter(|import| found.contains_key(*import) && !may.contains(import)) {
            let what = format!("`{name}` may not import `{import}`, says the floor table of {PAPER}");
            findings.push(Finding::fault(&place, what));
        }
    }
    for name in allowed.keys().filter(|name| !found.contains_key(*name)) {
        findings.push(Finding::fault(PAPER, format!("the floor table names `{name}`, which is no crate")));
    }
    findings
}

/// Rows of the table that begins with `| crate | may import |`.
fn table(paper: &str) -> Floors {
    let rows = paper.lines().skip_while(|line| !line.starts_with("| crate | may import |")).skip(2);
    rows.take_while(|line| line.starts_with('|')).filter_map(row).collect()
}

fn row(line: &str) -> Option<(String, Vec<String>)> {
    let mut cells = line.trim_matches('|').split('|');
    let name = code_words(cells.next()?).into_iter().next()?;
    Some((name, code_words(cells.next()?)))
}

/// The words in backticks.
fn code_words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Names under `[dependencies]` and `[target.….dependencies]`; tests may import what they like.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut ours = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            ours = section == "dependencies" || (section.starts_with("target.") && section.ends_with(".dependencies"));
        } else if ours {
            let name: String = line.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
            names.extend((!name.is_empty()).then_some(name));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
text
| crate | may import | must never know |
|---|---|---|
| `error` | | anything |
| `sys` | `error` | containers |
| `gone` | `error` | x |

| `later` | `sys` |
";

    fn floors(rows: &[(&str, &[&str])]) -> Floors {
        rows.iter()
            .map(|(name, imports)| ((*name).to_owned(), imports.iter().map(|i| (*i).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn the_table_is_read_from_the_paper() {
        assert_eq!(table(TABLE), floors(&[("error", &[]), ("gone", &["error"]), ("sys", &["error"])]));
    }

    #[test]
    fn manifests_name_what_a_crate_ships_with() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nerror.workspace = true\noci = { path = \"..\" }\n\
                        [dev-dependencies]\ntestkit.workspace = true\n\
                        [target.'cfg(unix)'.dependencies]\nsys.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(dependencies(manifest), ["error", "oci", "sys"]);
    }

    #[test]
    fn an_import_upwards_a_missing_row_and_a_stale_row_are_faults() {
        let found = floors(&[("error", &["sys", "serde"]), ("sys", &["error", "libc"]), ("new", &[])]);
        let what: Vec<String> = compare(&table(TABLE), &found).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            what,
            [
                "`error` may not import `sys`, says the floor table of ARCHITECTURE.md",
                "crate `new` is missing in the floor table of ARCHITECTURE.md",
                "the floor table names `gone`, which is no crate",
            ]
        );
    }
}
