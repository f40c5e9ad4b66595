//! The probe: how many calls a second an upstream takes that doesn't say so, or that others use too.
//!
//! It begins with a window on calls under way that doubles per round trip (slow start, RFC 5681), until a call is refused.
//! From then on it paces.
//! A refusal says one thing for certain: at that moment nothing was left. What was let through between two such moments is
//! what the upstream gives in that time, whatever its burst and its window are; that is the *ceiling*.
//! The rate then follows a cubic curve around it (RFC 9438, and the client rate limiter of AWS' SDKs): a little below, a
//! long plateau, a careful probe above. Each time a probe finds the same ceiling again, the plateau doubles.
//!
//! ```
//! use aplomb_core::lane::{Probe, Ready};
//! use std::time::Duration;
//!
//! let mut probe = Probe::new(Duration::ZERO);
//! assert_eq!(probe.ready(Duration::ZERO, 0), Ready::Now);
//! ```
//!
//! What it is not: a memory of limits that an answer tells of ([`Pacer`](super::Pacer)), or a guard against overload
//! ([`Adaptive`](super::Adaptive)).

use std::time::Duration;

use super::bucket::Bucket;
use super::pacer::Ready;

/// Calls under way that a new lane begins with, as many as TCP's initial window has segments (RFC 6928).
const INITIAL_WINDOW: f64 = 10.0;

/// Calls beyond what has been proven are spread over so much time, so that the first refusal can stop the rest.
const SPREAD: Duration = Duration::from_millis(100);

/// The window doubles after so long even if no answer came: some models think for minutes before they say anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// At most one decrease in this time: refusals that come together have one cause.
const ONE_DECREASE: Duration = Duration::from_secs(1);

/// How far below the ceiling the curve begins, and how far above it a probe goes by the time of two plateaus.
const DEPTH: f64 = 0.1;

/// Seconds from a decrease to the plateau; doubled by each confirmation.
const FIRST_PLATEAU: f64 = 3.0;
const LONGEST_PLATEAU: f64 = 48.0;

/// The first pause after a refusal without a hint; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Nobody waits longer before it is asked again whether a call may start: the pace may have grown.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// No upstream is asked less often than once in a quarter of an hour.
const LOWEST: f64 = 1.0 / 900.0;

/// What is known about the rate of one lane.
#[derive(Clone, Debug)]
pub struct Probe {
    phase: Phase,
    /// Calls sent so far; each has its number.
    sent: u64,
    /// The last moment at which nothing was left, or the beginning.
    empty: Mark,
    /// Calls after it that were refused.
    refused: u64,
    /// Calls up to this one were sent before the last decrease had an effect.
    cut: u64,
    cut_at: Option<Duration>,
    /// Refusals since a call was let through.
    streak: u32,
    /// Nothing is sent before: a pause without a hint.
    until: Duration,
    /// When the last pause ended.
    resumed: Duration,
    /// One call at a time, until one is let through.
    alone: bool,
    clock: Clock,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    sent: u64,
    at: Duration,
}

/// Time in which callers were waiting: what was let through while nobody waited says nothing about a limit.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    at: Duration,
    waiting: bool,
    /// Nothing can be sent.
    held: bool,
    /// Seconds since the last mark in which somebody waited.
    pressed: f64,
    /// Seconds of them in which nothing could be sent.
    paused: f64,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Nothing was ever refused.
    Open(Window),
    /// The ceiling is known, more or less.
    Paced(Pace),
}

#[derive(Clone, Debug)]
struct Window {
    size: f64,
    grown: Duration,
    /// Whether the window was what callers waited for since it grew.
    full: bool,
    next: Duration,
    /// Calls sent lately: about those of the last second.
    lately: f64,
    sent: Duration,
}

#[derive(Clone, Debug)]
struct Pace {
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
    /// Calls sent lately: about those of the last second.
    lately: f64,
    sent: Duration,
}

impl Probe {
    /// Nothing is known.
    pub fn new(now: Duration) -> Self {
        let window =
            Window { size: INITIAL_WINDOW, grown: now, full: false, next: now, lately: 0.0, sent: now };
        let mark = Mark { sent: 0, at: now };
        Self {
            phase: Phase::Open(window),
            sent: 0,
            empty: mark,
            refused: 0,
            cut: 0,
            cut_at: None,
            streak: 0,
            until: Duration::ZERO,
            resumed: now,
            alone: false,
            clock: Clock { at: now, ..Clock::default() },
        }
    }

