//! The pace of a lane whose ceiling is known, more or less: a cubic curve around it.
//!
//! A little below the ceiling, a long plateau, a careful probe above (RFC 9438, and the client rate limiter of AWS' SDKs).

use std::time::Duration;

use super::bucket::{Bucket, NEVER};

/// How far below the ceiling the curve begins, and how far above it a probe goes by the time of two plateaus.
const DEPTH: f64 = 0.1;

/// The same, where the ceiling was found again: what isn't used below it may be lost.
const SHALLOW: f64 = 0.04;

/// Seconds from a decrease to the plateau, and no fewer calls than these; doubled by each confirmation.
const FIRST_PLATEAU: f64 = 3.0;
const FIRST_CALLS: f64 = 16.0;
const LONGEST_PLATEAU: f64 = 48.0;

/// A plateau need not be longer than so many calls take: one refusal in so many is little, and a limit that was raised, or
/// that others left, is found sooner.
const PLATEAU_CALLS: f64 = 240.0;
const SHORTEST_PLATEAU: f64 = 6.0;

/// A refusal may cost one part in so many of what a plateau brings.
const PRICE: f64 = 50.0;

/// Growth that doesn't depend on what one has but on its root (as Envoy's and Netflix' limits grow): among lanes that
/// share a quota, it lets the small ones catch up.
const ROOT_GROWTH: f64 = 0.01;

/// After so many seconds without a refusal the rate is nearly right, and is lowered by no more than a step.
const SETTLED: f64 = 2.0;
const STEP: f64 = 0.95;

/// In less time than this nothing worth mentioning is saved up.
const SHORT_REST: f64 = 0.25;

/// Without a flood of refusals, one decrease takes no more than this away: few calls measure a rate badly.
const DECREASE: f64 = 0.7;

/// No upstream is asked less often than once in a quarter of an hour.
const LOWEST: f64 = 1.0 / 900.0;

/// A refusal so many seconds after a pause has to do with how the pause was made up for.
const SOON: f64 = 2.0;

/// The pace of one lane.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) ceiling: f64,
    /// Found once: the next refusal may be far away.
    pub(super) searching: bool,
    /// Seconds since the last decrease in which calls waited and could be sent.
    pub(super) age: f64,
    pub(super) plateau: f64,
    /// How far below the ceiling the curve began.
    pub(super) depth: f64,
    pub(super) bucket: Bucket,
    /// How much the upstream is thought to let through at once after a rest.
    pub(super) burst: f64,
    /// How long the last pause was, in seconds, if an upstream named it.
    pub(super) rest: f64,
    /// How many refusals in a row came soon after such a pause.
    pub(super) early: u32,
    pub(super) next: Duration,
    /// Calls sent lately: about those of the last second.
    pub(super) lately: f64,
    pub(super) sent: Duration,
}

impl Pace {
    pub(super) fn new(ceiling: f64, pause: Duration, now: Duration) -> Self {
        let ceiling = ceiling.max(LOWEST);
        let mut bucket = Bucket::full(1.0, ceiling, now);
        bucket.set_level(0.0, now);
        let mut pace = Self {
            ceiling,
            searching: true,
            age: 0.0,
            plateau: FIRST_PLATEAU,
            depth: DEPTH,
            bucket,
            burst: f64::INFINITY,
            rest: pause.as_secs_f64(),
            early: 0,
            next: now,
            lately: 0.0,
            sent: now,
        };
        pace.hold(pause, now);
        pace
    }

    /// Whether it was no lower ceiling that had a call refused soon after a pause, but that less was saved up in it than
    /// was thought; if so it is known now how much.
    pub(super) fn saved_less(&mut self, through: f64, flowed: f64) -> bool {
        let early = !self.searching && self.rest >= SHORT_REST && flowed < SOON;
        self.early = if early { self.early + 1 } else { 0 };
        if !early {
            self.burst *= 1.1;
            return false;
        }
        let thought = self.burst.min(self.bucket.capacity());
        let saved = (through - self.ceiling * flowed).max(1.0);
        // Who is refused again and again makes up for a pause too fast, whatever the reason.
        let less = if self.early >= 2 { saved.min(thought / 2.0).max(1.0) } else { saved };
        let believed = less <= 0.7 * thought;
        if believed {
            self.burst = less;
        }
        believed
    }

