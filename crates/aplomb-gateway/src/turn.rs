//! Turns: which of several equal upstreams is asked, and a place in its lane until it is the request's turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aplomb_core::lane::{Candidate, Cost, Priority, choose};
use aplomb_core::policy::Retry;
use aplomb_core::{Advice, Failure, Fault, Kind};

use crate::config::Disclose;
use crate::credential::{Lack, Own};
use crate::keepalive::Keepalive;
use crate::lanes::{BYTES_PER_TOKEN, Cell, Permit, Refused, Wish};
use crate::model;
use crate::setup::{Target, Way};
use crate::stage::plan::Plan;
use crate::worker::Worker;

/// What of a request matters to lanes, and where it stood in the last one.
pub(crate) struct Turns {
    /// The caller's own credential, as a hash.
    credential: Option<u64>,
    /// Whose request it is.
    caller: u64,
    priority: Priority,
    input: u64,
    /// The lane that it was in last, and its place there.
    last: Option<(Arc<Cell>, u64)>,
    /// Targets whose credential is of no use to this request.
    aside: Vec<usize>,
    /// The target that is to be asked again.
    again: Option<usize>,
}

/// Leave to send the request to one target.
pub(crate) struct Turn {
    /// Which of the route's targets.
    pub(crate) index: usize,
    /// The leave.
    pub(crate) permit: Box<Permit>,
    /// What was asked of the lane.
    pub(crate) wish: Wish,
}

/// Whom to wait for, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The rank of those who may be asked.
    pub(crate) rank: usize,
    /// When it is too late.
    pub(crate) until: Instant,
    /// There is somebody else to ask instead of waiting for long.
    pub(crate) passes: bool,
}

/// Why it wasn't the request's turn in time.
pub(crate) struct NoTurn {
    /// Which target had no room.
    pub(crate) index: usize,
    /// Why.
    pub(crate) refused: Refused,
}

impl Turns {
    pub(crate) fn new(worker: &Worker, plan: &Plan) -> Self {
        let received = &plan.received;
        let tag = &worker.lanes().tag;
        let credential = tag.credential(&received.setup, &received.headers);
        let body = received.body.kept().map_or(0, bytes::Bytes::len);
        Self {
            credential,
            caller: match &plan.caller.account {
                // All keys of an account share its turn: more keys don't make more of it.
                Some(account) => tag.account(account),
                None => credential.unwrap_or_else(|| {
                    tag.address(received.proxies.caller(&received.headers, &received.from))
                }),
            },
            priority: received.priority,
            input: (body as u64).div_ceil(BYTES_PER_TOKEN),
            last: None,
            aside: Vec::new(),
            again: None,
        }
    }

    /// The same target is asked the next time, whatever the others have to do.
    pub(crate) fn stay(&mut self, index: usize) {
        self.again = Some(index);
    }

    /// The request doesn't come back to this target: its credential is of no use.
    pub(crate) fn set_aside(&mut self, index: usize) {
        self.aside.push(index);
    }

    /// Whether there is an equal of this target that wasn't set aside.
    pub(crate) fn has_others(&self, plan: &Plan, rank: usize, index: usize) -> bool {
        plan.way().rank(rank).any(|other| other != index && !self.aside.contains(&other))
    }

    /// Waits until one of the targets of a rank may be asked.
    ///
    /// # Errors
    /// None may be asked in time.
    pub(crate) async fn take(
        &mut self,
        worker: &Worker,
        plan: &Plan,
        retry: &Retry,
        bounds: Bounds,
    ) -> Result<Turn, NoTurn> {
        let passes = bounds.passes;
        let queue = &plan.way().route.queue;
        let most = if passes { queue.max_wait.min(queue.prefer_fallback_after) } else { queue.max_wait };
        let until = bounds.until.min(Instant::now() + most);
        // Who waits for its turn may be told so.
        let _in_sight = plan.keepalive.as_ref().map(Keepalive::wait);
        let (index, cell) = self.able(worker, plan, retry, Bounds { until, ..bounds }).await?;
        let left = until.saturating_duration_since(Instant::now());
        let attempts = plan.way().route.retry.attempts;
        let wish = Wish {
            number: self.number(&cell),
            caller: self.caller,
            priority: self.priority,
            cost: Cost { input: self.input, output: 0 },
            deadline: worker.lanes().now() + left,
            size: queue.size,
            passes,
            sends: retry.here(),
            last: retry.here() + 1 >= attempts,
        };
        match cell.enter(worker, &wish).await {
            Ok(permit) => {
                self.last = Some((Arc::clone(permit.cell()), permit.number()));
                Ok(Turn { index, permit, wish })
            }
            Err(refused) => Err(NoTurn { index, refused }),
        }
    }

