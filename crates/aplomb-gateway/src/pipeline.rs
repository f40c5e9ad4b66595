//! The life of a request. Read this first.
//!
//! ```text
//! receive → authenticate → admit → validate → deduplicate → reserve → plan → dispatch ⟲ → respond → settle
//! ```
//!
//! Each stage takes what the one before gave and gives the next; no stage calls another.
//! `dispatch` holds the only loop, `respond` is the only place that turns a failure into bytes, and `settle` tells
//! what happened.
//! A stage of which a route asks nothing passes everything on.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use aplomb_core::{Dialect, Failure, Fault, Kind};
use futures_util::FutureExt as _;
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;

use crate::browser;
use crate::config::Tier;
use crate::keep::{self, Keyed};
use crate::keepalive::{self, Keepalive};
use crate::limits::Admission;
use crate::mishap;
use crate::net::{Body, ConnInfo, Refusal};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::run::Run;
use crate::setup::Setup;
use crate::stage::deduplicate::Seen;
use crate::stage::plan::Plan;
use crate::stage::receive::Received;
use crate::stage::{
    admit, authenticate, deduplicate, dispatch, plan, receive, reserve, respond, settle, validate,
};
use crate::trail::Trail;
use crate::worker::Worker;

/// Answers one request. Whatever happens, the caller gets exactly one well-formed answer.
///
/// What can be done at once is done before the future is made, because an argument of an `async fn` is held in it
/// twice; and it is boxed, because it is moved several times before it runs.
pub(crate) fn answer(
    worker: Worker,
    raw: Request<Incoming>,
    from: ConnInfo,
) -> impl Future<Output = Response<Body>> {
    let began = Instant::now();
    let setup = worker.shared().setup();
    let greeting = receive::greet(&worker, &setup, &raw);
    let trail = Box::new(Trail::new(greeting.id.clone(), began, raw.method().clone(), raw.uri().clone()));
    let mut watch = settle::Watch::new(worker.clone(), trail);
    let opened = open(&worker, &setup, raw, from, &greeting, watch.trail());
    let answer = match &opened {
        Ok(Opened::Head(received, _)) => received.answer.or(received.way.answer),
        Ok(Opened::Known(_)) | Err(_) => None,
    };
    let mishap = Mishap { setup: Arc::clone(&setup), greeting: greeting.clone(), answer };
    let story = async move {
        let outcome = match prepare(&worker, opened, watch.trail()).await {
            Ok(Step::Ask(plan, run)) => match (plan.keepalive.clone(), run) {
                (None, None) => dispatch::send(&worker, plan, watch.trail()).await,
                (None, Some(run)) => {
                    return Box::pin(keep::run(Keyed {
                        worker,
                        greeting,
                        watch,
                        plan,
                        run,
                        keepalive: None,
                    }))
                    .await;
                }
                (Some(keepalive), run) => {
                    let head = respond::head(&setup, &greeting, plan.answer_dialect(None), watch.trail());
                    let rest = in_sight(worker, greeting, watch, plan, (Rc::clone(&keepalive), run));
                    return keepalive::answer(keepalive, head, Box::pin(rest)).await;
                }
            },
            Ok(Step::Tell(reply)) => Ok(reply),
            Err(problem) => Err(problem),
        };
        let told = respond::reply(&setup, &greeting, outcome, watch.trail());
        settle::finish(watch, told)
    };
    // What a bug of ours leaves behind is dropped with the story; nothing of it is looked at again.
    Box::pin(AssertUnwindSafe(story).catch_unwind().map(move |told| told.unwrap_or_else(|_| mishap.tell())))
}

/// What it takes to answer a request whose story broke off by a bug of ours.
struct Mishap {
    setup: Arc<Setup>,
    greeting: receive::Greeting,
    /// The dialect that the caller reads, where its route says so.
    answer: Option<&'static Dialect>,
}

