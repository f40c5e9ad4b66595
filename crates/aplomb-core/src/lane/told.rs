//! A limit that answers tell of: how much of it is left now, and when more comes.
//!
//! `limit`, `remaining` and `reset` look alike everywhere and mean two things.
//! Some APIs refill steadily, and `reset` is the time until the bucket is full again; others count in windows, and `reset`
//! is the time until all of it is back at once.
//! Which one it is shows in how `reset` moves: with what was spent, or with the clock.

use std::time::Duration;

use super::bucket::{Bucket, NEVER};
use super::cost::Unit;
use crate::failure::Limit;

/// A limit that was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) unit: Unit,
    pub(super) window: Option<Duration>,
    bucket: Bucket,
    comes: Comes,
    last: Seen,
    /// An earlier answer, far enough away to show how the reset moves.
    anchor: Seen,
    /// The rates that all answers agree on, if they do, and from how much spent to how much.
    agreed: Option<Agreed>,
    /// The longest reset that was told: a window is at least as long.
    span: Duration,
    /// When the last call was sent that told of it: answers to earlier ones come too late to say anything.
    newest: Duration,
}

/// How more of it comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// It is not known yet: nothing is counted on before the reset.
    Unknown,
    /// Steadily. `weight` says how well its rate is known.
    Steadily { weight: f64 },
    /// All at once, when the window ends.
    AtOnce,
}

/// What an answer told.
#[derive(Clone, Copy, Debug)]
struct Seen {
    remaining: f64,
    /// When all of it is there again.
    reset: Duration,
    /// The rate, if it refills steadily.
    rate: Option<Rate>,
}

/// A rate as far as it is known: what is left is told in whole numbers, rounded down.
#[derive(Clone, Copy, Debug)]
struct Rate {
    least: f64,
    most: f64,
}

/// What clocks and the way through the network add to a rate, as a share of it.
const ALIKE: f64 = 0.1;

/// Rates that answers agree on.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    rate: Rate,
    least: f64,
    most: f64,
}

/// Two answers of one window name ends that differ by no more than their way through the network does.
const SAME_END: Duration = Duration::from_millis(50);

/// The same, where resets are told in whole seconds.
const SAME_SECOND: Duration = Duration::from_millis(1_100);

impl Told {
    /// A limit that was told for the first time; none where an answer says too little to pace by.
    ///
    /// `sent`: when its call was sent; `later`: what was spent since by other calls.
    pub(super) fn new(unit: Unit, limit: &Limit, sent: Duration, later: f64, now: Duration) -> Option<Self> {
        let seen = Seen::of(limit, now)?;
        let capacity = capacity(limit, &seen);
        let mut told = Self {
            unit,
            window: limit.window,
            bucket: Bucket::full(capacity, 0.0, now),
            comes: Comes::Unknown,
            span: seen.reset.saturating_sub(now),
            newest: sent,
            last: seen,
            anchor: seen,
            agreed: None,
        };
        told.learn(limit, &seen, now);
        told.sync(&seen, sent, later, now, true);
        Some(told)
    }

    /// What the next answer tells.
    pub(super) fn update(&mut self, limit: &Limit, sent: Duration, later: f64, now: Duration) {
        let Some(seen) = Seen::of(limit, now) else { return };
        self.refresh(now);
        self.bucket.set_capacity(capacity(limit, &seen).max(1.0), now);
        self.learn(limit, &seen, now);
        // Also what comes late tells when the window ends.
        self.notice_end(limit, &seen, now);
        if sent < self.newest {
            return;
        }
        self.newest = sent;
        self.sync(&seen, sent, later, now, false);
        self.span = self.span.max(seen.reset.saturating_sub(now));
        self.last = seen;
    }

    /// When an amount may be taken.
    pub(super) fn ready(&self, amount: f64, now: Duration) -> Duration {
        if self.is_over(now) {
            return now;
        }
        match self.bucket.ready(amount, now) {
            // Whatever is thought of the rate, at its reset all of it is back.
            NEVER => self.end(now).max(now),
            when => when,
        }
    }

