//! What is remembered of one subject.

use std::time::Duration;

use aplomb_core::Limit;
use aplomb_core::lane::{Cost, Unit};
use aplomb_core::policy::{Conforms, Quota};

use crate::config::Tier;

const DAY: u64 = 86_400 * 1_000_000_000;

/// When each limit of a subject is whole again, and what it does today and now.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// One moment for each of the tier's quotas, in their order.
    tats: Vec<u64>,
    day: u64,
    today: u64,
    in_flight: u32,
}

/// Which limit is in the way, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    /// What is counted: `requests`, `tokens`, …, `concurrency`, `daily`.
    pub(crate) what: &'static str,
    /// How much there is of it.
    pub(crate) limit: u64,
    /// In which time; none for what is under way at once.
    pub(crate) window: Option<Duration>,
    /// How long to wait.
    pub(crate) wait: Duration,
}

impl Over {
    fn of(unit: Unit, quota: &Quota, wait: Duration) -> Self {
        Self { what: unit.as_str(), limit: quota.burst(), window: Some(quota.burst_window()), wait }
    }

    fn daily(limit: u64, wait: Duration) -> Self {
        Self { what: "daily", limit, window: Some(Duration::from_nanos(DAY)), wait }
    }

    fn busy(limit: u32) -> Self {
        Self { what: "concurrency", limit: u64::from(limit), window: None, wait: ONE_ENDS }
    }

    /// The limit at a place: the quotas in their order, then the day's, then what is under way.
    pub(super) fn at(tier: &Tier, place: usize, wait: Duration) -> Self {
        match (quotas(tier).nth(place), tier.daily, tier.concurrency) {
            (Some((unit, quota)), ..) => Self::of(unit, &quota, wait),
            (None, Some(limit), _) if place == quotas(tier).count() => Self::daily(limit, wait),
            (None, _, most) => Self::busy(most.unwrap_or_default()),
        }
    }
}

/// For each quota how far a request moves it, and how far ahead of now it may then be, in nanoseconds.
pub(super) fn spans(tier: &Tier, cost: Cost, requests: u64) -> Vec<(u64, u64)> {
    let span = |(unit, quota): (Unit, Quota)| {
        let span = quota.span(if unit == Unit::Requests { requests } else { amount(cost, unit) });
        (span, quota.span(quota.burst()).max(span))
    };
    quotas(tier).map(span).collect()
}

/// How many quotas a tier has.
pub(super) fn quota_count(tier: &Tier) -> usize {
    quotas(tier).count()
}

/// How much the smallest of a tier's limits gives at once, requests and days alike; tokens are counted in requests of
/// a thousand.
pub(super) fn smallest_burst(tier: &Tier) -> u64 {
    let count = |(unit, quota): (Unit, Quota)| match unit {
        Unit::Requests => quota.burst(),
        Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => quota.burst() / 1_000,
    };
    quotas(tier).map(count).chain(tier.daily).min().unwrap_or(1)
}

/// By how much each quota moves back when so many requests and tokens were not used.
pub(super) fn returns(tier: &Tier, requests: u64, tokens: Cost) -> Vec<i64> {
    let back = spans(tier, tokens, requests);
    back.into_iter().map(|(span, _)| -i64::try_from(span).unwrap_or(i64::MAX)).collect()
}

/// By how much each quota moves when a request took something else than was asked for it, in nanoseconds.
pub(super) fn moves(tier: &Tier, asked: Cost, took: Cost) -> Vec<i64> {
    let nanos = |(unit, quota): (Unit, Quota)| {
        let signed = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        let (asked, took) = (amount(asked, unit), amount(took, unit));
        match took.checked_sub(asked) {
            Some(more) => signed(quota.span(more)),
            None => -signed(quota.span(asked - took)),
        }
    };
    quotas(tier).map(nanos).collect()
}

/// How long who has too many requests under way may expect to wait; when one of them ends, nobody knows.
const ONE_ENDS: Duration = Duration::from_secs(1);

