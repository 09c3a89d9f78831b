//! `--tmpfs`: `TARGET[:OPTION,…]` with mount options of tmpfs(5).

use api::Tmpfs;
use error::{Error, Result};
use std::path::Path;

/// Options without a value (Docker's list).
const WORDS: [&str; 16] = [
    "rw",
    "ro",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
];
/// Options with a value.
const KEYS: [&str; 7] = ["size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "mpol"];

/// One `--tmpfs` option.
pub(super) fn parse(text: &str) -> Result<Tmpfs> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    if !target.starts_with('/') {
        return Err(Error::invalid(format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if Path::new(target).components().count() == 1 {
        return Err(Error::invalid(format!("invalid tmpfs `{text}`: destination can't be '/'")));
    }
    let options: Vec<String> = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    for option in &options {
        let known = match option.split_once('=') {
            None => WORDS.contains(&option.as_str()),
            Some((key, value)) => KEYS.contains(&key) && is_value(key, value),
        };
        // Docker takes it, and its rules for devices stop what a payload with CAP_MKNOD would then open. Here only mounts do.
        if option == "dev" {
            return Err(Error::invalid("invalid tmpfs option `dev`: device nodes would be those of the host"));
        }
        if !known {
            return Err(Error::invalid(format!("invalid tmpfs option `{option}`")));
        }
    }
    Ok(Tmpfs { target: target.to_owned(), options, by_mount: false })
}

/// Would the kernel take it? It says only "invalid argument", and only when the container starts.
fn is_value(key: &str, value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let suffix = &value[digits.len()..];
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match key {
        "size" => number && matches!(suffix, "" | "%" | "k" | "K" | "m" | "M" | "g" | "G" | "t" | "T"),
        "nr_blocks" | "nr_inodes" => number && matches!(suffix, "" | "k" | "K" | "m" | "M" | "g" | "G"),
        "uid" | "gid" => value.parse::<u32>().is_ok(),
        "mode" => u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777),
        _ => !value.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_before_anything_is_made() {
        let tmpfs = parse("/run:rw,size=64m,mode=1777,noexec").unwrap();
        assert_eq!(
            (tmpfs.target.as_str(), tmpfs.options.join(" ")),
            ("/run", "rw size=64m mode=1777 noexec".to_owned())
        );
        assert_eq!(parse("/run").unwrap().options, Vec::<String>::new());
        for (text, complaint) in [
            ("run", "invalid mount path: 'run' mount path must be absolute"),
            ("", "invalid mount path: '' mount path must be absolute"),
            ("/", "invalid tmpfs `/`: destination can't be '/'"),
            ("/x:foo", "invalid tmpfs option `foo`"),
            ("/x:exec,dev", "invalid tmpfs option `dev`: device nodes would be those of the host"),
            ("/x:size=", "invalid tmpfs option `size=`"),
            ("/x:size=12q", "invalid tmpfs option `size=12q`"),
            ("/x:mode=9", "invalid tmpfs option `mode=9`"),
            ("/x:lowerdir=/etc", "invalid tmpfs option `lowerdir=/etc`"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), complaint);
        }
    }
}
