//! Where a container's output is written: `--log-driver` and `--log-opt`, with Docker's words.

use error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A log file is rotated at this size unless the user says otherwise (Docker: never, and it fills disks).
pub const DEFAULT_MAX_LOG_BYTES: u64 = 10_000_000;

/// So many files a log has unless the user says otherwise.
pub const DEFAULT_MAX_LOG_FILES: u32 = 3;

/// What `tag` may say, for each container differently.
const TAG_FIELDS: [&str; 6] = ["ID", "FullID", "Name", "ImageName", "ImageID", "ImageFullID"];

/// Who keeps the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// Files of JSON lines.
    #[default]
    JsonFile,
    /// The same files: ours are read and rotated as fast under either name.
    Local,
    /// The machine's systemd-journald.
    Journald,
    /// Nobody.
    None,
}

/// A driver and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Who keeps it.
    pub driver: LogDriver,
    /// `max-size`, `max-file`, `tag`, as typed and found right.
    pub options: BTreeMap<String, String>,
}

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// A file is rotated when it has so many bytes; `None`: never.
    pub max_bytes: Option<u64>,
    /// How many files there are; never 0.
    pub max_files: u32,
}

impl LogDriver {
    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::Journald => "journald",
            Self::None => "none",
        }
    }

    fn parse(name: &str) -> Result<Self> {
        match name {
            "" | "json-file" => Ok(Self::JsonFile),
            "local" => Ok(Self::Local),
            "journald" => Ok(Self::Journald),
            "none" => Ok(Self::None),
            other => Err(Error::invalid(format!("logger: no log driver named '{other}' is registered"))
                .hint("there are `json-file`, `local`, `journald` and `none`")),
        }
    }

    fn knows(self, option: &str) -> bool {
        match self {
            Self::JsonFile | Self::Local => matches!(option, "max-size" | "max-file" | "tag"),
            Self::Journald => option == "tag",
            Self::None => false,
        }
    }
}

impl Logging {
    /// What the user asked for, if it can be had.
    pub fn new(driver: &str, options: BTreeMap<String, String>) -> Result<Self> {
        let driver = LogDriver::parse(driver)?;
        if driver == LogDriver::None && !options.is_empty() {
            return Err(Error::invalid("invalid logging opts for driver none"));
        }
        if let Some(option) = options.keys().find(|option| !driver.knows(option)) {
            return Err(Error::invalid(format!("unknown log opt '{option}' for {} log driver", driver.name())));
        }
        let logging = Self { driver, options };
        let start = |error: Error| error.context("failed to initialize logging driver");
        logging.limits().map_err(start)?;
        logging.tag(&|_| String::new()).map_err(start)?;
        Ok(logging)
    }

    /// How much is kept. Never fails for what [`Logging::new`] let pass.
    pub fn limits(&self) -> Result<LogLimits> {
        let max_bytes = match self.options.get("max-size").map(String::as_str) {
            None => Some(DEFAULT_MAX_LOG_BYTES),
            Some("-1") => None,
            Some(size) => Some(bytes(size)?),
        };
        let max_files = match self.options.get("max-file") {
            None => DEFAULT_MAX_LOG_FILES,
            Some(number) => match number.parse::<i64>() {
                Ok(number) if number < 1 => return Err(Error::invalid("max-file cannot be less than 1")),
                Ok(number) => u32::try_from(number).unwrap_or(u32::MAX),
                Err(_) => return Err(Error::invalid(format!("invalid max-file: '{number}'"))),
            },
        };
        Ok(LogLimits { max_bytes, max_files })
    }

    /// The tag, with `{{.Name}}` and the like replaced by what `field` says; `None` when none was asked for.
    pub fn tag(&self, field: &dyn Fn(&str) -> String) -> Result<Option<String>> {
        let Some(text) = self.options.get("tag") else { return Ok(None) };
        let bad = || Error::invalid(format!("invalid tag: '{text}'"));
        let mut rest = text.as_str();
        let mut tag = String::new();
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").ok_or_else(bad)?;
            let name = name.trim().strip_prefix('.').filter(|name| TAG_FIELDS.contains(name)).ok_or_else(|| {
                bad().hint(format!(
                    "a tag may have the fields {}",
                    TAG_FIELDS.map(|f| format!("{{{{.{f}}}}}")).join(", ")
                ))
            })?;
            tag.push_str(before);
            tag.push_str(&field(name));
            rest = behind;
        }
        tag.push_str(rest);
        Ok(Some(tag))
    }

    /// Can `logs` show it? `name`: the container's.
    ///
    /// # Errors
    /// Docker's words, if not.
    pub fn readable(&self, name: &str) -> Result<()> {
        let error = || Error::new(Kind::Unsupported, "configured logging driver does not support reading");
        match self.driver {
            LogDriver::JsonFile | LogDriver::Local => Ok(()),
            LogDriver::None => Err(error().hint("it was created with `--log-driver none`: nothing is kept")),
            LogDriver::Journald => Err(error().hint(format!("`journalctl CONTAINER_NAME={name}` shows it"))),
        }
    }
}

