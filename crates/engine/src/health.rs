//! Health checks as they are kept: what was asked, put together from image and user, and what came of it.

use api::{HealthOptions, HealthStatus};
use error::{Error, Result, ResultExt};
use oci::image::ContainerDefaults;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// The least that makes sense, as with Docker.
const LEAST: Duration = Duration::from_millis(1);

/// How many results are kept.
const KEPT: usize = 5;

/// In a container's record: the check and its times, in the words of an image config (`Healthcheck`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Healthcheck {
    /// `CMD` and a command, or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    /// In nanoseconds, like all the times; 0 is Docker's default.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// In a container's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    pub status: HealthStatus,
    /// Failures since the last success.
    pub failing_streak: u32,
    /// The last results, the oldest first.
    pub log: Vec<HealthResult>,
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HealthResult {
    /// RFC 3339.
    pub start: String,
    pub end: String,
    /// -1 when it took too long.
    pub exit_code: i32,
    /// The beginning of what it said.
    pub output: String,
}

/// What is to be checked: the user's wishes over the image's. `None`: nothing.
pub(crate) fn of(image: &ContainerDefaults, options: &HealthOptions) -> Result<Option<Healthcheck>> {
    if options.disabled {
        return Ok(None);
    }
    let of_image = image.extra.get("Healthcheck").filter(|value| value.is_object());
    let of_image = of_image.map(|value| serde_json::from_value::<Healthcheck>(value.clone()));
    let of_image = of_image.transpose().map_err(|cause| Error::invalid(cause.to_string()));
    let mut check = of_image.context(|| "the image's Healthcheck")?.unwrap_or_default();
    if let Some(command) = &options.command {
        check.test = vec!["CMD-SHELL".to_owned(), command.clone()];
    }
    check.interval = options.interval_ns.unwrap_or(check.interval);
    check.timeout = options.timeout_ns.unwrap_or(check.timeout);
    check.start_period = options.start_period_ns.unwrap_or(check.start_period);
    check.start_interval = options.start_interval_ns.unwrap_or(check.start_interval);
    check.retries = options.retries.map_or(check.retries, u64::from);
    for (name, time) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if time != 0 && Duration::from_nanos(time) < LEAST {
            return Err(Error::invalid(format!("{name} in Healthcheck cannot be less than 1ms")));
        }
    }
    let is_none = check.test.first().is_none_or(|word| word == "NONE");
    Ok((!is_none).then_some(check))
}

impl Healthcheck {
    /// The command line in the container.
    pub(crate) fn command(&self) -> Vec<String> {
        match self.test.as_slice() {
            [word, line] if word == "CMD-SHELL" => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
            [word, command @ ..] if word == "CMD" => command.to_vec(),
            other => other.to_vec(),
        }
    }

    /// How long a check may take.
    pub(crate) fn timeout(&self) -> Duration {
        or(self.timeout, TIMEOUT)
    }

    /// From the end of a check to the next; `ran`: since the start.
    pub(crate) fn pause(&self, health: &Health, ran: Duration) -> Duration {
        let (pause, starts) = (or(self.interval, INTERVAL), Duration::from_nanos(self.start_period));
        if health.status == HealthStatus::Starting && ran < starts {
            return pause.min(or(self.start_interval, START_INTERVAL));
        }
        pause
    }
}

fn or(nanoseconds: u64, default: Duration) -> Duration {
    if nanoseconds == 0 { default } else { Duration::from_nanos(nanoseconds) }
}

