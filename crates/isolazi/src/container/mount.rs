//! `--mount`: `KEY=VALUE,…` in the manner of a line of CSV.

use super::number::bytes;
use super::volume::{Places, parse_source_path};
use api::{Below, Tmpfs, Volume, VolumeSource};
use error::Result;
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// One `--mount` option, understood but for a source that depends on where the caller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mount {
    kind: String,
    source: String,
    target: String,
    read_only: bool,
    propagation: Option<String>,
    below: Option<Below>,
    no_copy: Option<bool>,
    subpath: Option<String>,
    driver: Option<String>,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    size_bytes: Option<i64>,
    mode: Option<u32>,
    /// As typed, for complaints.
    bind_key: Option<String>,
    volume_key: Option<String>,
    tmpfs_key: Option<String>,
}

/// What it makes of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    Volume(Volume),
    Tmpfs(Tmpfs),
}

/// In Docker's words, which begin with the flag's own.
pub(super) fn parse(text: &str) -> Result<Mount, String> {
    if text.is_empty() {
        return Err("value is empty".to_owned());
    }
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    for field in fields(text)? {
        mount.field(&field)?;
    }
    mount.check()?;
    Ok(mount)
}

/// One line of CSV: a field in quotes may hold commas, and quotes twice.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let after = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut field = String::new();
                let mut quoted = quoted;
                loop {
                    let end = quoted.find('"').ok_or("extraneous or missing \" in quoted-field")?;
                    field.push_str(&quoted[..end]);
                    quoted = &quoted[end + 1..];
                    let Some(more) = quoted.strip_prefix('"') else { break };
                    field.push('"');
                    quoted = more;
                }
                fields.push(field);
                quoted
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err("bare \" in non-quoted field".to_owned());
                }
                fields.push(rest[..end].to_owned());
                &rest[end..]
            }
        };
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(fields),
            None => return Err("extraneous or missing \" in quoted-field".to_owned()),
        }
    }
}

