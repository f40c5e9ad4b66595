//! How many calls were sent lately.

use std::time::Duration;

/// About the calls of the last second: each counts less the longer it is ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lately {
    calls: f64,
    last: Duration,
}

impl Lately {
    /// None was sent.
    pub(super) fn new(now: Duration) -> Self {
        Self { calls: 0.0, last: now }
    }

    /// How many there were by now.
    pub(super) fn calls(&self, now: Duration) -> f64 {
        self.calls * (-now.saturating_sub(self.last).as_secs_f64()).exp()
    }

    /// One more.
    pub(super) fn add(&mut self, now: Duration) {
        (self.calls, self.last) = (self.calls(now) + 1.0, now);
    }
}
