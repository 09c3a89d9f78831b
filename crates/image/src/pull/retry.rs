//! Trying again: after what passes (a full server, a broken connection), with growing waits, but not for ever.

use crate::pull::stop::Stop;
use error::{Error, Result};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A longer wait asked for by a registry is not worth it in the foreground: the user hears of it instead.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// Growth of the waits ends here.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long to insist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Failures in a row, without a byte gained between them, after which a request is given up.
    pub attempts: u32,
    /// The wait after the first failure; each further one doubles it.
    pub first_wait: Duration,
    /// How long a connection may stay silent.
    pub silence: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_secs(1), silence: Duration::from_secs(30) }
    }
}

/// Why a request failed, for the one who decides whether to try again.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Trying again can't help.
    Final(Error),
    /// Nobody answers at all.
    Unreachable(Error),
    /// It may pass; the server may have said when.
    Passing { error: Error, after: Option<Duration> },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Final(error) | Self::Unreachable(error) | Self::Passing { error, .. } => error,
        }
    }

    /// What answered once and does no longer may come back.
    pub(crate) fn passing(self) -> Self {
        match self {
            Self::Unreachable(error) => Self::Passing { error, after: None },
            other => other,
        }
    }
}

/// Failures of one request, counted.
#[derive(Debug)]
pub(crate) struct Backoff<'a> {
    retries: &'a Retries,
    failures: u32,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(retries: &'a Retries) -> Self {
        Self { retries, failures: 0 }
    }

    /// Bytes came: what failed before is forgotten.
    pub(crate) fn advanced(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next try, or the error that ends it, with the error to show meanwhile.
    pub(crate) fn after(&mut self, failure: Failure) -> Result<(Duration, Error)> {
        let Failure::Passing { error, after } = failure else { return Err(failure.into_error()) };
        if let Some(asked) = after.filter(|asked| *asked > MAX_RETRY_AFTER) {
            return Err(error.hint(format!("the registry asks to wait {} minutes", asked.as_secs().div_ceil(60))));
        }
        self.failures += 1;
        if self.failures > self.retries.attempts {
            return Err(error);
        }
        let doubled = self.retries.first_wait.saturating_mul(1 << (self.failures - 1).min(16)).min(MAX_WAIT);
        Ok((after.unwrap_or_else(|| jitter(doubled)), error))
    }
}

/// Within a quarter of `wait`, so that clients that failed together do not come back together.
fn jitter(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 501;
    let permille = 750 + u32::try_from(random).expect("at most 500");
    wait * permille / 1000
}

/// Tries until it succeeds, fails for good, or `stop` is set; `tell` hears of each wait.
pub(crate) fn with_retries<T>(
    retries: &Retries,
    stop: &Stop<'_>,
    tell: &dyn Fn(Duration, &Error),
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T> {
    let mut backoff = Backoff::new(retries);
    loop {
        stop.check()?;
        let failure = match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        // A connection cut by our own stop is no failure of the server.
        stop.check()?;
        let (wait, error) = backoff.after(failure)?;
        tell(wait, &error);
        stop.sleep(wait)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(after: Option<u64>) -> Failure {
        Failure::Passing { error: Error::invalid("busy"), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_double_within_a_quarter_and_end() {
        let retries = Retries { attempts: 3, ..Retries::default() };
        let mut backoff = Backoff::new(&retries);
        for seconds in [1.0, 2.0, 4.0] {
            let (wait, _) = backoff.after(passing(None)).unwrap();
            assert!((0.75 * seconds..=1.25 * seconds).contains(&wait.as_secs_f64()), "{wait:?}");
        }
        assert!(backoff.after(passing(None)).is_err());
        backoff.advanced();
        assert!(backoff.after(passing(None)).is_ok());
    }

    #[test]
    fn a_servers_own_wait_is_kept_unless_it_is_too_long() {
        let retries = Retries::default();
        let mut backoff = Backoff::new(&retries);
        assert_eq!(backoff.after(passing(Some(7))).unwrap().0, Duration::from_secs(7));
        let error = backoff.after(passing(Some(3601))).unwrap_err();
        assert_eq!(error.hints, ["the registry asks to wait 61 minutes"]);
        assert!(backoff.after(Failure::Final(Error::invalid("no"))).is_err());
    }
}
