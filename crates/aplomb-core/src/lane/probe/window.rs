//! The window on calls under way that a lane begins with: it doubles per round trip.

use std::time::Duration;

use crate::lane::pacer::Ready;

/// Calls under way that a new lane begins with, as many as TCP's initial window has segments (RFC 6928).
const INITIAL_WINDOW: f64 = 10.0;

/// Calls beyond what has been proven are spread over so much time, so that the first refusal can stop the rest.
const SPREAD: Duration = Duration::from_millis(100);

/// The window doubles after so long even if no answer came: some models think for minutes before they say anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// A window, as long as nothing was ever refused.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: f64,
    grown: Duration,
    /// Whether the window was what callers waited for since it grew.
    full: bool,
    next: Duration,
}

impl Window {
    /// As a new lane has it.
    pub(super) fn new(now: Duration) -> Self {
        Self { size: INITIAL_WINDOW, grown: now, full: false, next: now }
    }

    /// Calls that may be under way.
    pub(super) fn size(&self) -> f64 {
        self.size
    }

    /// When one more call may start, with so many under way.
    pub(super) fn ready(&mut self, now: Duration, in_flight: u32) -> Ready {
        let in_flight = f64::from(in_flight);
        if in_flight >= self.size {
            self.full = true;
            let grows = self.grown + PATIENCE;
            if now < grows {
                return Ready::At(grows);
            }
            (self.size, self.grown) = (self.size * 2.0, now);
        }
        // What is under way was proven to be fine; only what is beyond it is spread.
        if in_flight < self.size / 2.0 {
            return Ready::Now;
        }
        // Who answers sooner than calls are spread would never be seen to fill the window.
        self.full |= now < self.next;
        Ready::at(self.next, now)
    }

    /// A call starts.
    pub(super) fn take(&mut self, now: Duration) {
        self.next = now + self.spacing();
    }

    fn spacing(&self) -> Duration {
        SPREAD.div_f64(self.size.max(1.0))
    }

    /// One more for each call that was let through while the window was full: it doubles per round trip.
    pub(super) fn grow(&mut self, now: Duration) {
        if self.full {
            self.size = (self.size + 1.0).min(1e6);
            self.grown = now;
        }
    }
}
