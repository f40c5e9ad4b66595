//! Stops asking an upstream that is down, and finds out soon, and at little cost, that it is up again.
//!
//! Only hard failures count: no connection, a reset, silence, a 5xx that isn't a limit.
//! A 429, or a 503 that asks for patience, comes from an upstream that works; the pace answers to those.
//!
//! *Closed*: requests flow. *Open*: they don't. *Half-open*: one tries, the probe, and its first byte decides.

use std::time::Duration;

/// No fewer failures in a row open it: two are a coincidence wherever calls come seldom.
const SHORTEST_STREAK: u32 = 3;

/// No more are needed, however often calls fail here: at 63 % it is chance in one case of ten thousand.
const LONGEST_STREAK: u32 = 20;

/// A streak that chance would bring less often than this is none of chance's: three at 2 % are eight in a million.
const CHANCE: f64 = 1e-4;

/// And chance must not open it more often than so many times a second, which is once in about three hours.
///
/// At a thousand calls a second, three failures in a row at 2 % come once in two minutes, and five once in four days.
const OPENINGS_PER_SECOND: f64 = 1e-4;

/// Failures within so little time are counted as if it had passed: a dropped connection fails all its calls at once.
///
/// Five of them open it where calls hardly ever fail, fewer do not.
const MOMENT: Duration = Duration::from_millis(1);

/// How often calls fail where nothing is known yet, and at least: a good provider has such days.
const LEAST_RATE: f64 = 0.02;

/// Answers to calls that began before the streak say how the upstream was, not how it is. So they don't end it; they are
/// calls that did not fail, and the more of them, the more failures it takes. After so many, an answer ends it all the
/// same: by then an outage would have been proven (five failures are enough beside five answers).
const MOST_EARLIER: u32 = 64;

/// Over how many calls the usual failure rate is taken.
const MEMORY: u32 = 64;

/// No gap between two probes is shorter; with its jitter it never is less than 0.7 s, and on average half of it is lost
/// at the end of an outage.
///
/// An outage of 10 s at 20 calls a second then costs at most 20 calls, those that found it out included.
/// Shorter gaps would end the waiting sooner and cost more than a call for ten that wait.
/// Nothing else speaks for exactly this length than that a probe comes just after 10 s, the outage that
/// `cargo xtask bench goodput` measures; over outages of all lengths it is as good as 0.7 s.
const SHORTEST_GAP: Duration = Duration::from_millis(715);

/// No gap is longer; with its jitter it never is more than 10 s, and a call in so long is no load for anybody.
const LONGEST_GAP: Duration = Duration::from_millis(9_800);

/// The gap is this part of the outage's age, so that finding out late lengthens no outage by more than a tenth, not even
/// with its jitter and the time that the probe itself takes. Up to 10 s of age it is the shortest.
const GAP_OF_AGE: u32 = 14;

/// No `Retry-After` keeps probes away for longer. It is often a guess, and wrong on the long side.
const LONGEST_HINT: Duration = Duration::from_secs(120);

/// A probe that has said nothing for so long no longer keeps others away; it may hang while the upstream is up again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// It may be sent.
    Pass,
    /// It may be sent as the probe, and must be reported as one.
    Probe,
    /// It can't be sent before this moment.
    NotBefore(Duration),
    /// It has to wait for what comes of the probe.
    Busy,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Requests flow.
    Closed,
    /// They don't.
    Open,
    /// One tries.
    HalfOpen,
}

/// The breaker of one lane.
///
/// A call's attempt is told to it with the moment at which it `began`, because what began before the last change
/// says little about the time after it.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// The part of calls that failed before the streak, and over how many it was taken.
    rate: f64,
    seen: u32,
    streak: u32,
    /// When the streak's first failure and its last one were told; in an outage, the probes' failures too.
    first_failure: Duration,
    /// When the first call of the streak began.
    first_began: Duration,
    /// Answers during the streak to calls that began before it.
    earlier: u32,
    last_failure: Duration,
    /// No probe before, since the upstream said so.
    hinted: Duration,
    /// When it closed last.
    closed: Duration,
    outage: Option<Outage>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    next: Duration,
    /// When the probe that is under way began.
    probe: Option<Duration>,
}

impl Breaker {
    /// Closed, and knowing nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a request may be sent now. [`Admit::Probe`] counts as under way from then on.
    pub fn admit(&mut self, now: Duration) -> Admit {
        let Some(outage) = &mut self.outage else { return Admit::Pass };
        match outage.probe {
            _ if now >= outage.next_probe() => {
                outage.probe = Some(now);
                Admit::Probe
            }
            Some(_) => Admit::Busy,
            None => Admit::NotBefore(outage.next),
        }
    }

