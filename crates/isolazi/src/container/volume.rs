//! `-v`: `[SRC:]DST[:OPTION,…]`.

use api::{Volume, VolumeSource};
use error::{Error, Result};
use std::io;
use std::path::{Path, PathBuf};

/// Facts for sources that are not absolute.
pub(super) struct Places<'a> {
    /// The caller's working directory, for `./x`.
    pub directory: &'a dyn Fn() -> io::Result<PathBuf>,
    /// The caller's home, for a `~/x` that no shell replaced.
    pub home: Option<&'a Path>,
}

/// One `-v` option.
pub(super) fn parse(text: &str, places: &Places<'_>) -> Result<Volume> {
    let bad = || Error::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(bad().hint("a volume is `[SOURCE:]TARGET[:OPTIONS]`; no part may be empty"));
    }
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        // `/data:ro` is an anonymous volume's target with options to nobody, as in Docker.
        [_, options] if are_options(options) => {
            return Err(
                bad().hint(format!("`{options}` stands where the target should; say `SOURCE:TARGET:{options}`"))
            );
        }
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(bad()),
    };
    if !target.starts_with('/') {
        return Err(Error::invalid(format!(
            "invalid volume specification: '{text}': invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    if Path::new(target).components().count() == 1 {
        return Err(Error::invalid(format!(
            "invalid volume specification: '{text}': invalid specification: destination can't be '/'"
        )));
    }
    let source = match source {
        None => VolumeSource::Anonymous,
        Some(source) => parse_source(source, places)?,
    };
    let mut volume = Volume { source, target: target.to_owned(), ..Volume::default() };
    parse_options(&mut volume, options)?;
    Ok(volume)
}

/// A path is a bind, a word is a named volume.
fn parse_source(source: &str, places: &Places<'_>) -> Result<VolumeSource> {
    if let Some(path) = parse_source_path(source, places)? {
        return Ok(VolumeSource::Bind(path));
    }
    let mut bytes = source.bytes();
    let is_name = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && source.len() > 1
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if !is_name {
        return Err(Error::invalid(format!(
            "\"{source}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed"
        ))
        .hint("to mount a directory of this machine, give its absolute path, or begin it with `./`"));
    }
    Ok(VolumeSource::Named(source.to_owned()))
}

/// The absolute path that a source means, if it is one of a path.
pub(super) fn parse_source_path(source: &str, places: &Places<'_>) -> Result<Option<PathBuf>> {
    if source.starts_with('/') {
        return Ok(Some(source.into()));
    }
    if source == "~" || source.starts_with("~/") {
        let home = places.home.ok_or_else(|| Error::invalid(format!("can't resolve `{source}`: no home is known")))?;
        return Ok(Some(home.join(source.trim_start_matches('~').trim_start_matches('/'))));
    }
    if source.starts_with('.') {
        let directory =
            (places.directory)().map_err(|cause| Error::from(cause).context(format!("can't resolve `{source}`")))?;
        return Ok(Some(normalized(&directory.join(source))));
    }
    Ok(None)
}

/// There are no plugins.
pub(crate) fn no_driver(driver: &str) -> Error {
    Error::not_found(format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found"))
        .hint("volumes are folders on this machine (`local`)")
}

/// Without `.` and with `..` taken by name, as a shell's `cd` does.
fn normalized(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

fn are_options(text: &str) -> bool {
    text.split(',').all(|option| {
        matches!(option, "ro" | "rw" | "z" | "Z" | "nocopy") || is_propagation(option) || is_consistency(option)
    })
}

fn is_propagation(option: &str) -> bool {
    matches!(option, "shared" | "slave" | "private" | "rshared" | "rslave" | "rprivate")
}

/// Words that mean something on Docker Desktop only; there is nothing to relax here.
fn is_consistency(option: &str) -> bool {
    matches!(option, "cached" | "delegated" | "consistent")
}

fn parse_options(volume: &mut Volume, options: &str) -> Result<()> {
    let bad = |why: &str| Error::invalid(format!("invalid mode: {options}{why}"));
    let (mut access, mut propagation) = (None, None);
    for option in options.split(',').filter(|_| !options.is_empty()) {
        match option {
            "ro" | "rw" if access.is_some() => return Err(bad(" (`ro` or `rw` once)")),
            "ro" | "rw" => access = Some(option),
            // SELinux labels: nothing to do on machines without it, and the runtime labels nothing yet.
            "z" | "Z" => {}
            "nocopy" if matches!(volume.source, VolumeSource::Bind(_)) => {
                return Err(bad(" (`nocopy` is for named volumes)"));
            }
            "nocopy" => volume.no_copy = true,
            option if is_consistency(option) => {}
            option if is_propagation(option) => {
                if !matches!(volume.source, VolumeSource::Bind(_)) {
                    return Err(bad(&format!(" (`{option}` is for bind mounts)")));
                }
                if propagation.replace(option).is_some() {
                    return Err(bad(" (one propagation at most)"));
                }
            }
            _ => return Err(bad("")),
        }
    }
    volume.read_only = access == Some("ro");
    volume.propagation = propagation.unwrap_or_default().to_owned();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_parse(text: &str) -> Result<Volume> {
        let directory = || Ok(PathBuf::from("/work/dir"));
        parse(text, &Places { directory: &directory, home: Some(Path::new("/home/me")) })
    }

    #[test]
    fn the_grammar_is_dockers() {
        let bind = |path: &str| VolumeSource::Bind(path.into());
        let named = |name: &str| VolumeSource::Named(name.into());
        for (text, source, target, read_only, propagation, no_copy) in [
            ("/data", VolumeSource::Anonymous, "/data", false, "", false),
            ("/a:/b", bind("/a"), "/b", false, "", false),
            ("/a:/b:ro", bind("/a"), "/b", true, "", false),
            ("/a:/b:rw,z", bind("/a"), "/b", false, "", false),
            ("/a:/b:ro,rshared,cached", bind("/a"), "/b", true, "rshared", false),
            ("./x/../y:/b", bind("/work/dir/y"), "/b", false, "", false),
            (".:/b", bind("/work/dir"), "/b", false, "", false),
            ("~/x:/b", bind("/home/me/x"), "/b", false, "", false),
            ("vol:/b:nocopy", named("vol"), "/b", false, "", true),
            ("a.b-c_d:/b", named("a.b-c_d"), "/b", false, "", false),
        ] {
            let (target, propagation) = (target.into(), propagation.into());
            let expected = Volume { source, target, read_only, propagation, no_copy, ..Volume::default() };
            assert_eq!(try_parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn bad_volumes_are_refused_in_dockers_words() {
        for (text, complaint) in [
            ("", "invalid volume specification: ''"),
            ("/a:", "invalid volume specification: '/a:'"),
            (":/b", "invalid volume specification: ':/b'"),
            ("/a:/b:", "invalid volume specification: '/a:/b:'"),
            ("/a:ro", "invalid volume specification: '/a:ro'"),
            ("/a:/b:ro:rw", "invalid volume specification: '/a:/b:ro:rw'"),
            ("/a:b", "invalid volume specification: '/a:b': invalid mount path: 'b' mount path must be absolute"),
            ("data", "invalid volume specification: 'data': invalid mount path: 'data' mount path must be absolute"),
            ("/a:/", "invalid volume specification: '/a:/': invalid specification: destination can't be '/'"),
            ("/a:/./", "invalid volume specification: '/a:/./': invalid specification: destination can't be '/'"),
            ("/a:/b:foo", "invalid mode: foo"),
            ("/a:/b:ro,rw", "invalid mode: ro,rw (`ro` or `rw` once)"),
            ("/a:/b:nocopy", "invalid mode: nocopy (`nocopy` is for named volumes)"),
            ("vol:/b:rshared", "invalid mode: rshared (`rshared` is for bind mounts)"),
            ("/a:/b:shared,slave", "invalid mode: shared,slave (one propagation at most)"),
            (
                "a/b:/c",
                "\"a/b\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
            ),
        ] {
            assert_eq!(try_parse(text).unwrap_err().to_string(), complaint, "{text}");
        }
    }
}
