//! A guard on calls in flight: no limit at all until the upstream shows that it has too many.
//!
//! Driven by the time to first byte, since the whole time of a call follows the length of its answer.
//! Once a round, the recent time is compared with the usual one (the gradient of Netflix's concurrency-limits, with
//! its tolerance). A longer time alone proves nothing, for prompts become longer too. So the limit goes down only while
//! more in flight goes with a longer time and not with more answers (the correlation rule of failsafe-go and of Uber's
//! Cinnamon, here as an elasticity); and when going down shows that fewer in flight are just fewer answers, the longer
//! time is the usual one from then on.
//!
//! Where answers stream for long, most of what is in flight has begun to answer, and more of it says little: then the
//! times are taken as they come, and only drops reduce.
//!
//! Overload that the upstream tells of itself, and timeouts, take a tenth away, whatever the times are.

use std::time::Duration;

/// The time may be longer than usual by half before that counts; shorter rounds than a few hundred calls vary by less.
const TOLERANCE: f64 = 1.5;

/// More in flight than usual, or fewer answers for it, by less than this is the same.
const SAME: f64 = 1.2;

/// Up to so much longer than usual, the limit may grow by its root; between the two it feels its way by one call.
const CALM: f64 = 1.25;

/// What is within this of the usual is learned, the twentieth part of it in each round.
const LEVEL: f64 = 1.1;
const LEARNED: f64 = 0.05;

/// A round takes a second at least, the usual time to first byte, and as many answers as tell a slow round from chance.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);
const FEWEST_ANSWERS: u32 = 30;

/// A round with too few answers ends after this, and proves nothing about times.
const LONGEST_ROUND: Duration = Duration::from_secs(10);

/// After so long without an answer a new round begins: the rate over an idle time is nobody's.
const IDLE: Duration = Duration::from_secs(60);

/// A limit that has bound nobody for so long is forgotten.
const HEALTH: Duration = Duration::from_secs(120);

/// What a drop leaves of the limit (Netflix, AIMD), and the least that a slow round leaves.
const AFTER_DROP: f64 = 0.9;
const AFTER_SLOW: f64 = 0.8;

/// Used up, but for the places that are being filled.
const FULL: f64 = 0.9;

/// The first limit is so much above the most in use; less than what `FULL` allows, or nothing would ever be used up.
const ROOM: f64 = 1.05;

/// So many overloaded rounds in a row prove it. One may be the moment at which the times changed, two a crowd of calls
/// that came by chance.
const PROOF: u32 = 3;

/// A limit above this is none.
const LARGEST: f64 = 10_000.0;

/// How many rounds of a limited lane the elasticity is taken from.
const TREND: usize = 16;

/// The guard of one lane.
#[derive(Clone, Debug, Default)]
pub struct Adaptive {
    limit: Option<f64>,
    /// What is usual, and the logarithm of the recent time to first byte.
    usual: Option<Round>,
    recent: f64,
    tally: Tally,
    trend: Trend,
    /// How many rounds in a row have shown overload, and used the limit up if there was one.
    proof: u32,
    dropped: Option<Duration>,
    /// When the limit bound somebody, or would better have.
    bound: Duration,
}

/// What is known of a round that is over.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// The mean logarithm of the time to first byte in seconds: one endless answer doesn't move it much.
    took: f64,
    in_flight: f64,
    /// Answers in a second.
    rate: f64,
    answers: u32,
    /// How many of them came while the limit was used up.
    full: u32,
}

/// A round that is not over yet.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    began: Duration,
    last: Duration,
    answers: u32,
    full: u32,
    took: f64,
    in_flight: f64,
    /// The most in flight in this round, and in the one before.
    most: [u32; 2],
    dropped: bool,
}

impl Adaptive {
    /// No limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls may be in flight, if that is limited: from 1 to 10,000.
    pub fn limit(&self) -> Option<u32> {
        self.limit.map(|limit| limit.round() as u32)
    }

    /// Notes that an answer began: how long it took, and how many calls are in flight, itself included.
    pub fn first_byte(&mut self, now: Duration, took: Duration, in_flight: u32) {
        if now.saturating_sub(self.tally.last) > IDLE {
            self.tally = Tally { began: now, ..Tally::default() };
        }
        self.tally.add(now, took, in_flight.max(1));
        self.tally.full +=
            u32::from(self.limit.is_some_and(|limit| f64::from(in_flight) >= FULL * limit.round()));
        if self.limit().is_none_or(|limit| in_flight >= limit) {
            self.bound = self.bound.max(now);
        }
        if now.saturating_sub(self.bound) >= HEALTH {
            self.limit = None;
        }
        let elapsed = now.saturating_sub(self.tally.began);
        let enough = self.tally.answers >= FEWEST_ANSWERS && elapsed >= SHORTEST_ROUND.max(self.usual_time());
        if enough || elapsed >= LONGEST_ROUND.max(self.usual_time()) {
            self.conclude(now);
        }
    }

    /// Notes that a call failed because the upstream had too many (503 or 529 overloaded, silence), itself in flight.
    ///
    /// It reduces the limit once a second, or once in the usual time to first byte: calls in flight together fail
    /// together.
    pub fn dropped(&mut self, now: Duration, in_flight: u32) {
        self.tally.dropped = true;
        self.bound = self.bound.max(now);
        let gap = SHORTEST_ROUND.max(self.usual_time());
        if self.dropped.is_some_and(|last| now.saturating_sub(last) < gap) {
            return;
        }
        self.dropped = Some(now);
        let used = f64::from(self.tally.most[0].max(self.tally.most[1]).max(in_flight));
        self.set(self.limit.unwrap_or(used).min(used) * AFTER_DROP);
    }

