//! The pacer: every known limit of a quota, reserved all or nothing before a call and settled after it.
//!
//! Limits come from the configuration ([`Quota`]) and from what answers tell ([`Limit`](crate::Limit)); both may change
//! under way. What isn't known is not paced here: that is the work of [`Probe`](super::Probe).

use std::time::Duration;

use super::bucket::{Bucket, NEVER};
use super::cost::{Amounts, Cost, Unit};
use super::together::Together;
use super::told::{Counted, Told};
use crate::failure::Limit;

/// A limit that somebody configured: so much of a unit in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// What is counted.
    pub unit: Unit,
    /// How much of it a window holds.
    pub amount: f64,
    /// The window.
    pub window: Duration,
    /// How much may be taken at once after a rest; absent: what a second gives, at least one call.
    pub burst: Option<f64>,
}

impl Quota {
    /// How much comes in a second.
    pub fn per_second(&self) -> f64 {
        self.amount / self.window.as_secs_f64().max(1e-9)
    }

    /// How much is given at once after a rest.
    ///
    /// A provider may count by the minute and not by the second, so that a whole window at once could be double of what
    /// it allows in the first minute; a second's worth is a sixtieth too much there, and enough to keep up the rate.
    pub fn capacity(&self) -> f64 {
        self.burst.unwrap_or_else(|| self.per_second().clamp(1.0, self.amount.max(1.0)))
    }
}

/// What a call reserved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    cost: Cost,
    /// Everything that was spent up to this call, itself included.
    spent: Amounts,
    at: Duration,
}

/// When a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Now.
    Now,
    /// At this moment, as far as is known.
    At(Duration),
    /// When one of those under way ends.
    Full,
}

/// Every known limit of one quota.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    given: Vec<(Unit, Bucket)>,
    told: Vec<Told>,
    concurrency: Option<u32>,
    in_flight: u32,
    spent: Amounts,
    together: Together,
}

impl Pacer {
    /// A pacer with the limits that are configured.
    pub fn new(quotas: &[Quota], concurrency: Option<u32>, now: Duration) -> Self {
        let mut pacer = Self::default();
        pacer.configure(quotas, concurrency, now);
        pacer
    }

    /// Takes over changed limits; what was spent of a unit stays spent.
    pub fn configure(&mut self, quotas: &[Quota], concurrency: Option<u32>, now: Duration) {
        let old = std::mem::take(&mut self.given);
        self.given = quotas
            .iter()
            .map(|quota| {
                let mut bucket = Bucket::full(quota.capacity(), quota.per_second(), now);
                if let Some((_, before)) = old.iter().find(|(unit, _)| *unit == quota.unit) {
                    bucket.set_level(before.level(now).min(bucket.capacity()), now);
                }
                (quota.unit, bucket)
            })
            .collect();
        self.concurrency = concurrency;
    }

    /// Whether the number of calls is limited by something known, given or told.
    pub fn knows_requests(&self) -> bool {
        self.given.iter().any(|(unit, _)| *unit == Unit::Requests)
            || self.told.iter().any(|told| told.unit == Unit::Requests)
    }

    /// Whether tokens are limited by something known.
    pub fn counts_tokens(&self) -> bool {
        let given = self.given.iter().map(|(unit, _)| *unit);
        given.chain(self.told.iter().map(|told| told.unit)).any(|unit| unit != Unit::Requests)
    }

    /// A call was refused. Whether some limit that answers told of has too little left: reason enough for it.
    pub fn refused(&mut self, cost: Cost, now: Duration) -> bool {
        let mut explained = false;
        for told in &mut self.told {
            let amount = cost.of(told.unit);
            if told.lacks(amount, now) {
                told.refused(amount, now);
                explained = true;
            }
        }
        explained
    }

    /// When a call may start.
    pub fn ready(&self, cost: Cost, now: Duration) -> Ready {
        if self.concurrency.is_some_and(|most| self.in_flight >= most) {
            return Ready::Full;
        }
        let given = self.given.iter().map(|(unit, bucket)| bucket.ready(cost.of(*unit), now));
        let told = self.told.iter().map(|told| told.ready(cost.of(told.unit), now));
        match given.chain(told).fold(now, Duration::max) {
            when if when <= now => Ready::Now,
            when => Ready::At(when),
        }
    }

    /// Reserves a call, whether it is ready or not.
    pub fn take(&mut self, cost: Cost, now: Duration) -> Taken {
        self.in_flight += 1;
        let before = self.spent;
        self.spent.add(cost);
        let (given, told) = (&self.given, &self.told);
        self.together.add(before, self.spent, now, || calls_per_second(given, told));
        for (unit, bucket) in &mut self.given {
            bucket.take(cost.of(*unit), now);
        }
        for told in &mut self.told {
            let amount = cost.of(told.unit);
            told.bucket(now).take(amount, now);
        }
        Taken { cost, spent: self.spent, at: now }
    }