    /// The bucket to take from.
    pub(super) fn bucket(&mut self, now: Duration) -> &mut Bucket {
        self.refresh(now);
        &mut self.bucket
    }

    /// The bucket, for a correction of what was taken from it.
    pub(super) fn counted(&mut self) -> &mut Bucket {
        &mut self.bucket
    }

    /// Whether a call that was sent then, or later, has told of it.
    pub(super) fn heard_since(&self, sent: Duration) -> bool {
        self.newest >= sent
    }

    pub(super) fn capacity(&self) -> f64 {
        self.bucket.capacity()
    }

    pub(super) fn level(&self, now: Duration) -> f64 {
        if self.is_over(now) { self.bucket.capacity() } else { self.bucket.level(now) }
    }

    /// How much comes in a second, where it comes steadily.
    pub(super) fn per_second(&self) -> Option<f64> {
        matches!(self.comes, Comes::Steadily { .. }).then(|| self.bucket.per_second())
    }

    /// The window has ended, and nothing was told of the next one.
    fn is_over(&self, now: Duration) -> bool {
        now >= self.end(now)
    }

    /// When all of it is back at once.
    ///
    /// As long as it might refill steadily, what was spent since the last answer takes its time, too.
    fn end(&self, now: Duration) -> Duration {
        match (self.comes, self.last.rate) {
            (Comes::Steadily { .. }, _) => NEVER,
            (Comes::AtOnce, _) | (Comes::Unknown, None) => self.last.reset,
            (Comes::Unknown, Some(rate)) => {
                let spent = (self.last.remaining - self.bucket.level(now)).max(0.0);
                let more = Duration::try_from_secs_f64(spent / rate.middle().max(1e-9));
                self.last.reset.saturating_add(more.unwrap_or(NEVER)).min(NEVER)
            }
        }
    }

    /// Begins a new window when the old one has ended.
    fn refresh(&mut self, now: Duration) {
        if self.is_over(now) {
            self.bucket.set_level(self.bucket.capacity(), now);
            self.last.reset = now + self.window.unwrap_or(self.span).max(Duration::from_secs(1));
        }
    }

    /// Learns how more of it comes.
    fn learn(&mut self, limit: &Limit, seen: &Seen, now: Duration) {
        let Some(rate) = seen.rate else { return };
        let spent = limit.limit.map_or(0.0, count) - seen.remaining;
        let documented =
            limit.window.zip(limit.limit).map(|(window, most)| count(most) / window.as_secs_f64());
        let as_documented = documented.is_some_and(|documented| rate.fits(documented));
        let agreed = self.agreed.filter(|agreed| agreed.rate.meets(rate));
        let agreed = agreed.map_or_else(|| Agreed::on(rate, spent), |agreed| agreed.with(rate, spent));
        self.agreed = Some(agreed);
        let telling = agreed.most - agreed.least >= (0.2 * (spent + seen.remaining)).max(3.0);
        match self.comes {
            Comes::Steadily { weight } if rate.fits(self.bucket.per_second()) => {
                // The more was spent, the less rounding matters: weighted by the square of it, forgetting slowly.
                let (old, new) = (weight * 0.95, spent * spent);
                let within = self.bucket.per_second().clamp(rate.least, rate.most);
                let aim = if rate.is_narrow() { rate.middle() } else { within };
                let mean = (within * old + aim * new) / (old + new).max(1e-9);
                self.bucket.set_rate(mean, now);
                self.comes = Comes::Steadily { weight: if rate.is_narrow() { old + new } else { weight } };
            }
            Comes::Unknown | Comes::AtOnce | Comes::Steadily { .. }
                if as_documented || (telling && agreed.rate.is_narrow()) =>
            {
                self.bucket.set_rate(agreed.rate.middle(), now);
                self.comes = Comes::Steadily { weight: (spent * spent).max(1.0) };
            }
            Comes::Unknown | Comes::Steadily { .. } | Comes::AtOnce => {}
        }
    }

