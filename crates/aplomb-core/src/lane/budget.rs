//! How many retries may be spent: a bucket that successes fill, so that an outage isn't answered with more calls.
//!
//! The numbers are those of the AWS SDKs' "Retry 2.1" (smithy-rs, `retries/strategy/token_bucket.rs`).
//! While fewer than about a quarter of the calls fail, every retry is paid for; when all fail, there are 35 retries
//! for all of them together and none after that.
//! A share of the calls in flight, as some proxies have it, would not do here: an answer takes a thousand times as long
//! as a refusal, so that a small share of what is in flight is a multiple of what is sent.

/// What the bucket holds at most, and at the beginning.
const CAPACITY: u32 = 500;

/// What a retry after a passing failure costs: the outcome of the next call is as uncertain as that of the last one.
const TRANSIENT: u32 = 14;

/// What a retry after too much was asked for costs: less, since it waits for seconds and then most likely succeeds.
const THROTTLED: u32 = 5;

/// What a request that succeeds the first time brings.
const SUCCESS: u32 = 1;

/// The bucket; one for each lane, and one for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    level: u32,
}

impl Budget {
    /// A full bucket.
    pub fn new() -> Self {
        Self { level: CAPACITY }
    }

    /// Whether a retry can be paid for. With several buckets, ask all of them before spending from any.
    pub fn may_spend(&self, throttled: bool) -> bool {
        self.level >= cost(throttled)
    }

    /// Takes the cost of a retry; takes nothing and says `false` if there is too little.
    pub fn spend(&mut self, throttled: bool) -> bool {
        let left = self.level.checked_sub(cost(throttled));
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }

    /// Gives back the cost of a retry that succeeded, or was never sent.
    pub fn refund(&mut self, throttled: bool) {
        self.put(cost(throttled));
    }

    /// Notes that a request succeeded the first time.
    pub fn earn(&mut self) {
        self.put(SUCCESS);
    }

    /// What is left, from 0 to 500.
    pub fn level(&self) -> u32 {
        self.level
    }

    fn put(&mut self, amount: u32) {
        self.level = (self.level + amount).min(CAPACITY);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

fn cost(throttled: bool) -> u32 {
    if throttled { THROTTLED } else { TRANSIENT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_outage_costs_thirty_five_retries_and_a_refusing_upstream_a_hundred() {
        for (throttled, retries) in [(false, 35), (true, 100)] {
            let mut budget = Budget::new();
            assert_eq!((0..10_000).filter(|_| budget.spend(throttled)).count(), retries);
            assert!(!budget.may_spend(throttled));
        }
    }

    #[test]
    fn a_retry_that_succeeds_costs_nothing() {
        let mut budget = Budget::new();
        for _ in 0..1_000 {
            assert!(budget.spend(false));
            budget.refund(false);
        }
        assert_eq!(budget.level(), 500);
    }

    #[test]
    fn an_empty_bucket_pays_again_after_fourteen_successes() {
        let mut budget = Budget::new();
        while budget.spend(true) {}
        assert_eq!(budget.level(), 0);
        for _ in 0..13 {
            budget.earn();
        }
        assert!(budget.may_spend(true) && !budget.may_spend(false));
        budget.earn();
        assert!(budget.spend(false));
        assert_eq!(budget.level(), 0);
    }

    /// Of 100 first tries each failing with probability `p`, retried up to twice: calls per request.
    fn amplification(p: f64) -> f64 {
        let (mut budget, mut calls, mut state) = (Budget::new(), 0u32, 1u64);
        let mut fails = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as f64 / f64::from(1u32 << 31)) < p
        };
        for _ in 0..60_000 {
            calls += 1;
            if !fails() {
                budget.earn();
                continue;
            }
            for _ in 0..2 {
                if !budget.spend(false) {
                    break;
                }
                calls += 1;
                if !fails() {
                    budget.refund(false);
                    break;
                }
            }
        }
        f64::from(calls) / 60_000.0
    }

    #[test]
    fn every_retry_is_paid_for_at_a_fifth_failing_and_hardly_any_when_all_fail() {
        assert!((amplification(0.1) - 1.11).abs() < 0.01);
        assert!((amplification(0.2) - 1.24).abs() < 0.01);
        assert!(amplification(1.0) < 1.001);
    }

    proptest! {
        #[test]
        fn failed_retries_are_paid_by_the_start_and_by_successes(
            events in proptest::collection::vec((0u8..4, any::<bool>()), 0..500),
        ) {
            let mut budget = Budget::new();
            let (mut spent, mut earned) = (0i64, 0i64);
            for (event, throttled) in events {
                let before = budget.level();
                match event {
                    0 => {
                        budget.earn();
                        earned += 1;
                    }
                    1 if before < CAPACITY && spent > 0 => {
                        budget.refund(throttled);
                        spent -= i64::from(budget.level() - before);
                    }
                    _ => {
                        let may = budget.may_spend(throttled);
                        prop_assert_eq!(budget.spend(throttled), may);
                        prop_assert_eq!(before - budget.level(), if may { cost(throttled) } else { 0 });
                        spent += i64::from(before - budget.level());
                    }
                }
                prop_assert!(budget.level() <= CAPACITY);
                prop_assert!(spent <= i64::from(CAPACITY) + earned);
            }
        }
    }
}
