//! `--since` and `--until`: which entries are shown, by their time.

use crate::entry::STAMP_BYTES;
use crate::record;
use std::borrow::Cow;
use std::time::Duration;

/// Both ends belong to it; RFC 3339 with nanoseconds, UTC, so that their order is that of their letters.
pub(super) struct View<'a> {
    pub since: Option<&'a str>,
    pub until: Option<&'a str>,
}

/// What becomes of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// It is shown with this time.
    Yes(Cow<'a, str>),
    No,
    /// Neither is it shown nor any that follows.
    TooLate,
}

impl View<'_> {
    /// An entry of that time.
    pub(super) fn of<'a>(&self, time: &'a str) -> Shown<'a> {
        let Some(time) = canonical(time) else { return Shown::Yes(Cow::Borrowed(time)) };
        if self.until.is_some_and(|until| *time > *until) {
            return Shown::TooLate;
        }
        if self.since.is_some_and(|since| *time < *since) {
            return Shown::No;
        }
        Shown::Yes(time)
    }

    /// Will nothing that is said from now on be shown?
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| *record::now() > *until)
    }

    /// How long until then.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = self.until?.parse::<jiff::Timestamp>().ok()?;
        Some(until.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default())
    }
}

/// As we write it; Docker leaves zeros at the end out. `None`: it is no time.
fn canonical(time: &str) -> Option<Cow<'_, str>> {
    if time.len() == STAMP_BYTES && time.ends_with('Z') {
        return Some(Cow::Borrowed(time));
    }
    time.parse::<jiff::Timestamp>().ok().map(|time| Cow::Owned(format!("{time:.9}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shown_within_their_times() {
        let (since, until) = ("2026-01-02T00:00:00.000000000Z", "2026-01-03T00:00:00.500000000Z");
        let view = View { since: Some(since), until: Some(until) };
        for (time, shown) in [
            ("2026-01-01T23:59:59.999999999Z", Shown::No),
            ("2026-01-02T00:00:00.000000000Z", Shown::Yes(since.into())),
            ("2026-01-02T01:00:00+01:00", Shown::Yes(since.into())),
            ("2026-01-03T00:00:00.5Z", Shown::Yes(until.into())),
            ("2026-01-03T00:00:00.500000001Z", Shown::TooLate),
            ("never", Shown::Yes("never".into())),
        ] {
            assert_eq!(view.of(time), shown, "{time}");
        }
        assert!(view.is_over());
        assert_eq!(
            View { since: None, until: None }.of("2026-01-03T00:00:00Z"),
            Shown::Yes("2026-01-03T00:00:00.000000000Z".into())
        );
    }
}
