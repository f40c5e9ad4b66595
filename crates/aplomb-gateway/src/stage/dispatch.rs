//! Dispatch: send, and as long as it helps send again or elsewhere. The only loop of the story.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use aplomb_core::lane::Heard;
use aplomb_core::policy::{Answer, Decision, Failed, NextUpstream, Retry, RetryPolicy, Sent, Whose, Why};
use aplomb_core::{Failure, Fault, Kind};
use http::StatusCode;
use tokio::time::{sleep, timeout_at};

use crate::attempt::{self, Failure as AttemptFailed, Outcome};
use crate::config::{Disclose, SharedQuota};
use crate::forward;
use crate::hedge::{self, Asked};
use crate::keepalive::Keepalive;
use crate::lanes::{Cell, Refused, Wish};
use crate::metrics::Refusal;
use crate::problem::{self, Problem};
use crate::reply::Reply;
use crate::setup::{Target, Way};
use crate::stage::plan::Plan;
use crate::trail::Trail;
use crate::turn::{self, Bounds, NoTurn, Turn, Turns};
use crate::worker::Worker;

/// How far a request came, for when its caller's patience ends in the middle.
#[derive(Default)]
struct Progress {
    /// The last failure.
    last: Option<Box<Problem>>,
    /// An attempt is under way.
    running: bool,
    /// An attempt that failed may have been acted on.
    outcome_unknown: bool,
}

/// Sends the request until it is answered, or until sending it once more doesn't help.
///
/// # Errors
/// The last failure, with what the caller may do about it.
pub(crate) async fn send(worker: &Worker, mut plan: Plan, trail: &mut Trail) -> Result<Reply, Box<Problem>> {
    let patience = plan.received.patience.map(|patience| trail.began + patience);
    let mut progress = Progress::default();
    // Pinned, so that its state is not copied into the timeout.
    let outcome = {
        let mut attempts = pin!(attempts(worker, &mut plan, trail, &mut progress));
        match patience {
            None => Some(attempts.await),
            Some(until) => timeout_at(until.into(), attempts.as_mut()).await.ok(),
        }
    };
    outcome.unwrap_or_else(|| Err(Box::new(out_of_patience(&plan, trail, progress))))
}

async fn attempts(
    worker: &Worker,
    plan: &mut Plan,
    trail: &mut Trail,
    progress: &mut Progress,
) -> Result<Reply, Box<Problem>> {
    let way = plan.way().clone();
    let mut retry = Retry::new(policy(plan));
    let mut turns = Turns::new(worker, plan);
    let until = turn::until(plan, trail.began);
    let (mut rank, mut paid) = (0, None);
    loop {
        let next = way.targets.get(way.rank(rank + 1).start);
        let replayable = plan.received.body.kept().is_some();
        let passes = next.is_some() && retry.may_pass(replayable);
        let turn = match turns.take(worker, plan, &retry, Bounds { rank, until, passes }).await {
            Ok(turn) => turn,
            Err(NoTurn { refused, .. }) if passes => {
                trail.queued += refused.waited;
                retry.pass();
                rank += 1;
                continue;
            }
            Err(NoTurn { index, refused }) => {
                trail.queued += refused.waited;
                trail.refused = Some(Refusal::NoTurn { full: refused.full });
                let (target, last) = (&way.targets[index], progress.last.take());
                return Err(Box::new(no_turn(plan, target, refused, last, &retry)));
            }
        };
        let index = turn.index;
        trail.queued += turn.permit.waited();
        let target = &way.targets[index];
        progress.running = true;
        let tried = once(worker, plan, target, turn, paid, trail).await;
        progress.running = false;
        let tried = match tried {
            Ok(reply) => return Ok(reply),
            Err(tried) => *tried,
        };
        let told = Failed {
            failure: &tried.failed.failure,
            sent: tried.failed.sent,
            silent: tried.failed.silent,
            repeatable: plan.hops[index].repeatable,
            replayable,
            credential: whose(worker, target, turns.has_others(plan, rank, index)),
            next: next.map(|next| NextUpstream { no_larger: no_larger(target, next) }),
            elapsed: trail.began.elapsed(),
            random: worker.random(),
        };
        let decision = decide(worker, plan, &mut retry, &told, &tried, until).await;
        progress.outcome_unknown = retry.outcome_unknown();
        let kind = tried.failed.failure.kind;
        let held_by_lane = tried.held_by_lane;
        if let Decision::Answer(answer) = decision {
            trail.refused = Some(Refusal::Retry(answer.why));
            return Err(Box::new(problem(plan, target, tried.failed, Some(answer))));
        }
        progress.last = Some(Box::new(problem(plan, target, tried.failed, None)));
        paid = None;
        match decision {
            Decision::Again { after } => {
                paid = Some(kind.facts().throttle);
                if !held_by_lane {
                    let _in_sight = plan.keepalive.as_ref().map(Keepalive::wait);
                    sleep(after).await;
                }
            }
            Decision::Renew => turns.stay(index),
            Decision::Other => turns.set_aside(index),
            Decision::Next | Decision::Answer(_) => rank += 1,
        }
    }
}