    /// The target to ask: one whose credential is there to be sent.
    ///
    /// A credential that has to be fetched is waited for here, where no place in a lane is held meanwhile; one that
    /// rests is passed over.
    async fn able(
        &mut self,
        worker: &Worker,
        plan: &Plan,
        retry: &Retry,
        bounds: Bounds,
    ) -> Result<(usize, Arc<Cell>), NoTurn> {
        let Bounds { rank, until, passes } = bounds;
        loop {
            let (index, cell) = self.choose(worker, plan, rank, retry);
            let target = &plan.way().targets[index];
            let Some(own) = &target.own else { return Ok((index, cell)) };
            if passes && is_better_served_later(plan.way(), rank, worker.lanes().now(), own) {
                return Err(NoTurn { index, refused: Refused::default() });
            }
            let Err(lack) = own.ready(worker, target, until.into()).await else { return Ok((index, cell)) };
            if retry.is_bound() || !self.has_others(plan, rank, index) {
                return Err(NoTurn { index, refused: lacking(plan, lack) });
            }
            self.set_aside(index);
        }
    }

    /// Among equals the one with the least to do; the same one again where only that one would notice a repetition.
    fn choose(&mut self, worker: &Worker, plan: &Plan, rank: usize, retry: &Retry) -> (usize, Arc<Cell>) {
        let way = plan.way();
        let range = way.rank(rank);
        let again = self.again.take().filter(|index| range.contains(index));
        let cell = |index: usize| self.cell(worker, plan, &way.targets[index]);
        if let Some(only) = again.or_else(|| (range.len() == 1).then_some(range.start)) {
            return (only, cell(only));
        }
        let mut open: Vec<usize> = range.clone().filter(|index| !self.aside.contains(index)).collect();
        if open.is_empty() {
            open.extend(range);
        }
        let cells: Vec<_> = open.iter().map(|index| cell(*index)).collect();
        let bound = self.last.as_ref().filter(|_| retry.is_bound());
        let same = bound.and_then(|(last, _)| cells.iter().position(|cell| Arc::ptr_eq(cell, last)));
        let now = worker.lanes().now();
        let candidates: Vec<Candidate> = cells
            .iter()
            .zip(&open)
            .map(|(cell, index)| {
                let target = &way.targets[*index];
                let (outstanding, lane) = cell.load();
                let credential = target.own.as_ref().and_then(|own| own.rests_until(now));
                Candidate { weight: f64::from(target.weight), outstanding, rests_until: lane.max(credential) }
            })
            .collect();
        let chosen = same.or_else(|| choose(&candidates, now, worker.random())).unwrap_or(0);
        (open[chosen], Arc::clone(&cells[chosen]))
    }

    /// The lane of a target for this request.
    pub(crate) fn cell(&self, worker: &Worker, plan: &Plan, target: &Target) -> Arc<Cell> {
        let credential = match target.is_callers {
            true => self.credential.unwrap_or_default(),
            false => target.slot,
        };
        let received = &plan.received;
        let named = match &target.model {
            Some(model) => Some(model.as_str().into()),
            None => target.dialect.and_then(|dialect| dialect.model.as_ref()).and_then(|place| {
                model::named(place, received.rest.with_query(), received.body.kept().map_or(&[], |body| body))
            }),
        };
        let model = named.filter(|model| model.len() <= LONGEST_MODEL);
        worker.lanes().find(target, credential, model.as_deref())
    }

    fn number(&self, cell: &Arc<Cell>) -> Option<u64> {
        self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, cell)).map(|(_, number)| *number)
    }
}

/// The credential rests, and of a later rank there is one that doesn't.
///
/// Among equals the one that is rested first was chosen, so that no other of them could serve at once.
fn is_better_served_later(way: &Way, rank: usize, now: Duration, own: &Own) -> bool {
    let is_fit = |target: &Target| target.own.as_ref().is_none_or(|own| own.rests_until(now).is_none());
    own.rests_until(now).is_some() && way.targets[way.rank(rank).end..].iter().any(is_fit)
}

/// There is no credential of ours to send with: the gateway's own fault, whose cause is for who may see everything.
fn lacking(plan: &Plan, lack: Lack) -> Refused {
    let mut told = "the gateway's own credential for this upstream can't be had".to_owned();
    if plan.way().route.disclose == Disclose::Full {
        told.push_str(": ");
        told.push_str(&lack.told);
    }
    let failure = Failure::new(Kind::Unavailable).fault(Fault::Gateway).message(told);
    let (failure, wait) = match lack.later {
        true => (failure, lack.wait),
        false => (failure.not_retryable(Advice::GiveUp), Duration::ZERO),
    };
    Refused { full: false, wait, waited: Duration::ZERO, cause: Some(Box::new(failure)) }
}

/// A model's name is a word; what is longer is none, and would fill the memory of lanes.
const LONGEST_MODEL: usize = 200;

/// The moment after which no attempt may begin.
pub(crate) fn until(plan: &Plan, began: Instant) -> Instant {
    let deadline = plan.way().route.retry.deadline;
    let own = plan.received.patience.map_or(deadline, |patience| patience.min(deadline));
    began.checked_add(own).unwrap_or_else(|| began + Duration::from_secs(86_400))
}