    /// A call was refused or never sent: it took nothing.
    ///
    /// A limit that was told since the call was sent knows that already.
    pub fn refund(&mut self, taken: &Taken, now: Duration) {
        for (unit, bucket) in &mut self.given {
            bucket.give(taken.cost.of(*unit), now);
        }
        for told in self.told.iter_mut().filter(|told| !told.knows_of(taken.at)) {
            let amount = taken.cost.of(told.unit);
            told.bucket(now).give(amount, now);
        }
        self.end();
    }

    /// A call is over: what it took really stands in place of what was estimated.
    pub fn settle(&mut self, taken: &Taken, actual: Option<Cost>, now: Duration) {
        if let Some(actual) = actual {
            for unit in [Unit::Tokens, Unit::InputTokens, Unit::OutputTokens] {
                let difference = actual.of(unit) - taken.cost.of(unit);
                self.buckets(unit).for_each(|bucket| bucket.take(difference, now));
            }
        }
        self.end();
    }

    /// What an answer tells of limits, with what the call took: calls under way are accounted for.
    pub fn tell(&mut self, limits: &[Limit], taken: &Taken, now: Duration) {
        for limit in limits {
            let Some(unit) = Unit::named(&limit.unit) else { continue };
            let spent = taken.spent.of(unit);
            let before = spent - taken.cost.of(unit);
            let counted = Counted {
                sent: taken.at,
                later: self.spent.of(unit) - spent,
                around: self.together.around(unit, taken.at, before, spent),
            };
            let known = self.told.iter().position(|told| told.unit == unit && told.window == limit.window);
            match known {
                Some(told) => self.told[told].update(limit, &counted, now),
                None if self.told.len() < MOST_TOLD => {
                    self.told.extend(Told::new(unit, limit, &counted, now));
                }
                None => {}
            }
        }
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many calls a second the known limits allow in the long run, if any is known.
    pub fn calls_per_second(&self) -> Option<f64> {
        calls_per_second(&self.given, &self.told)
    }

    /// Every limit as it stands, for people: unit, learned or given, capacity, level, and how much comes in a second.
    pub fn limits(&self, now: Duration) -> Vec<LimitState> {
        let given = self.given.iter().map(|(unit, bucket)| LimitState {
            unit: *unit,
            learned: false,
            capacity: bucket.capacity(),
            level: bucket.level(now),
            per_second: Some(bucket.per_second()),
        });
        let told = self.told.iter().map(|told| LimitState {
            unit: told.unit,
            learned: true,
            capacity: told.capacity(),
            level: told.level(now),
            per_second: told.per_second(),
        });
        given.chain(told).collect()
    }

    fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn buckets(&mut self, unit: Unit) -> impl Iterator<Item = &mut Bucket> {
        let given = self.given.iter_mut().filter(move |(own, _)| *own == unit).map(|(_, bucket)| bucket);
        let told = self.told.iter_mut().filter(move |told| told.unit == unit).map(Told::counted);
        given.chain(told)
    }
}

fn calls_per_second(given: &[(Unit, Bucket)], told: &[Told]) -> Option<f64> {
    let given = given.iter().filter(|(unit, _)| *unit == Unit::Requests).map(|(_, one)| one.per_second());
    let told = told.iter().filter(|told| told.unit == Unit::Requests).filter_map(Told::per_second);
    given.chain(told).reduce(f64::min)
}

/// An API tells of a handful of limits; what invents new windows all the time fills no memory.
const MOST_TOLD: usize = 8;

/// A limit as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitState {
    /// What is counted.
    pub unit: Unit,
    /// Learned from answers; otherwise configured.
    pub learned: bool,
    /// How much fits.
    pub capacity: f64,
    /// How much is left.
    pub level: f64,
    /// How much comes in a second; absent where it comes back all at once.
    pub per_second: Option<f64>,
}

