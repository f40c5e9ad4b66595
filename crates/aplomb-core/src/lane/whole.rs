//! A lane: everything that decides when a call to one upstream quota may start, put together.
//!
//! A call asks; it goes, waits or is refused at once. Whoever drives the lane polls it when time has passed or something
//! happened, and tells it what was heard of each call. Waiting is not an attempt.

use std::time::Duration;

use super::call::{Asked, Call, Heard, Pass, Polled, Refusal, Settings};
use super::pacer::{Pacer, Ready, Taken};
use super::pause::Pause;
use super::queue::{Entry, Queue};
use super::state::Counts;
use super::{Adaptive, Admit, Breaker, Budget, Cost, Hedge, Probe, State, Throttle, Unit};
use crate::failure::Limit;

mod outlook;

/// While calls fail, nobody's last attempt is spent sooner than this after a failure: others find out what is the matter.
const LAST_CHANCE: Duration = Duration::from_millis(700);

/// One queue towards one upstream quota.
#[derive(Clone, Debug)]
pub struct Lane {
    settings: Settings,
    pacer: Pacer,
    probe: Probe,
    queue: Queue,
    breaker: Breaker,
    throttle: Throttle,
    adaptive: Adaptive,
    hedge: Hedge,
    budget: Budget,
    numbers: u64,
    pause: Option<Pause>,
    /// A call that throttling held back holds the next one back for this long.
    gate: Duration,
    last_start: Duration,
    interval: f64,
    /// When a call last failed hard, if none was answered since.
    failing: Option<Duration>,
    /// When a call was last refused for a limit that nobody told of.
    refused: Option<Duration>,
    last_hint: Option<(Duration, Duration)>,
    used: Duration,
    /// How many tokens answers have, a moving mean.
    mean_output: f64,
    counts: Counts,
}