    fn usual_time(&self) -> Duration {
        let seconds = self.usual.map_or(0.0, |usual| usual.took.exp());
        Duration::try_from_secs_f64(seconds).unwrap_or_default().min(LONGEST_ROUND)
    }

    fn conclude(&mut self, now: Duration) {
        let (round, most, dropped) = (self.tally.round(now), self.tally.most, self.tally.dropped);
        self.tally = Tally { began: now, last: now, most: [0, most[0]], ..Tally::default() };
        let may_grow = if round.answers < FEWEST_ANSWERS {
            f64::INFINITY
        } else {
            self.judge(&round, most[0].max(most[1]))
        };
        if let Some(limit) = self.limit.filter(|limit| !dropped && 2.0 * round.in_flight >= *limit) {
            self.set(limit + limit.sqrt().min(may_grow));
        }
    }

    /// By how much the limit may grow. Learns what is usual, and reduces the limit where that helps.
    fn judge(&mut self, round: &Round, most: u32) -> f64 {
        let Some(usual) = &mut self.usual else {
            self.recent = round.took;
            self.usual = Some(*round);
            return f64::INFINITY;
        };
        self.recent += 0.5 * (round.took - self.recent);
        let slower = (self.recent - usual.took).exp();
        let busier = round.in_flight / usual.in_flight;
        let quicker = round.rate / usual.rate;
        let pinned = self.limit.is_some() && 2 * round.full >= round.answers;
        if pinned {
            self.trend.add(round);
        }
        if pinned && slower > LEVEL && self.trend.more_is_more() {
            self.trend = Trend::default();
            *usual = Round { took: self.recent, ..*round };
            return f64::INFINITY;
        }
        if slower <= TOLERANCE || busier <= SAME || quicker * SAME >= busier {
            usual.learn(round, slower, busier);
            self.proof = 0;
            let calm = slower <= CALM || busier <= SAME;
            return if calm { f64::INFINITY } else { f64::from(u8::from(pinned)) };
        }
        self.proof += 1;
        match self.limit {
            // What is in use does no harm by being allowed, whatever the reason of the longer time is.
            None if self.proof >= PROOF => {
                self.proof = 0;
                self.trend = Trend::default();
                self.set(f64::from(most) * ROOM);
            }
            Some(limit) if pinned && self.proof >= PROOF => {
                self.set(limit * (TOLERANCE / slower).max(AFTER_SLOW));
            }
            // A queue that grows would use the limit up. This one doesn't, so that the longer time becomes usual.
            Some(_) if !pinned => {
                self.proof = 0;
                usual.follow(round);
            }
            Some(_) | None => {}
        }
        0.0
    }

    fn set(&mut self, limit: f64) {
        self.limit = (limit < LARGEST).then_some(limit.max(1.0));
    }
}

impl Tally {
    fn add(&mut self, now: Duration, took: Duration, in_flight: u32) {
        self.last = self.last.max(now);
        self.answers += 1;
        self.took += took.as_secs_f64().max(1e-4).ln();
        self.in_flight += f64::from(in_flight);
        self.most[0] = self.most[0].max(in_flight);
    }

    fn round(&self, now: Duration) -> Round {
        let answers = f64::from(self.answers.max(1));
        let elapsed = now.saturating_sub(self.began).max(SHORTEST_ROUND).as_secs_f64();
        Round {
            took: self.took / answers,
            in_flight: self.in_flight / answers,
            rate: answers / elapsed,
            answers: self.answers,
            full: self.full,
        }
    }
}

impl Round {
    /// Takes a little of a healthy round into what is usual.
    ///
    /// With more in flight, a longer time isn't learned, and neither is that more is in flight: it may be a queue that
    /// grows slowly.
    fn learn(&mut self, round: &Self, slower: f64, busier: f64) {
        if slower <= LEVEL || busier <= LEVEL {
            self.follow(round);
        } else if busier <= SAME {
            self.took += LEARNED * (round.took - self.took);
        }
    }

    fn follow(&mut self, round: &Self) {
        self.took += LEARNED * (round.took - self.took);
        self.in_flight += LEARNED * (round.in_flight - self.in_flight);
        self.rate += LEARNED * (round.rate - self.rate);
    }
}

/// The last rounds of a lane whose limit is used up: calls in flight against answers, both as logarithms.
#[derive(Clone, Copy, Debug, Default)]
struct Trend {
    rounds: [(f64, f64); TREND],
    seen: usize,
    answers: f64,
}

impl Trend {
    fn add(&mut self, round: &Round) {
        self.rounds[self.seen % TREND] = (round.in_flight.ln(), round.rate.ln());
        self.seen += 1;
        self.answers += (f64::from(round.answers) - self.answers) / self.seen.min(TREND) as f64;
    }

    /// Whether more in flight has brought more answers: by more than half as much, and surely so.
    ///
    /// The elasticity is 0 when calls only queue and 1 when nothing is short. Its error is told by the number of
    /// answers, as if they came by chance (Poisson).
    fn more_is_more(&self) -> bool {
        let rounds = &self.rounds[..self.seen.min(TREND)];
        let count = rounds.len() as f64;
        let sum = rounds.iter().fold((0.0, 0.0), |sum, round| (sum.0 + round.0, sum.1 + round.1));
        let mean = (sum.0 / count, sum.1 / count);
        let square: f64 = rounds.iter().map(|round| (round.0 - mean.0).powi(2)).sum();
        let product: f64 = rounds.iter().map(|round| (round.0 - mean.0) * (round.1 - mean.1)).sum();
        let error = 1.0 / (self.answers * square).sqrt();
        product / square > 0.5 + 2.0 * error
    }
}
