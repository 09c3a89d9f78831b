//! References: `[registry/]repository[:tag][@digest]`, in the grammar of the distribution project.
//!
//! What a user types is completed once, here: `alpine` means `docker.io/library/alpine:latest`. A [`Reference`] holds
//! the completed parts; [`Reference::familiar`] shows them as Docker does, `Display` shows them all.

use crate::Digest;
use error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The registry of names that do not begin with one.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The tag of names that have neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// Where Docker's own images live: `docker.io/library/alpine` is shown as `alpine`.
const OFFICIAL: &str = "library/";
/// Bytes of a repository path (distribution/reference, `RepositoryNameTotalLengthMax`).
const MAX_REPOSITORY_BYTES: usize = 255;
/// Bytes of a registry with its port: a DNS name has 253 at most, a port 5.
const MAX_REGISTRY_BYTES: usize = 253 + 6;
/// Characters of a tag: one, then 127 more (distribution/reference, `TagRegexp`).
const MAX_TAG_BYTES: usize = 128;

/// A completed name of an image: it always has a tag or a digest, and may have both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The host, with its port if one was given: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path on the registry: `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The movable name, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The content that is meant, if it is fixed.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository by another tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        if !is_tag(tag) {
            return Err(malformed());
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository by a digest only.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The repository as Docker shows it, without tag: `alpine`, `user/app`, `localhost:5000/app`.
    pub fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return self.full_name();
        }
        match self.repository.strip_prefix(OFFICIAL) {
            // A name such as `library/a/b` shortened to `a/b` would mean another repository.
            Some(short) if !short.contains('/') => short.to_owned(),
            // And `a.b/c` without its registry would mean a registry `a.b`.
            _ if split_registry(&self.repository).0 != DEFAULT_REGISTRY => self.full_name(),
            _ => self.repository.clone(),
        }
    }

    /// The whole name as Docker shows it: `alpine:latest`, `localhost:5000/x:1`, `busybox@sha256:…`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(&digest.to_string());
        }
        name
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            // It would read as an image ID where IDs are accepted too.
            return Err(Error::invalid(format!(
                "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            )));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (registry, path) = split_registry(named);
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(Error::invalid(format!(
                "invalid reference format: repository name ({path}) must be lowercase"
            )));
        }
        let repository =
            if registry == DEFAULT_REGISTRY && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path.into() };
        if !is_registry(registry) || !repository.split('/').all(is_component) || !tag.is_none_or(is_tag) {
            return Err(malformed());
        }
        if repository.len() > MAX_REPOSITORY_BYTES {
            return Err(Error::invalid(format!(
                "repository name must not be more than {MAX_REPOSITORY_BYTES} characters"
            )));
        }
        let tag = match (tag, digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag,
        };
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

/// A first part is a registry when it could not be a repository: it has a dot, a colon or an upper-case letter, or is
/// `localhost` (distribution/reference, `splitDockerDomain`).
fn split_registry(named: &str) -> (&str, &str) {
    match named.split_once('/') {
        Some(("index.docker.io" | DEFAULT_REGISTRY, path)) => (DEFAULT_REGISTRY, path),
        Some((first, path))
            if first == "localhost" || first.bytes().any(|b| matches!(b, b'.' | b':') || b.is_ascii_uppercase()) =>
        {
            (first, path)
        }
        _ => (DEFAULT_REGISTRY, named),
    }
}

fn parse_digest(text: &str) -> Result<Digest> {
    match text.parse() {
        Ok(digest) => Ok(digest),
        // Another algorithm is well-formed, but not one we can verify: say so.
        Err(cause) if !text.starts_with("sha256:") && is_digest_shaped(text) => Err(cause),
        Err(_) => Err(malformed()),
    }
}

fn is_digest_shaped(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            if v6.is_empty() || !v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            match rest.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if rest.is_empty() => (None, None),
                None => return false,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_REGISTRY_BYTES
        && host.is_none_or(|host| host.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, joined by one of `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|b| is_word(**b)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        rest = match rest {
            [] => return true,
            [b'_', b'_', rest @ ..] | [b'.' | b'_', rest @ ..] => rest,
            [b'-', ..] => &rest[rest.iter().take_while(|b| **b == b'-').count()..],
            _ => return false,
        };
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

fn malformed() -> Error {
    Error::invalid("invalid reference format")
}

impl TryFrom<String> for Reference {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// The whole, completed name: `docker.io/library/alpine:latest`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.full_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn names_are_completed_and_shown_as_docker_does() {
        let digest = format!("sha256:{HEX}");
        for (typed, full, familiar) in [
            ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
            ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("user/app", "docker.io/user/app:latest", "user/app:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("index.docker.io/user/app:1", "docker.io/user/app:1", "user/app:1"),
            ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
            ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
            ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
            ("[fe80::1]/x", "[fe80::1]/x:latest", "[fe80::1]/x:latest"),
            ("ghcr.io/a/b/c:V1_x.y-z", "ghcr.io/a/b/c:V1_x.y-z", "ghcr.io/a/b/c:V1_x.y-z"),
            ("Host/x", "Host/x:latest", "Host/x:latest"),
            ("a__b/c-----d.e_f", "docker.io/a__b/c-----d.e_f:latest", "a__b/c-----d.e_f:latest"),
            (
                &format!("busybox@{digest}"),
                &format!("docker.io/library/busybox@{digest}"),
                &format!("busybox@{digest}"),
            ),
            (&format!("x.io/b:1@{digest}"), &format!("x.io/b:1@{digest}"), &format!("x.io/b:1@{digest}")),
        ] {
            let reference: Reference = typed.parse().unwrap_or_else(|e| panic!("{typed}: {e}"));
            assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (full, familiar), "{typed}");
        }
    }

    #[test]
    fn bad_names_are_refused_in_the_distribution_projects_words() {
        const FORMAT: &str = "invalid reference format";
        let long = "a".repeat(256);
        for (typed, text) in [
            ("", FORMAT),
            (":tag", FORMAT),
            ("a:", FORMAT),
            ("a@", FORMAT),
            ("a@sha256:12", FORMAT),
            ("a/", FORMAT),
            ("/a", FORMAT),
            ("a//b", FORMAT),
            ("a b", FORMAT),
            ("a\n", FORMAT),
            ("-a", FORMAT),
            ("a-", FORMAT),
            ("a___b", FORMAT),
            ("a..b", FORMAT),
            ("../../etc", FORMAT),
            ("a:.x", FORMAT),
            ("a:b:c", FORMAT),
            ("http://x.io/a", FORMAT),
            ("x.io:/a", FORMAT),
            ("x.io:port/a", FORMAT),
            ("-x.io/a", FORMAT),
            ("[::1/a", FORMAT),
            ("[]:5000/a", FORMAT),
            ("é", FORMAT),
            (&format!("a:{}", "t".repeat(129)), FORMAT),
            (&format!("a@sha512:{HEX}{HEX}"), "unsupported digest algorithm `sha512`"),
            ("Alpine", "invalid reference format: repository name (Alpine) must be lowercase"),
            ("x.io/Foo:1", "invalid reference format: repository name (Foo) must be lowercase"),
            (HEX, &format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings")),
            (&long, "repository name must not be more than 255 characters"),
        ] {
            let error = typed.parse::<Reference>().expect_err(typed);
            assert_eq!(error.to_string(), text, "{typed}");
        }
        assert!(format!("a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
        assert!(format!("x.io/{}", "a".repeat(255)).parse::<Reference>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_without_a_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<Reference>();
        }

        #[test]
        fn what_is_shown_parses_to_the_same(
            registry in "(docker\\.io/|localhost/|localhost:[0-9]{1,5}/|[a-z]{1,5}\\.[A-Za-z]{2,3}(:[0-9]{1,4})?/|\\[::1\\]:5000/)",
            path in "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}",
            tag in "(|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})",
            digest in "(|@sha256:[0-9a-f]{64})",
        ) {
            let reference: Reference = format!("{registry}{path}{tag}{digest}").parse().unwrap();
            prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
            prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
        }
    }
}