/// An attempt that failed; its place in the lane is free for others.
struct Tried<'a> {
    target: &'a Target,
    failed: AttemptFailed,
    lane: Arc<Cell>,
    /// With which value of our credential it was sent.
    used: u64,
    /// Its lane holds everybody back by itself.
    held_by_lane: bool,
}

/// Sends the request, and tells all who keep count what came of it.
async fn once<'a>(
    worker: &Worker,
    plan: &mut Plan,
    target: &'a Target,
    turn: Turn,
    paid: Option<bool>,
    trail: &mut Trail,
) -> Result<Reply, Box<Tried<'a>>> {
    let Turn { index, mut permit, wish } = turn;
    if let Some(throttled) = paid {
        permit.retried(throttled);
    }
    plan.count.tokens = plan.count.wanted || permit.counts_tokens();
    let used = target.own.as_ref().map_or(0, |own| own.number());
    let asked = Asked { target, permit, line: trail.begin(&target.name) };
    let (outcome, Asked { mut permit, line, .. }) = ask(worker, plan, index, asked, wish, trail).await;
    let failed = match outcome {
        Outcome::Answer(mut reply) => {
            trail.end(line, Some(reply.response.status().as_u16()), None);
            permit.hear(Heard::Answer, None, worker.random());
            permit.cell().succeeded(paid);
            target.own.iter().for_each(|own| own.succeeded());
            reply.permit = Some(permit);
            return Ok(reply);
        }
        Outcome::Failed(failed) => *failed,
    };
    let logged = to_log(plan, target, &failed.failure);
    if let Some(heard) = heard(&failed) {
        permit.hear(heard, Some(&logged), worker.random());
    }
    trail.end(line, failed.status, Some(logged));
    let held_by_lane = is_held_by_lane(&failed.failure) && !permit.is_by_chance();
    Err(Box::new(Tried { target, failed, lane: Arc::clone(permit.cell()), used, held_by_lane }))
}

/// What comes after a failed attempt: the core's decision, as far as it can be had.
async fn decide(
    worker: &Worker,
    plan: &Plan,
    retry: &mut Retry,
    told: &Failed<'_>,
    tried: &Tried<'_>,
    until: Instant,
) -> Decision {
    let mut decision = retry.failed(told);
    let own = tried.target.own.as_ref();
    if let Some(own) = own.filter(|_| decision == Decision::Renew) {
        let _in_sight = plan.keepalive.as_ref().map(Keepalive::wait);
        if own.renew(worker, tried.target, tried.used, until.into()).await {
            return decision;
        }
        decision = retry.not_renewed(told);
    }
    if let Some(own) = own {
        own.failed(worker.lanes().now(), tried.used, told.failure);
    }
    let throttled = told.failure.kind.facts().throttle;
    match decision {
        Decision::Again { .. } if !tried.lane.spend(throttled) => retry.unpaid(told),
        decision => decision,
    }
}

/// Whose credential a target is asked with, and what can be done if it is refused.
fn whose(worker: &Worker, target: &Target, others: bool) -> Whose {
    match &target.own {
        None => Whose::Callers,
        Some(own) => Whose::Ours { renewable: own.may_renew(worker.lanes().now()), others },
    }
}

/// Sends the request once, or beside itself a second time where the route hedges.
async fn ask<'a>(
    worker: &Worker,
    plan: &mut Plan,
    index: usize,
    mut asked: Asked<'a>,
    wish: Wish,
    trail: &mut Trail,
) -> (Outcome, Asked<'a>) {
    if hedge::may(plan, index) {
        return Box::pin(hedge::race(worker, plan, asked, wish, trail)).await;
    }
    let body = plan.received.body.take();
    // In a box: the future of a request is moved several times, and this is its better part.
    let outcome = Box::pin(attempt::run(worker, plan, asked.target, body, &mut asked.permit)).await;
    (outcome, asked)
}

/// Whether the lane that was refused holds everybody back by itself: the request keeps its place in it meanwhile.
fn is_held_by_lane(failure: &Failure) -> bool {
    match failure.kind {
        Kind::RateLimit => true,
        Kind::Overloaded => failure.wait.is_some(),
        _ => false,
    }
}

/// What a failed attempt says about its lane; nothing if it was the caller's or ours to fail.
fn heard(failed: &AttemptFailed) -> Option<Heard> {
    let failure = &failed.failure;
    let hint = failure.wait;
    match failure.kind {
        Kind::RateLimit => Some(Heard::Limited { hint }),
        Kind::Overloaded => Some(Heard::Overloaded { hint }),
        Kind::Cancelled => None,
        // Larger than is taken here: nothing was asked.
        Kind::PayloadTooLarge if failed.status.is_none() => None,
        Kind::Timeout
        | Kind::Internal
        | Kind::BadGateway
        | Kind::Unavailable
        | Kind::GatewayTimeout
        | Kind::Unknown => Some(Heard::Failed { hint }),
        _ => Some(Heard::Answer),
    }
}

