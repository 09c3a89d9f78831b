//! `--volumes-from`: `CONTAINER[:MODE]`.

use api::VolumesFrom;
use error::{Error, Result};

/// One option.
pub(super) fn parse(text: &str) -> Result<VolumesFrom> {
    let (container, mode) = text.split_once(':').unwrap_or((text, ""));
    if container.is_empty() {
        return Err(Error::invalid(format!("malformed volumes-from specification: {text}")));
    }
    let words: Vec<&str> = mode.split(',').filter(|_| !mode.is_empty()).collect();
    let access = words.iter().filter(|word| ["ro", "rw"].contains(word)).count();
    // `z` and `Z` are for SELinux, whose labels nothing sets yet.
    if access > 1 || !words.iter().all(|word| ["ro", "rw", "z", "Z"].contains(word)) || text.ends_with(':') {
        return Err(Error::invalid(format!("invalid mode: {mode}")));
    }
    Ok(VolumesFrom { container: container.to_owned(), read_only: words.contains(&"ro"), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_and_perhaps_a_mode() {
        for (text, container, read_only) in
            [("web", "web", false), ("web:ro", "web", true), ("web:rw", "web", false), ("web:ro,z", "web", true)]
        {
            let expected = VolumesFrom { container: container.into(), read_only, text: text.into() };
            assert_eq!(parse(text).unwrap(), expected);
        }
        for (text, complaint) in [
            ("", "malformed volumes-from specification: "),
            (":ro", "malformed volumes-from specification: :ro"),
            ("web:", "invalid mode: "),
            ("web:wr", "invalid mode: wr"),
            ("web:ro,rw", "invalid mode: ro,rw"),
            ("web:nocopy", "invalid mode: nocopy"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), complaint);
        }
    }
}
