//! The flags of what a payload may do: `--cap-add`, `--security-opt`, `--device` …

use super::Caller;
use crate::args::{all, is_on, list, switch};
use api::{Device, Rights, Seccomp};
use clap::{Arg, ArgMatches};
use error::{Error, Kind, Result};
use oci::capabilities::Wanted;
use std::path::Path;

pub(super) fn flags() -> Vec<Arg> {
    vec![
        list("cap-add", "list", "Add Linux capabilities"),
        list("cap-drop", "list", "Drop Linux capabilities"),
        list("device", "list", "Add a host device to the container (SRC[:DST[:rwm]])"),
        list("group-add", "list", "Add additional groups to join"),
        switch("privileged", "Give extended privileges: all capabilities, all devices, nothing hidden"),
        list("security-opt", "list", "Security options (no-new-privileges, seccomp=FILE, systempaths=unconfined …)"),
    ]
}

pub(super) fn parse(matches: &ArgMatches, caller: &Caller<'_>) -> Result<Rights> {
    let mut rights = Rights {
        privileged: is_on(matches, "privileged"),
        cap_add: capabilities(all(matches, "cap-add"), "CapAdd")?,
        cap_drop: capabilities(all(matches, "cap-drop"), "CapDrop")?,
        group_add: all(matches, "group-add").map(str::to_owned).collect(),
        devices: all(matches, "device").map(device).collect::<Result<_>>()?,
        ..Rights::default()
    };
    for option in all(matches, "security-opt") {
        security(&mut rights, option, caller)?;
    }
    Ok(rights)
}

/// In one spelling, so that the record says what was meant.
fn capabilities<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<Vec<String>> {
    let read = |name: &str| match Wanted::parse(name) {
        Ok(Wanted::All) => Ok("ALL".to_owned()),
        Ok(Wanted::One(capability)) => Ok(capability.name().to_owned()),
        Err(_) => {
            let upper = name.trim().to_ascii_uppercase();
            let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
            Err(Error::invalid(format!("invalid {what}: unknown capability: \"CAP_{bare}\"")))
        }
    };
    names.map(read).collect()
}

/// `KEY=VALUE`, or `KEY:VALUE` as of old.
fn security(rights: &mut Rights, option: &str, caller: &Caller<'_>) -> Result<()> {
    let cut = option.split_once('=').or_else(|| option.split_once(':'));
    let (key, value) = match cut {
        Some((key, value)) if !value.is_empty() => (key, value),
        None if option == "no-new-privileges" => (option, "true"),
        _ => return Err(Error::invalid(format!("invalid --security-opt: \"{option}\""))),
    };
    match (key, value) {
        ("no-new-privileges", "true") => rights.no_new_privileges = true,
        ("no-new-privileges", "false") => rights.no_new_privileges = false,
        ("seccomp", "unconfined") => rights.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => rights.seccomp = Seccomp::Default,
        ("seccomp", file) => rights.seccomp = Seccomp::Profile(profile(file, caller)?),
        ("apparmor", name) => name.clone_into(&mut rights.apparmor),
        ("label", label) => rights.labels.push(label.to_owned()),
        ("systempaths", "unconfined") => rights.unconfined_paths = true,
        _ => return Err(Error::invalid(format!("invalid --security-opt 2: \"{option}\""))),
    }
    Ok(())
}

/// A profile's text. What it means is read where the container is made: that depends on its capabilities.
fn profile(file: &str, caller: &Caller<'_>) -> Result<String> {
    let bytes = (caller.read)(Path::new(file)).map_err(|cause| {
        let error = Error::from(cause);
        let (kind, why) = (error.kind, error.to_string());
        Error::new(kind, format!("opening seccomp profile ({file}) failed: open {file}: {why}"))
    })?;
    let bad =
        |why: String| Error::new(Kind::Invalid, format!("compacting json for seccomp profile ({file}) failed: {why}"));
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|cause| bad(cause.to_string()))?;
    Ok(value.to_string())
}

/// `SRC[:DST[:rwm]]`, or `SRC:rwm`.
fn device(text: &str) -> Result<Device> {
    let invalid = |why: String| Error::invalid(format!("invalid argument \"{text}\" for \"--device\" flag: {why}"));
    // `vendor.com/class=name` of the container device interface.
    if !text.starts_with('/') && text.contains('=') && text.contains('/') {
        let message = format!("could not select device driver \"cdi\" for `{text}`");
        return Err(Error::new(Kind::Unsupported, message).hint("name the nodes: `--device /dev/…`"));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let is_mode = |mode: &str| {
        let twice = |letter: char| mode.matches(letter).count() > 1;
        !mode.is_empty() && mode.chars().all(|c| "rwm".contains(c)) && !"rwm".chars().any(twice)
    };
    let (source, target, access) = match parts[..] {
        _ if parts[0].is_empty() || parts.len() > 3 => return Err(invalid(format!("bad format for path: {text}"))),
        [source] => (source, source, "rwm"),
        [source, mode] if is_mode(mode) => (source, source, mode),
        [source, target] => (source, target, "rwm"),
        [source, target, mode] if is_mode(mode) => (source, target, mode),
        _ => return Err(invalid(format!("bad mode specified: {}", parts[2]))),
    };
    if !target.starts_with('/') {
        return Err(invalid(format!("{target} is not an absolute path")));
    }
    Ok(Device { source: source.into(), target: target.to_owned(), access: access.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_source_perhaps_a_target_and_a_mode() {
        for (text, source, target, access) in [
            ("/dev/null", "/dev/null", "/dev/null", "rwm"),
            ("/dev/null:rw", "/dev/null", "/dev/null", "rw"),
            ("/dev/null:/dev/x", "/dev/null", "/dev/x", "rwm"),
            ("/dev/null:/dev/x:r", "/dev/null", "/dev/x", "r"),
        ] {
            let expected = Device { source: source.into(), target: target.into(), access: access.into() };
            assert_eq!(device(text).unwrap(), expected, "{text}");
        }
        for (text, why) in [
            ("", "bad format for path: "),
            (":/dev/x", "bad format for path: :/dev/x"),
            ("/a:/b:r:w", "bad format for path: /a:/b:r:w"),
            ("/a:/b:x", "bad mode specified: x"),
            ("/a:/b:rr", "bad mode specified: rr"),
            ("/a:b", "b is not an absolute path"),
            ("a", "a is not an absolute path"),
        ] {
            let expected = format!("invalid argument \"{text}\" for \"--device\" flag: {why}");
            assert_eq!(device(text).unwrap_err().to_string(), expected);
        }
    }
}
