//! Options of a volume: content that lies elsewhere, in the words of mount(8) as Docker's `local` driver takes them.
//! Nothing is mounted on the host for it: a container binds the folder itself, or gets a file system in memory of its
//! own.

use crate::spec::Content;
use crate::volumes::Leased;
use error::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Can these be had?
pub(crate) fn check(options: &BTreeMap<String, String>) -> Result<()> {
    compile(options).map(drop)
}

/// What containers see of the volume.
pub(super) fn content(volume: &Leased) -> Result<Content> {
    Ok(compile(&volume.facts.options)?.unwrap_or_else(|| Content::Host(volume.data.clone())))
}

/// `None`: a folder of ours.
fn compile(options: &BTreeMap<String, String>) -> Result<Option<Content>> {
    let get = |key: &str| options.get(key).map_or("", String::as_str);
    if let Some(key) = options.keys().find(|key| !["type", "device", "o"].contains(&key.as_str())) {
        let hint = "the options of a volume are `type`, `device` and `o`";
        return Err(Error::invalid(format!("invalid option: \"{key}\"")).hint(hint));
    }
    let words: Vec<&str> = get("o").split(',').filter(|word| !word.is_empty()).collect();
    let is_bind = words.iter().any(|word| ["bind", "rbind"].contains(word));
    let device = get("device");
    match get("type") {
        "" if options.is_empty() => Ok(None),
        "tmpfs" => match words.iter().find(|word| !is_of_memory(word)) {
            Some(word) => Err(Error::invalid(format!("invalid option for a volume of type `tmpfs`: {word}"))),
            None => Ok(Some(Content::Memory(words.iter().map(|word| (*word).to_owned()).collect()))),
        },
        "" | "none" | "bind" if is_bind && words.len() == 1 && device.starts_with('/') => {
            if Path::new(device).is_dir() {
                return Ok(Some(Content::Host(device.into())));
            }
            Err(Error::invalid(format!("failed to mount local volume: mount {device}: no such file or directory")))
        }
        "" | "none" | "bind" if is_bind && device.is_empty() => Err(Error::invalid("missing device in volume options")),
        "" | "none" | "bind" if is_bind => {
            Err(Error::invalid("a volume that is a bind has `o=bind` and an absolute `device`"))
        }
        "" => Err(Error::invalid("missing required option: \"type\"")),
        kind => {
            let message = format!("volumes of type `{kind}` are not supported");
            Err(Error::new(Kind::Unsupported, message).hint(
                "mount it on this machine, and show it by `-v /where/it/is:/target`; `tmpfs` and binds can be had",
            ))
        }
    }
}

/// Those that open nothing: a device node made there would be the host's.
fn is_of_memory(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match word.split_once('=') {
        Some(("mode", value)) => u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777),
        Some(("uid" | "gid", value)) => value.parse::<u32>().is_ok(),
        Some(("size" | "nr_blocks" | "nr_inodes", value)) => {
            digits(value.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', '%']).unwrap_or(value))
        }
        Some(_) => false,
        None => ["ro", "rw", "exec", "noexec", "nosuid", "nodev", "noatime", "relatime"].contains(&word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_tmpfs_or_a_bind() {
        let compiled = |pairs: &[(&str, &str)]| {
            let options = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            compile(&options).map_err(|error| error.to_string())
        };
        let memory = |words: &[&str]| Content::Memory(words.iter().map(|word| (*word).to_owned()).collect());
        for (pairs, expected) in [
            (&[][..], Ok(None)),
            (
                &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=700")],
                Ok(Some(memory(&["size=1m", "mode=700"]))),
            ),
            (&[("type", "none"), ("o", "bind"), ("device", "/usr")], Ok(Some(Content::Host("/usr".into())))),
            (
                &[("o", "bind"), ("device", "/nowhere")],
                Err("failed to mount local volume: mount /nowhere: no such file or directory"),
            ),
            (&[("type", "none"), ("o", "bind")], Err("missing device in volume options")),
            (
                &[("o", "bind,ro"), ("device", "/usr")],
                Err("a volume that is a bind has `o=bind` and an absolute `device`"),
            ),
            (&[("device", "/usr")], Err("missing required option: \"type\"")),
            (&[("type", "tmpfs"), ("o", "size=1m,dev")], Err("invalid option for a volume of type `tmpfs`: dev")),
            (&[("size", "1g")], Err("invalid option: \"size\"")),
            (&[("type", "nfs"), ("o", "addr=h"), ("device", ":/x")], Err("volumes of type `nfs` are not supported")),
        ] {
            assert_eq!(compiled(pairs), expected.map_err(str::to_owned), "{pairs:?}");
        }
    }
}
