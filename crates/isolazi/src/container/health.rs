//! `--health-*`: what tells whether a container is well.

use crate::args::{is_on, one, parsed, switch, text, value};
use api::{HealthAction, HealthOptions};
use clap::{Arg, ArgMatches};
use error::{Error, Result};

/// Its flags.
pub(super) fn flags() -> Vec<Arg> {
    vec![
        text("health-cmd", "string", "Command to run to check health"),
        parsed("health-interval", "duration", "Time between running the check (ms|s|m|h; default 30s)", duration),
        text(
            "health-on-failure",
            "string",
            "What to do when it is unhealthy (none, kill, restart, stop; default none)",
        ),
        parsed("health-retries", "int", "Consecutive failures needed to report unhealthy (default 3)", count),
        parsed(
            "health-start-interval",
            "duration",
            "Time between running the check during the start period (ms|s|m|h; default 5s)",
            duration,
        ),
        parsed(
            "health-start-period",
            "duration",
            "Start period for the container to initialize before failures count (ms|s|m|h; default 0s)",
            duration,
        ),
        parsed(
            "health-timeout",
            "duration",
            "Maximum time to allow one check to run (ms|s|m|h; default 30s)",
            duration,
        ),
        switch("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    ]
}

/// What they say.
pub(super) fn parse(matches: &ArgMatches) -> Result<HealthOptions> {
    let options = HealthOptions {
        disabled: is_on(matches, "no-healthcheck"),
        command: one(matches, "health-cmd").filter(|command| !command.is_empty()).map(str::to_owned),
        interval_ns: value(matches, "health-interval"),
        timeout_ns: value(matches, "health-timeout"),
        start_period_ns: value(matches, "health-start-period"),
        start_interval_ns: value(matches, "health-start-interval"),
        retries: value(matches, "health-retries"),
        on_failure: match one(matches, "health-on-failure") {
            None | Some("none") => HealthAction::None,
            Some("kill") => HealthAction::Kill,
            Some("restart") => HealthAction::Restart,
            Some("stop") => HealthAction::Stop,
            Some(other) => {
                return Err(Error::invalid(format!(
                    "invalid on-failure action \"{other}\" for health check: must be one of \"none\", \"kill\", \
                     \"restart\" or \"stop\""
                )));
            }
        },
    };
    if options.disabled && options != (HealthOptions { disabled: true, ..HealthOptions::default() }) {
        return Err(Error::invalid("--no-healthcheck conflicts with --health-* options"));
    }
    Ok(options)
}

fn count(text: &str) -> Result<u32, String> {
    let number = super::number::integer(text)?;
    u32::try_from(number).map_err(|_| "--health-retries cannot be negative".to_owned())
}

/// As Go's time.ParseDuration: `1h30m`, `2.5s`, `100ms`; not below 0.
fn duration(text: &str) -> Result<u64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text == "0" {
        return Ok(0);
    }
    if text.starts_with('-') {
        return Err(format!("{text} is negative"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut sum = 0.0_f64;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(invalid());
        }
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let nanoseconds = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        sum += number.parse::<f64>().map_err(|_| invalid())? * nanoseconds;
        rest = after;
    }
    // Go's nanoseconds end at 2⁶³, after 292 years.
    if sum >= 9.2e18 {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2⁶³; fractions are none"
    )]
    Ok(sum as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("100ms", 100_000_000),
            ("1h30m", 5_400_000_000_000),
            ("2.5s", 2_500_000_000),
            ("+1us1ns", 1001),
            (".5s", 500_000_000),
        ] {
            assert_eq!(duration(text), Ok(nanoseconds), "{text}");
        }
        for (text, why) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5d", "time: unknown unit \"d\" in duration \"5d\""),
            ("-5s", "-5s is negative"),
            ("..s", "time: invalid duration \"..s\""),
        ] {
            assert_eq!(duration(text).unwrap_err(), why);
        }
    }
}
