//! Which one of several upstreams (or credentials) of equal rank is asked: the least busy for its weight.
//!
//! One that refused lately is passed over, for a reason: a refusal is quick, so that an upstream that refuses always
//! looks idle, and would draw all the calls that it can't serve.
//! Linkerd's load biaser does the same, with the same 5 seconds.

use std::time::Duration;

/// For how long an upstream that refused is passed over at least.
const REST: Duration = Duration::from_secs(5);

/// One that could be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// How much it can bear compared with the others; above 0.
    pub weight: f64,
    /// Calls sent to it, or waiting for it, that aren't over yet.
    pub outstanding: u32,
    /// The moment until which it is passed over ([`rest_until`]), if it refused lately.
    pub rests_until: Option<Duration>,
}

/// Chooses one; nothing only if there is none.
///
/// The smallest `(outstanding + a random part of one) / weight` among those that don't rest.
/// With equal weights that is the least busy, one by chance where several are.
/// With unequal weights a lighter one gets its share when there is little to do, too; with a whole one in place of a
/// part it would be called only when the heavier are busy, and its failure would be found in the worst moment.
/// If all rest, the one that rests for the shortest time.
pub fn choose(candidates: &[Candidate], now: Duration, random: f64) -> Option<usize> {
    let rank = |index: usize, candidate: &Candidate| {
        let rest = candidate.rests_until.filter(|until| *until > now).unwrap_or_default();
        (rest, load(candidate, part(random, index)))
    };
    let ranks = candidates.iter().enumerate().map(|(index, candidate)| (index, rank(index, candidate)));
    let first = ranks.min_by(|(_, one), (_, other)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    first.map(|(index, _)| index)
}

/// The moment until which an upstream that refused now is passed over: 5 s, or longer if it said so.
pub fn rest_until(now: Duration, hint: Option<Duration>) -> Duration {
    now.saturating_add(hint.unwrap_or_default().max(REST))
}

/// A weight that is none counts as the lightest of all.
fn load(candidate: &Candidate, part: f64) -> f64 {
    let weight = if candidate.weight > 0.0 { candidate.weight } else { f64::MIN_POSITIVE };
    (f64::from(candidate.outstanding) + part) / weight
}

/// A random number from `[0, 1)` for each candidate, out of the one given (the mixing of `splitmix64`).
fn part(random: f64, index: usize) -> f64 {
    let mut bits = random.to_bits().wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(100);

    fn candidate(weight: f64, outstanding: u32) -> Candidate {
        Candidate { weight, outstanding, rests_until: None }
    }

    fn resting(until: u64) -> Candidate {
        Candidate { rests_until: Some(Duration::from_secs(until)), ..candidate(1.0, 0) }
    }

    /// How often each is chosen, of 10,000 times with the same load.
    fn shares(candidates: &[Candidate]) -> Vec<u32> {
        let mut counts = vec![0; candidates.len()];
        for step in 0..10_000 {
            let chosen = choose(candidates, NOW, f64::from(step) / 10_000.0);
            counts[chosen.expect("there are candidates")] += 1;
        }
        counts
    }

    #[test]
    fn nobody_is_chosen_only_from_nobody() {
        assert_eq!(choose(&[], NOW, 0.5), None);
        assert_eq!(choose(&[candidate(1.0, 9)], NOW, 0.5), Some(0));
        assert_eq!(choose(&[candidate(f64::NAN, 9)], NOW, f64::NAN), Some(0));
    }

    #[test]
    fn equals_are_chosen_about_equally() {
        for count in 2..8 {
            for share in shares(&vec![candidate(1.0, 3); count]) {
                let expected = 10_000.0 / count as f64;
                assert!((f64::from(share) - expected).abs() < 0.1 * expected, "{count}: {share}");
            }
        }
    }

    #[test]
    fn the_least_busy_is_chosen() {
        assert_eq!(shares(&[candidate(1.0, 2), candidate(1.0, 1), candidate(1.0, 3)]), [0, 10_000, 0]);
        assert_eq!(shares(&[candidate(1.0, 3), candidate(4.0, 7)]), [0, 10_000]);
    }

    #[test]
    fn a_light_one_has_its_share_of_an_idle_time() {
        let shares = shares(&[candidate(1.0, 0), candidate(2.0, 0)]);
        assert!((2_300..2_700).contains(&shares[0]), "{shares:?}");
    }

    #[test]
    fn in_flight_calls_settle_at_the_weights() {
        let mut candidates = [candidate(1.0, 0), candidate(2.0, 0), candidate(5.0, 0)];
        for step in 0..800 {
            let chosen = choose(&candidates, NOW, f64::from(step) / 800.0).unwrap();
            candidates[chosen].outstanding += 1;
        }
        let outstanding = candidates.map(|candidate| candidate.outstanding);
        assert!(outstanding[0].abs_diff(100) < 3 && outstanding[1].abs_diff(200) < 3, "{outstanding:?}");
    }

    #[test]
    fn one_without_a_weight_is_the_last_choice() {
        assert_eq!(shares(&[candidate(0.0, 1), candidate(1.0, 1_000_000)]), [0, 10_000]);
    }

    #[test]
    fn one_that_rests_is_passed_over_until_it_has_rested() {
        let busy = candidate(1.0, 1_000);
        assert_eq!(shares(&[resting(101), busy]), [0, 10_000]);
        assert_eq!(shares(&[resting(100), busy]), [10_000, 0]);
    }

    #[test]
    fn when_all_rest_the_one_that_is_rested_first_is_chosen() {
        assert_eq!(shares(&[resting(130), resting(110), resting(120)]), [0, 10_000, 0]);
    }

    #[test]
    fn a_rest_takes_five_seconds_or_the_hint() {
        let after = |hint: u64| rest_until(NOW, Some(Duration::from_secs(hint))) - NOW;
        assert_eq!(rest_until(NOW, None) - NOW, Duration::from_secs(5));
        assert_eq!([1, 60].map(after), [5, 60].map(Duration::from_secs));
        assert_eq!(rest_until(NOW, Some(Duration::MAX)), Duration::MAX);
    }

    proptest! {
        #[test]
        fn one_that_refuses_is_never_preferred_to_one_that_answers(
            loads in proptest::collection::vec((0.1f64..10.0, 0u32..1_000, proptest::option::of(0u64..200)), 1..10),
            random in 0.0..1.0,
        ) {
            let candidates: Vec<_> = loads
                .into_iter()
                .map(|(weight, outstanding, until)| {
                    Candidate { weight, outstanding, rests_until: until.map(Duration::from_secs) }
                })
                .collect();
            let rest = |candidate: &Candidate| candidate.rests_until.unwrap_or_default().max(NOW);
            let chosen = &candidates[choose(&candidates, NOW, random).unwrap()];
            prop_assert!(candidates.iter().all(|other| rest(chosen) <= rest(other)));
            let rivals = candidates.iter().filter(|other| rest(other) == rest(chosen));
            for rival in rivals {
                prop_assert!(load(chosen, 0.0) <= load(rival, 1.0));
            }
        }
    }
}
