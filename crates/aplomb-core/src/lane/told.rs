//! A limit that answers tell of: how much of it is left now, and when more comes.
//!
//! `limit`, `remaining` and `reset` look alike everywhere and mean two things.
//! Some APIs refill steadily, and `reset` is the time until the bucket is full again; others count in windows, and `reset`
//! is the time until all of it is back at once.
//! Which one it is shows in how `reset` moves: with what was spent, or with the clock.

use std::time::Duration;

use super::bucket::{Bucket, NEVER};
use super::cost::Unit;
use super::together::Around;
use crate::failure::Limit;

mod rate;
use rate::{Agreed, Rate};

#[cfg(test)]
mod tests;

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
    /// So much is left in it: calls come sooner and later than they were sent, and who takes the last is refused.
    margin: f64,
    /// When it last grew.
    grown: Option<Duration>,
    /// When the last call was sent that told of it: answers to earlier ones come too late to say anything.
    newest: Duration,
}

/// A call whose answer tells of a limit, among the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// When it was sent.
    pub(super) sent: Duration,
    /// What was spent since by others.
    pub(super) later: f64,
    /// Those that were sent together with it.
    pub(super) around: Around,
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
    at: Duration,
    remaining: f64,
    /// When all of it is there again.
    reset: Duration,
    /// The same, if it was told as soon as the call was sent, and the answer took its time.
    earliest: Duration,
    /// The rate, if it refills steadily.
    rate: Option<Rate>,
}

/// Two answers of one window name ends that differ by no more than their way through the network does.
const SAME_END: Duration = Duration::from_millis(50);

/// The same, where resets are told in whole seconds.
const SAME_SECOND: Duration = Duration::from_millis(1_100);

/// What is left at first, as a part of the capacity: half a call of forty a second, which is ten milliseconds too early.
const FIRST_LEFT: f64 = 0.0125;

/// What a refusal adds to what is left, as a share of a call, besides doubling it: how much calls are too early by is found
/// out in a few steps.
const MORE_LEFT: f64 = 0.25;

/// How much of the capacity it may come to.
const MOST_LEFT: f64 = 0.1;

/// How much of it each answer takes back.
const FORGOTTEN: f64 = 0.001;

/// Refusals within this time are one.
const ONE_CAUSE: Duration = Duration::from_millis(500);

impl Told {
    /// A limit that was told for the first time; none where an answer says too little to pace by.
    pub(super) fn new(unit: Unit, limit: &Limit, call: &Counted, now: Duration) -> Option<Self> {
        let seen = Seen::of(limit, call.sent, now)?;
        let capacity = capacity(limit, &seen);
        let mut told = Self {
            unit,
            window: limit.window,
            bucket: Bucket::full(capacity, 0.0, now),
            comes: Comes::Unknown,
            span: seen.reset.saturating_sub(now),
            margin: capacity * FIRST_LEFT,
            grown: None,
            newest: call.sent,
            last: seen,
            anchor: seen,
            agreed: None,
        };
        told.learn(limit, &seen, now);
        told.sync(&seen, call, now, true);
        Some(told)
    }

    /// What the next answer tells.
    pub(super) fn update(&mut self, limit: &Limit, call: &Counted, now: Duration) {
        let Some(seen) = Seen::of(limit, call.sent, now) else { return };
        self.refresh(now);
        self.bucket.set_capacity(capacity(limit, &seen).max(1.0), now);
        self.learn(limit, &seen, now);
        if call.sent < self.newest {
            return;
        }
        self.newest = call.sent;
        self.margin *= 1.0 - FORGOTTEN;
        self.notice_end(limit, &seen, now);
        self.sync(&seen, call, now, false);
        self.span = self.span.max(seen.reset.saturating_sub(now));
        self.last = seen;
    }

    /// When an amount may be taken.
    pub(super) fn ready(&self, amount: f64, now: Duration) -> Duration {
        if self.is_over(now) {
            return now;
        }
        let margin = if self.per_second().is_some() { self.margin } else { 0.0 };
        match self.bucket.ready(amount + margin, now) {
            // Whatever is thought of the rate, at its reset all of it is back.
            NEVER => self.end(now).max(now),
            when => when,
        }
    }

    /// A call was refused for it: a little more is left from now on. Refusals that come together have one cause.
    pub(super) fn refused(&mut self, amount: f64, now: Duration) {
        if self.grown.is_some_and(|last| now < last + ONE_CAUSE) {
            return;
        }
        self.grown = Some(now);
        let most = amount.max(self.bucket.capacity() * MOST_LEFT);
        self.margin = (2.0 * self.margin + amount * MORE_LEFT).min(most);
    }