    /// A window is known by an end that stays while more is spent.
    fn notice_end(&mut self, limit: &Limit, seen: &Seen, now: Duration) {
        let Some(rate) = seen.rate else { return };
        // How far the end would have moved if it refilled steadily: enough to be told from one that stays?
        let shift = (seen.remaining - self.anchor.remaining).abs() / rate.middle().max(1e-9);
        let whole = limit.reset.is_some_and(|reset| reset.subsec_nanos() == 0);
        let tolerance = if whole { SAME_SECOND } else { SAME_END };
        let telling = shift > 1.5 * tolerance.as_secs_f64();
        if telling && seen.reset.abs_diff(self.anchor.reset) <= tolerance {
            self.bucket.set_rate(0.0, now);
            self.comes = Comes::AtOnce;
        }
        if telling || self.anchor.reset <= now || self.anchor.rate.is_none() {
            self.anchor = *seen;
        }
    }

    /// Takes over how much is left.
    ///
    /// An API counts a call when it comes or when it is done; which one can't be seen. So the truth lies between two
    /// numbers: what was told less everything spent since the call was sent, and the same with what has refilled since.
    /// What is thought here stays as long as it lies between them.
    fn sync(&mut self, seen: &Seen, sent: Duration, later: f64, now: Duration, first: bool) {
        let refilled = now.saturating_sub(sent).as_secs_f64() * self.bucket.per_second();
        let low = seen.remaining - (later - refilled).max(0.0);
        let high = (seen.remaining + refilled - later).clamp(low, self.bucket.capacity().max(low));
        let level = if first { low } else { self.bucket.level(now).clamp(low, high) };
        self.bucket.set_level(level, now);
    }
}

impl Seen {
    fn of(limit: &Limit, now: Duration) -> Option<Self> {
        let remaining = count(limit.remaining?);
        // Without a reset a window says at least how fast it refills.
        let reset = limit.reset.or_else(|| limit.window.filter(|_| limit.limit.is_some()))?;
        let spent = limit.limit.map_or(0.0, |most| count(most) - remaining);
        let rate = (limit.reset.is_some() && spent >= 1.0 && !reset.is_zero()).then(|| {
            let reset = reset.as_secs_f64();
            Rate { least: (spent - 1.0) / reset, most: spent / reset }
        });
        Some(Self { remaining, reset: now + reset, rate })
    }
}

fn capacity(limit: &Limit, seen: &Seen) -> f64 {
    limit.limit.map_or(seen.remaining, count).max(1.0)
}

fn count(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a limit of 2^53 is none")]
    let count = number as f64;
    count
}

impl Agreed {
    fn on(rate: Rate, spent: f64) -> Self {
        Self { rate, least: spent, most: spent }
    }

    fn with(self, rate: Rate, spent: f64) -> Self {
        let (least, most) = (self.rate.least.max(rate.least), self.rate.most.min(rate.most));
        // Where the two only nearly meet, the first stays: else they would follow a window that is being used up.
        let rate = if least <= most { Rate { least, most } } else { self.rate };
        Self { rate, least: self.least.min(spent), most: self.most.max(spent) }
    }
}

impl Rate {
    fn is_narrow(self) -> bool {
        self.most <= 1.5 * self.least
    }

    fn middle(self) -> f64 {
        (self.least + self.most) / 2.0
    }

    fn fits(self, rate: f64) -> bool {
        rate >= self.least * (1.0 - ALIKE) && rate <= self.most * (1.0 + ALIKE)
    }

