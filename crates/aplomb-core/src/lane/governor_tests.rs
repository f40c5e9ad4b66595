//! The bucket and the pacer against `governor`, an independent GCRA, where both can do the same.
//!
//! What only ours can do (refunds, debts, other rates under way, several limits at once) has no oracle here.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota as Gcra, RateLimiter};
use proptest::prelude::*;

use super::*;

/// Instants from dense to sparse, in microseconds between two of them.
fn gaps() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![Just(0), 0u64..2_000, 0u64..200_000, 0u64..5_000_000], 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bucket_admits_what_gcra_admits(gaps in gaps(), per_second in 1u32..500, burst in 1u32..100) {
        let clock = FakeRelativeClock::default();
        let period = Duration::from_secs(1) / per_second;
        let quota = Gcra::with_period(period).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let gcra = RateLimiter::direct_with_clock(quota, clock.clone());
        let mut now = Duration::ZERO;
        let mut bucket = Bucket::full(f64::from(burst), 1.0 / period.as_secs_f64(), now);
        let (mut ours, mut theirs) = (0i32, 0i32);
        for gap in gaps.into_iter().map(Duration::from_micros) {
            now += gap;
            clock.advance(gap);
            theirs += i32::from(gcra.check().is_ok());
            if bucket.ready(1.0, now) == now {
                bucket.take(1.0, now);
                ours += 1;
            }
            prop_assert!((ours - theirs).abs() <= 1, "{ours} and {theirs} after {now:?}");
        }
    }

    #[test]
    fn a_pacer_admits_what_its_narrower_limit_admits(
        gaps in gaps(),
        limits in proptest::collection::vec((1u32..500, 1u32..100), 2),
    ) {
        let clock = FakeRelativeClock::default();
        let gcra = limits.iter().map(|(per_minute, burst)| {
            let quota = Gcra::per_minute(NonZeroU32::new(*per_minute).unwrap());
            RateLimiter::direct_with_clock(quota.allow_burst(NonZeroU32::new(*burst).unwrap()), clock.clone())
        });
        let gcra: Vec<_> = gcra.collect();
        let quotas: Vec<_> = limits.iter().map(|(per_minute, burst)| Quota {
            unit: Unit::Requests,
            amount: f64::from(*per_minute),
            window: Duration::from_secs(60),
            burst: Some(f64::from(*burst)),
        }).collect();
        let mut now = Duration::ZERO;
        let mut pacer = Pacer::new(&quotas, None, now);
        let (mut ours, mut theirs) = (0i32, vec![0i32; gcra.len()]);
        for gap in gaps.into_iter().map(Duration::from_micros) {
            now += gap;
            clock.advance(gap);
            if pacer.ready(Cost::default(), now) == Ready::Now {
                let taken = pacer.take(Cost::default(), now);
                pacer.settle(&taken, None, now);
                ours += 1;
            }
            // Alone, each of the two would have let at least as many through.
            for (gcra, theirs) in gcra.iter().zip(&mut theirs) {
                *theirs += i32::from(gcra.check().is_ok());
                prop_assert!(ours <= *theirs + 1, "{ours} of {theirs} after {now:?}");
            }
        }
    }
}