/// `10m`, `512k`, `1.5GB`: a number and a power of 1000, as Docker counts log files.
fn bytes(size: &str) -> Result<u64> {
    let bad = || Error::invalid(format!("invalid size: '{size}'"));
    let end = size.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(size.len());
    let (number, unit) = size.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let power = match unit.strip_suffix('i').filter(|rest| !rest.is_empty()).unwrap_or(unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(bad()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return Err(bad());
    }
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    let thousands: u64 = fraction.parse().map_err(|_| bad())?;
    let unit = 1000u64.pow(power);
    let part = u128::from(thousands) * u128::from(unit) / 10u128.pow(u32::try_from(fraction.len()).map_err(|_| bad())?);
    let bytes =
        whole.checked_mul(unit).and_then(|whole| whole.checked_add(u64::try_from(part).ok()?)).ok_or_else(bad)?;
    if bytes == 0 {
        return Err(Error::invalid("max-size must be a positive number"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(driver: &str, options: &[(&str, &str)]) -> Result<Logging> {
        Logging::new(driver, options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn sizes_and_numbers_are_dockers() {
        let of = |options: &[(&str, &str)]| logging("json-file", options).unwrap().limits().unwrap();
        assert_eq!(of(&[]), LogLimits { max_bytes: Some(10_000_000), max_files: 3 });
        for (size, max_bytes) in [
            ("-1", None),
            ("1", Some(1)),
            ("10m", Some(10_000_000)),
            ("10M", Some(10_000_000)),
            ("1.5g", Some(1_500_000_000)),
            ("200 kB", Some(200_000)),
            ("2KiB", Some(2000)),
            ("7b", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
        ] {
            assert_eq!(of(&[("max-size", size)]).max_bytes, max_bytes, "{size}");
        }
        for (number, max_files) in [("1", 1), ("007", 7), ("99999999999", u32::MAX)] {
            assert_eq!(of(&[("max-file", number)]).max_files, max_files, "{number}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_in_dockers_words() {
        let start = "failed to initialize logging driver";
        for (driver, options, complaint) in [
            ("syslog", &[][..], "logger: no log driver named 'syslog' is registered".to_owned()),
            ("none", &[("max-size", "1m")], "invalid logging opts for driver none".to_owned()),
            ("json-file", &[("foo", "1")], "unknown log opt 'foo' for json-file log driver".to_owned()),
            ("journald", &[("max-size", "1m")], "unknown log opt 'max-size' for journald log driver".to_owned()),
            ("local", &[("max-size", "0")], format!("{start}: max-size must be a positive number")),
            ("local", &[("max-size", "-2")], format!("{start}: invalid size: '-2'")),
            ("local", &[("max-size", "")], format!("{start}: invalid size: ''")),
            ("local", &[("max-size", ".5m")], format!("{start}: invalid size: '.5m'")),
            ("local", &[("max-size", "1mm")], format!("{start}: invalid size: '1mm'")),
            ("local", &[("max-size", "99999999999p")], format!("{start}: invalid size: '99999999999p'")),
            ("local", &[("max-file", "0")], format!("{start}: max-file cannot be less than 1")),
            ("local", &[("max-file", "x")], format!("{start}: invalid max-file: 'x'")),
            ("json-file", &[("tag", "{{.Nope}}")], format!("{start}: invalid tag: '{{{{.Nope}}}}'")),
            ("json-file", &[("tag", "{{.Name")], format!("{start}: invalid tag: '{{{{.Name'")),
        ] {
            assert_eq!(logging(driver, options).unwrap_err().to_string(), complaint);
        }
    }

    #[test]
    fn a_tag_has_fields_of_its_container() {
        let tag = |text: &str| logging("journald", &[("tag", text)]).unwrap().tag(&|name| format!("<{name}>")).unwrap();
        assert_eq!(tag("web").unwrap(), "web");
        assert_eq!(tag("{{.Name}}/{{ .ID }}!").unwrap(), "<Name>/<ID>!");
        assert_eq!(logging("journald", &[]).unwrap().tag(&|_| String::new()).unwrap(), None);
    }
}
