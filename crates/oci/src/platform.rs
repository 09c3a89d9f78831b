//! Platforms: `os/architecture[/variant]`, as image indexes name them and `--platform` asks for them.

use error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An operating system and processor, in Go's names (OCI image-spec, image-index.md, "platform").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`, …; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// The platform that containers have on this machine: always Linux, the processor of this binary.
    pub fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.into() }
    }

    /// Is something made for `self` what a user who wants `wanted` means? arm64 has but one variant, so `arm64` and
    /// `arm64/v8` are the same; a 32-bit ARM runs what was made for older variants.
    pub fn serves(&self, wanted: &Platform) -> bool {
        self.os == wanted.os && self.architecture == wanted.architecture && self.rank(wanted).is_some()
    }

    /// How well `self` serves `wanted`: smaller is better, `None` is not at all. Only variants are compared.
    pub fn rank(&self, wanted: &Platform) -> Option<u32> {
        if self.architecture == "arm64" {
            let plain = |variant: &str| variant.is_empty() || variant == "v8";
            return (self.variant == wanted.variant || plain(&self.variant) && plain(&wanted.variant)).then_some(0);
        }
        if self.variant == wanted.variant {
            return Some(0);
        }
        if self.architecture == "arm" {
            let number = |variant: &str| match variant {
                "" => Some(7),
                v => v.strip_prefix('v').and_then(|n| n.parse::<u32>().ok()),
            };
            return number(&wanted.variant)?.checked_sub(number(&self.variant)?);
        }
        // amd64 has micro-architecture levels: the base level runs everywhere, a level is an exact wish.
        (self.variant.is_empty() || wanted.variant.is_empty() && self.variant == "v1").then_some(1)
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// `linux/arm64/v8`, `linux/amd64`, `arm64`, with the aliases people type (`x86_64`, `aarch64`, `armhf`).
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid(format!("invalid platform `{text}`: expected os/architecture[/variant]"));
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        if parts.iter().any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))) {
            return Err(bad());
        }
        let (os, architecture, variant) = match parts[..] {
            [os @ ("linux" | "windows" | "darwin" | "freebsd")] => {
                (os, Self::of_this_machine().architecture, String::new())
            }
            [architecture] if is_known(architecture) => ("linux", architecture.to_owned(), String::new()),
            [other] => {
                return Err(Error::invalid(format!("{other:?}: unknown operating system or architecture"))
                    .hint("a platform is `os/architecture[/variant]`, for example `linux/arm64`"));
            }
            [os, architecture] => (os, architecture.to_owned(), String::new()),
            [os, architecture, variant] => (os, architecture.to_owned(), variant.to_owned()),
            _ => return Err(bad()),
        };
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64", v) => ("amd64", v),
            ("i386" | "i686", v) => ("386", v),
            ("aarch64", v) => ("arm64", v),
            ("arm64", "8") => ("arm64", "v8"),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            (architecture, v) => (architecture, v),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() })
    }
}

/// Of one word alone nobody knows what it is, unless it is known: Go's names for processors that Linux runs on, and what
/// people call them.
fn is_known(architecture: &str) -> bool {
    const KNOWN: [&str; 24] = [
        "386", "aarch64", "amd64", "arm", "arm64", "armel", "armhf", "i386", "i686", "loong64", "mips", "mips64",
        "mips64le", "mipsle", "ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x", "sparc64", "x86-64", "x86_64",
        "wasm",
    ];
    KNOWN.contains(&architecture)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_the_field_names() {
        for (typed, meant) in [
            ("linux/amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64/v8"),
            ("armhf", "linux/arm/v7"),
        ] {
            assert_eq!(typed.parse::<Platform>().unwrap().to_string(), meant);
        }
        for bad in ["", "/", "linux/", "linux/amd64/v1/x", "linux/am d64", "x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn variants_serve_as_the_processors_do() {
        for (made_for, wanted, serves) in [
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm/v6", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/amd64", "linux/amd64/v3", true),
            ("linux/amd64/v3", "linux/amd64", false),
            ("linux/amd64", "linux/arm64", false),
            ("windows/amd64", "linux/amd64", false),
        ] {
            let (made_for, wanted): (Platform, Platform) = (made_for.parse().unwrap(), wanted.parse().unwrap());
            assert_eq!(made_for.serves(&wanted), serves, "{made_for} for {wanted}");
        }
    }
}
