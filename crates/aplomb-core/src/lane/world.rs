//! A small world on a virtual clock: callers, a lane, and a provider that limits them or is down for a while.
//!
//! `cargo xtask sim` has a larger one, with many gateways, other clients and more ways to fail.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::*;
use crate::failure::Limit;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What a provider tells when it refuses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hints {
    /// Nothing.
    None,
    /// `retry-after` in whole seconds.
    Seconds,
    /// The exact wait, and the state of the limit on every answer.
    Full,
}

/// How a provider counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counting {
    Bucket { rate: f64, burst: f64 },
    Window { count: f64, seconds: f64 },
}

#[derive(Debug)]
pub(super) struct Provider {
    pub(super) counting: Counting,
    pub(super) level: f64,
    pub(super) at: f64,
    pub(super) hints: Hints,
    pub(super) latency: Duration,
    /// A refusal takes as long as an answer.
    pub(super) slow_refusals: bool,
    pub(super) outage: Option<(Duration, Duration)>,
    pub(super) calls: usize,
    pub(super) refused: usize,
    pub(super) in_outage: usize,
}

impl Provider {
    pub(super) fn new(counting: Counting, hints: Hints) -> Self {
        let level = match counting {
            Counting::Bucket { burst, .. } => burst,
            Counting::Window { count, .. } => count,
        };
        Self {
            counting,
            level,
            at: 0.0,
            hints,
            latency: MS(200),
            slow_refusals: false,
            outage: None,
            calls: 0,
            refused: 0,
            in_outage: 0,
        }
    }

    fn call(&mut self, now: Duration) -> (Duration, Heard, Vec<Limit>) {
        self.calls += 1;
        if self.outage.is_some_and(|(from, to)| now >= from && now < to) {
            self.in_outage += 1;
            return (MS(5), Heard::Failed { hint: None }, Vec::new());
        }
        let t = now.as_secs_f64();
        let (most, wait) = match self.counting {
            Counting::Bucket { rate, burst } => {
                self.level = (self.level + (t - self.at) * rate).min(burst);
                (burst, ((1.0 - self.level) / rate).max(0.0))
            }
            Counting::Window { count, seconds } => {
                if (t / seconds).floor() > (self.at / seconds).floor() {
                    self.level = count;
                }
                (count, seconds - t % seconds)
            }
        };
        self.at = t;
        let pass = self.level >= 1.0;
        if pass {
            self.level -= 1.0;
        } else {
            self.refused += 1;
        }
        let mut limits = Vec::new();
        if self.hints == Hints::Full {
            let mut limit = Limit::new("requests");
            limit.limit = Some(most as u64);
            limit.remaining = Some(self.level.max(0.0) as u64);
            let reset = match self.counting {
                Counting::Bucket { rate, burst } => (burst - self.level) / rate,
                Counting::Window { seconds, .. } => seconds - t % seconds,
            };
            limit.reset = Some(Duration::from_secs_f64((reset * 1000.0).ceil() / 1000.0));
            limits.push(limit);
        }
        let hint = match self.hints {
            Hints::None => None,
            Hints::Seconds => Some(Duration::from_secs_f64(wait.ceil().max(1.0))),
            Hints::Full => Some(Duration::from_secs_f64((wait * 1000.0).ceil() / 1000.0)),
        };
        let took = if pass || self.slow_refusals { self.latency } else { MS(2) };
        (took, if pass { Heard::Answer } else { Heard::Limited { hint } }, limits)
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    Answer(usize),
    Poll,
    /// A call that failed asks again.
    Again(usize),
}

struct Running {
    pass: Pass,
    heard: Heard,
    limits: Vec<Limit>,
}

#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) done: usize,
    pub(super) lost: usize,
    pub(super) end: Duration,
    pub(super) waits: Vec<(Duration, Duration)>,
}

pub(super) struct World {
    pub(super) lane: Lane,
    pub(super) provider: Provider,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    pub(super) order: u64,
    running: BTreeMap<usize, Running>,
    pub(super) waiting: BTreeMap<u64, usize>,
    pub(super) numbers: BTreeMap<usize, u64>,
    pub(super) sends: BTreeMap<usize, u32>,
    /// Retries that were paid for, and whether they were refused for a limit before.
    pub(super) retries: BTreeMap<usize, bool>,
    pub(super) arrived: BTreeMap<usize, Duration>,
    pub(super) random: u64,
    pub(super) outcome: Outcome,
    /// Workers that begin the next call when one ends: jobs left.
    pub(super) left: usize,
    pub(super) next: usize,
    pub(super) patience: Duration,
}

impl World {
    pub(super) fn new(provider: Provider) -> Self {
        Self {
            lane: Lane::new(Settings { quotas: Vec::new(), size: 10_000 }, Duration::ZERO),
            provider,
            events: BinaryHeap::new(),
            order: 0,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            numbers: BTreeMap::new(),
            sends: BTreeMap::new(),
            retries: BTreeMap::new(),
            arrived: BTreeMap::new(),
            random: 1,
            outcome: Outcome::default(),
            left: 0,
            next: 0,
            patience: Duration::from_secs(60),
        }
    }

