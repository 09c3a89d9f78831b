//! Stopping: the user's Ctrl-C and the first failure end every thread of a pull soon.

use error::{Error, Kind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon a waiting thread sees it.
pub(crate) const TICK: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(crate) struct Stop<'a> {
    /// Set by the caller, at any time.
    pub(crate) user: Option<&'a AtomicBool>,
    ours: AtomicBool,
}

impl<'a> Stop<'a> {
    pub(crate) fn new(user: Option<&'a AtomicBool>) -> Self {
        Self { user, ours: AtomicBool::new(false) }
    }

    /// A thread failed: the others need not go on.
    pub(crate) fn set(&self) {
        self.ours.store(true, Ordering::Release);
    }

    pub(crate) fn by_user(&self) -> bool {
        self.user.is_some_and(|flag| flag.load(Ordering::Acquire))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.by_user() || self.ours.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::new(Kind::Interrupted, "interrupted")) } else { Ok(()) }
    }

    /// Sleeps, unless stopped.
    pub(crate) fn sleep(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }
}
