//! A token bucket with a signed balance: what was estimated too low is paid back before more is given.
//!
//! Plain GCRA keeps one number and can't be refunded or given another rate under way; this keeps two.

use std::time::Duration;

/// A bucket that refills steadily up to its capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

/// Less than this is nothing: sums of fractions are not exact.
const DUST: f64 = 1e-6;

/// A moment so far away that it is never.
pub(super) const NEVER: Duration = Duration::from_secs(1 << 40);

impl Bucket {
    /// A full bucket.
    pub fn full(capacity: f64, per_second: f64, now: Duration) -> Self {
        Self {
            capacity: capacity.max(0.0),
            per_second: per_second.max(0.0),
            level: capacity.max(0.0),
            at: now,
        }
    }

    /// How much is in it; negative after more was taken than was there.
    pub fn level(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        if self.level >= self.capacity {
            self.level
        } else {
            (self.level + passed * self.per_second).min(self.capacity)
        }
    }

    /// When so much may be taken: `now` if at once.
    ///
    /// More than fits is given when the bucket is full, and paid back afterwards: waiting longer would not help.
    pub fn ready(&self, amount: f64, now: Duration) -> Duration {
        let missing = amount.min(self.capacity) - self.level(now);
        if missing <= DUST {
            return now;
        }
        if self.per_second <= 0.0 {
            return NEVER;
        }
        let wait = Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(NEVER);
        // Rounded up, so that who waits exactly so long is given what it waited for.
        now.saturating_add(wait).saturating_add(Duration::from_nanos(1)).min(NEVER)
    }

    /// Takes an amount, whether it is there or not.
    pub fn take(&mut self, amount: f64, now: Duration) {
        self.set_level(self.level(now) - amount, now);
    }

    /// Gives an amount back.
    pub fn give(&mut self, amount: f64, now: Duration) {
        self.set_level((self.level(now) + amount).min(self.capacity), now);
    }

    /// Says how much is in it.
    pub fn set_level(&mut self, level: f64, now: Duration) {
        (self.level, self.at) = (level, self.at.max(now));
    }

    /// Refills at another rate from now on.
    pub fn set_rate(&mut self, per_second: f64, now: Duration) {
        self.set_level(self.level(now), now);
        self.per_second = per_second.max(0.0);
    }

    /// Holds another amount from now on; what is above flows over.
    pub fn set_capacity(&mut self, capacity: f64, now: Duration) {
        let level = self.level(now);
        self.capacity = capacity.max(0.0);
        self.set_level(level.min(self.capacity), now);
    }

    /// How much fits.
    pub fn capacity(&self) -> f64 {
        self.capacity
    }

    /// How much comes in a second.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(3.0, 10.0, MS(0));
        for _ in 0..3 {
            assert_eq!(bucket.ready(1.0, MS(0)), MS(0));
            bucket.take(1.0, MS(0));
        }
        let wait = bucket.ready(1.0, MS(0));
        assert!(wait >= MS(100) && wait <= MS(101), "{wait:?}");
        assert_eq!(bucket.ready(1.0, wait), wait);
    }

    #[test]
    fn what_was_taken_too_much_is_paid_back_first() {
        let mut bucket = Bucket::full(10.0, 1.0, MS(0));
        bucket.take(15.0, MS(0));
        assert!(bucket.ready(1.0, MS(0)) >= MS(6_000));
        bucket.give(5.0, MS(0));
        assert!(bucket.ready(1.0, MS(0)) < MS(1_001));
    }

    #[test]
    fn more_than_fits_is_given_when_the_bucket_is_full() {
        let mut bucket = Bucket::full(10.0, 1.0, MS(0));
        assert_eq!(bucket.ready(25.0, MS(0)), MS(0));
        bucket.take(25.0, MS(0));
        let again = bucket.ready(25.0, MS(0));
        assert!(again >= MS(25_000) && again < MS(25_001), "{again:?}");
    }

    proptest! {
        /// Against `rate·t + capacity` as the most that any bucket may give.
        #[test]
        fn no_order_of_calls_gets_more_than_burst_and_rate(
            steps in proptest::collection::vec((0u64..500, 0.1f64..4.0), 1..200),
            capacity in 1.0f64..50.0,
            rate in 0.1f64..100.0,
        ) {
            let mut bucket = Bucket::full(capacity, rate, Duration::ZERO);
            let (mut now, mut given) = (Duration::ZERO, 0.0);
            for (pause, amount) in steps {
                now += MS(pause);
                let amount = amount.min(capacity);
                if bucket.ready(amount, now) == now {
                    bucket.take(amount, now);
                    given += amount;
                }
                prop_assert!(given <= capacity + rate * now.as_secs_f64() + 1e-3);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_is_given_it(capacity in 1.0f64..50.0, rate in 0.01f64..1e4, taken in 0.0f64..200.0, amount in 0.0f64..100.0) {
            let mut bucket = Bucket::full(capacity, rate, Duration::ZERO);
            bucket.take(taken, Duration::ZERO);
            let when = bucket.ready(amount, Duration::ZERO);
            prop_assert_eq!(bucket.ready(amount, when), when);
        }

        #[test]
        fn a_clock_that_goes_back_gives_nothing(back in 0u64..10_000) {
            let mut bucket = Bucket::full(10.0, 100.0, MS(10_000));
            bucket.take(10.0, MS(10_000));
            bucket.take(0.0, MS(10_000 - back));
            prop_assert!(bucket.level(MS(10_000)) <= 0.0);
        }
    }
}
