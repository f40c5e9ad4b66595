//! The numbers of a route and of an upstream, and the one place that adds to them.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aplomb_core::Kind;
use aplomb_core::policy::Why;

use super::histogram::Histogram;
use crate::stage::settle::End;
use crate::trail::{Attempt, Trail};
use crate::worker::Worker;

/// What kept a request from being sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The retry policy, or a budget.
    Retry(Why),
    /// It wasn't its turn in time.
    NoTurn {
        /// Too many waited already.
        full: bool,
    },
}

/// The classes of a status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is counted of the requests of a route.
#[derive(Debug)]
pub(crate) struct RouteMeter {
    /// By the class of their status.
    requests: [Ends; CLASSES.len()],
    retries: AtomicU64,
    /// Those of the policy, then a full queue and a turn that came too late.
    refused: [AtomicU64; Why::ALL.len() + 2],
    /// Until the answer began.
    pub(super) first_byte: Histogram,
    /// Until it was over.
    pub(super) whole: Histogram,
    /// Until it was the request's turn, where it wasn't at once.
    pub(super) queued: Histogram,
}

/// What is counted of the attempts at an upstream.
#[derive(Debug, Default)]
pub(crate) struct UpstreamMeter {
    pub(super) attempts: Ends,
}

/// How often what came of it: one number for each kind, one for what went well and one for what was cut.
#[derive(Debug)]
pub(super) struct Ends([AtomicU64; Kind::ALL.len() + 2]);

impl Default for Ends {
    fn default() -> Self {
        Self(from_fn(|_| AtomicU64::new(0)))
    }
}

impl Default for RouteMeter {
    fn default() -> Self {
        Self {
            requests: from_fn(|_| Ends::default()),
            retries: AtomicU64::new(0),
            refused: from_fn(|_| AtomicU64::new(0)),
            first_byte: Histogram::default(),
            whole: Histogram::default(),
            queued: Histogram::default(),
        }
    }
}

impl Ends {
    fn add(&self, kind: Option<Kind>, cut: bool) {
        let known = kind.and_then(|kind| Kind::ALL.iter().position(|one| *one == kind));
        let other = if cut { 1 } else { 0 };
        let at = known.unwrap_or(Kind::ALL.len() + other);
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    /// What happened at least once.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = Kind::ALL.iter().map(|kind| kind.as_str()).chain(["ok", "cut"]);
        names.zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed))).filter(|(_, n)| *n > 0)
    }
}

impl RouteMeter {
    /// Counts a request that the listener refused.
    pub(crate) fn refused(&self, status: u16, kind: Option<Kind>) {
        self.ended(status, kind, false);
    }

    fn ended(&self, status: u16, kind: Option<Kind>, cut: bool) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[class].add(kind, cut);
    }

    fn refuse(&self, refusal: Refusal) {
        let at = match refusal {
            Refusal::Retry(why) => Why::ALL.iter().position(|one| *one == why),
            Refusal::NoTurn { full } => Some(Why::ALL.len() + usize::from(!full)),
        };
        if let Some(at) = at {
            self.refused[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests by the class of their status and the kind of their failure.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let classes = CLASSES.into_iter().zip(&self.requests);
        classes.flat_map(|(class, ends)| ends.seen().map(move |(kind, count)| (class, kind, count)))
    }

    /// Attempts after a request's first.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// What kept requests from being sent once more.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = Why::ALL.into_iter().map(Why::as_str).chain(["queue_full", "no_turn"]);
        names
            .zip(&self.refused)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .filter(|(_, n)| *n > 0)
    }
}

/// Counts a request whose story is over.
pub(crate) fn count(worker: &Worker, trail: &Trail, begun: Option<Duration>, end: &End) {
    let kind = end.failure.as_ref().map(|failure| failure.kind);
    let Some(way) = &trail.way else {
        let setup = worker.shared().setup();
        return setup.unrouted.ended(end.status, kind, end.cut);
    };
    let meter = &way.meter;
    meter.ended(end.status, kind, end.cut);
    if let Some(begun) = begun {
        meter.first_byte.observe(begun);
    }
    meter.whole.observe(trail.began.elapsed());
    worker.shared().tally.count(&trail.caller);
    if !trail.queued.is_zero() {
        meter.queued.observe(trail.queued);
    }
    if trail.attempts.len() > 1 {
        meter.retries.fetch_add(trail.attempts.len() as u64 - 1, Ordering::Relaxed);
    }
    if let Some(refusal) = trail.refused {
        meter.refuse(refusal);
    }
    for attempt in &trail.attempts {
        if let Some(target) = way.targets.iter().find(|target| target.name == attempt.upstream) {
            target.meter.attempts.add(outcome(attempt), false);
        }
    }
}

/// What came of an attempt; one without an answer and without a failure was called off.
fn outcome(attempt: &Attempt) -> Option<Kind> {
    let failed = attempt.failure.as_ref().map(|failure| failure.kind);
    failed.or_else(|| attempt.status.is_none().then_some(Kind::Cancelled))
}