impl Health {
    /// Takes a result, which began so long after the start. Has it become unhealthy by it?
    pub(crate) fn take(&mut self, check: &Healthcheck, ran: Duration, result: HealthResult) -> bool {
        let succeeded = result.exit_code == 0;
        self.log.push(result);
        let old = self.log.len().saturating_sub(KEPT);
        self.log.drain(..old);
        if succeeded {
            (self.status, self.failing_streak) = (HealthStatus::Healthy, 0);
            return false;
        }
        // One that has never been healthy is given its time.
        if self.status == HealthStatus::Starting && ran < Duration::from_nanos(check.start_period) {
            return false;
        }
        self.failing_streak = self.failing_streak.saturating_add(1);
        let most = if check.retries == 0 { RETRIES.into() } else { check.retries };
        if u64::from(self.failing_streak) < most || self.status == HealthStatus::Unhealthy {
            return false;
        }
        self.status = HealthStatus::Unhealthy;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(healthcheck: &str) -> ContainerDefaults {
        serde_json::from_str(&format!("{{\"Healthcheck\":{healthcheck}}}")).unwrap()
    }

    #[test]
    fn the_user_is_above_the_image_and_each_may_say_nothing() {
        let plain = HealthOptions::default();
        let own = |command: &str| HealthOptions { command: Some(command.into()), ..HealthOptions::default() };
        let full = image(r#"{"Test":["CMD","a","b"],"Interval":7000000,"Retries":9}"#);
        assert_eq!(of(&ContainerDefaults::default(), &plain).unwrap(), None);
        assert_eq!(of(&image("null"), &plain).unwrap(), None);
        assert_eq!(of(&image(r#"{"Test":["NONE"]}"#), &plain).unwrap(), None);
        assert_eq!(of(&full, &HealthOptions { disabled: true, ..plain.clone() }).unwrap(), None);
        let of_image = of(&full, &plain).unwrap().unwrap();
        assert_eq!(
            (of_image.command(), of_image.interval, of_image.retries),
            (vec!["a".into(), "b".into()], 7_000_000, 9)
        );
        let both = HealthOptions { retries: Some(2), timeout_ns: Some(5_000_000), ..own("x y") };
        let both = of(&full, &both).unwrap().unwrap();
        assert_eq!(both.command(), ["/bin/sh", "-c", "x y"]);
        assert_eq!((both.interval, both.retries, both.timeout()), (7_000_000, 2, Duration::from_millis(5)));
        let short = HealthOptions { interval_ns: Some(1), ..own("x") };
        assert_eq!(of(&full, &short).unwrap_err().to_string(), "Interval in Healthcheck cannot be less than 1ms");
        assert!(of(&image(r#"{"Test":7}"#), &plain).is_err());
    }

    #[test]
    fn failures_count_after_the_start_and_in_a_row() {
        let check = Healthcheck { start_period: 1_000_000_000, retries: 2, ..Healthcheck::default() };
        let mut health = Health::default();
        let mut take = |seconds: u64, exit_code: i32| {
            let result = HealthResult { exit_code, ..HealthResult::default() };
            let turned = health.take(&check, Duration::from_secs(seconds), result);
            (health.status, health.failing_streak, turned, health.log.len())
        };
        use HealthStatus::{Healthy, Starting, Unhealthy};
        assert_eq!(take(0, 1), (Starting, 0, false, 1));
        assert_eq!(take(1, 1), (Starting, 1, false, 2));
        assert_eq!(take(1, -1), (Unhealthy, 2, true, 3));
        assert_eq!(take(1, 1), (Unhealthy, 3, false, 4));
        assert_eq!(take(1, 0), (Healthy, 0, false, 5));
        // Once it has been healthy a failure counts, how young it may be.
        assert_eq!(take(0, 1), (Healthy, 1, false, 5));
        assert_eq!(take(0, 0), (Healthy, 0, false, 5));
    }

    #[test]
    fn while_it_starts_it_is_looked_at_more_often() {
        let check = Healthcheck { start_period: 60_000_000_000, ..Healthcheck::default() };
        let mut health = Health::default();
        assert_eq!(check.pause(&health, Duration::ZERO), START_INTERVAL);
        assert_eq!(check.pause(&health, Duration::from_secs(60)), INTERVAL);
        health.status = HealthStatus::Healthy;
        assert_eq!(check.pause(&health, Duration::ZERO), INTERVAL);
    }
}