    /// Tells how time passed: whether anybody was waiting since the last time, and whether calls could be sent.
    pub fn pass(&mut self, now: Duration, waiting: bool, paused: bool) {
        let passed = now.saturating_sub(self.clock.at).as_secs_f64();
        let pressed = if self.clock.waiting { passed } else { 0.0 };
        self.clock.pressed += pressed;
        self.clock.paused += if self.clock.held { passed } else { 0.0 };
        if let Phase::Paced(pace) = &mut self.phase {
            if !self.clock.held {
                pace.age += pressed;
            }
            pace.follow(now);
        }
        (self.clock.at, self.clock.waiting) = (self.clock.at.max(now), waiting);
        self.clock.held = paused || now < self.until;
    }

    /// When one more call may start, with so many under way.
    pub fn ready(&mut self, now: Duration, in_flight: u32) -> Ready {
        if now < self.until {
            return Ready::At(self.until);
        }
        if self.alone && in_flight > 0 {
            return Ready::Full;
        }
        match &mut self.phase {
            Phase::Open(window) => window.ready(now, in_flight),
            Phase::Paced(pace) => {
                let when = pace.bucket.ready(1.0, now).max(pace.next);
                // The rate changes meanwhile, by leaps where it is still looked for.
                Ready::at(when.min(now + LOOK_AGAIN), now)
            }
        }
    }

    /// A call starts; gives its number.
    pub fn sent(&mut self, now: Duration) -> u64 {
        self.sent += 1;
        match &mut self.phase {
            Phase::Open(window) => window.take(now),
            Phase::Paced(pace) => pace.take(now),
        }
        self.sent
    }

    /// A call was let through, whatever became of it then.
    pub fn accepted(&mut self, call: u64, now: Duration) {
        if call > self.cut {
            (self.streak, self.alone) = (0, false);
        }
        if let Phase::Open(window) = &mut self.phase {
            window.grow(now);
        }
    }

    /// A call was refused because there were too many. `sent` is when it was sent, `hint` how long to wait.
    pub fn refused(&mut self, call: u64, sent: Duration, now: Duration, hint: Option<Duration>, random: f64) {
        if call > self.empty.sent {
            self.refused += 1;
        }
        if let Phase::Paced(pace) = &mut self.phase {
            pace.bucket.set_level(pace.bucket.level(now).min(0.0), now);
        }
        if call <= self.cut {
            return;
        }
        self.streak += 1;
        self.alone = self.streak >= 2;
        if hint.is_none() {
            let longest = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.streak - 1)).min(LONGEST_PAUSE);
            self.until = now + longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        }
        self.cut = self.sent;
        let again = self.cut_at.is_some_and(|last| now < last + ONE_DECREASE);
        if !again {
            self.decrease(call, sent, now, hint);
            self.cut_at = Some(now);
        }
        let pause = hint.unwrap_or_else(|| self.until.saturating_sub(now));
        if let Phase::Paced(pace) = &mut self.phase {
            pace.grant(pause, now);
        }
        self.resumed = now.max(self.until).max(now + hint.unwrap_or_default());
    }

    /// Whether one call at a time is tried, because the last ones were refused.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Calls a second at which it paces now; absent as long as nothing was refused.
    pub fn per_second(&self) -> Option<f64> {
        match &self.phase {
            Phase::Open(_) => None,
            Phase::Paced(pace) => Some(pace.rate()),
        }
    }

    /// The rate that was last found to be all that the upstream gives.
    pub fn ceiling(&self) -> Option<f64> {
        match &self.phase {
            Phase::Open(_) => None,
            Phase::Paced(pace) => Some(pace.ceiling),
        }
    }

    /// The window on calls under way, as long as nothing was refused.
    pub fn window(&self) -> Option<f64> {
        match &self.phase {
            Phase::Open(window) => Some(window.size),
            Phase::Paced(_) => None,
        }
    }

    fn decrease(&mut self, call: u64, sent: Duration, now: Duration, hint: Option<Duration>) {
        #[expect(clippy::cast_precision_loss, reason = "no lane has 2^53 calls")]
        let through = (call.saturating_sub(self.empty.sent)).saturating_sub(self.refused) as f64;
        let time = sent.saturating_sub(self.empty.at).as_secs_f64();
        let pause = hint.unwrap_or_default();
        match &mut self.phase {
            Phase::Open(window) => {
                // The first calls used up a burst, too: what they took refills in the pause, or in a second.
                let found = through / (time + pause.as_secs_f64().max(1.0));
                // A hint promises one more call at its end.
                let promised = if pause.is_zero() { 1.0 } else { 1.0 / pause.as_secs_f64() };
                // What was just let through at once says more than a mean over hours in which nobody called.
                let ceiling = found.max(promised).max(window.lately(now) * 0.7);
                self.phase = Phase::Paced(Pace::new(ceiling, pause, now));
            }
            Phase::Paced(pace) => {
                let pressed = self.clock.pressed >= 0.5 * time && time >= 0.5;
                let early = now.saturating_sub(self.resumed) < 2 * ONE_DECREASE;
                pace.saved(early);
                let share = if pressed { self.clock.paused / time } else { 1.0 };
                let measured = through / time.max(1e-3);
                // Where as many were refused as let through, nothing flowed over unused.
                let flooded = self.refused >= 5 && 2 * self.refused >= call.saturating_sub(self.empty.sent);
                let found = if flooded { measured } else { pace.found(measured, share) };
                // Nothing let through says less than it seems: no more than half at a time.
                let found = if through > 0.0 { found } else { found.max(pace.ceiling / 2.0) };
                pace.settle(found, pause, now);
            }
        }
        self.empty = Mark { sent: call, at: sent };
        self.refused = 0;
        (self.clock.pressed, self.clock.paused) = (0.0, 0.0);
    }
}

