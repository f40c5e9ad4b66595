//! Hedging: a second call beside one that is late to begin, before anything of an answer came; the first to begin counts.
//!
//! For who accepts two calls in a hundred more to be rid of the slowest ones (Dean and Barroso, "The Tail at Scale").

use std::cell::Cell as Flag;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use aplomb_core::policy::Repeatable;
use tokio::time::timeout;

use crate::attempt::{self, Outcome};
use crate::lanes::{Cell, Permit, Wish};
use crate::net::Body;
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::trail::Trail;
use crate::worker::Worker;

/// A call under way: to whom, with which leave, and which line of the trail it is.
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a Target,
    pub(crate) permit: Box<Permit>,
    pub(crate) line: usize,
}

/// Whether a request may be sent twice at once.
pub(crate) fn may(plan: &Plan, index: usize) -> bool {
    let harmless = plan.safe || plan.hops[index].repeatable == Repeatable::Anywhere;
    plan.way().route.hedge && harmless && plan.received.body.kept().is_some()
}

/// Sends the request, and once more if nothing of an answer came for longer than usual.
///
/// What it gives is the call that counts; the other one is cancelled.
pub(crate) async fn race<'a>(
    worker: &Worker,
    plan: &Plan,
    mut first: Asked<'a>,
    wish: Wish,
    trail: &mut Trail,
) -> (Outcome, Asked<'a>) {
    let cell = Arc::clone(first.permit.cell());
    let begun = first.permit.watch();
    let (target, late) = (first.target, cell.hedge_after());
    let mut one = pin!(send(worker, plan, first));
    if let Some(late) = late
        && let Ok(outcome) = timeout(late, one.as_mut()).await
    {
        return outcome;
    }
    let Some(permit) = second(worker, &cell, wish, late.is_some(), &begun).await else { return one.await };
    let line = trail.begin(&target.name);
    let mut two = pin!(send(worker, plan, Asked { target, permit, line }));
    tokio::select! {
        ended = one.as_mut() => match ended.0 {
            Outcome::Answer(_) => ended,
            // The other one may still be answered.
            Outcome::Failed(_) => two.await,
        },
        ended = two.as_mut() => match ended.0 {
            Outcome::Answer(_) => ended,
            Outcome::Failed(_) => one.await,
        },
    }
}

async fn send<'a>(worker: &Worker, plan: &Plan, mut asked: Asked<'a>) -> (Outcome, Asked<'a>) {
    let body = Body::full(plan.received.body.kept().cloned().unwrap_or_default());
    let outcome = attempt::run(worker, plan, asked.target, body, &mut asked.permit).await;
    (outcome, asked)
}

/// Leave for a second call, if there is room for it at once and the first has not begun to be answered.
async fn second(
    worker: &Worker,
    cell: &Arc<Cell>,
    wish: Wish,
    late: bool,
    begun: &Rc<Flag<bool>>,
) -> Option<Box<Permit>> {
    if !late || begun.get() || !cell.may_hedge() {
        return None;
    }
    let at_once = Wish { number: None, deadline: worker.lanes().now(), ..wish };
    cell.enter(worker, &at_once).await.ok()
}
