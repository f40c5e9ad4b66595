//! A token bucket that tells of itself, and the two that an API usually has.

use std::time::Duration;

use aplomb_core::Limit;

use super::Rate;

/// Refills steadily up to its capacity.
///
/// `now` is the time since any fixed moment; it never goes back.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    capacity: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket; `burst` is its capacity, by default what the rate allows in one window.
    pub(super) fn new(rate: Rate, burst: Option<u64>) -> Self {
        let capacity = burst.unwrap_or(rate.count).max(1) as f64;
        Self { rate, capacity, level: capacity, at: Duration::ZERO }
    }

    /// How long until so much is there: zero if it is; `None` if it never will be.
    fn wait(&mut self, amount: u64, now: Duration) -> Option<Duration> {
        self.refill(now);
        let missing = amount as f64 - self.level;
        match amount as f64 > self.capacity {
            true => None,
            false => Some(self.time_for(missing)),
        }
    }

    fn take(&mut self, amount: u64) {
        self.level -= amount as f64;
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed / self.rate.window.as_secs_f64() * self.rate.count as f64)
            .min(self.capacity);
        self.at = self.at.max(now);
    }

    fn time_for(&self, missing: f64) -> Duration {
        let seconds = missing.max(0.0) * self.rate.window.as_secs_f64() / self.rate.count as f64;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn limit(&self, unit: &str) -> Limit {
        let mut limit = Limit::new(unit);
        limit.window = Some(self.rate.window);
        limit.limit = Some(self.rate.count);
        limit.remaining = Some(self.level.max(0.0) as u64);
        limit.reset = Some(self.time_for(self.capacity - self.level));
        limit
    }
}

/// The limits of an API: requests, and tokens.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// What the limits say to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Admission {
    /// It goes on.
    Pass,
    /// Too much at once; it may come again after this wait.
    Wait(Duration),
    /// It alone is more than the bucket ever holds.
    TooLarge,
}

impl Limits {
    /// Without a rate nothing is limited.
    pub(super) fn new(requests: Option<Rate>, burst: Option<u64>, tokens: Option<Rate>) -> Self {
        Self {
            requests: requests.map(|rate| Bucket::new(rate, burst)),
            tokens: tokens.map(|rate| Bucket::new(rate, None)),
        }
    }

    /// Takes one request and its tokens from the buckets, or nothing.
    pub(super) fn admit(&mut self, tokens: u64, now: Duration) -> Admission {
        let mut longest = Duration::ZERO;
        for (bucket, amount) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            match bucket.as_mut().map(|bucket| bucket.wait(amount, now)) {
                Some(None) => return Admission::TooLarge,
                Some(Some(wait)) => longest = longest.max(wait),
                None => {}
            }
        }
        if !longest.is_zero() {
            return Admission::Wait(longest);
        }
        for (bucket, amount) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(amount);
            }
        }
        Admission::Pass
    }

    /// The state of every limit, as the API tells of it.
    pub(super) fn told(&self) -> Vec<Limit> {
        let requests = self.requests.iter().map(|bucket| bucket.limit("requests"));
        requests.chain(self.tokens.iter().map(|bucket| bucket.limit("tokens"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut limits = Limits::new(Some(Rate::per_second(10)), Some(3), None);
        for _ in 0..3 {
            assert_eq!(limits.admit(0, MS(0)), Admission::Pass);
        }
        assert_eq!(limits.admit(0, MS(0)), Admission::Wait(MS(100)));
        assert_eq!(limits.admit(0, MS(50)), Admission::Wait(MS(50)));
        assert_eq!(limits.admit(0, MS(100)), Admission::Pass);
        assert_eq!(limits.told()[0].remaining, Some(0));
        assert_eq!(limits.told()[0].reset, Some(MS(300)));
    }

    #[test]
    fn who_is_refused_takes_nothing_from_the_other_bucket() {
        let tokens = Rate { count: 100, window: MS(60_000) };
        let mut limits = Limits::new(Some(Rate::per_second(10)), None, Some(tokens));
        assert_eq!(limits.admit(100, MS(0)), Admission::Pass);
        assert_eq!(limits.admit(50, MS(0)), Admission::Wait(MS(30_000)));
        assert_eq!(limits.told()[0].remaining, Some(9));
        assert_eq!(limits.admit(101, MS(0)), Admission::TooLarge);
    }

    #[test]
    fn nothing_is_limited_where_no_rate_was_given() {
        let mut limits = Limits::new(None, None, None);
        assert_eq!(limits.admit(u64::MAX, MS(0)), Admission::Pass);
        assert_eq!(limits.told(), []);
    }
}
