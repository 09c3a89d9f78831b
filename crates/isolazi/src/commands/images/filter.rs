//! `images --filter`, and the name that may follow `images`.

use api::ImageSummary;
use error::{Error, Result};
use oci::reference::Reference;

/// All conditions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Option<bool>,
    references: Vec<String>,
    /// `images NAME`: a repository, or a repository with tag or digest.
    pub names: Vec<String>,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            match text.split_once('=') {
                Some(("dangling", "true" | "1")) => filters.dangling = Some(true),
                Some(("dangling", "false" | "0")) => filters.dangling = Some(false),
                Some(("reference", pattern)) => filters.references.push(pattern.to_owned()),
                Some(("dangling", _)) => return Err(Error::invalid(format!("invalid filter '{text}'"))),
                Some((key, _)) => {
                    return Err(Error::invalid(format!("invalid filter '{key}'"))
                        .hint("known filters are dangling and reference"));
                }
                None => return Err(Error::invalid(format!("invalid filter '{text}': expected key=value"))),
            }
        }
        Ok(filters)
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, image: &ImageSummary) -> bool {
        let is_dangling = image.repository.is_empty() && image.tag.is_empty();
        let full = format!("{}:{}", image.repository, image.tag);
        let matches =
            |pattern: &String| glob(pattern, &full) || glob(pattern, &image.repository) || is_named(pattern, image);
        self.dangling.is_none_or(|wanted| wanted == is_dangling)
            && (self.references.is_empty() || self.references.iter().any(matches))
            && (self.names.is_empty() || self.names.iter().any(matches))
    }
}

/// Is it the image of this name, however much of it was typed? A name without tag means all tags.
fn is_named(name: &str, image: &ImageSummary) -> bool {
    let Ok(wanted) = name.parse::<Reference>() else { return false };
    if wanted.familiar_name() != image.repository {
        return false;
    }
    // The parser completes a missing tag; what was typed says whether one was meant.
    let last = name.rsplit('/').next().unwrap_or(name);
    match (wanted.digest(), last.contains(':')) {
        (Some(digest), _) => *digest == image.digest,
        (None, true) => wanted.tag() == Some(&image.tag),
        (None, false) => true,
    }
}

/// Shell patterns as in Go's path.Match: `*` and `?` stop at slashes, `[a-z]` is one of, `\` takes the next literally.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    matches(&pattern, &text)
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
    match first {
        '*' => {
            let stop = text.iter().position(|&c| c == '/').unwrap_or(text.len());
            (0..=stop).any(|taken| matches(rest, &text[taken..]))
        }
        '?' => text.split_first().is_some_and(|(&c, text)| c != '/' && matches(rest, text)),
        '[' => {
            let Some(end) = rest.iter().position(|&c| c == ']') else { return false };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            text.split_first().is_some_and(|(&c, text)| is_in(set, c) && matches(rest, text))
        }
        '\\' => match rest.split_first() {
            Some((&literal, rest)) => text.split_first().is_some_and(|(&c, text)| c == literal && matches(rest, text)),
            None => false,
        },
        literal => text.split_first().is_some_and(|(&c, text)| c == literal && matches(rest, text)),
    }
}

/// The inside of `[…]`, with ranges and a leading `^`.
fn is_in(set: &[char], c: char) -> bool {
    let (negated, mut set) = match set {
        ['^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let mut found = false;
    while let [first, rest @ ..] = set {
        match rest {
            ['-', last, after @ ..] => {
                found |= (*first..=*last).contains(&c);
                set = after;
            }
            _ => {
                found |= *first == c;
                set = rest;
            }
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_hold_as_dockers_do() {
        let image = |repository: &str, tag: &str| ImageSummary {
            repository: repository.into(),
            tag: tag.into(),
            digest: format!("sha256:{}", "cd".repeat(32)).parse().unwrap(),
            id: format!("sha256:{}", "ab".repeat(32)).parse().unwrap(),
            created: String::new(),
            size: 0,
            platform: String::new(),
        };
        let accepts = |filters: &[&str], names: &[&str], image: &ImageSummary| {
            let mut parsed = Filters::parse(filters.iter().copied()).unwrap();
            parsed.names = names.iter().map(|&name| name.to_owned()).collect();
            parsed.accept(image)
        };
        let alpine = image("alpine", "3.20");
        for (filter, name, holds) in [
            (&[][..], &[][..], true),
            (&["dangling=true"], &[], false),
            (&["dangling=false"], &[], true),
            (&["reference=alp*"], &[], true),
            (&["reference=alpine:3.*"], &[], true),
            (&["reference=*:4*"], &[], false),
            (&["reference=[a-c]lpin?"], &[], true),
            (&["reference=[^a]*"], &[], false),
            (&["reference=nginx", "reference=alpine"], &[], true),
            (&[], &["alpine"], true),
            (&[], &["docker.io/library/alpine:3.20"], true),
            (&[], &["alpine:latest"], false),
            (&[], &["alp"], false),
            (&[], &["alp*"], true),
        ] {
            assert_eq!(accepts(filter, name, &alpine), holds, "{filter:?} {name:?}");
        }
        let own = image("localhost:5000/team/app", "");
        assert!(
            accepts(&["reference=localhost:5000/*/app"], &[], &own)
                && !accepts(&["reference=localhost:5000/*"], &[], &own)
        );
        assert!(accepts(&[], &["localhost:5000/team/app"], &own));
        assert!(accepts(&["dangling=true"], &[], &image("", "")));
        for (text, complaint) in [
            ("dangling=maybe", "invalid filter 'dangling=maybe'"),
            ("x=y", "invalid filter 'x'"),
            ("dangling", "invalid filter 'dangling': expected key=value"),
        ] {
            assert_eq!(Filters::parse([text].into_iter()).unwrap_err().to_string(), complaint);
        }
    }
}