impl Entry {
    /// As other gateways see it too.
    pub(super) fn seen(tats: Vec<u64>, day: u64, today: u64, in_flight: u32) -> Self {
        Self { tats, day, today, in_flight }
    }

    /// Which limit is in the way of a request, if one is: of several the one that takes longest.
    pub(super) fn ask(&mut self, tier: &Tier, cost: Cost, now: u64) -> Result<(), Over> {
        self.tats.resize(quotas(tier).count(), 0);
        if self.day != now / DAY {
            (self.day, self.today) = (now / DAY, 0);
        }
        let quotas = quotas(tier).zip(&self.tats).filter_map(|((unit, quota), tat)| {
            match quota.ask(*tat, amount(cost, unit), now) {
                Conforms::Yes(_) => None,
                Conforms::After(wait) => Some(Over::of(unit, &quota, wait)),
            }
        });
        let daily = tier.daily.filter(|most| self.today >= *most);
        let daily = daily.map(|limit| Over::daily(limit, Duration::from_nanos(DAY - now % DAY)));
        let busy = tier.concurrency.filter(|most| self.in_flight >= *most);
        let busy = busy.map(Over::busy);
        match quotas.chain(daily).chain(busy).max_by_key(|over| over.wait) {
            None => Ok(()),
            Some(over) => Err(over),
        }
    }

    /// Takes what was asked for.
    pub(super) fn take(&mut self, tier: &Tier, cost: Cost, now: u64) {
        for ((unit, quota), tat) in quotas(tier).zip(&mut self.tats) {
            *tat = quota.settle(*tat, 0, amount(cost, unit), now);
        }
        self.today += u64::from(tier.daily.is_some());
        self.in_flight += 1;
    }

    /// A request is over.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// What a request took, in place of what was asked for it.
    pub(super) fn settle(&mut self, tier: &Tier, asked: Cost, took: Cost, now: u64) {
        for ((unit, quota), tat) in quotas(tier).zip(&mut self.tats) {
            if unit != Unit::Requests {
                *tat = quota.settle(*tat, amount(asked, unit), amount(took, unit), now);
            }
        }
    }

    /// How every limit stands, the one with the least left first.
    pub(super) fn limits(&self, tier: &Tier, now: u64) -> Vec<Limit> {
        let tats = self.tats.iter().copied().chain(std::iter::repeat(0));
        let mut limits: Vec<Limit> = quotas(tier)
            .zip(tats)
            .map(|((unit, quota), tat)| {
                let mut limit = Limit::new(unit.as_str());
                limit.window = Some(quota.burst_window());
                limit.limit = Some(quota.burst());
                limit.remaining = Some(quota.remaining(tat, now));
                limit.reset = Some(quota.reset(tat, now));
                limit
            })
            .collect();
        if let Some(daily) = tier.daily {
            let today = if self.day == now / DAY { self.today } else { 0 };
            let mut limit = Limit::new(Unit::Requests.as_str());
            limit.window = Some(Duration::from_nanos(DAY));
            limit.limit = Some(daily);
            limit.remaining = Some(daily.saturating_sub(today));
            limit.reset = Some(Duration::from_nanos(DAY - now % DAY));
            limits.push(limit);
        }
        if let Some(most) = tier.concurrency {
            let mut limit = Limit::new("concurrency");
            limit.limit = Some(u64::from(most));
            limit.remaining = Some(u64::from(most.saturating_sub(self.in_flight)));
            limits.push(limit);
        }
        limits.sort_by(|a, b| share(a).total_cmp(&share(b)));
        limits
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.in_flight == 0
            && self.tats.iter().all(|tat| *tat <= now)
            && (self.today == 0 || self.day != now / DAY)
    }
}

/// Which part of a limit is left.
fn share(limit: &Limit) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "only an order")]
    let number = |value: Option<u64>| value.map_or(1.0, |value| value as f64);
    number(limit.remaining) / number(limit.limit).max(1.0)
}

