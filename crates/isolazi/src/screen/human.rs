//! Numbers as people read them: ages and sizes in Docker's words (docker/go-units), which scripts parse.

/// Seconds of a minute, an hour, and hours of longer spans, as go-units counts them.
const HOURS_OF_DAY: u64 = 24;
const HOURS_OF_WEEK: u64 = 24 * 7;
const HOURS_OF_MONTH: u64 = 24 * 30;
const HOURS_OF_YEAR: u64 = 24 * 365;

/// A span of time: `Less than a second`, `About an hour`, `3 weeks`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = |value: f64| -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates: that is meant"
        )]
        let number = value as u64;
        number
    };
    let minutes = whole(seconds / 60.0);
    let hours = whole(seconds / 3600.0 + 0.5);
    match whole(seconds) {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        seconds @ 2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours <= 1 => "About an hour".to_owned(),
        _ if hours < 2 * HOURS_OF_DAY => format!("{hours} hours"),
        _ if hours < 2 * HOURS_OF_WEEK => format!("{} days", hours / HOURS_OF_DAY),
        _ if hours < 2 * HOURS_OF_MONTH => format!("{} weeks", hours / HOURS_OF_WEEK),
        _ if hours < 2 * HOURS_OF_YEAR => format!("{} months", hours / HOURS_OF_MONTH),
        _ => format!("{} years", whole(seconds / 3600.0) / HOURS_OF_YEAR),
    }
}

/// Decimal size with three significant digits: `8.83MB`, `0B`.
pub(crate) fn size(bytes: u64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// Decimal size with four significant digits, as totals are told: `212.4MB`.
pub(crate) fn total(bytes: u64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 4)
}

/// Binary size with four significant digits: `7.654GiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
}

/// `bytes` in the largest unit that leaves a number of at least 1, like C's `%.*g` but never with an exponent.
fn scaled(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    loop {
        let text = significant(value, digits);
        // Rounded to the next unit: `999.9kB` with three digits is `1MB`.
        if unit + 1 < units.len() && text.parse::<f64>().is_ok_and(|rounded| rounded >= base) {
            value /= base;
            unit += 1;
            continue;
        }
        return text + units[unit];
    }
}

/// `value` with so many significant digits and no trailing zeros.
fn significant(value: f64, digits: usize) -> String {
    let before = if value < 10.0 {
        1
    } else if value < 100.0 {
        2
    } else if value < 1000.0 {
        3
    } else {
        4
    };
    let text = format!("{value:.*}", digits.saturating_sub(before));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_dockers() {
        const HOUR: f64 = 3600.0;
        const DAY: f64 = 24.0 * HOUR;
        for (seconds, words) in [
            (-5.0, "Less than a second"),
            (0.0, "Less than a second"),
            (0.999, "Less than a second"),
            (1.0, "1 second"),
            (1.999, "1 second"),
            (2.0, "2 seconds"),
            (59.9, "59 seconds"),
            (60.0, "About a minute"),
            (119.0, "About a minute"),
            (120.0, "2 minutes"),
            (59.0 * 60.0 + 59.0, "59 minutes"),
            (HOUR, "About an hour"),
            (1.4 * HOUR, "About an hour"),
            (1.5 * HOUR, "2 hours"),
            (47.4 * HOUR, "47 hours"),
            (47.5 * HOUR, "2 days"),
            (13.9 * DAY, "13 days"),
            (14.0 * DAY, "2 weeks"),
            (59.0 * DAY, "8 weeks"),
            (60.0 * DAY, "2 months"),
            (729.0 * DAY, "24 months"),
            (730.0 * DAY, "2 years"),
        ] {
            assert_eq!(duration(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn sizes_are_dockers() {
        for (bytes, words) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.23kB"),
            (532_000, "532kB"),
            (8_829_000, "8.83MB"),
            (8_800_000, "8.8MB"),
            (999_900, "1MB"),
            (1_200_000_000, "1.2GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), words, "{bytes}");
        }
        for (bytes, words) in [(0, "0B"), (212_441_000, "212.4MB"), (1_234_567, "1.235MB")] {
            assert_eq!(total(bytes), words, "{bytes}");
        }
        for (bytes, words) in
            [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (24_536_678, "23.4MiB"), (8_218_000_000, "7.654GiB")]
        {
            assert_eq!(binary_size(bytes), words, "{bytes}");
        }
    }
}
