//! Times of records (RFC 3339) as lists show them.

use crate::screen::human;
use jiff::Timestamp;

/// How long ago that was, without "ago": `5 minutes`. Empty when the record has no such time.
pub(crate) fn since(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => human::duration(now.duration_since(time).as_secs_f64()),
        Err(_) => String::new(),
    }
}

/// Local time as in Docker's `.CreatedAt`: `2026-08-20 12:38:49 +0200 CEST`.
pub(crate) fn local(time: &str, zone: &jiff::tz::TimeZone) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        Err(_) => String::new(),
    }
}

/// `--since` and `--until`: RFC 3339, a date, a date with time, unix seconds, or a span before now (`10m`, `2h30m`).
pub(crate) fn parse_point(text: &str, now: Timestamp, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
    if let Ok(point) = text.parse::<Timestamp>() {
        return Some(point);
    }
    if let Ok(local) = text.parse::<jiff::civil::DateTime>() {
        return local.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp());
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && !fraction.is_empty()
        && fraction.len() <= 9
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
        return Timestamp::new(seconds.parse().ok()?, nanoseconds).ok();
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    now.checked_sub(jiff::SignedDuration::from_millis(span_ms(text)?)).ok()
}

/// Go's durations, as far as people type them: `1h30m`, `90s`, `500ms`.
pub(crate) fn span(text: &str) -> Option<std::time::Duration> {
    span_ms(text).and_then(|ms| u64::try_from(ms).ok()).map(std::time::Duration::from_millis)
}

/// The same in milliseconds.
fn span_ms(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_ms)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn points_in_time_are_read_as_docker_reads_them() {
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (text, point) in [
            ("2026-08-20T11:00:00Z", Some("2026-08-20T11:00:00Z")),
            ("2026-08-20T11:00:00.5+02:00", Some("2026-08-20T09:00:00.5Z")),
            ("2026-08-20", Some("2026-08-19T22:00:00Z")),
            ("2026-08-20T10:00:00", Some("2026-08-20T08:00:00Z")),
            ("1787227200", Some("2026-08-20T12:00:00Z")),
            ("1787227200.25", Some("2026-08-20T12:00:00.25Z")),
            ("10m", Some("2026-08-20T11:50:00Z")),
            ("2h30m", Some("2026-08-20T09:30:00Z")),
            ("yesterday", None),
            ("m", None),
            ("", None),
        ] {
            let expected = point.map(|point| point.parse::<Timestamp>().unwrap());
            assert_eq!(parse_point(text, now, &zone), expected, "{text}");
        }
    }

    #[test]
    fn a_record_without_a_time_shows_nothing() {
        let now: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        assert_eq!(since("2026-08-20T11:55:00.123456789Z", now), "4 minutes");
        assert_eq!(since("", now), "");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(local("2026-08-20T10:38:49.5Z", &zone), "2026-08-20 12:38:49 +0200 +02");
        assert_eq!(local("", &zone), "");
    }
}
