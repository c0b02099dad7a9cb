//! Rate limits: a token bucket, as plain data that its owner keeps in durable state (a socket's
//! attachment or the object's storage).
//!
//! Invariant: in any period, no more is admitted than the burst plus what the rate allows in that period,
//! wherever the bucket was stored in between. Only one thing that alone is more than the burst may exceed this,
//! and then nothing else is admitted until the rate has made up for it. A refusal costs nothing, so a client
//! that waits as long as it is told to is admitted.

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// How often something may happen: at once and in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many are admitted at once after a pause.
    pub burst: u32,
    /// How long it takes until one more is admitted, in microseconds; 0 means no limit.
    pub pause_us: u64,
}

/// After how many seconds without an event an object hibernates and loses its memory. A bucket that fills up in
/// this time can be kept in memory: it is full by then.
const IDLE_SECONDS: u32 = 10;

impl Rate {
    /// No limit; the same as a count of 0.
    pub const UNLIMITED: Self = Self {
        burst: 0,
        pause_us: 0,
    };

    /// Returns a rate of `count` per second, `burst` at once. A count of 0 means no limit.
    pub fn per_second(count: u32, burst: u32) -> Self {
        Self::new(count, burst, 1_000_000)
    }

    /// Returns a rate of `count` per second, of which as many may be used at once as are due in
    /// [`IDLE_SECONDS`]. A count of 0 means no limit.
    pub fn in_memory(count: u32) -> Self {
        Self::per_second(count, count.saturating_mul(IDLE_SECONDS))
    }

    /// Returns a rate of `count` per minute, all of them at once if need be. A count of 0 means no limit.
    pub fn per_minute(count: u32) -> Self {
        Self::new(count, count, 60_000_000)
    }

    fn new(count: u32, burst: u32, per_us: u64) -> Self {
        match per_us.checked_div(u64::from(count)) {
            Some(pause_us) => Self { burst, pause_us },
            None => Self::UNLIMITED,
        }
    }
}

/// A token bucket, stored as the time at which it is full again: a single number, and an idle bucket needs no
/// updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket {
    /// Unix time in microseconds.
    full_at_us: u64,
}

impl Bucket {
    /// Restores a bucket from the number that [`Self::to_stored`] returned.
    pub fn stored(full_at_us: u64) -> Self {
        Self { full_at_us }
    }

    /// Returns the number to store: when the bucket is full again, in Unix microseconds.
    pub fn to_stored(self) -> u64 {
        self.full_at_us
    }

    /// Returns whether nothing was ever taken from the bucket.
    pub fn is_new(&self) -> bool {
        self.full_at_us == 0
    }

    /// Takes one token, or returns in how many milliseconds one will be available.
    pub fn take(&mut self, rate: Rate, now: Millis) -> Result<(), Millis> {
        self.take_many(1, rate, now)
    }

    /// Takes `count` tokens, or returns in how many milliseconds they will be available. Who takes more than the
    /// burst needs a full bucket, and owes the rest.
    pub fn take_many(&mut self, count: u32, rate: Rate, now: Millis) -> Result<(), Millis> {
        if rate.pause_us == 0 || count == 0 {
            return Ok(());
        }
        let now_us = now.saturating_mul(1_000);
        let full_at = self.full_at_us.max(now_us);
        let latest = now_us + rate.pause_us * u64::from(rate.burst);
        let needed = full_at + rate.pause_us * u64::from(count.min(rate.burst));
        if needed > latest {
            return Err((needed - latest).div_ceil(1_000));
        }
        self.full_at_us = full_at + rate.pause_us * u64::from(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::per_second(50, 100);
        let mut bucket = Bucket::default();
        for _ in 0..100 {
            assert_eq!(bucket.take(rate, NOW), Ok(()));
        }
        assert_eq!(bucket.take(rate, NOW), Err(20));
        assert_eq!(bucket.take(rate, NOW + 19), Err(1));
        assert_eq!(bucket.take(rate, NOW + 20), Ok(()));
        assert_eq!(bucket.take(rate, NOW + 20), Err(20));
        // After a pause the bucket is full again, but holds no more than the burst.
        let later = NOW + 60_000;
        assert_eq!(
            (0..)
                .take_while(|_| bucket.take(rate, later).is_ok())
                .count(),
            100
        );
    }

    #[test]
    fn so_many_a_minute() {
        let rate = Rate::per_minute(5);
        let mut bucket = Bucket::default();
        assert_eq!(
            (0..).take_while(|_| bucket.take(rate, NOW).is_ok()).count(),
            5
        );
        assert_eq!(bucket.take(rate, NOW), Err(12_000));
        assert_eq!(bucket.take(rate, NOW + 12_000), Ok(()));
    }

    #[test]
    fn what_exceeds_the_burst_needs_a_full_bucket_and_is_owed() {
        let rate = Rate::per_second(10, 100);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take_many(40, rate, NOW), Ok(()));
        assert_eq!(bucket.take_many(61, rate, NOW), Err(100));
        assert_eq!(bucket.take_many(0, rate, NOW), Ok(()));
        assert_eq!(bucket.take_many(500, rate, NOW), Err(4_000));
        assert_eq!(bucket.take_many(500, rate, NOW + 4_000), Ok(()));
        assert_eq!(bucket.take(rate, NOW + 4_000), Err(40_100));
        assert_eq!(bucket.take(rate, NOW + 44_100), Ok(()));
    }

    #[test]
    fn no_limit() {
        let mut bucket = Bucket::default();
        for rate in [Rate::per_second(0, 100), Rate::per_minute(0)] {
            assert_eq!(rate, Rate::UNLIMITED);
            assert!((0..1_000).all(|_| bucket.take(rate, NOW) == Ok(())));
        }
        assert!(bucket.is_new());
    }

    #[test]
    fn it_survives_as_one_number() {
        let mut bucket = Bucket::default();
        let _ = bucket.take(Rate::per_minute(5), NOW);
        assert_eq!(serde_json::to_string(&bucket).unwrap(), "1800000012000000");
        assert_eq!(Bucket::stored(bucket.to_stored()), bucket);
    }
}
