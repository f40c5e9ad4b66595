//! The generic cell rate algorithm: one moment per limit says all that must be remembered of a caller.
//!
//! That moment is the theoretical arrival time (TAT): when the limit is whole again. A request of cost *n* moves it
//! *n* emission intervals ahead, and conforms as long as it isn't further ahead of now than the whole burst takes.
//! Source: ITU-T I.371, Annex A, in its "virtual scheduling" form; the same arithmetic runs in the shared store's
//! script, so that one gateway and twenty count alike.
//!
//! All in whole nanoseconds: sums of fractions would drift apart between gateways.

use std::time::Duration;

/// So many in a window, and how many of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    count: u64,
    window: u64,
    burst: u64,
}

/// What a limit says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conforms {
    /// It may be made; the limit's new moment.
    Yes(u64),
    /// It may be made after this wait, if nobody else comes before.
    After(Duration),
}

impl Quota {
    /// So many in a window; `burst` at once, or as many as the window gives when it is absent.
    ///
    /// Nothing is ever zero: a limit of none is no limit but a closed door, and is said elsewhere.
    pub fn new(count: u64, window: Duration, burst: Option<u64>) -> Self {
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { count: count.max(1), window, burst: burst.unwrap_or(count).max(1) }
    }

    /// How many at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// How long so many take to come back.
    pub fn burst_window(&self) -> Duration {
        Duration::from_nanos(self.span(self.burst))
    }

    /// How long so much takes, rounded up: who waits for it must not come too early.
    pub fn span(&self, amount: u64) -> u64 {
        let nanos = (u128::from(amount) * u128::from(self.window)).div_ceil(u128::from(self.count));
        u64::try_from(nanos).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
    }

    /// Whether a request of this cost conforms, with the limit at `tat`.
    ///
    /// What costs more than the whole burst conforms when the limit is whole, and is paid back afterwards: waiting
    /// longer would not help.
    pub fn ask(&self, tat: u64, cost: u64, now: u64) -> Conforms {
        let span = self.span(cost);
        let tolerance = self.span(self.burst).max(span);
        let next = tat.max(now).saturating_add(span);
        match next.saturating_sub(tolerance).checked_sub(now) {
            None | Some(0) => Conforms::Yes(next),
            Some(wait) => Conforms::After(Duration::from_nanos(wait)),
        }
    }

    /// How many single ones may be made now.
    pub fn remaining(&self, tat: u64, now: u64) -> u64 {
        let used = tat.saturating_sub(now);
        let left = self.span(self.burst).saturating_sub(used);
        let count = u128::from(left) * u128::from(self.count) / u128::from(self.window);
        u64::try_from(count).unwrap_or(u64::MAX).min(self.burst)
    }

    /// How long until the limit is whole again.
    pub fn reset(&self, tat: u64, now: u64) -> Duration {
        Duration::from_nanos(tat.saturating_sub(now))
    }

    /// The limit's moment after a cost turned out to be another one than was asked for.
    pub fn settle(&self, tat: u64, asked: u64, took: u64, now: u64) -> u64 {
        match took.checked_sub(asked) {
            Some(more) => tat.max(now).saturating_add(self.span(more)),
            None => tat.saturating_sub(self.span(asked - took)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(quota: &Quota, tat: &mut u64, cost: u64, now: u64) -> Result<(), Duration> {
        match quota.ask(*tat, cost, now) {
            Conforms::Yes(next) => {
                *tat = next;
                Ok(())
            }
            Conforms::After(wait) => Err(wait),
        }
    }

    #[test]
    fn a_burst_conforms_and_then_the_rate() {
        let quota = Quota::new(60, Duration::from_secs(60), Some(10));
        let mut tat = 0;
        for left in (0..10).rev() {
            assert_eq!(taken(&quota, &mut tat, 1, SECOND), Ok(()));
            assert_eq!(quota.remaining(tat, SECOND), left);
        }
        assert_eq!(taken(&quota, &mut tat, 1, SECOND), Err(Duration::from_secs(1)));
        assert_eq!(taken(&quota, &mut tat, 1, 2 * SECOND), Ok(()));
        assert_eq!(quota.reset(tat, 2 * SECOND), Duration::from_secs(10));
        assert_eq!((quota.burst(), quota.burst_window()), (10, Duration::from_secs(10)));
    }

    #[test]
    fn without_a_burst_a_window_is_given_at_once() {
        let quota = Quota::new(3, Duration::from_secs(60), None);
        let mut tat = 0;
        assert!((0..3).all(|_| taken(&quota, &mut tat, 1, 0).is_ok()));
        assert_eq!(taken(&quota, &mut tat, 1, 0), Err(Duration::from_secs(20)));
    }

    #[test]
    fn what_was_asked_for_too_much_is_given_back_and_too_little_is_paid() {
        let quota = Quota::new(100, Duration::from_secs(10), None);
        let mut tat = 0;
        taken(&quota, &mut tat, 100, 0).unwrap();
        assert_eq!(quota.remaining(quota.settle(tat, 100, 30, 0), 0), 70);
        let owed = quota.settle(tat, 100, 130, 0);
        assert_eq!(quota.ask(owed, 1, 0), Conforms::After(Duration::from_millis(3_100)));
    }

    #[test]
    fn more_than_fits_conforms_when_the_limit_is_whole() {
        let quota = Quota::new(10, Duration::from_secs(10), None);
        let mut tat = 0;
        assert_eq!(taken(&quota, &mut tat, 25, 0), Ok(()));
        assert_eq!(taken(&quota, &mut tat, 25, 0), Err(Duration::from_secs(25)));
    }

    proptest! {
        #[test]
        fn who_waits_as_long_as_told_conforms(
            count in 1u64..1_000_000, window in 1u64..100_000, burst in 1u64..10_000,
            costs in proptest::collection::vec(1u64..5_000, 1..50), start in 0u64..1 << 60,
        ) {
            let quota = Quota::new(count, Duration::from_millis(window), Some(burst));
            let (mut tat, mut now) = (0, start);
            for cost in costs {
                if let Err(wait) = taken(&quota, &mut tat, cost, now) {
                    now += u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert_eq!(taken(&quota, &mut tat, cost, now), Ok(()));
                }
            }
        }

        #[test]
        fn no_order_of_requests_gets_more_than_burst_and_rate(
            count in 1u64..1_000, burst in 1u64..100,
            steps in proptest::collection::vec((0u64..2_000, 1u64..4), 1..200),
        ) {
            let quota = Quota::new(count, Duration::from_secs(1), Some(burst));
            let (mut tat, mut now, mut given) = (0, 0u64, 0u64);
            for (pause, cost) in steps {
                now += pause * 1_000_000;
                let cost = cost.min(burst);
                if taken(&quota, &mut tat, cost, now).is_ok() {
                    given += cost;
                }
                let most = u128::from(burst) + u128::from(now) * u128::from(count) / u128::from(SECOND) + 1;
                prop_assert!(u128::from(given) <= most);
            }
        }

        #[test]
        fn no_numbers_overflow(
            count in any::<u64>(), window in any::<u64>(), burst in any::<u64>(),
            tat in any::<u64>(), cost in any::<u64>(), now in any::<u64>(), took in any::<u64>(),
        ) {
            let quota = Quota::new(count, Duration::from_nanos(window), Some(burst));
            let _ = quota.ask(tat, cost, now);
            prop_assert!(quota.remaining(tat, now) <= quota.burst());
            let _ = (quota.settle(tat, cost, took, now), quota.reset(tat, now));
        }
    }
}
