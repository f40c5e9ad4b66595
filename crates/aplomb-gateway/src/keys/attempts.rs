//! Failed attempts of one address: the first few cost nothing, the next are answered late, then none is looked up.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::recent::Recent;

/// How many addresses are remembered: a million attempts from everywhere take no more memory than this.
const ADDRESSES: usize = 20_000;

/// Somebody who tries one key after another by hand notices nothing.
const FREE: f64 = 10.0;

/// From here on nothing is looked up for the address.
const MOST: f64 = 60.0;

/// How many attempts a second are forgotten.
const FORGOTTEN: f64 = 0.5;

/// How much later each further failure is answered.
const STEP: Duration = Duration::from_millis(50);

/// An SDK gives up waiting later than this.
const LONGEST: Duration = Duration::from_secs(2);

/// How many answers are held back at once; each holds a connection, and more than these may not be had for nothing.
const HELD_BACK: usize = 1_000;

/// Who failed how often lately.
#[derive(Debug)]
pub(crate) struct Attempts {
    recent: Mutex<Recent<IpAddr, Failures>>,
    held_back: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: f64,
    at: Instant,
}

impl Failures {
    fn left(self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.count - passed * FORGOTTEN).max(0.0)
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self { recent: Mutex::new(Recent::of(ADDRESSES)), held_back: AtomicUsize::new(0) }
    }
}

impl Attempts {
    /// An attempt failed: how long its answer is to be held back.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let household = household(address);
        let before = recent.find(&household).map_or(0.0, |failures| failures.left(now));
        // No more than twice the bound is remembered: whoever stops is let in again within two minutes.
        let count = (before + 1.0).min(2.0 * MOST);
        recent.put(household, Failures { count, at: now });
        STEP.mul_f64((count - FREE).max(0.0)).min(LONGEST)
    }

    /// How long nothing is looked up for this address; `None`: it may try.
    pub(crate) fn refuses(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let left = recent.find(&household(address))?.left(now);
        (left > MOST).then(|| Duration::from_secs_f64((left - MOST) / FORGOTTEN))
    }

    /// Holds an answer back; at once if too many are held back already.
    pub(crate) async fn hold_back(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        if self.held_back.fetch_add(1, Ordering::Relaxed) < HELD_BACK {
            let _counted = Counted(&self.held_back);
            tokio::time::sleep(wait).await;
        } else {
            self.held_back.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One that is held back, until it is dropped: its caller may go away.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of IPv6 the network of 64 bits: one household has all of its addresses.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_are_answered_at_once_and_further_ones_later_and_later() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let one = address("192.0.2.1");
        let waits: Vec<_> = (0..100).map(|_| attempts.failed(one, now)).collect();
        assert!(waits[..10].iter().all(Duration::is_zero));
        assert_eq!((waits[10], waits[11]), (STEP, 2 * STEP));
        assert_eq!(waits[99], LONGEST);
        assert!(attempts.failed(address("192.0.2.2"), now).is_zero(), "another address");
    }

    #[test]
    fn then_nothing_is_looked_up_until_the_wait_that_is_told_is_over() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let one = address("2001:db8::1");
        assert_eq!(attempts.refuses(one, now), None);
        for _ in 0..1_000 {
            attempts.failed(one, now);
        }
        let neighbour = address("2001:db8::ffff");
        let wait = attempts.refuses(neighbour, now).unwrap();
        assert_eq!(wait, Duration::from_secs(120));
        assert!(attempts.refuses(neighbour, now + wait / 2).is_some());
        assert_eq!(attempts.refuses(neighbour, now + wait), None);
        assert_eq!(attempts.refuses(address("2001:db8:1::1"), now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_is_not_counted_as_held_back() {
        let attempts = Attempts::default();
        let began = tokio::time::Instant::now();
        drop(tokio::time::timeout(STEP, attempts.hold_back(LONGEST)).await);
        assert_eq!(attempts.held_back.load(Ordering::Relaxed), 0);
        attempts.held_back.store(HELD_BACK, Ordering::Relaxed);
        attempts.hold_back(LONGEST).await;
        assert_eq!((began.elapsed(), attempts.held_back.load(Ordering::Relaxed)), (STEP, HELD_BACK));
    }
}