    /// The ceiling that a refusal tells of.
    ///
    /// `measured` calls a second were let through since nothing was left before. The upstream gives at least as much;
    /// more, if what came in a pause flowed over, or came while fewer calls were sent than it gives. Where it is known how
    /// much was saved up in the pause, what `flowed` since then says it better.
    /// It gives less than the rate at which it refused.
    pub(super) fn found(&self, measured: f64, through: f64, flowed: f64, paused: f64) -> f64 {
        let rate = self.rate();
        let at_least = if self.searching { 0.7 } else { 0.9 };
        if !self.searching && self.burst.is_finite() && flowed >= 1.0 {
            let since = ((through - self.burst) / flowed).clamp(at_least * rate, STEP * rate);
            return measured.max(since);
        }
        let least = match () {
            () if self.searching => at_least,
            // Where little can be saved up, most of what was let through came at less than the limit. If it was saved up
            // after all, the next refusal comes soon, with nothing saved.
            () if flowed >= SETTLED => STEP,
            () if paused > 0.15 => at_least,
            () => DECREASE,
        };
        measured.max(rate * least)
    }

    /// Another ceiling was found.
    pub(super) fn settle(&mut self, found: f64, pause: Duration, now: Duration) {
        let found = found.max(LOWEST);
        let same = (found / self.ceiling - 1.0).abs() <= 0.1;
        if self.searching {
            self.searching = found > 1.25 * self.ceiling;
        } else {
            // What flows over in the pause that a refusal brings is its price.
            let long = pause.as_secs_f64();
            let price = (long - self.burst / found).max(long / 2.0) * PRICE;
            let longest = (PLATEAU_CALLS / found).max(price).clamp(SHORTEST_PLATEAU, LONGEST_PLATEAU);
            self.depth = if same { SHALLOW } else { DEPTH };
            self.plateau = match same {
                true if price > SHORTEST_PLATEAU => longest,
                true => (self.plateau * 2.0).min(longest),
                false => (FIRST_CALLS / found).clamp(FIRST_PLATEAU, LONGEST_PLATEAU),
            };
        }
        (self.ceiling, self.age) = (found, 0.0);
        self.rest = pause.as_secs_f64();
        self.bucket.set_level(0.0, now);
        self.hold(pause, now);
        self.follow(now);
    }

    /// Lets the bucket hold what refills in a pause: it may be used after it.
    pub(super) fn hold(&mut self, pause: Duration, now: Duration) {
        let most = (self.ceiling * pause.as_secs_f64().max(1.0)).min(self.burst);
        self.bucket.set_capacity(most.max(1.0), now);
        if !pause.is_zero() {
            // Whoever names a moment takes a call then.
            let refills = self.rate() * pause.as_secs_f64();
            self.bucket.set_level(self.bucket.level(now).max(1.0 - refills), now);
        }
    }

    pub(super) fn rate(&self) -> f64 {
        if self.searching {
            return self.ceiling * self.age.min(1.0).exp2();
        }
        let from_plateau = (self.age - self.plateau) / self.plateau;
        let depth = if from_plateau < 0.0 { self.depth } else { DEPTH };
        self.ceiling * (1.0 + depth * from_plateau.powi(3)) + ROOT_GROWTH * self.ceiling.sqrt() * self.age
    }

    pub(super) fn follow(&mut self, now: Duration) {
        let rate = self.rate();
        // No faster than twice what is really sent: what isn't used can't be found out.
        let used = rate <= 2.0 * self.lately(now).max(1.0);
        if self.searching && self.age >= 1.0 {
            (self.ceiling, self.age) = if used { (rate, self.age - 1.0) } else { (self.ceiling, 1.0) };
        }
        if !self.searching && rate > 2.0 * self.ceiling {
            // Far beyond what was known: the limit has been raised.
            (self.ceiling, self.age, self.searching) = (rate, 0.0, true);
        }
        self.bucket.set_rate(rate, now);
    }

    pub(super) fn lately(&self, now: Duration) -> f64 {
        self.lately * (-now.saturating_sub(self.sent).as_secs_f64()).exp()
    }

    pub(super) fn take(&mut self, now: Duration) {
        self.bucket.take(1.0, now);
        (self.lately, self.sent) = (self.lately(now) + 1.0, now);
        // What was saved up is not sent all at once: at most twice the rate.
        self.next = now + Duration::try_from_secs_f64(0.5 / self.rate()).unwrap_or(NEVER);
    }
}