/// The quotas of a tier, in an order that is always the same.
fn quotas(tier: &Tier) -> impl Iterator<Item = (Unit, Quota)> + '_ {
    let rows = [
        (Unit::Requests, &tier.requests),
        (Unit::Tokens, &tier.tokens),
        (Unit::InputTokens, &tier.input_tokens),
        (Unit::OutputTokens, &tier.output_tokens),
    ];
    rows.into_iter().flat_map(|(unit, allowances)| {
        allowances.iter().map(move |one| (unit, Quota::new(one.rate.count, one.rate.window, one.burst)))
    })
}

fn amount(cost: Cost, unit: Unit) -> u64 {
    match unit {
        Unit::Requests => 1,
        Unit::Tokens => cost.input.saturating_add(cost.output),
        Unit::InputTokens => cost.input,
        Unit::OutputTokens => cost.output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tier(requests: &[&str], tokens: &[&str]) -> Tier {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Tier { requests: read(requests), tokens: read(tokens), ..Tier::named("free") }
    }

    fn taken(entry: &mut Entry, tier: &Tier, cost: Cost, now: u64) -> Result<(), Over> {
        entry.ask(tier, cost, now)?;
        entry.take(tier, cost, now);
        Ok(())
    }

    #[test]
    fn of_several_limits_the_longest_wait_is_told_and_nothing_is_taken() {
        let tier = tier(&["2/s", "3/min"], &[]);
        let (mut entry, cost) = (Entry::default(), Cost::default());
        for now in [0, 0, SECOND] {
            assert_eq!(taken(&mut entry, &tier, cost, now), Ok(()));
        }
        let over = taken(&mut entry, &tier, cost, SECOND).unwrap_err();
        assert_eq!((over.what, over.limit, over.wait), ("requests", 3, Duration::from_secs(19)));
        assert_eq!(taken(&mut entry, &tier, cost, 20 * SECOND), Ok(()));
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let tier = Tier { daily: Some(1), ..tier(&[], &[]) };
        let (mut entry, now) = (Entry::default(), DAY * 20_000 + 80_000 * SECOND);
        assert_eq!(taken(&mut entry, &tier, Cost::default(), now), Ok(()));
        let over = taken(&mut entry, &tier, Cost::default(), now).unwrap_err();
        assert_eq!((over.what, over.wait), ("daily", Duration::from_secs(6_400)));
        assert_eq!(taken(&mut entry, &tier, Cost::default(), DAY * 20_001), Ok(()));
    }

    #[test]
    fn tokens_are_settled_by_what_was_used() {
        let tier = tier(&[], &["1000/min"]);
        let mut entry = Entry::default();
        let asked = Cost { input: 800, output: 0 };
        taken(&mut entry, &tier, asked, 0).unwrap();
        assert!(entry.ask(&tier, asked, 0).is_err());
        entry.settle(&tier, asked, Cost { input: 100, output: 50 }, 0);
        assert_eq!(entry.ask(&tier, asked, 0), Ok(()));
        assert_eq!(entry.limits(&tier, 0)[0].remaining, Some(850));
    }

    #[test]
    fn so_many_at_once_and_an_end_makes_room() {
        let tier = Tier { concurrency: Some(1), ..tier(&[], &[]) };
        let mut entry = Entry::default();
        taken(&mut entry, &tier, Cost::default(), 0).unwrap();
        assert_eq!(entry.ask(&tier, Cost::default(), 0).unwrap_err().what, "concurrency");
        assert!(!entry.is_idle(0));
        entry.end();
        assert_eq!(entry.ask(&tier, Cost::default(), 0), Ok(()));
    }

    #[test]
    fn the_limit_with_the_least_left_is_told_first() {
        let tier = Tier { daily: Some(100), ..tier(&["10/min"], &["1000/min"]) };
        let mut entry = Entry::default();
        taken(&mut entry, &tier, Cost { input: 990, output: 0 }, 0).unwrap();
        let told: Vec<_> = entry.limits(&tier, 0).into_iter().map(|one| (one.unit, one.remaining)).collect();
        let want = [("tokens", 10), ("requests", 9), ("requests", 99)];
        assert_eq!(told, want.map(|(unit, left)| (unit.to_owned(), Some(left))));
    }
}
