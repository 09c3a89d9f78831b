//! Mount options as fstab and the runtime specification write them (config.md, "Linux mount options").

use crate::plan::{Propagation, Text};
use error::{Error, Result};
use sys::mount::{attribute, propagation};

/// What a list of options means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// A bind mount, whatever the type says.
    pub bind: bool,
    /// With the mounts below it.
    pub recursive: bool,
    /// Changes a mount that is there.
    pub remount: bool,
    /// `MOUNT_ATTR_*` to set and to clear.
    pub attributes: (u64, u64),
    /// `rro` and the like: to set and to clear there and for all that lies below.
    pub attributes_below: (u64, u64),
    /// In the order given.
    pub propagations: Vec<Propagation>,
    /// What the file system itself understands.
    pub parameters: Vec<(Text, Option<Text>)>,
    /// A new tmpfs gets what the directory below it has (`tmpcopyup`).
    pub copy_up: bool,
    /// `idmap`, `ridmap`: with the mounts below?
    pub id_map: Option<bool>,
    /// The source must not be a link (`src-nofollow`).
    pub nofollow: bool,
}

/// Parses the options that stand in `field`.
pub(super) fn parse(options: &[String], field: &str) -> Result<Options> {
    let mut parsed = Options::default();
    for (index, option) in options.iter().enumerate() {
        if parsed.take_attribute(option) || parsed.take_propagation(option) || parsed.take_switch(option) {
            continue;
        }
        let (key, value) = option.split_once('=').map_or((option.as_str(), None), |(k, v)| (k, Some(v)));
        let text = |text: &str| {
            Text::new(text).ok_or_else(|| Error::invalid(format!("config.json: `{field}[{index}]` has a NUL byte")))
        };
        parsed.parameters.push((text(key)?, value.map(text).transpose()?));
    }
    Ok(parsed)
}

/// What an option sets and what it clears, if it is one of a mount's attributes.
fn attribute_of(name: &str) -> Option<(u64, u64)> {
    use attribute::{ATIME, NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, RDONLY, STRICTATIME};
    Some(match name {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        "noatime" => (NOATIME, ATIME),
        "strictatime" => (STRICTATIME, ATIME),
        // Access times relative to changes are the kernel's default and the value 0.
        "relatime" | "atime" | "nostrictatime" => (0, ATIME),
        _ => return None,
    })
}

/// Later options win. Bits of one choice are cleared together even where one of them is set.
fn add((set, clear): &mut (u64, u64), more: (u64, u64)) {
    *set = *set & !more.1 | more.0;
    *clear = *clear & !more.0 | more.1;
}

impl Options {
    fn take_attribute(&mut self, option: &str) -> bool {
        if let Some(change) = attribute_of(option) {
            add(&mut self.attributes, change);
            return true;
        }
        let Some(change) = option.strip_prefix('r').and_then(attribute_of) else { return false };
        add(&mut self.attributes_below, change);
        true
    }

    fn take_propagation(&mut self, option: &str) -> bool {
        let Some(propagation) = propagation_of(option) else { return false };
        self.propagations.push(propagation);
        true
    }

    fn take_switch(&mut self, option: &str) -> bool {
        match option {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.recursive) = (true, true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.id_map = Some(false),
            "ridmap" => self.id_map = Some(true),
            "src-nofollow" => self.nofollow = true,
            // The kernel's defaults, and what it does no more (mandatory locks, kernel 5.15).
            "defaults" | "norelatime" | "loud" | "silent" | "mand" | "nomand" | "iversion" | "noiversion" => {}
            _ => return false,
        }
        true
    }
}

/// `rshared` and the like, as mounts and `rootfsPropagation` say it.
pub(super) fn propagation_of(word: &str) -> Option<Propagation> {
    let (name, recursive) = match word.strip_prefix('r') {
        Some(name) => (name, true),
        None => (word, false),
    };
    let kind = match name {
        "private" => propagation::PRIVATE,
        "slave" => propagation::SLAVE,
        "shared" => propagation::SHARED,
        "unbindable" => propagation::UNBINDABLE,
        _ => return None,
    };
    Some(Propagation { kind, recursive })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_unknown_ones_are_the_file_systems() {
        let options = ["rbind", "ro", "rw", "rnosuid", "rslave", "size=64m", "huge"].map(String::from);
        let parsed = parse(&options, "/x").unwrap();
        assert!(parsed.bind && parsed.recursive);
        assert_eq!(parsed.attributes, (0, attribute::RDONLY));
        assert_eq!(parsed.attributes_below, (attribute::NOSUID, 0));
        assert_eq!(parsed.propagations, [Propagation { kind: propagation::SLAVE, recursive: true }]);
        let text = |text| Text::new(text).unwrap();
        assert_eq!(parsed.parameters, [(text("size"), Some(text("64m"))), (text("huge"), None)]);
    }

    #[test]
    fn times_of_access_are_one_choice() {
        for (options, attributes) in [
            (vec!["noatime"], (attribute::NOATIME, attribute::ATIME)),
            (vec!["noatime", "strictatime"], (attribute::STRICTATIME, attribute::ATIME)),
            (vec!["strictatime", "relatime"], (0, attribute::ATIME)),
            (vec!["nodiratime"], (attribute::NODIRATIME, 0)),
        ] {
            let options: Vec<String> = options.into_iter().map(String::from).collect();
            // What is both set and cleared is set: the kernel clears first.
            let (set, clear) = parse(&options, "/x").unwrap().attributes;
            assert_eq!((set, clear | set & attribute::ATIME), (attributes.0, attributes.1), "{options:?}");
        }
    }

    #[test]
    fn words_that_begin_with_an_r_are_not_taken_apart_wrongly() {
        let options = ["relatime", "rro", "ro", "rrelatime", "rshared", "remount"].map(String::from);
        let parsed = parse(&options, "/x").unwrap();
        assert_eq!(parsed.attributes, (attribute::RDONLY, attribute::ATIME));
        assert_eq!(parsed.attributes_below, (attribute::RDONLY, attribute::ATIME));
        assert!(parsed.remount && parsed.parameters.is_empty());
    }
}
