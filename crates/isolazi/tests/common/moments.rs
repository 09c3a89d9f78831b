//! Random moments, for tests that kill.
#![allow(clippy::print_stdout, reason = "a failed test tells its seed")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Moments that look random and are the same for the same seed (splitmix64, Steele, Lea and Flood 2014).
pub struct Moments(u64);

impl Moments {
    pub fn new(purpose: &str) -> Self {
        let from_clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
        let seed = std::env::var("ISOLAZI_SEED").map_or_else(|_| from_clock(), |text| text.parse().unwrap());
        println!("{purpose}: ISOLAZI_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// At most half as long again as `whole`.
    pub fn within(&mut self, whole: Duration) -> Duration {
        let limit = u64::try_from(whole.as_micros()).unwrap() * 3 / 2;
        Duration::from_micros(self.below(limit))
    }

    /// Sleeps somewhat. Not synchronisation: the moment of the kill is what the test is about.
    pub fn pass(&mut self, whole: Duration) {
        std::thread::sleep(self.within(whole));
    }
}

/// How long something takes on this machine now.
pub fn time_of(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}
