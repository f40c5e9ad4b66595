//! Turns: which of several equal upstreams is asked, and a place in its lane until it is the request's turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aplomb_core::lane::{Candidate, Cost, Priority, choose};
use aplomb_core::policy::Retry;

use crate::config::Credential;
use crate::keepalive::Keepalive;
use crate::lanes::{BYTES_PER_TOKEN, Cell, Permit, Refused, Wish};
use crate::model;
use crate::setup::Target;
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
}

/// Leave to send the request to one target.
pub(crate) struct Turn {
    /// Which of the route's targets.
    pub(crate) index: usize,
    /// The leave.
    pub(crate) permit: Permit,
    /// What was asked of the lane.
    pub(crate) wish: Wish,
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
            caller: credential.unwrap_or_else(|| tag.address(received.from.peer.ip())),
            priority: received.priority,
            input: (body as u64).div_ceil(BYTES_PER_TOKEN),
            last: None,
        }
    }

    /// Waits until one of the targets of a rank may be asked.
    ///
    /// `until` is when it is too late; `passes` says that there is somebody else to ask instead of waiting for long.
    ///
    /// # Errors
    /// None may be asked in time.
    pub(crate) async fn take(
        &mut self,
        worker: &Worker,
        plan: &Plan,
        rank: usize,
        retry: &Retry,
        until: Instant,
        passes: bool,
    ) -> Result<Turn, NoTurn> {
        let queue = &plan.way().route.queue;
        let (index, cell) = self.choose(worker, plan, rank, retry);
        let most = if passes { queue.max_wait.min(queue.prefer_fallback_after) } else { queue.max_wait };
        let left = until.saturating_duration_since(Instant::now()).min(most);
        let attempts = plan.way().route.retry.attempts;
        let wish = Wish {
            number: self.number(&cell),
            caller: self.caller,
            priority: self.priority,
            cost: Cost { input: self.input, output: 0 },
            deadline: worker.lanes().now() + left,
            size: queue.size,
            sends: retry.here(),
            last: retry.here() + 1 >= attempts,
        };
        // Who waits for its turn may be told so.
        let _in_sight = plan.keepalive.as_ref().map(Keepalive::wait);
        match cell.enter(worker, &wish).await {
            Ok(permit) => {
                self.last = Some((Arc::clone(permit.cell()), permit.number()));
                Ok(Turn { index, permit, wish })
            }
            Err(refused) => Err(NoTurn { index, refused }),
        }
    }

    /// Among equals the one with the least to do; the same one again where only that one would notice a repetition.
    fn choose(&self, worker: &Worker, plan: &Plan, rank: usize, retry: &Retry) -> (usize, Arc<Cell>) {
        let way = plan.way();
        let range = way.rank(rank);
        let cell = |index: usize| self.cell(worker, plan, &way.targets[index]);
        if range.len() == 1 {
            return (range.start, cell(range.start));
        }
        let cells: Vec<_> = range.clone().map(cell).collect();
        let bound = self.last.as_ref().filter(|_| retry.is_bound());
        let same = bound.and_then(|(last, _)| cells.iter().position(|cell| Arc::ptr_eq(cell, last)));
        let candidates: Vec<Candidate> = cells
            .iter()
            .zip(&way.targets[range.clone()])
            .map(|(cell, target)| {
                let (outstanding, rests_until) = cell.load();
                Candidate { weight: f64::from(target.weight), outstanding, rests_until }
            })
            .collect();
        let chosen = same.or_else(|| choose(&candidates, worker.lanes().now(), worker.random())).unwrap_or(0);
        (range.start + chosen, Arc::clone(&cells[chosen]))
    }

    /// The lane of a target for this request.
    pub(crate) fn cell(&self, worker: &Worker, plan: &Plan, target: &Target) -> Arc<Cell> {
        let credential = match &target.credential {
            Credential::Caller => self.credential.unwrap_or_default(),
            Credential::Ours(_) | Credential::Nothing => target.slot,
        };
        let received = &plan.received;
        let named = match &target.model {
            Some(model) => Some(model.as_str().into()),
            None => target.dialect.and_then(|dialect| dialect.model.as_ref()).and_then(|place| {
                model::named(place, &received.rest, received.body.kept().map_or(&[], |body| body))
            }),
        };
        let model = named.filter(|model| model.len() <= LONGEST_MODEL);
        worker.lanes().find(target, credential, model.as_deref())
    }

    fn number(&self, cell: &Arc<Cell>) -> Option<u64> {
        self.last.as_ref().filter(|(last, _)| Arc::ptr_eq(last, cell)).map(|(_, number)| *number)
    }
}

/// A model's name is a word; what is longer is none, and would fill the memory of lanes.
const LONGEST_MODEL: usize = 200;

/// The moment after which no attempt may begin.
pub(crate) fn until(plan: &Plan, began: Instant) -> Instant {
    let deadline = plan.way().route.retry.deadline;
    let own = plan.received.patience.map_or(deadline, |patience| patience.min(deadline));
    began.checked_add(own).unwrap_or_else(|| began + Duration::from_secs(86_400))
}