impl Mount {
    fn field(&mut self, field: &str) -> Result<(), String> {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        let (class, _) = key.split_once('-').unwrap_or_default();
        let mentioned = match class {
            "bind" => Some(&mut self.bind_key),
            "volume" => Some(&mut self.volume_key),
            "tmpfs" => Some(&mut self.tmpfs_key),
            _ => None,
        };
        if let Some(mentioned) = mentioned {
            mentioned.get_or_insert(key.clone());
        }
        let bad = || format!("invalid value for {key}: {}", value.unwrap_or_default());
        let flag = || value.map_or(Ok(true), |value| boolean(value).ok_or_else(bad));
        match key.as_str() {
            "readonly" | "ro" => self.read_only = flag()?,
            "volume-nocopy" => self.no_copy = Some(flag()?),
            "bind-nonrecursive" => self.below = flag()?.then_some(Below::Disabled),
            _ => {
                let Some(value) = value else {
                    return Err(format!("invalid field '{field}' must be a key=value pair"));
                };
                self.pair(&key, value, field, bad)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, key: &str, value: &str, field: &str, bad: impl Fn() -> String) -> Result<(), String> {
        match key {
            "type" => self.kind = value.to_lowercase(),
            "source" | "src" => value.clone_into(&mut self.source),
            "target" | "dst" | "destination" => value.clone_into(&mut self.target),
            // It means something on Docker Desktop only.
            "consistency" => {}
            "bind-propagation" => self.propagation = Some(value.to_lowercase()),
            "bind-recursive" => {
                self.below = Some(match value {
                    "enabled" => Below::Enabled,
                    "disabled" => Below::Disabled,
                    "writable" => Below::Writable,
                    "readonly" => Below::ReadOnly,
                    _ => {
                        return Err(format!(
                            "invalid value for {key}: {value} (must be \"enabled\", \"disabled\", \"writable\", or \
                             \"readonly\")"
                        ));
                    }
                });
            }
            "volume-subpath" => self.subpath = Some(value.to_owned()),
            "volume-driver" => self.driver = Some(value.to_owned()),
            "volume-label" => self.labels.extend([split(value)]),
            "volume-opt" => self.options.extend([split(value)]),
            "tmpfs-size" => self.size_bytes = Some(bytes(value).map_err(|_| bad())?),
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or_else(bad)?);
            }
            _ => return Err(format!("unknown option '{key}' in '{field}'")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let kind = self.kind.as_str();
        for (class, key) in [("volume", &self.volume_key), ("bind", &self.bind_key), ("tmpfs", &self.tmpfs_key)] {
            if key.is_some() && class != kind {
                return Err(format!("cannot mix '{class}-*' options with mount type '{kind}'"));
            }
        }
        if self.target.is_empty() {
            return Err("target is required".to_owned());
        }
        let with_readonly =
            |option: &str| format!("option '{option}' requires 'readonly' to be specified in conjunction");
        match self.below {
            Some(Below::Writable) if !self.read_only => Err(with_readonly("bind-recursive=writable")),
            Some(Below::ReadOnly) if !self.read_only => Err(with_readonly("bind-recursive=readonly")),
            Some(Below::ReadOnly) if self.propagation.as_deref() != Some("rprivate") => Err(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// What Docker's daemon says of it.
    pub(super) fn meant(self, places: &Places<'_>) -> Result<Meant> {
        let kind = self.kind.clone();
        let wrong = |why: String| error::Error::invalid(format!("invalid mount config for type \"{kind}\": {why}"));
        let absolute = |path: &str| wrong(format!("invalid mount path: '{path}' mount path must be absolute"));
        if !self.target.starts_with('/') {
            return Err(absolute(&self.target));
        }
        if Path::new(&self.target).components().count() == 1 {
            return Err(wrong("invalid specification: destination can't be '/'".to_owned()));
        }
        let source = match kind.as_str() {
            "bind" if self.source.is_empty() => return Err(wrong("field Source must not be empty".to_owned())),
            "bind" => match parse_source_path(&self.source, places)? {
                Some(path) => VolumeSource::Bind(path),
                None => return Err(absolute(&self.source)),
            },
            "volume" if self.source.is_empty() && self.read_only => {
                return Err(wrong("must not set ReadOnly mode when using anonymous volumes".to_owned()));
            }
            "volume" if self.source.is_empty() => VolumeSource::Anonymous,
            "volume" => VolumeSource::Named(self.source.clone()),
            "tmpfs" if !self.source.is_empty() => return Err(wrong("field Source must not be specified".to_owned())),
            "tmpfs" => return Ok(Meant::Tmpfs(self.tmpfs())),
            _ => return Err(wrong("mount type unknown".to_owned())),
        };
        let propagation = self.propagation.unwrap_or_default();
        if !matches!(propagation.as_str(), "" | "shared" | "slave" | "private" | "rshared" | "rslave" | "rprivate") {
            return Err(wrong(format!("invalid propagation mode: {propagation}")));
        }
        let subpath = self.subpath.unwrap_or_default();
        if !subpath.is_empty() && !is_local(&subpath) {
            return Err(wrong("subpath must be a relative path within the volume".to_owned()));
        }
        if let Some(driver) = self.driver.filter(|driver| !driver.is_empty() && driver != "local") {
            return Err(super::volume::no_driver(&driver));
        }
        Ok(Meant::Volume(Volume {
            source,
            target: self.target,
            read_only: self.read_only,
            propagation,
            no_copy: self.no_copy.unwrap_or(false),
            by_mount: true,
            below: self.below.unwrap_or_default(),
            subpath,
            labels: self.labels,
            options: self.options,
        }))
    }

    fn tmpfs(self) -> Tmpfs {
        let mut options = Vec::new();
        options.extend(self.read_only.then(|| "ro".to_owned()));
        options.extend(self.size_bytes.filter(|bytes| *bytes > 0).map(|bytes| format!("size={bytes}")));
        options.extend(self.mode.map(|mode| format!("mode={mode:o}")));
        Tmpfs { target: self.target, options, by_mount: true }
    }
}

fn split(value: &str) -> (String, String) {
    let (key, value) = value.split_once('=').unwrap_or((value, ""));
    (key.to_owned(), value.to_owned())
}

/// Does it stay where it begins?
fn is_local(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "t" | "T" | "TRUE" | "True" => Some(true),
        "0" | "false" | "f" | "F" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn meant(text: &str) -> Result<Meant, String> {
        let directory = || Ok(PathBuf::from("/work/dir"));
        let places = Places { directory: &directory, home: None };
        parse(text)?.meant(&places).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_means_what_docker_means() {
        let mounted =
            |source, target: &str| Volume { source, target: target.into(), by_mount: true, ..Volume::default() };
        let bind = |path: &str, target: &str| mounted(VolumeSource::Bind(path.into()), target);
        let named = |name: &str, target: &str| mounted(VolumeSource::Named(name.into()), target);
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        for (text, expected) in [
            ("target=/x", mounted(VolumeSource::Anonymous, "/x")),
            ("type=volume,src=data,dst=/x", named("data", "/x")),
            ("type=volume,source=data,destination=/x,ro", Volume { read_only: true, ..named("data", "/x") }),
            ("source=data,target=/x,readonly=false", named("data", "/x")),
            ("source=data,target=/x,volume-nocopy", Volume { no_copy: true, ..named("data", "/x") }),
            ("source=data,target=/x,volume-nocopy=0,volume-driver=local", named("data", "/x")),
            ("source=data,target=/x,volume-subpath=a/b", Volume { subpath: "a/b".into(), ..named("data", "/x") }),
            (
                "source=data,target=/x,volume-label=a=1,volume-label=b,\"volume-opt=o=size=1m,mode=700\",volume-opt=type=tmpfs",
                Volume {
                    labels: pairs(&[("a", "1"), ("b", "")]),
                    options: pairs(&[("o", "size=1m,mode=700"), ("type", "tmpfs")]),
                    ..named("data", "/x")
                },
            ),
            ("type=bind,source=/a,target=/x", bind("/a", "/x")),
            ("TYPE=BIND,source=./a/../b,target=/x,consistency=cached", bind("/work/dir/b", "/x")),
            (
                "type=bind,source=/a,target=/x,bind-propagation=rslave,bind-nonrecursive",
                Volume { propagation: "rslave".into(), below: Below::Disabled, ..bind("/a", "/x") },
            ),
            (
                "type=bind,source=/a,target=/x,ro,bind-recursive=writable",
                Volume { read_only: true, below: Below::Writable, ..bind("/a", "/x") },
            ),
            (
                "type=bind,source=/a,target=/x,ro,bind-recursive=readonly,bind-propagation=rprivate",
                Volume { read_only: true, below: Below::ReadOnly, propagation: "rprivate".into(), ..bind("/a", "/x") },
            ),
            ("type=bind,source=/a,target=/x,bind-recursive=enabled", bind("/a", "/x")),
        ] {
            assert_eq!(meant(text), Ok(Meant::Volume(expected)), "{text}");
        }
        let tmpfs = Tmpfs {
            target: "/x".into(),
            options: ["ro", "size=67108864", "mode=1777"].map(String::from).to_vec(),
            by_mount: true,
        };
        assert_eq!(meant("type=tmpfs,dst=/x,tmpfs-size=64m,tmpfs-mode=1777,ro"), Ok(Meant::Tmpfs(tmpfs)));
    }

    #[test]
    fn bad_mounts_are_refused_in_dockers_words() {
        for (text, complaint) in [
            ("", "value is empty"),
            ("type=volume", "target is required"),
            ("type=bind,source=/a", "target is required"),
            ("target=/x,foo", "invalid field 'foo' must be a key=value pair"),
            ("target=/x,foo=bar", "unknown option 'foo' in 'foo=bar'"),
            ("target=/x,readonly=maybe", "invalid value for readonly: maybe"),
            ("target=/x,volume-nocopy=2", "invalid value for volume-nocopy: 2"),
            ("target=/x,type=bind,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
            ("target=/x,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"),
            ("target=/x,type=bind,tmpfs-size=1m", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
            ("target=/x,type=tmpfs,tmpfs-size=x", "invalid value for tmpfs-size: x"),
            ("target=/x,type=tmpfs,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
            (
                "type=bind,source=/a,target=/x,bind-recursive=no",
                "invalid value for bind-recursive: no (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")",
            ),
            (
                "type=bind,source=/a,target=/x,bind-recursive=writable",
                "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
            ),
            (
                "type=bind,source=/a,target=/x,ro,bind-recursive=readonly",
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
            ),
            ("target=/x,a\"b=1", "bare \" in non-quoted field"),
            ("\"target=/x", "extraneous or missing \" in quoted-field"),
            ("type=what,target=/x", "invalid mount config for type \"what\": mount type unknown"),
            (
                "target=x",
                "invalid mount config for type \"volume\": invalid mount path: 'x' mount path must be absolute",
            ),
            ("target=/", "invalid mount config for type \"volume\": invalid specification: destination can't be '/'"),
            ("type=bind,target=/x", "invalid mount config for type \"bind\": field Source must not be empty"),
            (
                "type=bind,source=a,target=/x",
                "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be absolute",
            ),
            (
                "type=bind,source=/a,target=/x,bind-propagation=loud",
                "invalid mount config for type \"bind\": invalid propagation mode: loud",
            ),
            (
                "target=/x,ro",
                "invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous volumes",
            ),
            (
                "src=data,target=/x,volume-subpath=../y",
                "invalid mount config for type \"volume\": subpath must be a relative path within the volume",
            ),
            (
                "type=tmpfs,src=/a,target=/x",
                "invalid mount config for type \"tmpfs\": field Source must not be specified",
            ),
            ("src=data,target=/x,volume-driver=far", "error looking up volume plugin far: plugin \"far\" not found"),
        ] {
            assert_eq!(meant(text), Err(complaint.to_owned()), "{text}");
        }
    }
}
