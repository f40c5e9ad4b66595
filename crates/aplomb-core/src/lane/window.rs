//! Slow start: a window on calls under way, as long as nothing was refused.
//!
//! It doubles per round trip (RFC 5681); after an outage only up to half of what was under way before, and by one per round
//! trip from there on, so that those who waited meanwhile don't make the next outage.

use std::time::Duration;

use super::pacer::Ready;

/// Calls under way that a new lane begins with, as many as TCP's initial window has segments (RFC 6928).
const INITIAL_WINDOW: f64 = 10.0;

/// Calls beyond what has been proven are spread over so much time, so that the first refusal can stop the rest.
const SPREAD: Duration = Duration::from_millis(100);

/// The window doubles after so long even if no answer came: some models think for minutes before they say anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// The window of one lane.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) size: f64,
    /// From this size on it grows by one per round trip: somewhere there an outage began.
    pub(super) threshold: f64,
    /// The most that was under way.
    pub(super) peak: f64,
    pub(super) grown: Duration,
    /// Whether the window was what callers waited for since it grew.
    pub(super) full: bool,
    pub(super) next: Duration,
}

impl Window {
    pub(super) fn new(now: Duration) -> Self {
        Self { size: INITIAL_WINDOW, threshold: f64::INFINITY, peak: 0.0, grown: now, full: false, next: now }
    }

    pub(super) fn ready(&mut self, now: Duration, in_flight: u32) -> Ready {
        let in_flight = f64::from(in_flight);
        self.peak = self.peak.max(in_flight + 1.0);
        if in_flight >= self.size {
            self.full = true;
            let grows = self.grown + PATIENCE;
            if now < grows {
                return Ready::At(grows);
            }
            let more = if self.size < self.threshold { self.size } else { 1.0 };
            (self.size, self.grown) = (self.size + more, now);
        }
        // What is under way was proven to be fine; only what is beyond it is spread.
        if in_flight >= self.size / 2.0 { Ready::at(self.next, now) } else { Ready::Now }
    }

    pub(super) fn spacing(&self) -> Duration {
        SPREAD.div_f64(self.size.max(1.0))
    }

    /// One more for each call that was let through while the window was full: it doubles per round trip.
    pub(super) fn grow(&mut self, now: Duration) {
        if self.full {
            let more = if self.size < self.threshold { 1.0 } else { 1.0 / self.size };
            self.size = (self.size + more).min(1e6);
            self.grown = now;
        }
    }

    /// As TCP after a time-out (RFC 5681): from the beginning, and carefully beyond half of what was under way.
    pub(super) fn restart(&mut self, now: Duration) {
        (self.threshold, self.peak) = ((self.peak / 2.0).max(INITIAL_WINDOW), 0.0);
        (self.size, self.grown, self.full) = (INITIAL_WINDOW, now, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A round trip with as many calls as may be under way.
    fn round(window: &mut Window, now: Duration) -> f64 {
        let under_way = window.size as u32;
        window.ready(now, under_way);
        for _ in 0..under_way {
            window.grow(now);
        }
        window.size
    }

    #[test]
    fn it_doubles_per_round_trip() {
        let mut window = Window::new(MS(0));
        assert_eq!(round(&mut window, MS(100)), 20.0);
        assert_eq!(round(&mut window, MS(200)), 40.0);
    }

    #[test]
    fn it_does_not_grow_by_what_does_not_use_it_up() {
        let mut window = Window::new(MS(0));
        assert_eq!(window.ready(MS(1), 3), Ready::Now);
        window.grow(MS(1));
        assert_eq!(window.size, 10.0);
    }

    #[test]
    fn a_model_that_thinks_for_minutes_holds_it_back_for_a_second_only() {
        let mut window = Window::new(MS(0));
        assert_eq!(window.ready(MS(10), 10), Ready::At(MS(1_000)));
        assert_eq!(window.ready(MS(1_000), 10), Ready::Now);
        assert_eq!(window.size, 20.0);
    }

    #[test]
    fn after_an_outage_it_grows_slowly_beyond_half_of_what_was_under_way() {
        let mut window = Window::new(MS(0));
        for now in 1..4 {
            round(&mut window, MS(100 * now));
        }
        window.ready(MS(400), 60);
        window.restart(MS(500));
        assert_eq!((window.size, window.threshold), (10.0, 30.5));
        assert_eq!(round(&mut window, MS(600)), 20.0);
        let beyond = [700, 800, 900].map(|now| round(&mut window, MS(now)));
        assert!(beyond[2] - beyond[0] < 3.0, "{beyond:?}");
    }
}
