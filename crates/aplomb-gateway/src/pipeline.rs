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
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;

use crate::browser;
use crate::net::{Body, ConnInfo, Refusal};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::setup::Setup;
use crate::stage::{dispatch, plan, receive, respond, settle};
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
        let outcome = run(&worker, &setup, raw, from, &greeting, watch.trail()).await;
        let reply = respond::reply(&setup, &greeting, outcome, watch.trail());
        settle::finish(watch, reply)
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
    respond::reply(&setup, &greeting, Err(Box::new(problem)), &trail).response
}

async fn run(
    worker: &Worker,
    setup: &Arc<Setup>,
    raw: Request<Incoming>,
    from: ConnInfo,
    greeting: &receive::Greeting,
    trail: &mut Trail,
) -> Result<Reply, Box<Problem>> {
    if let Some(reply) = browser::preflight(greeting, &raw) {
        return Ok(reply);
    }
    let received = receive::read(worker, setup, raw, from, greeting, trail).await?;
    // authenticate: whose key is it, and what may it do?
    // admit: do the caller's rates allow it?
    // validate: is it what the route's schema asks for?
    // deduplicate: was it seen before?
    // reserve: can it be paid?
    let plan = plan::choose(received)?;
    dispatch::send(worker, plan, trail).await
}
