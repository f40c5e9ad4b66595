//! Calls that start together: they may reach the upstream in any order.
//!
//! What an answer tells of a limit was true when its call was counted. Of calls that were sent within the same moment, over
//! connections of which some are new, nobody knows which were counted before it.

use std::time::Duration;

use super::cost::{Amounts, Unit};

/// Who starts so soon after the one before may overtake it.
const GAP: Duration = Duration::from_millis(10);

/// Nobody overtakes calls that started so long before.
const LONGEST: Duration = Duration::from_millis(50);

/// Fewer calls than that are no burst.
const FEW: f64 = 3.0;

/// The last bursts, and the newest run of calls that started together, whatever it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Together {
    runs: [Run; 4],
    newest: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Run {
    from: Duration,
    to: Duration,
    /// What was spent before it, and with it.
    before: Amounts,
    with: Amounts,
}

/// What the calls around one took, and how long it was since the first and until the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Around {
    earlier: f64,
    since: Duration,
    afterwards: f64,
    until: Duration,
}

impl Together {
    /// A call started; `before` it so much was spent, and so much with it.
    ///
    /// `per_second` calls are allowed, if that is known: who keeps to it is no burst, and need not be remembered.
    pub(super) fn add(
        &mut self,
        before: Amounts,
        with: Amounts,
        now: Duration,
        per_second: impl FnOnce() -> Option<f64>,
    ) {
        let run = &mut self.runs[self.newest];
        if now.saturating_sub(run.to) <= GAP && now.saturating_sub(run.from) <= LONGEST {
            (run.to, run.with) = (run.to.max(now), with);
        } else {
            let calls = run.with.of(Unit::Requests) - run.before.of(Unit::Requests);
            let steady = run.to.saturating_sub(run.from).as_secs_f64() * per_second().unwrap_or(0.0);
            if calls - steady >= FEW {
                self.newest = (self.newest + 1) % self.runs.len();
            }
            self.runs[self.newest] = Run { from: now, to: now, before, with };
        }
    }

    /// The calls around the one that started `at` a moment, by which so much was spent `before` and `with` it.
    pub(super) fn around(&self, unit: Unit, at: Duration, before: f64, with: f64) -> Around {
        let run = self.runs.iter().find(|run| run.from <= at && at <= run.to);
        run.map_or_else(Around::default, |run| Around {
            earlier: (before - run.before.of(unit)).max(0.0),
            since: at.saturating_sub(run.from),
            afterwards: (run.with.of(unit) - with).max(0.0),
            until: run.to.saturating_sub(at),
        })
    }
}

impl Around {
    /// How much more may have been counted than was spent up to the call, less what comes meanwhile at this rate: calls
    /// that keep to it are no burst.
    pub(super) fn overtaken(&self, per_second: f64) -> f64 {
        (self.afterwards - self.until.as_secs_f64() * per_second).max(0.0)
    }

    /// How much less may have been counted.
    pub(super) fn outstanding(&self, per_second: f64) -> f64 {
        (self.earlier - self.since.as_secs_f64() * per_second).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Cost;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Calls at these moments, and what is around each.
    fn around(moments: &[u64]) -> Vec<Around> {
        let (mut together, mut spent, mut calls) = (Together::default(), Amounts::default(), Vec::new());
        for at in moments.iter().copied().map(MS) {
            let before = spent;
            spent.add(Cost::default());
            together.add(before, spent, at, || None);
            calls.push((at, before.of(Unit::Requests), spent.of(Unit::Requests)));
        }
        calls.iter().map(|(at, before, with)| together.around(Unit::Requests, *at, *before, *with)).collect()
    }

    #[test]
    fn of_a_burst_nobody_knows_who_was_counted_first() {
        let around = around(&[1_000, 1_000, 1_001, 1_002]);
        let counts: Vec<_> = around.iter().map(|one| (one.outstanding(0.0), one.overtaken(0.0))).collect();
        assert_eq!(counts, [(0.0, 3.0), (1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]);
    }

    #[test]
    fn calls_that_keep_to_a_rate_are_no_burst() {
        let steady: Vec<u64> = (0..200).map(|call| 1_000 + call * 2).collect();
        for one in around(&steady) {
            assert!(one.outstanding(500.0) < 1e-9 && one.overtaken(500.0) < 1e-9, "{one:?}");
        }
    }

    #[test]
    fn a_burst_is_remembered_through_the_steady_calls_after_it() {
        let (mut together, mut spent) = (Together::default(), Amounts::default());
        let burst = std::iter::repeat_n(1_000, 250);
        for at in burst.chain((1_000..3_000).step_by(4)).map(MS) {
            let before = spent;
            spent.add(Cost::default());
            together.add(before, spent, at, || Some(250.0));
        }
        let around = together.around(Unit::Requests, MS(1_000), 249.0, 250.0);
        assert_eq!(around.outstanding(250.0), 249.0);
    }

    #[test]
    fn who_starts_a_while_later_comes_later() {
        for one in around(&[1_000, 1_025, 1_050]) {
            assert_eq!((one.outstanding(0.0), one.overtaken(0.0)), (0.0, 0.0));
        }
    }
}
