//! The time that limits count in: nanoseconds since 1970, which other gateways count in too.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that tells the time of day and never goes back: it was set once, when the process began.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    epoch: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), epoch }
    }

    /// Nanoseconds since 1970; enough until the year 2554.
    pub(super) fn now(&self) -> u64 {
        u64::try_from((self.epoch + self.began.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}
