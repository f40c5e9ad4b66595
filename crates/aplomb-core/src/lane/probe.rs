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

use super::pace::Pace;
use super::pacer::Ready;
use super::window::Window;

/// At most one decrease in this time: refusals that come together have one cause.
const ONE_DECREASE: Duration = Duration::from_secs(1);

/// The first pause after a refusal without a hint; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Nobody waits longer before it is asked again whether a call may start: the pace may have grown.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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

impl Probe {
    /// Nothing is known.
    pub fn new(now: Duration) -> Self {
        let window = Window::new(now);
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
            Phase::Open(window) => window.next = now + window.spacing(),
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
        // A hint of some milliseconds is when the next call has its turn, and nobody says whose: it holds as a floor.
        let longest = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.streak - 1)).min(LONGEST_PAUSE);
        if hint.is_none_or(|hint| hint < longest) {
            self.until = now + longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        }
        self.cut = self.sent;
        let again = self.cut_at.is_some_and(|last| now < last + ONE_DECREASE);
        if !again {
            self.decrease(call, sent, now, hint.filter(|hint| *hint >= FIRST_PAUSE));
            self.cut_at = Some(now);
        }
        self.resumed = now.max(self.until).max(now + hint.unwrap_or_default());
    }

    /// An outage is over: what waited meanwhile must not be the next one.
    pub fn recovered(&mut self, now: Duration) {
        if let Phase::Open(window) = &mut self.phase {
            window.restart(now);
        }
    }

    /// Whether one call at a time is tried, because the last ones were refused.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether it goes beyond what was let through before, so that the next call may well be refused.
    pub fn is_beyond(&self) -> bool {
        match &self.phase {
            Phase::Open(_) => false,
            Phase::Paced(pace) => pace.searching || pace.age > pace.plateau,
        }
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
            Phase::Open(_) => {
                // The first calls used up a burst, too: what they took refills in the pause, or in a second.
                let ceiling = through / (time + pause.as_secs_f64().max(1.0));
                self.phase = Phase::Paced(Pace::new(ceiling, pause, now));
            }
            Phase::Paced(pace) => {
                let pressed = self.clock.pressed >= 0.5 * time && time >= 0.5;
                let flowed = sent.saturating_sub(self.resumed).as_secs_f64();
                let share = if pressed { self.clock.paused / time } else { 1.0 };
                // Where as many were refused as let through, nothing flowed over unused.
                let flooded = self.refused >= 5 && 2 * self.refused >= call.saturating_sub(self.empty.sent);
                let found = if flooded {
                    through / time.max(1e-3)
                } else if pace.saved_less(through, flowed) {
                    pace.ceiling
                } else {
                    pace.found(through / time.max(1e-3), through, flowed, share)
                };
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

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A probe that let so many calls through, one each 10 ms, and had the next one refused.
    fn refused(after: u64, hint: Option<Duration>) -> (Probe, Duration) {
        let mut probe = Probe::new(MS(0));
        let mut now = MS(0);
        for _ in 0..after {
            now += MS(10);
            let call = probe.sent(now);
            probe.accepted(call, now);
        }
        now += MS(10);
        let call = probe.sent(now);
        probe.pass(now, true, false);
        probe.refused(call, now, now, hint, 0.5);
        (probe, now)
    }

    #[test]
    fn what_was_let_through_until_a_refusal_is_the_first_ceiling() {
        let (probe, _) = refused(100, None);
        // 100 in a second that began with a burst: half of them refill in a second.
        let ceiling = probe.ceiling().unwrap();
        assert!((49.0..51.0).contains(&ceiling), "{ceiling}");
        assert_eq!((probe.window(), probe.is_beyond()), (None, true));
    }

    #[test]
    fn a_call_may_start_when_a_hint_says_so_however_little_is_known() {
        let (mut probe, now) = refused(0, Some(Duration::from_secs(30)));
        let then = now + Duration::from_secs(30);
        probe.pass(then, true, false);
        assert_eq!(probe.ready(then, 0), Ready::Now);
    }

    #[test]
    fn without_a_hint_pauses_double_and_one_call_at_a_time_tries() {
        let (mut probe, mut now) = refused(100, None);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let Ready::At(until) = probe.ready(now, 0) else { panic!("it pauses") };
            pauses.push((until - now).as_millis());
            now = until;
            let call = probe.sent(now);
            probe.refused(call, now, now, None, 0.5);
            assert!(probe.is_alone());
            assert_eq!(probe.ready(now + MS(60_000), 1), Ready::Full);
        }
        assert_eq!(pauses[..4], [75, 150, 300, 600]);
        let call = probe.sent(now + MS(60_000));
        probe.accepted(call, now + MS(60_000));
        assert!(!probe.is_alone());
    }

    #[test]
    fn nobody_sleeps_while_the_pace_grows() {
        let (mut probe, now) = refused(1, Some(MS(1_000)));
        let mut now = now + MS(1_000);
        probe.sent(now);
        let (mut started, begun) = (0, now);
        while now < begun + Duration::from_secs(10) {
            match probe.ready(now, 0) {
                Ready::Now => {
                    let call = probe.sent(now);
                    probe.accepted(call, now);
                    started += 1;
                }
                Ready::At(when) => {
                    assert!(when <= now + LOOK_AGAIN);
                    now = when;
                    probe.pass(now, true, false);
                }
                Ready::Full => panic!("nothing is under way"),
            }
        }
        assert!(started > 100, "{started}");
    }

    #[test]
    fn refusals_of_one_second_are_one_decrease() {
        let (mut probe, now) = refused(100, None);
        let before = probe.ceiling();
        for later in 0..9 {
            let call = probe.sent(now + MS(100 * later));
            probe.refused(call, now + MS(100 * later), now + MS(100 * later), None, 0.5);
        }
        assert_eq!(probe.ceiling(), before);
    }
}