impl Mishap {
    /// What happened stands in the log, where the panic said it; the caller gets the id to ask about.
    fn tell(self) -> Response<Body> {
        let failure = Failure::new(Kind::Internal)
            .fault(Fault::Gateway)
            .message("the gateway failed while it served the request");
        let problem = Problem { outcome_unknown: true, ..Problem::local(failure) };
        let problem = problem.answer_in(self.answer.or_else(|| self.setup.unread()));
        let trail = Trail::new(self.greeting.id.clone(), Instant::now(), Method::GET, Uri::default());
        respond::reply(&self.setup, &self.greeting, Err(Box::new(problem)), &trail).response
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
    /// An upstream is to be asked, perhaps under a key.
    Ask(Plan, Option<Run>),
    /// The answer is known.
    Tell(Reply),
}

/// A request whose head was read, and what comes behind it.
enum Opened {
    /// Its body is to be read.
    Head(Box<Received>, Incoming),
    /// It needs none: the answer is known.
    Known(Reply),
}

/// Everything that can be said by the head alone.
fn open(
    worker: &Worker,
    setup: &Arc<Setup>,
    raw: Request<Incoming>,
    from: ConnInfo,
    greeting: &receive::Greeting,
    trail: &mut Trail,
) -> Result<Opened, Box<Problem>> {
    if let Some(reply) = browser::preflight(greeting, &raw) {
        return Ok(Opened::Known(reply));
    }
    let (parts, incoming) = raw.into_parts();
    let received = receive::head(worker, setup, parts, from, &greeting.id, trail)?;
    Ok(Opened::Head(received, incoming))
}

/// Everything before the first attempt.
///
/// Who is refused for what the head says is refused before the body is read.
async fn prepare(
    worker: &Worker,
    opened: Result<Opened, Box<Problem>>,
    trail: &mut Trail,
) -> Result<Step, Box<Problem>> {
    let (mut received, incoming) = match opened? {
        Opened::Head(received, incoming) => (received, incoming),
        Opened::Known(reply) => return Ok(Step::Tell(reply)),
    };
    let caller = authenticate::check(worker, &mut received, trail).await?;
    if received.asks_state() {
        return Ok(Step::Tell(Box::pin(admit::state(worker, &received, &caller, trail)).await));
    }
    // admit: do the caller's rates allow it?
    if let Some(tier) = admit::tier(&received, &caller) {
        let admission = Box::pin(admit::ask(worker, (&received, &incoming), &caller, tier, trail)).await?;
        trail.admission = Some(admission);
    }
    let received = receive::body(worker, received, incoming).await?;
    let received = validate::check(received)?;
    authenticate::check_model(worker, &received, &caller)?;
    mishap::perhaps(&received.headers);
    // What takes the store is boxed: routes that ask for none of it carry none of it.
    let protect = &received.way.route.protect;
    let seen = match protect.keeps_answers() {
        true => Box::pin(deduplicate::check(worker, &received, &caller, trail)).await?,
        false => Seen::Unkeyed,
    };
    let run = match seen {
        Seen::Before(reply) => return Ok(Step::Tell(*reply)),
        Seen::First(run) => Some(run),
        Seen::Unkeyed => None,
    };
    if !protect.price.is_free() {
        trail.money = Box::pin(reserve::put(worker, &received, &caller, trail)).await?;
    }
    let counts_tokens = trail.admission.as_ref().and_then(Admission::tier).is_some_and(Tier::counts_tokens);
    plan::choose(received, caller, counts_tokens).map(|plan| Step::Ask(plan, run))
}

/// The rest of the story while its caller sees that it waits: the head may have left before the answer is known.
async fn in_sight(
    worker: Worker,
    greeting: receive::Greeting,
    mut watch: settle::Watch,
    plan: Plan,
    (keepalive, run): (Rc<Keepalive>, Option<Run>),
) -> Response<Body> {
    if let Some(run) = run {
        let keepalive = Some(keepalive);
        return keep::run(Keyed { worker, greeting, watch, plan, run, keepalive }).await;
    }
    let setup = Arc::clone(plan.setup());
    let outcome = dispatch::send(&worker, plan, watch.trail()).await;
    let told = match keepalive.head_is_gone() {
        false => respond::reply(&setup, &greeting, outcome, watch.trail()),
        true => respond::in_stream(&setup, &greeting, outcome, &keepalive),
    };
    settle::finish(watch, told)
}
