//! The papers say which test watches which field of the specification; here they are held to it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../../docs/fields.md");

/// Rows of the table: what stands in its two columns.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
}

#[test]
fn every_test_that_the_table_names_exists() {
    for (field, tests) in rows() {
        assert!(!tests.is_empty(), "{field}");
        for test in tests.split(", ") {
            let (file, name) = test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("{field}: {test}"));
            let read = |path: &str| std::fs::read_to_string(format!("{}/{path}.rs", env!("CARGO_MANIFEST_DIR")));
            let text = read(&format!("tests/{file}")).or_else(|_| read(&format!("src/{file}/tests"))).unwrap();
            assert!(text.contains(&format!("fn {name}(")), "{field}: there is no {test}");
        }
    }
}

/// What the plan is made from has fields in `oci::runtime`; each stands in the table.
#[test]
fn every_field_stands_in_the_table() {
    let known: BTreeSet<_> = rows().map(|(field, _)| field).collect();
    assert_eq!(known.len(), rows().count(), "a field stands there twice");
    for (section, source) in
        [("", include_str!("../../oci/src/runtime/mod.rs")), ("linux.", include_str!("../../oci/src/runtime/linux.rs"))]
    {
        for (structure, prefix) in [
            ("Spec", ""),
            ("Process", "process."),
            ("User", "process.user."),
            ("Hooks", "hooks."),
            ("Root", "root."),
            ("Linux", "linux."),
        ] {
            let Some((_, rest)) = source.split_once(&format!("pub struct {structure} {{\n")) else { continue };
            let body = rest.split_once("\n}\n").unwrap().0;
            for field in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')) {
                let name = format!("{prefix}{}", camel(field.0));
                let is_known = known.contains(&*name)
                    || known
                        .iter()
                        .any(|one| one.starts_with(&format!("{name}.")) || one.starts_with(&format!("{name}[]")));
                assert!(
                    is_known || field.0 == "extra",
                    "{section}{structure}: `{name}` stands nowhere in docs/fields.md"
                );
            }
        }
    }
}

fn camel(name: &str) -> String {
    if name == "exec_cpu_affinity" {
        return "execCPUAffinity".into();
    }
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap().to_owned();
    for part in parts {
        camel.push_str(&part[..1].to_uppercase());
        camel.push_str(&part[1..]);
    }
    camel
}
