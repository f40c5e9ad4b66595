//! Holds back a part of the requests to an upstream that accepts only a part, before it has to refuse them.
//!
//! The adaptive throttling of Google's "Site Reliability Engineering", chapter 21:
//! of `requests` in the last two minutes, the next one is rejected here with the probability
//! `(requests - K * accepts) / (requests + 1)`, K = 2.
//! So an upstream is sent about twice what it accepts, and is never asked for much more while it is in trouble.
//!
//! What counts as accepted: every answer but a hard failure and an overload (529, or a 503 that says so).
//! A 429 is accepted here, because it tells of a quota and not of trouble, and pacing deals with it.
//! What ended without an answer through no fault of the upstream is told as accepted too: an attempt whose caller
//! went away says nothing against it.

use std::time::Duration;

/// How many requests may be sent for one that is accepted.
///
/// With 2 it reacts late and finds out early that the trouble is over; below it, healthy upstreams lose requests.
const K: f64 = 2.0;

/// No rejecting with more than this probability: one in ten always gets through and finds out how things are.
const CAP: f64 = 0.9;

/// No rejecting below so many requests in the window: a few failures are no rate.
const FLOOR: u32 = 10;

/// The window: 24 slots of 5 s. What leaves it leaves a slot at a time.
const SLOTS: usize = 24;
const SLOT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    requests: u32,
    accepts: u32,
}

/// The throttle of one lane.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    slots: [Slot; SLOTS],
    /// The number of the newest slot, counted from the beginning of time.
    newest: u64,
    /// The sum of all slots.
    window: Slot,
}

impl Throttle {
    /// It has seen nothing and rejects nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a request that is about to be sent, before [`rejects`](Self::rejects) is asked about it.
    ///
    /// What is rejected is counted as well, so that the more is asked for, the more is held back.
    pub fn sent(&mut self, now: Duration) {
        let slot = self.slot(now);
        slot.requests = slot.requests.saturating_add(1);
        self.window.requests = self.window.requests.saturating_add(1);
    }

    /// Counts a request that is sent.
    ///
    /// It counts as accepted until the contrary is [told](Self::denied): a model may think for minutes, and what is under
    /// way is no failure.
    pub fn accepted(&mut self, now: Duration) {
        let slot = self.slot(now);
        slot.accepts = slot.accepts.saturating_add(1);
        self.window.accepts = self.window.accepts.saturating_add(1);
    }

    /// A request that was sent failed.
    pub fn denied(&mut self, now: Duration) {
        let slot = self.slot(now);
        let before = slot.accepts;
        slot.accepts = before.saturating_sub(1);
        // One that was sent in an older slot is taken from the newest that has any, or not at all.
        self.window.accepts = self.window.accepts.saturating_sub(before.min(1));
    }

    /// The probability with which a request is rejected now, from 0 to 0.9.
    pub fn probability(&mut self, now: Duration) -> f64 {
        self.slot(now);
        let Slot { requests, accepts } = self.window;
        if requests < FLOOR {
            return 0.0;
        }
        let (requests, accepts) = (f64::from(requests), f64::from(accepts));
        ((requests - K * accepts) / (requests + 1.0)).clamp(0.0, CAP)
    }

    /// Whether to reject a request. `random` is from `[0, 1)`.
    pub fn rejects(&mut self, now: Duration, random: f64) -> bool {
        random < self.probability(now)
    }

    /// Forgets everything: when a breaker closes, the failures of the outage say nothing about what comes.
    pub fn forget(&mut self) {
        *self = Self { newest: self.newest, ..Self::default() };
    }

    /// The newest slot, after those that left the window are emptied. A clock that goes back stays in it.
    fn slot(&mut self, now: Duration) -> &mut Slot {
        let number = (now.as_secs() / SLOT.as_secs()).max(self.newest);
        for left in (self.newest + 1..=number).take(SLOTS) {
            let slot = std::mem::take(&mut self.slots[index(left)]);
            self.window.requests = self.window.requests.saturating_sub(slot.requests);
            self.window.accepts = self.window.accepts.saturating_sub(slot.accepts);
        }
        self.newest = number;
        &mut self.slots[index(number)]
    }
}

fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// After so many requests and so many accepted ones, all in one moment.
    fn after(requests: u32, accepts: u32) -> Throttle {
        let mut throttle = Throttle::new();
        (0..requests).for_each(|_| throttle.sent(secs(1)));
        (0..accepts).for_each(|_| throttle.accepted(secs(1)));
        throttle
    }

    #[test]
    fn half_of_the_requests_may_fail_before_any_is_rejected() {
        assert_eq!(after(100, 50).probability(secs(1)), 0.0);
        assert!((after(100, 25).probability(secs(1)) - 50.0 / 101.0).abs() < 1e-9);
    }

    #[test]
    fn one_in_ten_always_gets_through() {
        let mut throttle = after(10_000, 0);
        assert_eq!(throttle.probability(secs(1)), 0.9);
        assert!(throttle.rejects(secs(1), 0.89));
        assert!(!throttle.rejects(secs(1), 0.9));
    }

    #[test]
    fn a_few_failures_are_no_rate() {
        assert_eq!(after(9, 0).probability(secs(1)), 0.0);
        assert!(after(10, 0).probability(secs(1)) > 0.8);
    }

    #[test]
    fn two_minutes_later_all_is_forgotten() {
        let mut throttle = after(100, 0);
        assert_eq!(throttle.probability(secs(119)), 0.9);
        assert_eq!(throttle.probability(secs(120)), 0.0);
        assert_eq!(after(100, 0).probability(Duration::MAX), 0.0);
        let mut throttle = after(100, 0);
        throttle.forget();
        assert_eq!(throttle.probability(secs(1)), 0.0);
    }

    #[test]
    fn an_upstream_that_serves_ten_a_second_is_sent_about_twenty() {
        let (mut throttle, mut sent, mut state) = (Throttle::new(), 0, 1u64);
        for second in 0..600 {
            let mut capacity = 10;
            for _ in 0..100 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                throttle.sent(secs(second));
                if throttle.rejects(secs(second), (state >> 11) as f64 / (1u64 << 53) as f64) {
                    continue;
                }
                sent += u32::from(second >= 300);
                if capacity > 0 {
                    capacity -= 1;
                    throttle.accepted(secs(second));
                }
            }
        }
        assert!((5_500..6_500).contains(&sent), "{sent} in 300 s");
    }

    proptest! {
        #[test]
        fn the_window_is_the_sum_of_its_slots_whatever_the_clock_does(
            events in proptest::collection::vec((0u64..400, any::<bool>()), 0..300),
        ) {
            let mut throttle = Throttle::new();
            for (now, sent) in events {
                if sent { throttle.sent(secs(now)) } else { throttle.accepted(secs(now)) }
                let requests = throttle.slots.iter().map(|slot| slot.requests).sum::<u32>();
                let accepts = throttle.slots.iter().map(|slot| slot.accepts).sum::<u32>();
                prop_assert_eq!((throttle.window.requests, throttle.window.accepts), (requests, accepts));
                prop_assert!((0.0..=0.9).contains(&throttle.probability(secs(now))));
            }
        }

        #[test]
        fn an_upstream_that_accepts_half_loses_nothing(requests in 0u32..500, spare in 0u32..100) {
            prop_assert_eq!(after(requests, requests.div_ceil(2) + spare).probability(secs(1)), 0.0);
        }
    }
}