    /// Whether an answer to a call that was sent then, or later, told of it.
    pub(super) fn knows_of(&self, sent: Duration) -> bool {
        sent <= self.newest
    }

    /// Whether less is left than this amount, or the last answer said so.
    pub(super) fn lacks(&self, amount: f64, now: Duration) -> bool {
        let amount = amount.min(self.bucket.capacity());
        self.level(now) < amount || (self.last.remaining < amount && now < self.last.reset)
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
        let as_documented = rate.is_narrow() && documented.is_some_and(|documented| rate.fits(documented));
        let agreed = self.agreed.filter(|agreed| agreed.rate.meets(rate));
        let agreed = agreed.map_or_else(|| Agreed::on(rate, spent), |agreed| agreed.with(rate, spent));
        self.agreed = Some(agreed);
        // A window's reset hardly moves, and what was spent by then looks like a rate until it has grown by half.
        let telling = agreed.most - agreed.least >= (0.1 * (spent + seen.remaining)).max(3.0)
            && agreed.most >= 1.5 * agreed.least;
        match self.comes {
            Comes::Steadily { weight } if rate.fits(self.bucket.per_second()) => {
                // The more was spent, the less rounding matters: weighted by the square of it, forgetting slowly.
                let (old, new) = (weight * 0.95, spent * spent);
                let within = self.bucket.per_second().clamp(agreed.rate.least, agreed.rate.most);
                let aim = match rate.is_narrow() {
                    true => rate.middle(),
                    // Full but for this call: it comes faster than it is used.
                    false if spent <= 1.0 => agreed.rate.most.min(2.0 * within),
                    false => agreed.rate.middle(),
                };
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

    /// A window is known by an end that stays while more is spent, a bucket by an end that has moved before it came.
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
        let moved = now < self.anchor.reset && seen.earliest > self.anchor.reset + 2 * tolerance;
        if moved && !matches!(self.comes, Comes::Steadily { .. }) {
            self.bucket.set_rate(self.agreed.map_or(rate, |agreed| agreed.rate).middle(), now);
            self.comes = Comes::Steadily { weight: 1.0 };
        }
        if telling || moved || self.anchor.reset <= now || self.anchor.rate.is_none() {
            self.anchor = *seen;
        }
    }

    /// Takes over how much is left.
    ///
    /// An API counts a call when it comes or when it is done; which one can't be seen. So the truth lies between two
    /// numbers: what was told less everything spent since the call was sent, and the same with what has refilled since.
    /// Calls that were sent together with it may have come before it, or after. What is thought here stays as long as it
    /// lies between them.
    fn sync(&mut self, seen: &Seen, call: &Counted, now: Duration, first: bool) {
        let rate = self.bucket.per_second();
        let refilled = now.saturating_sub(call.sent).as_secs_f64() * rate;
        let most_later = call.later + call.around.outstanding(rate);
        let least_later = call.later - call.around.overtaken(rate);
        let remaining = self.exactly(seen);
        let low = remaining - (most_later - refilled).max(0.0);
        let high = (remaining + refilled - least_later).clamp(low, self.bucket.capacity().max(low));
        let level = if first { low } else { self.bucket.level(now).clamp(low, high) };
        self.bucket.set_level(level, now);
    }

    /// What was left, told in whole numbers: where it comes steadily, the time until all of it is back says how much more.
    fn exactly(&self, seen: &Seen) -> f64 {
        let Some(rate) = self.per_second() else { return seen.remaining };
        let missing = seen.reset.saturating_sub(seen.at).as_secs_f64() * rate;
        (self.bucket.capacity() - missing).clamp(seen.remaining, seen.remaining + 1.0)
    }
}

impl Seen {
    fn of(limit: &Limit, sent: Duration, now: Duration) -> Option<Self> {
        let remaining = count(limit.remaining?);
        // Without a reset a window says at least how fast it refills.
        let reset = limit.reset.or_else(|| limit.window.filter(|_| limit.limit.is_some()))?;
        let spent = limit.limit.map_or(0.0, |most| count(most) - remaining);
        let rate = (limit.reset.is_some() && spent >= 1.0 && !reset.is_zero()).then(|| {
            let reset = reset.as_secs_f64();
            Rate { least: (spent - 1.0) / reset, most: spent / reset }
        });
        Some(Self { at: now, remaining, reset: now + reset, earliest: sent.min(now) + reset, rate })
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