    fn meets(self, other: Self) -> bool {
        self.least <= other.most * (1.0 + ALIKE) && other.least <= self.most * (1.0 + ALIKE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn limit(most: u64, remaining: u64, reset: Duration) -> Limit {
        let mut limit = Limit::new("requests");
        (limit.limit, limit.remaining, limit.reset) = (Some(most), Some(remaining), Some(reset));
        limit
    }

    #[test]
    fn a_bucket_that_refills_is_known_by_resets_that_follow_what_was_spent() {
        let mut told = Told::new(Unit::Requests, &limit(40, 30, MS(250)), MS(0), 0.0, MS(10)).unwrap();
        assert_eq!(told.per_second(), None);
        told.update(&limit(40, 10, MS(750)), MS(0), 0.0, MS(20));
        let rate = told.per_second().unwrap();
        assert!((38.0..=42.0).contains(&rate), "{rate}");
        told.bucket(MS(20)).take(10.0, MS(20));
        let when = told.ready(1.0, MS(20)).saturating_sub(MS(20));
        assert!(when < MS(30), "{when:?}");
        assert!(told.ready(10.0, MS(20)) > MS(200));
    }

    #[test]
    fn a_window_is_known_by_an_end_that_stays() {
        let end = Duration::from_secs(60);
        let mut told = Told::new(Unit::Requests, &limit(100, 99, end), MS(0), 0.0, MS(0)).unwrap();
        told.update(&limit(100, 60, end - MS(5_000)), MS(4_900), 0.0, MS(5_000));
        assert_eq!(told.comes, Comes::AtOnce);
        told.bucket(MS(5_000)).take(60.0, MS(5_000));
        assert_eq!(told.ready(1.0, MS(5_000)), end);
        assert_eq!(told.ready(1.0, end), end);
        told.bucket(end).take(1.0, end);
        assert!(told.level(end) >= 98.0);
    }

    #[test]
    fn a_window_that_is_used_up_at_once_is_not_taken_for_a_bucket() {
        let mut told = Told::new(Unit::Requests, &limit(40, 39, MS(994)), MS(0), 39.0, MS(200)).unwrap();
        for window in 0..3 {
            let now = MS(1_000 * window + 200);
            for remaining in (0..39).rev() {
                told.update(&limit(40, remaining, MS(994)), now - MS(200), remaining as f64, now);
            }
            assert_eq!(told.per_second(), None);
        }
        assert_eq!(told.comes, Comes::AtOnce);
    }

    #[test]
    fn the_documented_window_tells_at_once_how_it_refills() {
        let mut told = limit(600, 500, Duration::from_secs(10));
        told.window = Some(Duration::from_secs(60));
        let told = Told::new(Unit::Requests, &told, MS(0), 0.0, MS(0)).unwrap();
        assert!(told.per_second().is_some());
    }

    #[test]
    fn calls_under_way_are_accounted_for() {
        let mut told = Told::new(Unit::Requests, &limit(40, 30, MS(250)), MS(0), 10.0, MS(0)).unwrap();
        assert_eq!(told.level(MS(0)), 20.0);
        // Three more were spent after this call, and the answer can't know of them.
        told.update(&limit(40, 12, MS(700)), MS(0), 3.0, MS(0));
        assert_eq!(told.level(MS(0)), 9.0);
    }

    #[test]
    fn more_is_believed_when_more_is_told() {
        let mut told = Told::new(Unit::Requests, &limit(40, 0, MS(1_000)), MS(0), 0.0, MS(0)).unwrap();
        told.update(&limit(400, 390, MS(25)), MS(0), 0.0, MS(1));
        assert_eq!(told.level(MS(1)), 390.0);
        assert_eq!(told.capacity(), 400.0);
    }

    #[test]
    fn what_says_too_little_is_not_paced_by() {
        let mut little = Limit::new("requests");
        little.limit = Some(100);
        assert!(Told::new(Unit::Requests, &little, MS(0), 0.0, MS(0)).is_none());
        little.remaining = Some(5);
        assert!(Told::new(Unit::Requests, &little, MS(0), 0.0, MS(0)).is_none());
    }
}