    fn at(&mut self, when: Duration, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, event)));
    }

    fn chance(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn job(mut self, calls: usize, workers: usize) -> Self {
        self.left = calls - workers.min(calls);
        self.next = workers;
        for worker in 0..workers.min(calls) {
            self.at(Duration::ZERO, Event::Arrive(worker));
        }
        self.run();
        self
    }

    pub(super) fn arrivals(mut self, per_second: u64, seconds: u64) -> Self {
        for number in 0..per_second * seconds {
            self.at(MS(number * 1_000 / per_second), Event::Arrive(number as usize));
        }
        self.run();
        self
    }

    fn run(&mut self) {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            match event {
                Event::Arrive(job) => {
                    self.arrived.insert(job, now);
                    self.ask(job, now);
                }
                Event::Again(job) => self.ask(job, now),
                Event::Answer(job) => self.answered(job, now),
                Event::Poll => {}
            }
            self.poll(now);
        }
    }

    fn ask(&mut self, job: usize, now: Duration) {
        let call = Call {
            number: self.numbers.get(&job).copied(),
            caller: (job % 4) as u64,
            priority: Priority::Interactive,
            cost: Cost::default(),
            deadline: self.arrived[&job] + self.patience,
            sends: self.sends.get(&job).copied().unwrap_or(0),
            last: self.sends.get(&job).is_some_and(|sends| *sends >= 2),
        };
        let random = self.chance();
        match self.lane.ask(now, &call, None, random) {
            Asked::Go(pass) => self.send(job, pass, now),
            Asked::Wait(entry) => {
                self.numbers.insert(job, entry.number);
                self.waiting.insert(entry.number, job);
            }
            Asked::Refuse(_) => self.over(job, now, false),
        }
    }

    fn send(&mut self, job: usize, mut pass: Pass, now: Duration) {
        if let Some(throttled) = self.retries.remove(&job) {
            pass.retried(throttled);
        }
        self.numbers.insert(job, pass.number);
        *self.sends.entry(job).or_default() += 1;
        let (took, heard, limits) = self.provider.call(now);
        self.running.insert(job, Running { pass, heard, limits });
        self.at(now + took, Event::Answer(job));
    }

    fn answered(&mut self, job: usize, now: Duration) {
        let Running { mut pass, heard, limits } = self.running.remove(&job).unwrap();
        let random = self.chance();
        self.lane.tell(&pass, &limits, now);
        self.lane.hear(&mut pass, heard, now, random);
        self.lane.end(&pass, None, None, now);
        if heard == Heard::Answer {
            return self.over(job, now, true);
        }
        let throttled = matches!(heard, Heard::Limited { .. });
        if self.sends[&job] >= 3 || !self.lane.spend(throttled) {
            return self.over(job, now, false);
        }
        self.retries.insert(job, throttled);
        let after = if throttled { Duration::ZERO } else { Duration::from_secs_f64(0.05 * self.chance()) };
        self.at(now + after, Event::Again(job));
    }

    fn over(&mut self, job: usize, now: Duration, done: bool) {
        self.outcome.end = self.outcome.end.max(now);
        self.outcome.waits.push((self.arrived[&job], now - self.arrived[&job]));
        if done {
            self.outcome.done += 1
        } else {
            self.outcome.lost += 1
        }
        if self.left > 0 {
            self.left -= 1;
            let job = self.next;
            self.next += 1;
            self.at(now, Event::Arrive(job));
        }
    }

    fn poll(&mut self, now: Duration) {
        loop {
            let random = self.chance();
            match self.lane.poll(now, None, random) {
                Polled::Go(entry, pass) => {
                    let job = self.waiting.remove(&entry.number).unwrap();
                    self.send(job, pass, now);
                }
                Polled::Expired(entry) => {
                    let job = self.waiting.remove(&entry.number).unwrap();
                    self.over(job, now, false);
                }
                Polled::Later(when) => {
                    assert!(when > now, "{when:?} {now:?}");
                    let soon = self.events.peek().is_some_and(|Reverse((next, _, _))| *next <= when);
                    // Rounded up as a timer would.
                    if !soon {
                        self.at(when + MS(1), Event::Poll);
                    }
                    return;
                }
                Polled::Full | Polled::Idle => return,
            }
        }
    }

    /// Calls sent for one that was answered.
    pub(super) fn calls_per_success(&self) -> f64 {
        self.provider.calls as f64 / self.outcome.done.max(1) as f64
    }

    /// The shortest time in which it could have been done, over the time that it took.
    pub(super) fn speed(&self, shortest: f64) -> f64 {
        shortest / self.outcome.end.as_secs_f64()
    }
}
