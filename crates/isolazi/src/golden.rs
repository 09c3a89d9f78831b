//! Recorded answers for tests, in `tests/golden`.

use std::path::Path;

/// Is `actual` what was recorded? With `UPDATE_GOLDEN=1` in the environment it is recorded instead.
pub(crate) fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual, recorded, "differs from {}; UPDATE_GOLDEN=1 records it anew", path.display());
}
