//! When a payload that has ended by itself is started again: Docker's rules.

use api::RestartPolicy;
use std::time::Duration;

/// Before the first time.
const FIRST: Duration = Duration::from_millis(100);
/// It doubles up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// A payload that ran so long begins anew.
const STEADY: Duration = Duration::from_secs(10);

/// How often and how soon it was.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    /// Since a user started it.
    pub count: u32,
    delay: Duration,
}

impl Restarts {
    /// After how long it starts again, if it does; then it counts.
    pub(super) fn next(&mut self, policy: RestartPolicy, code: u8, ran: Duration) -> Option<Duration> {
        let again = match policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure(most) => code != 0 && (most == 0 || self.count < most),
        };
        if !again {
            return None;
        }
        self.count = self.count.saturating_add(1);
        self.delay = if ran >= STEADY || self.delay.is_zero() { FIRST } else { (self.delay * 2).min(LONGEST) };
        Some(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_begins_anew_after_a_steady_run() {
        let mut restarts = Restarts::default();
        let mut next = |ran| restarts.next(RestartPolicy::Always, 0, Duration::from_secs(ran)).unwrap().as_millis();
        let delays: Vec<u128> = (0..12).map(|_| next(1)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        assert_eq!((next(10), next(9)), (100, 200));
    }

    #[test]
    fn policies_differ_in_what_they_take_for_an_end() {
        let short = Duration::ZERO;
        let restarts = |policy, codes: &[u8]| {
            let mut restarts = Restarts::default();
            codes.iter().take_while(|code| restarts.next(policy, **code, short).is_some()).count()
        };
        assert_eq!(restarts(RestartPolicy::No, &[1]), 0);
        assert_eq!(restarts(RestartPolicy::Always, &[0, 1, 137]), 3);
        assert_eq!(restarts(RestartPolicy::UnlessStopped, &[0, 1]), 2);
        assert_eq!(restarts(RestartPolicy::OnFailure(0), &[1, 2, 3, 0, 1]), 3);
        assert_eq!(restarts(RestartPolicy::OnFailure(2), &[1, 1, 1, 1]), 2);
    }
}