impl Window {
    fn ready(&mut self, now: Duration, in_flight: u32) -> Ready {
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

    fn take(&mut self, now: Duration) {
        self.next = now + self.spacing();
        (self.lately, self.sent) = (self.lately(now) + 1.0, now);
    }

    fn lately(&self, now: Duration) -> f64 {
        self.lately * (-now.saturating_sub(self.sent).as_secs_f64()).exp()
    }

    fn spacing(&self) -> Duration {
        SPREAD.div_f64(self.size.max(1.0))
    }

    /// One more for each call that was let through while the window was full: it doubles per round trip.
    fn grow(&mut self, now: Duration) {
        if self.full {
            self.size = (self.size + 1.0).min(1e6);
            self.grown = now;
        }
    }
}

impl Pace {
    fn new(ceiling: f64, pause: Duration, now: Duration) -> Self {
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
            lately: 0.0,
            sent: now,
        };
        pace.hold(pause, now);
        pace
    }

    /// At the end of a pause one call may start: that is what the upstream said, or what is to be found out.
    fn grant(&mut self, pause: Duration, now: Duration) {
        let refilled = self.rate() * pause.as_secs_f64();
        self.bucket.set_level((1.0 - refilled).max(0.0), now);
        self.next = now;
    }

    /// Who is refused again and again soon after a pause makes up for it too fast: less was saved up than was thought.
    fn saved(&mut self, early: bool) {
        self.early = if early { self.early + 1 } else { 0 };
        match self.early {
            0 => self.burst *= 2.0,
            1 => {}
            _ => self.burst = (self.burst.min(self.bucket.capacity()) / 2.0).max(1.0),
        }
    }

    /// The ceiling that a refusal tells of.
    ///
    /// `through` calls a second were let through since nothing was left before. The upstream gives at least as much;
    /// more, if what came in a pause flowed over, or came while fewer calls were sent than it gives.
    /// It gives less than the rate at which it refused.
    fn found(&self, through: f64, paused: f64) -> f64 {
        let at_least = if self.searching { 0.7 } else { 0.9 };
        if self.searching || paused > 0.15 { through.max(self.rate() * at_least) } else { through }
    }

    /// Another ceiling was found.
    fn settle(&mut self, found: f64, pause: Duration, now: Duration) {
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
        self.follow(now);
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

    fn rate(&self) -> f64 {
        if self.searching {
            return self.ceiling * self.age.min(1.0).exp2();
        }
        let from_plateau = (self.age - self.plateau) / self.plateau;
        self.ceiling * (1.0 + DEPTH * from_plateau.powi(3))
    }

    fn follow(&mut self, now: Duration) {
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

    fn lately(&self, now: Duration) -> f64 {
        self.lately * (-now.saturating_sub(self.sent).as_secs_f64()).exp()
    }

    fn take(&mut self, now: Duration) {
        self.bucket.take(1.0, now);
        (self.lately, self.sent) = (self.lately(now) + 1.0, now);
        // What was saved up is not sent all at once: at most twice the rate.
        self.next = now + Duration::try_from_secs_f64(0.5 / self.rate()).unwrap_or(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_answers_at_once_fills_the_window_too() {
        let mut probe = Probe::new(Duration::ZERO);
        let (mut now, mut waiting) = (Duration::ZERO, 0);
        // Thirty-two callers, each of whom asks again as soon as it was answered, after a third of a millisecond.
        for _ in 0..200 {
            let (mut calls, mut held) = (Vec::new(), 0);
            for in_flight in 0..32 {
                match probe.ready(now, in_flight) {
                    Ready::Now => calls.push(probe.sent(now)),
                    Ready::At(_) | Ready::Full => held += 1,
                }
            }
            now += Duration::from_micros(300);
            for call in calls {
                probe.accepted(call, now);
            }
            waiting = held;
        }
        assert_eq!(waiting, 0, "after 60 ms nobody waits any more: {probe:?}");
    }
}
