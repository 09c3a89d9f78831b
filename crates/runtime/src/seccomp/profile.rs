//! Profiles as users write them for `--security-opt seccomp=FILE`: Docker's format, a seccomp section whose rules may
//! depend on capabilities, architecture and kernel. A plain section is such a profile too.

use super::arch;
use error::{Error, Result};
use oci::runtime::Seccomp;
use oci::runtime::seccomp::{Action, Arch, FilterFlag, Rule};
use serde::{Deserialize, Deserializer};

/// What rules may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The bounding set, as `CAP_…` names.
    pub caps: &'a [&'a str],
    /// The machine's own architecture.
    pub arch: Arch,
    /// The kernel's version, `(6, 1)`.
    pub kernel: (u32, u32),
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// For calls that no rule matches.
    pub default_action: Action,
    /// Its errno.
    #[serde(default)]
    pub default_errno_ret: Option<u32>,
    /// Fixed architectures; not together with `arch_map`.
    #[serde(default)]
    pub architectures: Vec<Arch>,
    /// Architectures by that of the machine.
    #[serde(default)]
    pub arch_map: Vec<ArchMap>,
    /// As in the section.
    #[serde(default)]
    pub flags: Option<Vec<FilterFlag>>,
    /// As in the section.
    #[serde(default)]
    pub listener_path: String,
    /// As in the section.
    #[serde(default)]
    pub listener_metadata: String,
    /// The rules, with their conditions.
    #[serde(default)]
    pub syscalls: Vec<Conditional>,
}

/// What else runs on a machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchMap {
    /// The machine's.
    pub architecture: Arch,
    /// The others.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub sub_architectures: Vec<Arch>,
}

/// A rule that may not apply.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Conditional {
    /// Of profiles from before 2016; not together with `names`.
    #[serde(default)]
    pub name: String,
    /// The rule.
    #[serde(flatten)]
    pub rule: LooseRule,
    /// It applies if all of this holds.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub includes: When,
    /// It doesn't apply if any of this holds.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub excludes: When,
}

/// A [`Rule`] whose lists may be `null` or absent, as older tools write them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LooseRule {
    /// Calls.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub names: Vec<String>,
    /// What happens.
    pub action: Action,
    /// Its errno.
    #[serde(default)]
    pub errno_ret: Option<u32>,
    /// Conditions on arguments.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub args: Vec<oci::runtime::seccomp::Arg>,
}

/// Conditions on the machine and the container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct When {
    /// `CAP_…` names.
    #[serde(deserialize_with = "null_is_empty")]
    pub caps: Vec<String>,
    /// `amd64`, `arm64` …
    #[serde(deserialize_with = "null_is_empty")]
    pub arches: Vec<String>,
    /// `4.8`: this kernel or a later one.
    #[serde(deserialize_with = "kernel_version")]
    pub min_kernel: Option<(u32, u32)>,
}

/// Reads a profile and keeps what applies.
pub fn read(text: &str, facts: Facts) -> Result<Seccomp> {
    let profile: Profile = serde_json::from_str(text)
        .map_err(|cause| Error::invalid(format!("decoding seccomp profile failed: {cause}")))?;
    profile.resolve(facts)
}

impl Profile {
    /// Keeps what applies.
    pub fn resolve(self, facts: Facts) -> Result<Seccomp> {
        if !self.architectures.is_empty() && !self.arch_map.is_empty() {
            return Err(Error::invalid(
                "both `architectures` and `archMap` are specified in the seccomp profile; use one of them",
            ));
        }
        let mut architectures = self.architectures;
        if let Some(map) = self.arch_map.into_iter().find(|map| map.architecture == facts.arch) {
            architectures.push(map.architecture);
            architectures.extend(map.sub_architectures);
        }
        let mut syscalls = vec![];
        for conditional in self.syscalls {
            let applies = conditional.includes.all(facts) && !conditional.excludes.any(facts);
            let rule = conditional.into_rule()?;
            if applies {
                syscalls.push(rule);
            }
        }
        Ok(Seccomp {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags,
            listener_path: self.listener_path,
            listener_metadata: self.listener_metadata,
            syscalls,
        })
    }
}