impl Lane {
    /// A lane about which nothing is known yet.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            pacer: Pacer::new(&settings.quotas, settings.concurrency, now),
            settings,
            probe: Probe::new(now),
            queue: Queue::new(),
            breaker: Breaker::new(),
            throttle: Throttle::new(),
            adaptive: Adaptive::new(),
            hedge: Hedge::new(),
            budget: Budget::new(),
            numbers: 0,
            pause: None,
            gate: Duration::ZERO,
            last_start: now,
            interval: 0.0,
            failing: None,
            refused: None,
            last_hint: None,
            used: now,
            mean_output: 0.0,
            counts: Counts::default(),
        }
    }

    /// Takes over changed settings; everything that was learned stays.
    pub fn configure(&mut self, settings: Settings, now: Duration) {
        if self.settings != settings {
            self.pacer.configure(&settings.quotas, settings.concurrency, now);
            self.settings = settings;
        }
    }

    /// A call wants to start. `shared` are the limits of the credential over all its lanes.
    pub fn ask(&mut self, now: Duration, call: &Call, shared: Option<&mut Pacer>, random: f64) -> Asked {
        self.used = self.used.max(now);
        let number = call.number.unwrap_or_else(|| {
            self.numbers += 1;
            self.numbers
        });
        // An answer is about as long as the last ones were, unless the caller says more.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of counts")]
        let output = call.cost.output.max(self.mean_output as u64);
        let cost = Cost { output, ..call.cost };
        let entry = Entry {
            number,
            caller: call.caller,
            priority: call.priority,
            cost,
            weight: self.weight(cost),
            deadline: call.deadline,
            sends: call.sends,
            last: call.last,
        };
        self.pass_time(now);
        let known = self.known(now, &entry, shared.as_deref());
        if self.queue.is_empty()
            && self.ready(now, &entry, shared.as_deref(), random) == Ready::Now
            && let Some(pass) = self.start(now, &entry, shared)
        {
            return Asked::Go(pass);
        }
        let wait = self.expected(now, call.caller, call.priority).max(known.saturating_sub(now));
        let full = call.number.is_none() && self.queue.len() >= self.settings.size;
        if full || now.saturating_add(wait) > call.deadline {
            self.counts.refused += 1;
            return Asked::Refuse(Refusal { full, wait });
        }
        self.counts.waited += u64::from(call.number.is_none());
        self.queue.push(entry);
        self.pass_time(now);
        Asked::Wait(entry)
    }

    /// Whose turn it is, if it is anybody's.
    pub fn poll(&mut self, now: Duration, shared: Option<&mut Pacer>, random: f64) -> Polled {
        self.pass_time(now);
        let trial = self.breaker.state() != State::Closed || self.failing.is_some() || self.probe.is_alone();
        let troubled = self.calm_at().is_some_and(|calm| now < calm);
        let next = match self.queue.first() {
            Some(entry) if trial || (troubled && entry.is_last_chance()) => self.queue.least_sent(),
            next => next,
        };
        let Some(entry) = next else { return Polled::Idle };
        if entry.deadline <= now {
            self.remove(&entry);
            return Polled::Expired(entry);
        }
        match self.ready(now, &entry, shared.as_deref(), random) {
            Ready::Now => {}
            // Whose time is over before hears of it then.
            Ready::At(when) => return Polled::Later(when.min(entry.deadline)),
            Ready::Full => return Polled::Full,
        }
        match self.start(now, &entry, shared) {
            Some(pass) => {
                if self.queue.first() == Some(entry) {
                    self.queue.take();
                } else {
                    self.queue.remove(&entry);
                }
                self.pass_time(now);
                Polled::Go(entry, pass)
            }
            None => match self.breaker.next_probe() {
                Some(when) if when > now => Polled::Later(when),
                _ => Polled::Full,
            },
        }
    }

    /// Nobody waits for this call any more. Whether it was still waiting.
    pub fn remove(&mut self, entry: &Entry) -> bool {
        self.queue.remove(entry)
    }

    /// What an answer tells of limits.
    pub fn tell(&mut self, pass: &Pass, limits: &[Limit], now: Duration) {
        self.pacer.tell(limits, &pass.taken, now);
    }

    /// The first that is heard of a call: its head, or that there will be none.
    pub fn hear(&mut self, pass: &mut Pass, heard: Heard, now: Duration, random: f64) {
        self.used = self.used.max(now);
        pass.heard = Some(heard);
        let took = pass.first_byte.unwrap_or(now).saturating_sub(pass.began);
        let in_flight = self.pacer.in_flight();
        match heard {
            Heard::Answer => {
                // What began before the failure says nothing about what is the matter now.
                self.failing = self.failing.filter(|failed| pass.began < *failed);
                self.breaker.answered(now, pass.began, pass.trial);
                if pass.trial && self.breaker.state() == State::Closed {
                    // What failed in the outage says nothing about what is accepted now.
                    self.throttle.forget();
                }
                self.probe.accepted(pass.call, now);
                self.adaptive.first_byte(now, took, in_flight);
                self.hedge.first_byte(took);
                match pass.retry {
                    Some(retried) => self.budget.refund(retried.throttled),
                    None => self.budget.earn(),
                }
            }
            Heard::Limited { hint } => {
                self.counts.limited += 1;
                self.breaker.released(pass.began, pass.trial);
                if !self.pacer.refused(pass.cost, now) {
                    // No known limit explains it: there is one that isn't told, or others use this quota too.
                    self.refused = Some(now);
                    pass.by_chance = !self.probe.refused(pass.call, pass.began, now, hint, random);
                }
                self.hold(hint, now);
            }
            Heard::Overloaded { hint } => {
                self.adaptive.dropped(now, in_flight);
                match hint {
                    Some(_) => {
                        self.breaker.released(pass.began, pass.trial);
                        self.hold(hint, now);
                    }
                    None => self.break_by(pass, None, now, random),
                }
            }
            Heard::Failed { hint } => self.break_by(pass, hint, now, random),
        }
    }

    /// A call is over: its answer was delivered or given up. `actual` is what it took, where that is known.
    pub fn end(&mut self, pass: &Pass, actual: Option<Cost>, shared: Option<&mut Pacer>, now: Duration) {
        if let Some(actual) = actual {
            #[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
            let output = actual.output as f64;
            self.mean_output += (output - self.mean_output) * 0.1;
        }
        let nothing = matches!(pass.heard, Some(Heard::Limited { .. } | Heard::Overloaded { .. }));
        if pass.heard.is_none() {
            self.breaker.released(pass.began, pass.trial);
        }
        let close = |pacer: &mut Pacer, taken: &Taken| {
            if nothing { pacer.refund(taken, now) } else { pacer.settle(taken, actual, now) }
        };
        close(&mut self.pacer, &pass.taken);
        if let (Some(pacer), Some(taken)) = (shared, &pass.shared) {
            close(pacer, taken);
        }
    }

    /// Whether one more retry can be paid for; if so it is.
    pub fn spend(&mut self, throttled: bool) -> bool {
        self.budget.spend(throttled)
    }

    /// Gives back what a retry cost that another budget refused.
    pub fn unspend(&mut self, throttled: bool) {
        self.budget.refund(throttled);
    }

    /// Whether tokens are limited by something known.
    pub fn counts_tokens(&self) -> bool {
        self.pacer.counts_tokens()
    }

    /// Whether a second call may be made now; if so it is counted.
    pub fn may_hedge(&mut self, now: Duration) -> bool {
        self.throttle.probability(now) <= 0.0 && self.hedge.may_hedge()
    }

    /// When known limits have enough for a call, whoever waits before it.
    fn known(&self, now: Duration, entry: &Entry, shared: Option<&Pacer>) -> Duration {
        let both = [Some(&self.pacer), shared].into_iter().flatten();
        let ready = both.map(|pacer| pacer.ready(entry.cost, now)).fold(Ready::Now, Ready::and);
        if let Ready::At(when) = ready { when } else { now }
    }

    fn ready(&mut self, now: Duration, entry: &Entry, shared: Option<&Pacer>, random: f64) -> Ready {
        if let Some(end) = self.paused_until(now) {
            return Ready::At(end);
        }
        if now < self.gate {
            return Ready::At(self.gate);
        }
        if let Some(calm) = self.calm_at().filter(|calm| entry.is_last_chance() && now < *calm) {
            return Ready::At(calm);
        }
        let in_flight = self.pacer.in_flight();
        let mut ready = self.pacer.ready(entry.cost, now);
        if let Some(shared) = shared {
            ready = ready.and(shared.ready(entry.cost, now));
        }
        let known = self.pacer.knows_requests() || shared.is_some_and(Pacer::knows_requests);
        if !known || self.probe.ceiling().is_some() {
            ready = ready.and(self.probe.ready(now, in_flight));
        }
        if self.adaptive.limit().is_some_and(|most| in_flight >= most) {
            ready = ready.and(Ready::Full);
        }
        if ready != Ready::Now || self.breaker.state() != State::Closed {
            return ready;
        }
        // Counted before it is sent, and also if it isn't: the share of what is wanted counts.
        self.throttle.sent(now);
        if self.throttle.rejects(now, random) {
            self.gate = now + Duration::from_secs_f64(self.interval.clamp(0.001, 1.0));
            return Ready::At(self.gate);
        }
        ready
    }

    /// Starts a call that is ready, unless the breaker has it wait.
    fn start(&mut self, now: Duration, entry: &Entry, shared: Option<&mut Pacer>) -> Option<Pass> {
        let trial = match self.breaker.admit(now) {
            Admit::Pass => false,
            Admit::Probe => true,
            Admit::NotBefore(_) | Admit::Busy => return None,
        };
        if let Some(pause) = &mut self.pause {
            pause.probed(now);
            if now >= pause.until {
                self.pause = None;
            }
        }
        let passed = now.saturating_sub(self.last_start).as_secs_f64().min(10.0);
        self.interval = self.interval * 0.9 + passed * 0.1;
        self.last_start = now;
        self.throttle.accepted(now);
        self.hedge.call();
        self.counts.sent += 1;
        let call = self.probe.sent(now);
        let taken = self.pacer.take(entry.cost, now);
        let shared = shared.map(|pacer| pacer.take(entry.cost, now));
        Some(Pass {
            number: entry.number,
            began: now,
            cost: entry.cost,
            call,
            taken,
            shared,
            trial,
            first_byte: None,
            retry: None,
            heard: None,
            by_chance: false,
        })
    }

    /// A hard failure.
    fn break_by(&mut self, pass: &Pass, hint: Option<Duration>, now: Duration, random: f64) {
        self.counts.failed += 1;
        self.throttle.denied(now);
        self.failing = Some(now);
        self.note(hint, now);
        self.breaker.failed(now, pass.began, pass.trial, hint, random);
    }

    /// Stops the lane for as long as a hint says; the longer of two pauses stands.
    fn hold(&mut self, hint: Option<Duration>, now: Duration) {
        self.note(hint, now);
        let Some(hint) = hint.filter(|hint| !hint.is_zero()) else { return };
        let until = now.saturating_add(hint);
        if self.pause.is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause::new(now, until));
        }
    }

    /// When nobody's last attempt is at stake any more: a while after the last trouble.
    fn calm_at(&self) -> Option<Duration> {
        // Alone there is nobody else who could find out.
        let others = self.pacer.in_flight() > 0 || self.queue.len() > 1;
        let last = self.failing.into_iter().chain(self.refused).max().filter(|_| others)?;
        Some(last.saturating_add(LAST_CHANCE))
    }

    fn note(&mut self, hint: Option<Duration>, now: Duration) {
        if let Some(hint) = hint {
            self.last_hint = Some((now, hint));
        }
    }

    fn pass_time(&mut self, now: Duration) {
        let paused = self.paused_until(now).is_some();
        self.probe.pass(now, !self.queue.is_empty(), paused);
    }

    fn paused_until(&self, now: Duration) -> Option<Duration> {
        self.pause.map(|pause| pause.next(now)).filter(|end| *end > now)
    }

    /// Calls are weighed by their tokens where tokens are what is short.
    fn weight(&self, cost: Cost) -> f64 {
        if self.pacer.counts_tokens() { cost.of(Unit::Tokens).max(1.0) } else { 1.0 }
    }
}
