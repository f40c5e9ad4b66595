//! A lane seen from outside: how long it would take, and how it stands. Nothing is decided here.

use std::time::Duration;

use super::Lane;
use crate::lane::State;
use crate::lane::bucket::NEVER;
use crate::lane::queue::Priority;
use crate::lane::state::{LaneState, Trouble};

impl Lane {
    /// How long a new call of this caller would have to wait, as far as is known.
    pub fn expected(&self, now: Duration, caller: u64, priority: Priority) -> Duration {
        let pause = self.pause.map_or(now, |pause| pause.next(now));
        let broken = self.breaker.next_probe().unwrap_or(now);
        let free = pause.max(broken).max(now);
        let known = self.pacer.calls_per_second().into_iter().chain(self.probe.per_second()).reduce(f64::min);
        let turns = match known {
            #[expect(clippy::cast_precision_loss, reason = "no queue has 2^53 calls")]
            Some(rate) if rate > 0.0 && !self.queue.is_empty() => {
                Duration::try_from_secs_f64((self.queue.ahead(caller, priority) as f64 + 1.0) / rate)
            }
            _ => Ok(Duration::ZERO),
        };
        free.saturating_sub(now).saturating_add(turns.unwrap_or(NEVER))
    }

    /// When a second call may be made beside one that hasn't been heard of, if hedging has an opinion yet.
    pub fn hedge_after(&self) -> Option<Duration> {
        let calm = self.pause.is_none() && self.breaker.state() == State::Closed && self.queue.is_empty();
        self.hedge.delay().filter(|_| calm)
    }

    /// Until when others are to be preferred to this lane.
    pub fn rests_until(&self) -> Option<Duration> {
        let broken = self.breaker.since().map(|_| NEVER);
        self.pause.map(|pause| pause.until).into_iter().chain(broken).max()
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.pacer.in_flight()
    }

    /// Calls that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Since when it could be forgotten: nothing is under way, waits, or is known that a new lane would not find out.
    pub fn idle_since(&self, now: Duration) -> Option<Duration> {
        let busy = !self.queue.is_empty()
            || self.pacer.in_flight() > 0
            || self.pause.is_some_and(|pause| pause.until > now)
            || self.breaker.state() != State::Closed;
        (!busy).then_some(self.used)
    }

    /// What is the matter with it, if anything is.
    pub fn trouble(&self) -> Trouble {
        Trouble {
            breaker: self.breaker.state(),
            paused_until: self.pause.map(|pause| pause.until),
            ceiling: self.probe.ceiling(),
        }
    }

    /// The lane as it stands, for people.
    pub fn state(&mut self, now: Duration) -> LaneState {
        LaneState {
            breaker: self.breaker.state(),
            broken_for: self.breaker.since().map(|since| now.saturating_sub(since)),
            paused_for: self
                .pause
                .map(|pause| pause.until.saturating_sub(now))
                .filter(|left| !left.is_zero()),
            in_flight: self.pacer.in_flight(),
            waiting: self.queue.len(),
            callers: self.queue.callers(),
            limits: self.pacer.limits(now),
            window: self.probe.window(),
            calls_per_second: self.probe.per_second(),
            ceiling: self.probe.ceiling(),
            concurrency: self.adaptive.limit(),
            throttled: self.throttle.probability(now),
            budget: self.budget.level(),
            last_hint: self.last_hint.map(|(at, hint)| (now.saturating_sub(at), hint)),
            counts: self.counts,
        }
    }
}
