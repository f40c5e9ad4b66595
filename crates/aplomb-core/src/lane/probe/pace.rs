//! The pace around a known ceiling: a cubic curve, a bucket, and what may be saved up in a pause.

use std::time::Duration;

use super::LONGEST_PAUSE;
use crate::lane::bucket::Bucket;
use crate::lane::pacer::Ready;

/// How far below the ceiling the curve begins, and how far above it a probe goes by the time of two plateaus.
const DEPTH: f64 = 0.1;

/// Seconds from a decrease to the plateau; doubled by each confirmation.
const FIRST_PLATEAU: f64 = 3.0;
const LONGEST_PLATEAU: f64 = 48.0;

/// Nobody waits longer before it is asked again whether a call may start: the pace may have grown.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// No upstream is asked less often than once in a quarter of an hour.
const LOWEST: f64 = 1.0 / 900.0;

/// A pace, once a call was refused.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    ceiling: f64,
    /// Found once: the next refusal may be far away.
    searching: bool,
    /// Seconds since the last decrease in which calls waited and could be sent.
    age: f64,
    plateau: f64,
    bucket: Bucket,
    /// How much the upstream is thought to let through at once after a rest.
    burst: f64,
    /// How many refusals in a row came soon after a pause.
    early: u32,
    next: Duration,
}

impl Pace {
    /// Around a ceiling that was found just now, after which the upstream wants a pause.
    pub(super) fn new(ceiling: f64, pause: Duration, now: Duration) -> Self {
        let ceiling = ceiling.max(LOWEST);
        let mut bucket = Bucket::full(1.0, ceiling, now);
        bucket.set_level(0.0, now);
        let mut pace = Self {
            ceiling,
            searching: true,
            age: 0.0,
            plateau: FIRST_PLATEAU,
            bucket,
            burst: f64::INFINITY,
            early: 0,
            next: now,
        };
        pace.hold(pause, now);
        pace
    }

    /// The rate that was last found to be all that the upstream gives.
    pub(super) fn ceiling(&self) -> f64 {
        self.ceiling
    }

    /// When one more call may start.
    pub(super) fn ready(&self, now: Duration) -> Ready {
        let when = self.bucket.ready(1.0, now).max(self.next);
        // The rate changes meanwhile, by leaps where it is still looked for.
        Ready::at(when.min(now + LOOK_AGAIN), now)
    }

    /// Calls waited for so many seconds more, and could be sent.
    pub(super) fn age(&mut self, seconds: f64) {
        self.age += seconds;
    }

    /// A refusal says that nothing is left.
    pub(super) fn emptied(&mut self, now: Duration) {
        self.bucket.set_level(self.bucket.level(now).min(0.0), now);
    }

    /// At the end of a pause one call may start: that is what the upstream said, or what is to be found out.
    pub(super) fn grant(&mut self, pause: Duration, now: Duration) {
        let refilled = self.rate() * pause.as_secs_f64();
        self.bucket.set_level((1.0 - refilled).max(0.0), now);
        self.next = now;
    }

    /// Who is refused soon after a pause makes up for it too fast: less was saved up than was thought.
    ///
    /// `left` of what was saved up had not been used by then. Gives whether that explains the refusal.
    pub(super) fn saved(&mut self, early: bool, left: f64) -> bool {
        self.early = if early { self.early + 1 } else { 0 };
        let explains = early && left >= 1.0;
        match self.early {
            0 => self.burst *= 2.0,
            _ if explains => self.burst = (0.9 * (self.bucket.capacity() - left)).max(1.0),
            1 => {}
            _ => self.burst = (self.burst.min(self.bucket.capacity()) / 2.0).max(1.0),
        }
        explains
    }

    /// What may be sent beyond the pace.
    pub(super) fn left(&self, now: Duration) -> f64 {
        self.bucket.level(now)
    }

    /// The ceiling that a refusal tells of.
    ///
    /// `through` calls a second were let through since nothing was left before. The upstream gives at least as much;
    /// more, if what came in a pause flowed over, or came while fewer calls were sent than it gives.
    /// It gives less than the rate at which it refused.
    pub(super) fn found(&self, through: f64, paused: f64) -> f64 {
        let at_least = if self.searching { 0.7 } else { 0.9 };
        if self.searching || paused > 0.15 { through.max(self.rate() * at_least) } else { through }
    }

    /// Refused again so soon: there is no more to be found.
    pub(super) fn stop_searching(&mut self) {
        if self.searching {
            (self.searching, self.age) = (false, 0.0);
        }
    }

    /// Another ceiling was found.
    pub(super) fn settle(&mut self, found: f64, pause: Duration, now: Duration) {
        let found = found.max(LOWEST);
        let same = (found / self.ceiling - 1.0).abs() <= 0.1;
        if self.searching {
            self.searching = found > 1.25 * self.ceiling;
        } else {
            self.plateau = if same { (self.plateau * 2.0).min(LONGEST_PLATEAU) } else { FIRST_PLATEAU };
        }
        (self.ceiling, self.age) = (found, 0.0);
        self.bucket.set_level(0.0, now);
        self.hold(pause, now);
        self.bucket.set_rate(self.rate(), now);
    }

    /// Lets the bucket hold what refills in a pause: it may be used after it.
    fn hold(&mut self, pause: Duration, now: Duration) {
        let most = (self.ceiling * pause.as_secs_f64().max(1.0)).min(self.burst);
        self.bucket.set_capacity(most.max(1.0), now);
        if !pause.is_zero() {
            // Whoever names a moment takes a call then.
            let refills = self.rate() * pause.as_secs_f64();
            self.bucket.set_level(self.bucket.level(now).max(1.0 - refills), now);
        }
    }

    /// Calls a second by now.
    pub(super) fn rate(&self) -> f64 {
        if self.searching {
            return self.ceiling * self.age.min(1.0).exp2();
        }
        let from_plateau = (self.age - self.plateau) / self.plateau;
        self.ceiling * (1.0 + DEPTH * from_plateau.powi(3))
    }

    /// Time has passed; so many calls were sent in about the last second.
    pub(super) fn follow(&mut self, now: Duration, lately: f64) {
        let rate = self.rate();
        // No faster than twice what is really sent: what isn't used can't be found out.
        let used = rate <= 2.0 * lately.max(1.0);
        if self.searching && self.age >= 1.0 {
            (self.ceiling, self.age) = if used { (rate, self.age - 1.0) } else { (self.ceiling, 1.0) };
        }
        if !self.searching && rate > 2.0 * self.ceiling {
            // Far beyond what was known: the limit has been raised.
            (self.ceiling, self.age, self.searching) = (rate, 0.0, true);
        }
        self.bucket.set_rate(rate, now);
    }

    /// A call starts.
    pub(super) fn take(&mut self, now: Duration) {
        self.bucket.take(1.0, now);
        // What was saved up is not sent all at once: at most twice the rate.
        self.next = now + Duration::try_from_secs_f64(0.5 / self.rate()).unwrap_or(LONGEST_PAUSE);
    }
}
