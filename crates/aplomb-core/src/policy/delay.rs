//! How long to wait before a retry: full jitter, or a hint and a little more.

use std::time::Duration;

/// The first delay's upper bound after a passing failure, which is over as likely now as in a second.
const TRANSIENT: Duration = Duration::from_millis(50);

/// The first delay's upper bound after too much was asked for.
const THROTTLED: Duration = Duration::from_secs(1);

/// No delay without a hint is longer.
const LONGEST: Duration = Duration::from_secs(20);

/// No hint is overstayed by more.
const LONGEST_EXTRA: Duration = Duration::from_secs(5);

/// The delay before retry `n` (0 is the first): anything from nothing to a bound that doubles each time.
///
/// `random` is from `[0, 1)`; the whole range is used, because callers that failed together must not return together.
pub fn backoff(n: u32, throttled: bool, random: f64) -> Duration {
    let base = if throttled { THROTTLED } else { TRANSIENT };
    base.saturating_mul(2u32.saturating_pow(n)).min(LONGEST).mul_f64(fraction(random))
}

/// The delay that a hint asks for: never less, and up to half of it (at most 5 s) more.
pub fn after_hint(hint: Duration, random: f64) -> Duration {
    hint.saturating_add((hint / 2).min(LONGEST_EXTRA).mul_f64(fraction(random)))
}

/// A random number that can't do harm.
fn fraction(random: f64) -> f64 {
    if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bound_doubles_up_to_twenty_seconds() {
        let bounds = |throttled| [0, 1, 2, 5, 40].map(|n| backoff(n, throttled, 1.0).as_millis());
        assert_eq!(bounds(false), [50, 100, 200, 1_600, 20_000]);
        assert_eq!(bounds(true), [1_000, 2_000, 4_000, 20_000, 20_000]);
    }

    #[test]
    fn a_hint_is_exceeded_by_half_of_it_or_five_seconds() {
        let most = |seconds| after_hint(Duration::from_secs(seconds), 1.0);
        assert_eq!(most(2), Duration::from_secs(3));
        assert_eq!(most(60), Duration::from_secs(65));
        assert_eq!(after_hint(Duration::from_secs(2), 0.0), Duration::from_secs(2));
    }

    proptest! {
        #[test]
        fn no_random_number_breaks_a_bound(n: u32, throttled: bool, random: f64, hint in 0u64..u64::MAX) {
            let hint = Duration::from_millis(hint);
            prop_assert!(backoff(n, throttled, random) <= LONGEST);
            prop_assert!(after_hint(hint, random) >= hint);
            prop_assert!(after_hint(hint, random) <= hint + LONGEST_EXTRA);
        }
    }
}
