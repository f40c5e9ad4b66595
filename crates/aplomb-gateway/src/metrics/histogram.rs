//! How long something took, counted in buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The buckets' bounds in seconds: from what a cache answers in to what a model thinks for.
const BOUNDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Times in buckets, and their sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// Seconds of all together.
    pub(super) sum: f64,
    /// How many.
    pub(super) count: u64,
    /// How many in each bucket, and up to how many seconds it goes.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Counts one.
    pub(super) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(super) fn seen(&self) -> Seen {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = BOUNDS.into_iter().chain([f64::INFINITY]).zip(counts).collect();
        let micros = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        Seen { sum: micros.as_secs_f64(), count: buckets.iter().map(|(_, count)| count).sum(), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for millis in [0, 5, 6, 700_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let seen = histogram.seen();
        assert_eq!((seen.sum, seen.count), (700.011, 4));
        let filled: Vec<_> = seen.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.005, 2), (0.01, 1), (f64::INFINITY, 1)]);
    }
}
