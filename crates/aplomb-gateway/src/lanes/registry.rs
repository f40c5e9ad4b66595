//! All lanes of the process: found by their key, made when they are first asked for, forgotten when idle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aplomb_core::lane::{Budget, Pacer, Quota, Settings};
use tokio::time::Instant;

use super::cell::{Cell, Quotas};
use super::group::Groups;
use super::key::{LaneMap, Tag};
use crate::config::{Allowance, Limits};
use crate::setup::Target;

/// More lanes than this are not kept when the others are idle; each takes a few kilobytes.
const MOST: usize = 20_000;

/// A lane that nobody used for so long is forgotten, with what it learned.
const FORGET: Duration = Duration::from_secs(3_600);

/// How often idle lanes are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Every lane of the process, and the budget for retries of all together.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) tag: Tag,
    began: Instant,
    known: Mutex<Known>,
    budget: Mutex<Budget>,
}

#[derive(Debug, Default)]
struct Known {
    lanes: LaneMap<Arc<Cell>>,
    quotas: LaneMap<Arc<Quotas>>,
    groups: Groups,
    swept: Duration,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        Self {
            tag: Tag::default(),
            began: Instant::now(),
            known: Mutex::default(),
            budget: Mutex::new(Budget::new()),
        }
    }

    /// The time that lanes count in.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The moment of a time that lanes count in.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        // A moment that the clock can't name is never reached anyway.
        self.began.checked_add(at).unwrap_or_else(|| self.began + Duration::from_secs(86_400 * 365))
    }

    /// The lane of a target for this credential and model.
    pub(crate) fn find(self: &Arc<Self>, target: &Target, credential: u64, model: Option<&str>) -> Arc<Cell> {
        let key = self.tag.lane(&target.name, credential, model);
        let now = self.now();
        let mut known = lock(&self.known);
        if let Some(cell) = known.lanes.get(&key) {
            return Arc::clone(cell);
        }
        known.sweep(now);
        let limits = &target.upstream.limits;
        let quotas = (!limits.is_empty()).then(|| {
            let quota = self.tag.quota(&target.name, credential);
            let new = || Arc::new(Quotas::new(Pacer::new(&quotas(limits), limits.concurrency, now)));
            Arc::clone(known.quotas.entry(quota).or_insert_with(new))
        });
        let group = known.groups.find(&target.name, model);
        let cell = Arc::new(Cell::new(Arc::clone(self), group, model, settings(target, model), quotas, now));
        known.lanes.insert(key, Arc::clone(&cell));
        cell
    }

    /// Lanes in no order.
    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        lock(&self.known).lanes.values().cloned().collect()
    }

    /// Lanes in the order of their upstreams and models.
    pub(crate) fn all(&self) -> Vec<Arc<Cell>> {
        let mut all = self.cells();
        all.sort_by(|a, b| (&a.upstream, &a.model).cmp(&(&b.upstream, &b.model)));
        all
    }

    /// Takes over the limits of a changed configuration: lanes keep everything else.
    pub(crate) fn configure(&self, targets: &[&Target]) {
        let now = self.now();
        let find = |name: &str| targets.iter().find(|target| &*target.name == name);
        for cell in self.all() {
            if let Some(target) = find(&cell.upstream) {
                let limits = &target.upstream.limits;
                cell.configure(
                    settings(target, cell.model.as_deref()),
                    &quotas(limits),
                    limits.concurrency,
                    now,
                );
            }
        }
    }

    /// Whether the process can pay for one more retry; if so it is paid.
    pub(crate) fn spend(&self, throttled: bool) -> bool {
        lock(&self.budget).spend(throttled)
    }

    /// A call succeeded: at the first try, or after a retry whose cost it gives back.
    pub(crate) fn succeeded(&self, retried: Option<bool>) {
        let mut budget = lock(&self.budget);
        match retried {
            Some(throttled) => budget.refund(throttled),
            None => budget.earn(),
        }
    }

    /// What is left for retries.
    pub(crate) fn budget(&self) -> u32 {
        lock(&self.budget).level()
    }
}

impl Known {
    /// Forgets lanes that were idle for long; when there are too many, all that are idle.
    fn sweep(&mut self, now: Duration) {
        let crowded = self.lanes.len() >= MOST;
        if now < self.swept + SWEEP && !(crowded && now >= self.swept + SWEEP / 60) {
            return;
        }
        self.swept = now;
        let idle = if crowded { Duration::from_secs(1) } else { FORGET };
        self.lanes.retain(|_, cell| {
            // One that somebody holds is about to be used.
            let keep =
                Arc::strong_count(cell) > 1 || cell.idle_since(now).is_none_or(|since| now < since + idle);
            if !keep {
                cell.group.keep(cell.state().counts);
            }
            keep
        });
        self.groups.sweep();
        self.quotas.retain(|_, quotas| Arc::strong_count(quotas) > 1);
    }
}

/// What a lane alone is given: the limits of the first pattern that its model fits.
fn settings(target: &Target, model: Option<&str>) -> Settings {
    let fits = |model: &str| target.upstream.model_limits.iter().find(|limits| limits.are_for(model));
    let limits = model.and_then(fits).map(|found| &found.limits);
    Settings {
        quotas: limits.map(quotas).unwrap_or_default(),
        concurrency: limits.and_then(|limits| limits.concurrency),
        size: usize::MAX,
    }
}

fn quotas(limits: &Limits) -> Vec<Quota> {
    use aplomb_core::lane::Unit;
    let of = |unit, allowances: &[Allowance]| {
        let quota = move |allowance: &Allowance| {
            #[expect(clippy::cast_precision_loss, reason = "a limit of 2^53 is none")]
            let count = |number: u64| number as f64;
            let (amount, window) = (count(allowance.rate.count), allowance.rate.window);
            Quota { unit, amount, window, burst: allowance.burst.map(count) }
        };
        allowances.iter().map(quota).collect::<Vec<_>>()
    };
    [
        of(Unit::Requests, &limits.requests),
        of(Unit::Tokens, &limits.tokens),
        of(Unit::InputTokens, &limits.input_tokens),
        of(Unit::OutputTokens, &limits.output_tokens),
    ]
    .concat()
}

/// A lock whose holder panicked is taken over: every decision leaves its lane whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