impl Conditional {
    fn into_rule(self) -> Result<Rule> {
        let LooseRule { mut names, action, errno_ret, args } = self.rule;
        if !self.name.is_empty() {
            if !names.is_empty() {
                return Err(Error::invalid(
                    "both `name` and `names` are specified in the seccomp profile; use one of them",
                ));
            }
            names.push(self.name);
        }
        Ok(Rule { names, action, errno_ret, args })
    }
}

impl When {
    /// Every condition that is given holds.
    fn all(&self, facts: Facts) -> bool {
        (self.arches.is_empty() || self.has_arch(facts))
            && self.caps.iter().all(|cap| facts.caps.contains(&cap.as_str()))
            && self.min_kernel.is_none_or(|least| facts.kernel >= least)
    }

    /// A condition is given and holds.
    fn any(&self, facts: Facts) -> bool {
        self.has_arch(facts)
            || self.caps.iter().any(|cap| facts.caps.contains(&cap.as_str()))
            || self.min_kernel.is_some_and(|least| facts.kernel >= least)
    }

    fn has_arch(&self, facts: Facts) -> bool {
        arch::machine(facts.arch).is_some_and(|machine| self.arches.iter().any(|name| name == machine.docker))
    }
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

fn kernel_version<'de, D: Deserializer<'de>>(input: D) -> Result<Option<(u32, u32)>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let version = text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    version.map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!("invalid kernel version: `{text}`, expected `<kernel>.<major>`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts { caps: &["CAP_CHOWN"], arch: Arch::X86_64, kernel: (6, 1) };

    fn kept(text: &str) -> Vec<String> {
        read(text, FACTS).unwrap().syscalls.into_iter().flat_map(|rule| rule.names).collect()
    }

    #[test]
    fn rules_apply_by_capability_architecture_and_kernel() {
        let cases = [
            (r#""includes":{"caps":["CAP_CHOWN"]}"#, true),
            (r#""includes":{"caps":["CAP_CHOWN","CAP_BPF"]}"#, false),
            (r#""excludes":{"caps":["CAP_CHOWN","CAP_BPF"]}"#, false),
            (r#""excludes":{"caps":["CAP_BPF"]}"#, true),
            (r#""includes":{"arches":["arm64","amd64"]}"#, true),
            (r#""includes":{"arches":["s390x"]}"#, false),
            (r#""excludes":{"arches":["amd64"]}"#, false),
            (r#""includes":{"minKernel":"6.1"}"#, true),
            (r#""includes":{"minKernel":"6.2"}"#, false),
            (r#""excludes":{"minKernel":"4.8"}"#, false),
            (r#""includes":{"caps":["CAP_CHOWN"],"minKernel":"7.0"}"#, false),
            (r#""includes":{},"excludes":null,"args":null"#, true),
        ];
        for (condition, applies) in cases {
            let text = format!(
                r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",{condition}}}]}}"#
            );
            assert_eq!(!kept(&text).is_empty(), applies, "{condition}");
        }
    }

    #[test]
    fn old_profiles_name_one_call_a_rule() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[
            {"name":"read","action":"SCMP_ACT_ALLOW","args":[]},{"name":"write","action":"SCMP_ACT_ALLOW","args":null}]}"#;
        assert_eq!(kept(text), ["read", "write"]);
    }

    #[test]
    fn the_map_gives_the_machines_architectures() {
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","archMap":[
            {"architecture":"SCMP_ARCH_RISCV64","subArchitectures":null},
            {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}]}"#;
        assert_eq!(read(text, FACTS).unwrap().architectures, [Arch::X86_64, Arch::X86]);
    }

    #[test]
    fn contradictions_are_errors() {
        let cases = [
            (
                r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#,
                "both `architectures` and `archMap` are specified in the seccomp profile; use one of them",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}"#,
                "both `name` and `names` are specified in the seccomp profile; use one of them",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_NONSENSE"}"#,
                "decoding seccomp profile failed: unknown variant `SCMP_ACT_NONSENSE`, expected one of `SCMP_ACT_KILL`, `SCMP_ACT_KILL_PROCESS`, `SCMP_ACT_KILL_THREAD`, `SCMP_ACT_TRAP`, `SCMP_ACT_ERRNO`, `SCMP_ACT_TRACE`, `SCMP_ACT_ALLOW`, `SCMP_ACT_LOG`, `SCMP_ACT_NOTIFY` at line 1 column 36",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, FACTS).unwrap_err().to_string(), expected);
        }
    }
}
