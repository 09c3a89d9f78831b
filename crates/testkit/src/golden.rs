//! Golden files: what a function returned when a person last looked at it.

use std::path::Path;

/// Compares `actual` with the file at `path` (below the crate under test); with `UPDATE_GOLDEN=1` writes it instead.
///
/// # Panics
/// If they differ: says the first line that does.
#[track_caller]
pub fn golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
        }
        return std::fs::write(path, actual).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|cause| panic!("{}: {cause}; UPDATE_GOLDEN=1 writes it", path.display()));
    if expected != actual {
        panic!("{}{}\n(UPDATE_GOLDEN=1 writes it)", path.display(), first_difference(&expected, actual));
    }
}

/// `:3:` and the two lines, as a compiler would say it.
fn first_difference(expected: &str, actual: &str) -> String {
    let (mut old, mut new) = (expected.split_inclusive('\n'), actual.split_inclusive('\n'));
    let mut number = 1;
    loop {
        match (old.next(), new.next()) {
            (Some(a), Some(b)) if a == b => number += 1,
            (a, b) => return format!(":{number}: differs\n  expected: {a:?}\n    actual: {b:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        let text = first_difference("a\nb\nc\n", "a\nB\nc\n");
        assert_eq!(text, ":2: differs\n  expected: Some(\"b\\n\")\n    actual: Some(\"B\\n\")");
        assert!(first_difference("a\n", "a").starts_with(":1:"));
        assert!(first_difference("a\n", "a\nb\n").starts_with(":2:"));
    }

    #[test]
    fn an_equal_file_passes_and_another_panics() {
        let path = std::env::temp_dir().join(format!("testkit-golden-{}", std::process::id()));
        std::fs::write(&path, "same\n").unwrap();
        golden(&path, "same\n");
        let different = std::panic::catch_unwind(|| golden(&path, "other\n"));
        std::fs::remove_file(&path).unwrap();
        assert!(different.unwrap_err().downcast_ref::<String>().unwrap().contains(":1: differs"));
    }
}
