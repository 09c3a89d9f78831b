//! Mount options as fstab and the runtime specification write them (config.md, "Linux mount options").

use crate::plan::Text;
use error::{Error, Result};
use sys::mount::attribute;

/// The propagation of whatever says nothing else.
pub(crate) const PRIVATE: u64 = propagation::PRIVATE;

/// `MS_*` propagation types (mount(2)).
mod propagation {
    pub(super) const UNBINDABLE: u64 = 1 << 17;
    pub(super) const PRIVATE: u64 = 1 << 18;
    pub(super) const SLAVE: u64 = 1 << 19;
    pub(super) const SHARED: u64 = 1 << 20;
}

/// What a list of options means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// A bind mount, whatever the type says.
    pub bind: bool,
    /// With the mounts below it.
    pub recursive: bool,
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// `rro` and the like: also for what lies below.
    pub attributes_recursive: bool,
    /// `MS_PRIVATE` and the like.
    pub propagation: u64,
    /// What the file system itself understands.
    pub parameters: Vec<(Text, Option<Text>)>,
}

/// Parses the options that stand in `field`.
pub(crate) fn parse(options: &[String], field: &str) -> Result<Options> {
    let mut parsed = Options {
        bind: false,
        recursive: false,
        set: 0,
        clear: 0,
        attributes_recursive: false,
        propagation: propagation::PRIVATE,
        parameters: Vec::new(),
    };
    for (index, option) in options.iter().enumerate() {
        if !parsed.take_flag(option) {
            let (key, value) = option.split_once('=').map_or((option.as_str(), None), |(k, v)| (k, Some(v)));
            let text = |text: &str| {
                Text::new(text).ok_or_else(|| Error::invalid(format!("config.json: `{field}[{index}]` has a NUL byte")))
            };
            parsed.parameters.push((text(key)?, value.map(text).transpose()?));
        }
    }
    Ok(parsed)
}

impl Options {
    fn take_flag(&mut self, option: &str) -> bool {
        let (name, recursive) = match option {
            "rro" | "rrw" | "rnosuid" | "rsuid" | "rnodev" | "rdev" | "rnoexec" | "rexec" | "rnoatime" | "ratime" => {
                (&option[1..], true)
            }
            _ => (option, false),
        };
        let (set, clear) = match name {
            "ro" => (attribute::RDONLY, 0),
            "rw" => (0, attribute::RDONLY),
            "nosuid" => (attribute::NOSUID, 0),
            "suid" => (0, attribute::NOSUID),
            "nodev" => (attribute::NODEV, 0),
            "dev" => (0, attribute::NODEV),
            "noexec" => (attribute::NOEXEC, 0),
            "exec" => (0, attribute::NOEXEC),
            "noatime" => (attribute::NOATIME, 0),
            "strictatime" => (attribute::STRICTATIME, 0),
            // Access times relative to changes are the kernel's default.
            "relatime" | "atime" | "norelatime" | "defaults" | "async" => (0, 0),
            "bind" => {
                self.bind = true;
                return true;
            }
            "rbind" => {
                (self.bind, self.recursive) = (true, true);
                return true;
            }
            _ => return self.take_propagation(option),
        };
        self.set = self.set & !clear | set;
        self.clear = self.clear & !set | clear;
        self.attributes_recursive |= recursive;
        true
    }

    fn take_propagation(&mut self, option: &str) -> bool {
        self.propagation = match option {
            "private" | "rprivate" => propagation::PRIVATE,
            "slave" | "rslave" => propagation::SLAVE,
            "shared" | "rshared" => propagation::SHARED,
            "unbindable" | "runbindable" => propagation::UNBINDABLE,
            _ => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_unknown_ones_are_the_file_systems() {
        let options = ["rbind", "ro", "rw", "rnosuid", "rslave", "size=64m", "huge"].map(String::from);
        let parsed = parse(&options, "/x").unwrap();
        assert!(parsed.bind && parsed.recursive && parsed.attributes_recursive);
        assert_eq!((parsed.set, parsed.clear), (attribute::NOSUID, attribute::RDONLY));
        assert_eq!(parsed.propagation, propagation::SLAVE);
        let text = |text| Text::new(text).unwrap();
        assert_eq!(parsed.parameters, [(text("size"), Some(text("64m"))), (text("huge"), None)]);
    }
}