    /// Tells of an attempt that failed hard. `hint` is what the upstream said about waiting, `random` from `[0, 1)`.
    pub fn failed(
        &mut self,
        now: Duration,
        began: Duration,
        probe: bool,
        hint: Option<Duration>,
        random: f64,
    ) {
        let hinted = hint.map(|hint| now.saturating_add(hint.min(LONGEST_HINT))).unwrap_or_default();
        self.hinted = self.hinted.max(hinted);
        match &mut self.outage {
            None if began < self.closed => {}
            None => self.extend_streak(now, began, random),
            Some(outage) if probe && outage.probe.is_some_and(|latest| latest <= began) => {
                self.last_failure = now;
                self.plan_probe(now, random);
            }
            Some(outage) => outage.next = outage.next.max(self.hinted),
        }
    }

    /// Tells of the first byte of an answer that is no hard failure.
    pub fn answered(&mut self, now: Duration, began: Duration, probe: bool) {
        match self.outage {
            None if self.streak > 0 && began < self.first_began && self.earlier < MOST_EARLIER => {
                self.earlier += 1;
            }
            None => self.end_streak(),
            Some(outage)
                if began > self.last_failure || (probe && outage.probe.is_some_and(|at| at <= began)) =>
            {
                self.closed = now;
                self.outage = None;
                (self.streak, self.earlier) = (0, 0);
                self.hinted = Duration::ZERO;
            }
            Some(_) => {}
        }
    }

    /// Tells of an attempt that ended without saying anything about the upstream: the caller went away, say.
    ///
    /// A probe's place is free again at once, but no two of them begin within 0.7 s.
    pub fn released(&mut self, began: Duration, probe: bool) {
        let Some(outage) = &mut self.outage else { return };
        if let Some(at) = outage.probe.filter(|at| probe && *at <= began) {
            outage.probe = None;
            outage.next = self.hinted.max(at.saturating_add(SHORTEST_GAP));
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match self.outage {
            None => State::Closed,
            Some(Outage { probe: None, .. }) => State::Open,
            Some(Outage { probe: Some(_), .. }) => State::HalfOpen,
        }
    }

    /// From when on another request would be sent as a probe, whatever comes of the one that may be under way.
    pub fn next_probe(&self) -> Option<Duration> {
        self.outage.as_ref().map(Outage::next_probe)
    }

    /// Since when the upstream is down: the first failure of the streak.
    pub fn since(&self) -> Option<Duration> {
        self.outage.map(|_| self.first_failure)
    }

    fn extend_streak(&mut self, now: Duration, began: Duration, random: f64) {
        if self.streak == 0 {
            (self.first_failure, self.first_began, self.earlier) = (now, began, 0);
        }
        self.streak += 1;
        self.last_failure = now;
        let long = self.earlier == 0 && self.streak >= LONGEST_STREAK;
        if self.streak >= SHORTEST_STREAK && (long || !self.may_be_chance(now)) {
            self.plan_probe(now, random);
        }
    }

    fn may_be_chance(&self, now: Duration) -> bool {
        let chance = self.chance();
        let took = now.saturating_sub(self.first_failure).max(MOMENT).as_secs_f64();
        let calls = f64::from(self.streak + self.earlier);
        chance >= CHANCE || chance * calls / took >= OPENINGS_PER_SECOND
    }

    /// How likely chance is to bring so many failures: among the calls that ended since the first of them, any (n over f)
    /// ways of choosing those that fail, each of the usual rate to the power of f.
    fn chance(&self) -> f64 {
        let failures = f64::from(self.streak);
        let ways = (0..self.streak)
            .fold(1.0, |ways, k| ways * f64::from(self.streak + self.earlier - k) / f64::from(k + 1));
        ways * self.rate.max(LEAST_RATE).powf(failures)
    }

    /// Now the failures of the streak are known to be chance, and belong to the usual rate.
    ///
    /// Those of an outage never do: they say nothing about how often calls fail while the upstream is up.
    fn end_streak(&mut self) {
        let calls = self.streak + self.earlier + 1;
        for _ in 0..calls {
            self.count(f64::from(self.streak) / f64::from(calls));
        }
        (self.streak, self.earlier) = (0, 0);
        self.hinted = Duration::ZERO;
    }

    /// A plain mean at first, one that forgets later.
    fn count(&mut self, failed: f64) {
        self.seen = (self.seen + 1).min(MEMORY);
        self.rate += (failed - self.rate) / f64::from(self.seen);
    }

    fn plan_probe(&mut self, now: Duration, random: f64) {
        let age = now.saturating_sub(self.first_failure);
        let gap = (age / GAP_OF_AGE).clamp(SHORTEST_GAP, LONGEST_GAP);
        let jitter = if random.is_nan() { 1.0 } else { 0.98 + 0.04 * random.clamp(0.0, 1.0) };
        let next = now.saturating_add(gap.mul_f64(jitter)).max(self.hinted);
        self.outage = Some(Outage { next, probe: None });
    }
}

impl Outage {
    fn next_probe(&self) -> Duration {
        self.probe.map_or(self.next, |began| self.next.max(began.saturating_add(PATIENCE)))
    }
}
