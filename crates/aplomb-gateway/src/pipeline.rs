//! The life of a request. Read this first.
//!
//! ```text
//! receive → authenticate → admit → validate → deduplicate → reserve → plan → dispatch ⟲ → respond → settle
//! ```
//!
//! Each stage takes what the one before gave and gives the next; no stage calls another.
//! `dispatch` holds the only loop, `respond` is the only place that turns a failure into bytes, and `settle` tells
//! what happened.
//! Stages that this version doesn't have yet pass everything on: their places are marked in [`run`].

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;

use crate::browser;
use crate::keepalive::{self, Keepalive};
use crate::net::{Body, ConnInfo, Refusal};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::setup::Setup;
use crate::stage::plan::Plan;
use crate::stage::{dispatch, plan, receive, respond, settle, validate};
use crate::trail::Trail;
use crate::worker::Worker;

/// Answers one request. Whatever happens, the caller gets exactly one well-formed answer.
///
/// What can be done at once is done before the future is made: it is moved several times before it runs, and an
/// argument of an `async fn` is held in it twice.
pub(crate) fn answer(
    worker: Worker,
    raw: Request<Incoming>,
    from: ConnInfo,
) -> impl Future<Output = Response<Body>> {
    let began = Instant::now();
    let setup = worker.shared().setup();
    let greeting = receive::greet(&worker, &setup, &raw);
    let trail = Trail::new(greeting.id.clone(), began, raw.method().clone(), raw.uri().clone());
    let mut watch = settle::Watch::new(worker.clone(), trail);
    async move {
        let outcome = match prepare(&worker, &setup, raw, from, &greeting, watch.trail()).await {
            Ok(Step::Ask(plan)) => match plan.keepalive.clone() {
                None => dispatch::send(&worker, plan, watch.trail()).await,
                Some(keepalive) => {
                    let head = respond::head(&setup, &greeting, plan.answer_dialect(None));
                    let rest = Box::pin(in_sight(worker, greeting, watch, plan, Rc::clone(&keepalive)));
                    return keepalive::answer(keepalive, head, rest).await;
                }
            },
            Ok(Step::Tell(reply)) => Ok(reply),
            Err(problem) => Err(problem),
        };
        let told = respond::reply(&setup, &greeting, outcome, watch.trail());
        settle::finish(watch, told)
    }
}

/// Answers a request that the listener refused: nothing of it can be trusted, so that its story is short.
pub(crate) fn refuse(worker: &Worker, refusal: Refusal) -> Response<Body> {
    let setup = worker.shared().setup();
    let greeting = receive::greet_unread(worker);
    let id = &*greeting.id;
    tracing::warn!(target: "aplomb::request", id, status = refusal.status().as_u16(), error = %refusal, "refused");
    let trail = Trail::new(greeting.id.clone(), Instant::now(), Method::GET, Uri::default());
    let problem = receive::refused(refusal).answer_in(setup.unread());
    let told = respond::reply(&setup, &greeting, Err(Box::new(problem)), &trail);
    settle::refused(&setup, &told);
    told.response
}

/// What is to be done with a request that was prepared.
enum Step {
    /// An upstream is to be asked.
    Ask(Plan),
    /// The answer is known.
    Tell(Reply),
}

/// Everything before the first attempt.
async fn prepare(
    worker: &Worker,
    setup: &Arc<Setup>,
    raw: Request<Incoming>,
    from: ConnInfo,
    greeting: &receive::Greeting,
    trail: &mut Trail,
) -> Result<Step, Box<Problem>> {
    if let Some(reply) = browser::preflight(greeting, &raw) {
        return Ok(Step::Tell(reply));
    }
    let received = receive::read(worker, setup, raw, from, greeting, trail).await?;
    // authenticate: whose key is it, and what may it do?
    // admit: do the caller's rates allow it?
    let received = validate::check(received)?;
    // deduplicate: was it seen before?
    // reserve: can it be paid?
    plan::choose(received).map(Step::Ask)
}

/// The rest of the story while its caller sees that it waits: the head may have left before the answer is known.
async fn in_sight(
    worker: Worker,
    greeting: receive::Greeting,
    mut watch: settle::Watch,
    plan: Plan,
    keepalive: Rc<Keepalive>,
) -> Response<Body> {
    let setup = Arc::clone(plan.setup());
    let outcome = dispatch::send(&worker, plan, watch.trail()).await;
    let told = match keepalive.head_is_gone() {
        false => respond::reply(&setup, &greeting, outcome, watch.trail()),
        true => respond::in_stream(&setup, &greeting, outcome, &keepalive),
    };
    settle::finish(watch, told)
}
