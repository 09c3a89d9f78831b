//! Reading a bundle's `config.json`.

use super::folder::MAX_DOCUMENT_BYTES;
use error::{Error, Result, ResultExt};
use oci::runtime::{Hooks, Process, Spec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;
use std::path::Path;

/// The document of a bundle, as text and as what it means.
pub(super) fn read(bundle: &Path) -> Result<(Vec<u8>, Spec)> {
    let path = bundle.join("config.json");
    let words = || format!("can't read `{}`", path.display());
    let file = std::fs::File::open(&path).context(words)?;
    let text = sys::read::all(file, MAX_DOCUMENT_BYTES + 1).context(words)?;
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::invalid(format!("it has more than {} MiB", MAX_DOCUMENT_BYTES >> 20)).context(words()));
    }
    let spec = parse(&text).context(words)?;
    Ok((text, spec))
}

/// A document's process alone: the rest is passed over without being made into anything.
pub(super) fn parse_process(text: &[u8]) -> Result<Option<Process>> {
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        process: Option<Process>,
    }
    let part: Part = decode(text)?;
    Ok(part.process)
}

/// What of a document counts once its container is made: hooks, annotations, and whether there is a process.
pub(super) fn parse_outline(text: &[u8]) -> Result<Spec> {
    #[derive(Deserialize)]
    struct Part {
        process: Option<IgnoredAny>,
        #[serde(default)]
        hooks: Hooks,
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let part: Part = decode(text)?;
    let process = part.process.map(|_| Process::default());
    Ok(Spec { process, hooks: part.hooks, annotations: part.annotations, ..Spec::default() })
}

/// What a document means. Its version must be one whose meaning we know (config.md, "Specification version").
pub(super) fn parse(text: &[u8]) -> Result<Spec> {
    let spec: Spec = decode(text)?;
    let known = spec.oci_version.split('.').next().is_some_and(|major| major == "1")
        && spec.oci_version.split('.').count() >= 3;
    if !known {
        let message =
            format!("config.json: `ociVersion`: `{}` is no version 1.x.y of the specification", spec.oci_version);
        return Err(Error::invalid(message));
    }
    Ok(spec)
}

/// A document that is not as it should be is read again, by a slower way that knows which field is wrong.
fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let cause = match oci::runtime::read(text) {
        Ok(value) => return Ok(value),
        Err(cause) => cause,
    };
    let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(text));
    let field = match again {
        // What is no JSON has no fields.
        Err(found) if cause.is_data() && found.path().iter().next().is_some() => format!("`{}`: ", found.path()),
        _ => String::new(),
    };
    Err(Error::invalid(format!("config.json: {field}{cause}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        for (text, expected) in [
            (
                r#"{"ociVersion": "1.2.1", "process": {"cwd": "/", "user": {"uid": -1}}}"#,
                "`process.user.uid`: invalid value: integer `-1`, expected u32",
            ),
            (
                r#"{"ociVersion": "1.2.1", "process": {"cwd": "/", "args": ["a", 7]}}"#,
                "`process.args[1]`: invalid type: integer `7`, expected a string",
            ),
            (r#"{"ociVersion": "1.2.1", "process": {}}"#, "`process`: missing field `cwd`"),
            (
                r#"{"ociVersion": "1.2.1", "mounts": [{"destination": "/"}, {}]}"#,
                "`mounts[1]`: missing field `destination`",
            ),
            (
                r#"{"ociVersion": "1.2.1", "linux": {"namespaces": [{"type": "x"}]}}"#,
                "`linux.namespaces[0].type`: unknown variant `x`, expected one of `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup`, `time`",
            ),
            (
                r#"{"ociVersion": "1.2.1", "linux": {"resources": {"memory": {"limit": "1G"}}}}"#,
                "`linux.resources.memory.limit`: invalid type: string \"1G\", expected i64",
            ),
            (
                r#"{"ociVersion": "1.2.1", "hooks": {"prestart": {}}}"#,
                "`hooks.prestart`: invalid type: map, expected a sequence",
            ),
            (
                r#"{"ociVersion": "1.2.1", "annotations": {"a": 1}}"#,
                "`annotations.a`: invalid type: integer `1`, expected a string",
            ),
            (r#"{}"#, "missing field `ociVersion`"),
            (r#"{"ociVersion": "1.2.1""#, "EOF while parsing an object"),
            ("", "EOF while parsing a value"),
            (r#"{"ociVersion": "2.0.0"}"#, "`ociVersion`: `2.0.0` is no version 1.x.y of the specification"),
        ] {
            let said = parse(text.as_bytes()).unwrap_err().to_string();
            let (said, _line_and_column) = said.split_once(" at line ").unwrap_or((&said, ""));
            assert_eq!(said, format!("config.json: {expected}"), "{text}");
        }
    }

    #[test]
    fn null_is_what_is_absent() {
        let text = r#"{"ociVersion": "1.2.1", "mounts": null, "hooks": null, "hostname": null,
            "process": {"cwd": "/", "args": ["a"], "env": null, "rlimits": null, "capabilities": {"bounding": null}},
            "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": null}, "resources": {"devices": null}}}"#;
        let spec = parse(text.as_bytes()).unwrap();
        let seccomp = spec.linux.unwrap().seccomp.unwrap();
        assert_eq!(seccomp.text(), r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#);
        assert_eq!(spec.process.unwrap().args, ["a"]);
    }

    #[test]
    fn fields_that_nobody_knows_are_passed_over() {
        let text = r#"{"ociVersion": "1.0.2-dev", "x": {"y": [1]}, "process": {"cwd": "/", "x": 1},
            "root": {"path": "r", "x": 1}, "linux": {"x": null, "namespaces": [{"type": "pid", "x": 1}]}, "windows": {}}"#;
        let spec = parse(text.as_bytes()).unwrap();
        assert_eq!(spec.linux.unwrap().namespaces.len(), 1);
    }
}