fn policy(plan: &Plan) -> RetryPolicy {
    let route = &plan.way().route;
    RetryPolicy {
        attempts: route.retry.attempts,
        // A wait that outlasts the caller's own patience helps nobody.
        deadline: plan.received.patience.map_or(route.retry.deadline, |own| own.min(route.retry.deadline)),
        max_wait: route.queue.max_wait,
        prefer_fallback_after: route.queue.prefer_fallback_after,
    }
}

/// Whether a fallback is declared to have no larger context; what isn't declared may be larger.
fn no_larger(here: &Target, next: &Target) -> bool {
    match (here.context, next.context) {
        (Some(here), Some(next)) => next <= here,
        (None, _) | (_, None) => false,
    }
}

/// The failure as it may be logged: some APIs repeat the credential that they refuse.
fn to_log(plan: &Plan, target: &Target, failure: &Failure) -> Failure {
    let mut failure = failure.clone();
    forward::secrets(plan, target).iter().for_each(|secret| problem::hide_key(&mut failure, secret));
    failure
}

/// The failure as the caller is to hear of it.
fn problem(plan: &Plan, target: &Target, failed: AttemptFailed, answer: Option<Answer>) -> Problem {
    let route = &plan.way().route;
    let AttemptFailed { mut failure, original, dialect, .. } = failed;
    let ours = target.own.is_some();
    let disclosed = failure.kind;
    let loops = failure.status == Some(StatusCode::LOOP_DETECTED.as_u16());
    problem::shorten(&mut failure);
    let key = target.own.as_ref().and_then(|own| own.present());
    for secret in key.iter().flat_map(|key| &key.secrets) {
        problem::hide_key(&mut failure, secret.expose());
    }
    if ours {
        let as_unavailable = route.shared_quota == SharedQuota::Unavailable;
        problem::on_our_credential(&mut failure, route.disclose, as_unavailable);
    }
    problem::withhold(&mut failure, route.disclose, &[&target.upstream.name, &target.upstream.url.host]);
    let masked = ours && failure.kind != disclosed;
    // An answer to a key of ours may repeat it somewhere: it is always told anew.
    let may_pass = !ours && !masked && route.disclose == Disclose::Full;
    Problem {
        should_retry: answer.is_some_and(|answer| answer.should_retry) && failure.retryable,
        outcome_unknown: answer.is_some_and(|answer| answer.outcome_unknown),
        sent_once: plan.received.body.kept().is_none(),
        failure,
        answer: plan.received.answer.or(plan.way().answer).or(dialect),
        original: original.filter(|_| may_pass),
        disclose: route.disclose,
        trail: route.trail,
        status: loops.then_some(StatusCode::LOOP_DETECTED),
        headers: http::HeaderMap::new(),
    }
}

/// It isn't this request's turn in time: the last cause, and how much longer it would take.
fn no_turn(
    plan: &Plan,
    target: &Target,
    refused: Refused,
    last: Option<Box<Problem>>,
    retry: &Retry,
) -> Problem {
    let Refused { full, wait, cause, .. } = refused;
    let mut problem = match last {
        Some(last) => *last,
        None => {
            let failure = match cause {
                Some(cause) => *cause,
                None => Failure::new(Kind::RateLimit).fault(Fault::Policy).message(if full {
                    "too many requests wait for this upstream already"
                } else {
                    "the upstream's quota is used up for now, and there is no time to wait for a turn"
                }),
            };
            let failed = AttemptFailed {
                failure,
                sent: Sent::Never,
                silent: false,
                status: None,
                original: None,
                dialect: None,
            };
            problem(plan, target, failed, None)
        }
    };
    if problem.failure.retryable && !wait.is_zero() {
        problem.failure.wait = Some(wait);
    }
    problem.should_retry = problem.failure.retryable && retry.attempts() < 2;
    problem.outcome_unknown = retry.outcome_unknown();
    // It tells of another wait than the upstream's own answer did.
    problem.original = None;
    problem
}

/// The caller's own time is nearly over: told now, so that our answer comes before its SDK gives up.
fn out_of_patience(plan: &Plan, trail: &mut Trail, progress: Progress) -> Problem {
    let Progress { last, running, outcome_unknown } = progress;
    let mut problem = match last {
        // It waited for the next attempt: the last cause stands.
        Some(last) if !running => {
            trail.refused = Some(Refusal::Retry(Why::Deadline));
            *last
        }
        _ => {
            let message = "no answer came in the time that the caller waits";
            let failure = Failure::new(Kind::GatewayTimeout).fault(Fault::Network).message(message);
            if running {
                trail.end(trail.attempts.len() - 1, None, Some(failure.clone()));
            }
            let Way { answer, route, .. } = &**plan.way();
            let local = Problem::local(failure).answer_in(plan.received.answer.or(*answer));
            Problem { disclose: route.disclose, trail: route.trail, ..local }
        }
    };
    problem.should_retry = false;
    problem.outcome_unknown = outcome_unknown || (running && !plan.safe);
    problem
}
