//! The probe: how many calls a second an upstream takes that doesn't say so, or that others use too.
//!
//! It begins with a window on calls under way that doubles per round trip (slow start, RFC 5681), until a call is refused.
//! From then on it paces.
//! A refusal says one thing for certain: at that moment nothing was left. What was let through between two such moments is
//! what the upstream gives in that time, whatever its burst and its window are; that is the *ceiling*.
//! Only a few refusals that say nothing of waiting may be chance (`chance.rs`): nothing is learned of those.
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

use super::pacer::Ready;

mod lately;
use lately::Lately;
mod pace;
use pace::Pace;
mod window;
use window::Window;
mod chance;
use chance::Chance;

/// At most one decrease in this time: refusals that come together have one cause.
const ONE_DECREASE: Duration = Duration::from_secs(1);

/// The first pause after a refusal without a hint; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

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
    lately: Lately,
    chance: Chance,
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

impl Probe {
    /// Nothing is known.
    pub fn new(now: Duration) -> Self {
        let mark = Mark { sent: 0, at: now };
        Self {
            phase: Phase::Open(Window::new(now)),
            sent: 0,
            empty: mark,
            refused: 0,
            cut: 0,
            cut_at: None,
            streak: 0,
            until: Duration::ZERO,
            resumed: now,
            alone: false,
            lately: Lately::new(now),
            chance: Chance::default(),
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
                pace.age(pressed);
            }
            pace.follow(now, self.lately.calls(now));
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
            Phase::Paced(pace) => pace.ready(now),
        }
    }

    /// A call starts; gives its number.
    pub fn sent(&mut self, now: Duration) -> u64 {
        self.sent += 1;
        self.lately.add(now);
        match &mut self.phase {
            Phase::Open(window) => window.take(now),
            Phase::Paced(pace) => pace.take(now),
        }
        self.sent
    }

    /// A call was let through, whatever became of it then.
    pub fn accepted(&mut self, call: u64, now: Duration) {
        self.chance.accepted();
        if call > self.cut {
            (self.streak, self.alone) = (0, false);
        }
        if let Phase::Open(window) = &mut self.phase {
            window.grow(now);
        }
    }

    /// A call was refused because there were too many. `sent` is when it was sent, `hint` how long to wait.
    ///
    /// Whether it is taken for the work of a limit; otherwise nothing is done.
    pub fn refused(
        &mut self,
        call: u64,
        sent: Duration,
        now: Duration,
        hint: Option<Duration>,
        random: f64,
    ) -> bool {
        if call > self.empty.sent {
            self.refused += 1;
        }
        let may_be_chance = self.chance.refused(call);
        if may_be_chance && hint.is_none() {
            // Nothing is learned of it. Who says how long to wait has a limit.
            return false;
        }
        let left = match &mut self.phase {
            Phase::Open(_) => 0.0,
            Phase::Paced(pace) => {
                let left = pace.left(now);
                pace.emptied(now);
                left
            }
        };
        if call <= self.cut {
            return true;
        }
        // Whoever was sent in between was let through, whenever it is answered: a refusal that counts would have moved the cut.
        let between = call > self.cut + 1;
        self.streak = if between { 1 } else { self.streak + 1 };
        self.alone = self.streak >= 2;
        if hint.is_none() {
            let longest = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.streak - 1)).min(LONGEST_PAUSE);
            self.until = now + longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        }
        self.cut = self.sent;
        let again = self.cut_at.is_some_and(|last| now < last + ONE_DECREASE);
        if !again {
            self.decrease((call, sent), now, hint, left);
            self.cut_at = Some(now);
        } else if let Phase::Paced(pace) = &mut self.phase
            && between
        {
            pace.stop_searching();
        }
        let pause = hint.unwrap_or_else(|| self.until.saturating_sub(now));
        if let Phase::Paced(pace) = &mut self.phase {
            pace.grant(pause, now);
        }
        self.resumed = now.max(self.until).max(now + hint.unwrap_or_default());
        true
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
            Phase::Paced(pace) => Some(pace.ceiling()),
        }
    }

    /// The window on calls under way, as long as nothing was refused.
    pub fn window(&self) -> Option<f64> {
        match &self.phase {
            Phase::Open(window) => Some(window.size()),
            Phase::Paced(_) => None,
        }
    }

    fn decrease(&mut self, (call, sent): (u64, Duration), now: Duration, hint: Option<Duration>, left: f64) {
        #[expect(clippy::cast_precision_loss, reason = "no lane has 2^53 calls")]
        let through = (call.saturating_sub(self.empty.sent)).saturating_sub(self.refused) as f64;
        let time = sent.saturating_sub(self.empty.at).as_secs_f64();
        let pause = hint.unwrap_or_default();
        match &mut self.phase {
            Phase::Open(_) => {
                // The first calls used up a burst, too: what they took refills in the pause, or in a second.
                let found = through / (time + pause.as_secs_f64().max(1.0));
                // Where nothing was let through, a hint promises one call at its end.
                let promised = if pause.is_zero() { 1.0 } else { 1.0 / pause.as_secs_f64() };
                let found = if through > 0.0 { found } else { promised };
                // What was just let through at once says more than a mean over hours in which nobody called.
                let ceiling = found.max(self.lately.calls(now) * 0.7);
                self.phase = Phase::Paced(Pace::new(ceiling, pause, now));
            }
            Phase::Paced(pace) => {
                let pressed = self.clock.pressed >= 0.5 * time && time >= 0.5;
                let early = now.saturating_sub(self.resumed) < 2 * ONE_DECREASE;
                let explained = pace.saved(early, left);
                let share = if pressed { self.clock.paused / time } else { 1.0 };
                let measured = through / time.max(1e-3);
                // Where as many were refused as let through, nothing flowed over unused.
                let flooded = self.refused >= 5 && 2 * self.refused >= call.saturating_sub(self.empty.sent);
                let found = if flooded { measured } else { pace.found(measured, share) };
                // Nothing let through says less than it seems: no more than half at a time.
                let found = if through > 0.0 { found } else { found.max(pace.ceiling() / 2.0) };
                // What was saved up too much says nothing of the rate.
                let found = if explained { found.max(pace.ceiling()) } else { found };
                pace.settle(found, pause, now);
            }
        }
        self.empty = Mark { sent: call, at: sent };
        self.refused = 0;
        (self.clock.pressed, self.clock.paused) = (0.0, 0.0);
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

    #[test]
    fn who_was_sent_between_two_refusals_was_let_through_though_not_answered_yet() {
        let ms = Duration::from_millis;
        let refuse = |probe: &mut Probe, call, at| {
            probe.refused(call, at, at, Some(ms(5)), 0.5);
        };
        let mut probe = Probe::new(Duration::ZERO);
        let first = probe.sent(ms(0));
        refuse(&mut probe, first, ms(5));
        let (_, second) = (probe.sent(ms(20)), probe.sent(ms(40)));
        refuse(&mut probe, second, ms(45));
        assert!(!probe.is_alone());
        let third = probe.sent(ms(60));
        refuse(&mut probe, third, ms(65));
        assert!(probe.is_alone(), "two in a row");
    }

    #[test]
    fn the_rest_of_a_token_is_no_rate() {
        let ms = Duration::from_millis;
        let mut probe = Probe::new(Duration::ZERO);
        let calls: Vec<u64> = (0..41).map(|call| probe.sent(ms(call * 10))).collect();
        for call in &calls[..40] {
            probe.accepted(*call, ms(600));
        }
        // One millisecond until the next token: that is no thousand a second.
        probe.refused(calls[40], ms(400), ms(405), Some(ms(1)), 0.5);
        let ceiling = probe.ceiling().unwrap();
        assert!((20.0..60.0).contains(&ceiling), "{ceiling}");
    }

    #[test]
    fn who_made_up_for_a_pause_too_fast_keeps_the_rate_it_had_found() {
        let ms = Duration::from_millis;
        let second = Some(ms(1_000));
        let mut probe = Probe::new(Duration::ZERO);
        // Forty calls in a second, then a refusal and a pause of a second; callers wait all the time.
        let mut last = 0;
        for call in 0..41 {
            probe.pass(ms(call * 25), true, false);
            last = probe.sent(ms(call * 25));
        }
        probe.refused(last, ms(1_000), ms(1_005), second, 0.5);
        probe.pass(ms(1_005), true, true);
        let before = probe.ceiling().unwrap();
        // What was saved up in the pause is used, and the upstream had not saved so much.
        let mut now = ms(2_005);
        probe.pass(now, true, false);
        for _ in 0..8 {
            while probe.ready(now, 0) != Ready::Now {
                now += ms(1);
            }
            probe.pass(now, true, false);
            last = probe.sent(now);
        }
        probe.refused(last, now, now + ms(5), second, 0.5);
        assert_eq!(probe.ceiling(), Some(before));
    }
}
