//! A provider: limits, latency, a server that may have too little capacity, and times at which it is down.

use std::time::Duration;

use aplomb_core::Limit as Told;
use aplomb_core::lane::{Cost, Heard};

use super::limit::Limit;
use super::random::Random;

/// What a refusal says about waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hints {
    None,
    /// `retry-after` in whole seconds.
    Seconds,
    /// The exact wait.
    Exact,
    /// The exact wait, and the state of every limit on every answer.
    Headers,
}

/// What is the matter from one moment to another.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) from: f64,
    pub(super) to: f64,
    /// The share of calls that fail at once.
    pub(super) failing: f64,
}

/// A server with one queue, first in, first out, which also serves those who have long left.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// Calls a second.
    pub(super) capacity: f64,
    /// Nothing is served in this time.
    pub(super) stopped: (f64, f64),
    free: f64,
}

/// What a provider answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) after: f64,
    pub(super) heard: Heard,
    pub(super) told: Vec<Told>,
}

/// The provider.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) limits: Vec<Limit>,
    pub(super) hints: Hints,
    /// Seconds from and to which an answer takes.
    pub(super) latency: (f64, f64),
    pub(super) trouble: Option<Trouble>,
    /// The share of calls that is refused by chance, whatever was used.
    pub(super) whim: f64,
    pub(super) server: Option<Server>,
}

/// How long a refusal or a failure takes.
const QUICK: f64 = 0.005;

impl Provider {
    /// One that takes 0.2 s for an answer and is never in trouble.
    pub(super) fn new(limits: Vec<Limit>, hints: Hints) -> Self {
        Self { limits, hints, latency: (0.2, 0.2), trouble: None, whim: 0.0, server: None }
    }

    pub(super) fn call(&mut self, now: f64, cost: Cost, random: &mut Random) -> Reply {
        let quick = |heard| Reply { after: QUICK, heard, told: Vec::new() };
        if let Some(trouble) = self.trouble.as_ref().filter(|trouble| now >= trouble.from && now < trouble.to)
            && random.next() < trouble.failing
        {
            return quick(Heard::Failed { hint: None });
        }
        if self.whim > 0.0 && random.next() < self.whim {
            return quick(Heard::Limited { hint: self.hint(0.5) });
        }
        let wait = self.limits.iter_mut().map(|limit| limit.wait(now, cost)).fold(0.0, f64::max);
        if wait <= 0.0 {
            self.limits.iter_mut().for_each(|limit| limit.take(cost));
        }
        let told = match self.hints {
            Hints::Headers => self.limits.iter().map(|limit| limit.told(now)).collect(),
            Hints::None | Hints::Seconds | Hints::Exact => Vec::new(),
        };
        if wait > 0.0 {
            return Reply { told, ..quick(Heard::Limited { hint: self.hint(wait) }) };
        }
        let latency = random.between(self.latency.0, self.latency.1);
        let after = self.server.as_mut().map_or(latency, |server| server.serve(now) + latency);
        Reply { after, heard: Heard::Answer, told }
    }

    fn hint(&self, wait: f64) -> Option<Duration> {
        let seconds = match self.hints {
            Hints::None => return None,
            Hints::Seconds => wait.ceil().max(1.0),
            Hints::Exact | Hints::Headers => (wait * 1_000.0).ceil() / 1_000.0,
        };
        Some(Duration::from_secs_f64(seconds))
    }
}

impl Reply {
    /// Nothing is heard.
    pub(super) fn none() -> Self {
        Self { after: 0.0, heard: Heard::Failed { hint: None }, told: Vec::new() }
    }
}

impl Server {
    pub(super) fn new(capacity: f64, stopped: (f64, f64)) -> Self {
        Self { capacity, stopped, free: 0.0 }
    }

    /// How long until a call that comes now is served.
    fn serve(&mut self, now: f64) -> f64 {
        let mut start = self.free.max(now);
        if start >= self.stopped.0 && start < self.stopped.1 {
            start = self.stopped.1;
        }
        self.free = start + 1.0 / self.capacity;
        self.free - now
    }
}