impl Ready {
    /// The later of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Full, _) | (_, Self::Full) => Self::Full,
            (Self::Now, other) | (other, Self::Now) => other,
            (Self::At(a), Self::At(b)) => Self::At(a.max(b)),
        }
    }

    /// Ready at this moment, which may be now.
    pub fn at(when: Duration, now: Duration) -> Self {
        if when <= now { Self::Now } else { Self::At(when.min(NEVER)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn quota(unit: Unit, amount: f64, window: u64, burst: f64) -> Quota {
        Quota { unit, amount, window: Duration::from_secs(window), burst: Some(burst) }
    }

    #[test]
    fn nothing_is_taken_unless_every_limit_has_it() {
        let quotas = [quota(Unit::Requests, 60.0, 60, 10.0), quota(Unit::Tokens, 600.0, 60, 100.0)];
        let mut pacer = Pacer::new(&quotas, None, MS(0));
        let big = Cost { input: 90, output: 0 };
        assert_eq!(pacer.ready(big, MS(0)), Ready::Now);
        pacer.take(big, MS(0));
        let Ready::At(when) = pacer.ready(big, MS(0)) else { panic!("the tokens are gone") };
        assert!(when >= MS(8_000) && when < MS(8_001), "{when:?}");
        assert_eq!(pacer.ready(Cost { input: 10, output: 0 }, MS(0)), Ready::Now);
    }

    #[test]
    fn a_refused_call_took_nothing_and_a_settled_one_what_it_used() {
        let mut pacer = Pacer::new(&[quota(Unit::Tokens, 100.0, 1, 100.0)], None, MS(0));
        let taken = pacer.take(Cost { input: 50, output: 50 }, MS(0));
        pacer.refund(&taken, MS(0));
        assert_eq!(pacer.limits(MS(0))[0].level, 100.0);
        let taken = pacer.take(Cost { input: 50, output: 50 }, MS(0));
        pacer.settle(&taken, Some(Cost { input: 50, output: 10 }), MS(0));
        assert_eq!(pacer.limits(MS(0))[0].level, 40.0);
        let taken = pacer.take(Cost { input: 10, output: 0 }, MS(0));
        pacer.settle(&taken, Some(Cost { input: 10, output: 80 }), MS(0));
        assert_eq!(pacer.limits(MS(0))[0].level, -50.0);
    }

    #[test]
    fn at_most_so_many_are_under_way() {
        let mut pacer = Pacer::new(&[], Some(1), MS(0));
        let taken = pacer.take(Cost::default(), MS(0));
        assert_eq!(pacer.ready(Cost::default(), MS(0)), Ready::Full);
        pacer.settle(&taken, None, MS(0));
        assert_eq!(pacer.ready(Cost::default(), MS(0)), Ready::Now);
    }

    #[test]
    fn a_limit_can_change_under_way_and_what_was_spent_stays_spent() {
        let mut pacer = Pacer::new(&[quota(Unit::Requests, 10.0, 1, 10.0)], None, MS(0));
        for _ in 0..10 {
            pacer.take(Cost::default(), MS(0));
        }
        pacer.configure(&[quota(Unit::Requests, 100.0, 1, 100.0)], None, MS(0));
        let Ready::At(when) = pacer.ready(Cost::default(), MS(0)) else { panic!("nothing is left") };
        assert!(when <= MS(11), "{when:?}");
    }

    #[test]
    fn by_default_a_second_is_given_at_once() {
        let quota = |amount: f64, window| Quota { burst: None, ..quota(Unit::Requests, amount, window, 0.0) };
        assert_eq!(quota(40.0, 1).capacity(), 40.0);
        assert_eq!(quota(600.0, 60).capacity(), 10.0);
        assert_eq!(quota(6.0, 60).capacity(), 1.0);
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed(
            steps in proptest::collection::vec((0u64..300, 0u64..50, 0u64..50, any::<bool>()), 1..200),
            requests in 1.0f64..50.0,
            tokens in 100.0f64..1_000.0,
        ) {
            let quotas = [quota(Unit::Requests, requests, 1, requests), quota(Unit::Tokens, tokens, 1, tokens)];
            let mut pacer = Pacer::new(&quotas, Some(20), Duration::ZERO);
            let (mut now, mut calls, mut used, mut open) = (Duration::ZERO, 0.0, 0.0, Vec::new());
            for (pause, input, output, refused) in steps {
                now += MS(pause);
                let cost = Cost { input, output };
                if pacer.ready(cost, now) == Ready::Now {
                    open.push(pacer.take(cost, now));
                    calls += 1.0;
                    used += cost.of(Unit::Tokens);
                } else if let Some(taken) = open.pop() {
                    if refused {
                        pacer.refund(&taken, now);
                        calls -= 1.0;
                        used -= taken.cost.of(Unit::Tokens);
                    } else {
                        pacer.settle(&taken, None, now);
                    }
                }
                prop_assert!(pacer.in_flight() <= 20);
                prop_assert!(calls <= requests + requests * now.as_secs_f64() + 1e-3);
                prop_assert!(used <= tokens + tokens * now.as_secs_f64() + 1e-3);
            }
        }
    }
}
