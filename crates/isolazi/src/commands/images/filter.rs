//! `images --filter`, and the name that may follow `images`.

use crate::commands::filters::{Label, any, bad, boolean, has_labels, label, pair, unknown};
use crate::screen::time::parse_point;
use api::ImageSummary;
use error::{Error, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oci::reference::Reference;

/// All conditions.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Option<bool>,
    references: Vec<String>,
    labels: Vec<Label>,
    /// RFC 3339.
    until: Vec<String>,
    /// Images; once they are found, their times.
    before: Vec<String>,
    since: Vec<String>,
    /// `images NAME`: a repository, or a repository with tag or digest.
    pub names: Vec<String>,
}

impl Filters {
    /// From `key=value` texts.
    pub(super) fn parse<'a>(texts: impl Iterator<Item = &'a str>, now: Timestamp, zone: &TimeZone) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            match pair(text)? {
                ("dangling", value) => filters.dangling = Some(boolean(value).ok_or_else(|| bad(text))?),
                ("reference", pattern) => filters.references.push(pattern.to_owned()),
                ("label", wanted) => filters.labels.push(label(wanted)),
                ("until", point) => {
                    let point = parse_point(point, now, zone).ok_or_else(|| bad(text))?;
                    filters.until.push(point.to_string());
                }
                ("before", image) => filters.before.push(image.to_owned()),
                ("since", image) => filters.since.push(image.to_owned()),
                (key, _) => return Err(unknown(key, "before, dangling, label, reference, since and until")),
            }
        }
        Ok(filters)
    }

    /// Finds the images that others are to be older or newer than.
    pub(super) fn resolve(mut self, all: &[ImageSummary]) -> Result<Self> {
        for wanted in self.before.iter_mut().chain(&mut self.since) {
            let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
            let by_id = || all.iter().find(|image| !hex.is_empty() && image.id.hex().starts_with(hex));
            let found = all.iter().find(|image| is_named(wanted, image)).or_else(by_id);
            let found = found.ok_or_else(|| Error::not_found(format!("No such image: {wanted}")))?;
            wanted.clone_from(&found.created);
        }
        Ok(self)
    }

    /// Do all conditions hold?
    pub(super) fn accept(&self, image: &ImageSummary) -> bool {
        let is_dangling = image.repository.is_empty() && image.tag.is_empty();
        let full = format!("{}:{}", image.repository, image.tag);
        let matches =
            |pattern: &String| glob(pattern, &full) || glob(pattern, &image.repository) || is_named(pattern, image);
        // Who does not say when it was made is of no age.
        let is_older = |time: &String| is_before(&image.created, time);
        let is_newer = |time: &String| is_before(time, &image.created);
        self.dangling.is_none_or(|wanted| wanted == is_dangling)
            && has_labels(&image.labels, &self.labels)
            && self.until.iter().chain(&self.before).all(is_older)
            && self.since.iter().all(is_newer)
            && any(&self.references, matches)
            && any(&self.names, matches)
    }
}

/// Both are RFC 3339, but not always of the same zone.
fn is_before(a: &str, b: &str) -> bool {
    matches!((a.parse::<Timestamp>(), b.parse::<Timestamp>()), (Ok(a), Ok(b)) if a < b)
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

    fn parse(filters: &[&str]) -> Result<Filters> {
        Filters::parse(filters.iter().copied(), "2026-08-20T12:00:00Z".parse().unwrap(), &TimeZone::UTC)
    }

    #[test]
    fn filters_hold_as_dockers_do() {
        let image = |repository: &str, tag: &str| ImageSummary {
            repository: repository.into(),
            tag: tag.into(),
            digest: format!("sha256:{}", "cd".repeat(32)).parse().unwrap(),
            id: format!("sha256:{}", "ab".repeat(32)).parse().unwrap(),
            created: "2026-08-20T12:00:00+02:00".into(),
            size: 0,
            platform: String::new(),
            labels: [("a".to_owned(), "1".to_owned())].into(),
        };
        let older = ImageSummary { created: "2026-08-20T09:00:00Z".into(), ..image("debian", "12") };
        let accepts = |filters: &[&str], names: &[&str], image: &ImageSummary| {
            let mut parsed = parse(filters).unwrap().resolve(&[image.clone(), older.clone()]).unwrap();
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
            (&["label=a"], &[], true),
            (&["label=a=2"], &[], false),
            (&["label=a", "label=b"], &[], false),
            (&["until=2026-08-20T10:00:01Z"], &[], true),
            (&["until=2026-08-20T10:00:00Z"], &[], false),
            (&["until=1h"], &[], true),
            (&["since=debian"], &[], true),
            (&["since=debian:12", "until=1h"], &[], true),
            (&["before=debian"], &[], false),
            (&["before=alpine"], &[], false),
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
            ("until=soon", "invalid filter 'until=soon'"),
            ("dangling", "invalid filter 'dangling': expected key=value"),
        ] {
            assert_eq!(parse(&[text]).unwrap_err().to_string(), complaint);
        }
    }
}
