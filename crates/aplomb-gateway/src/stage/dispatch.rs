//! Dispatch: send, and as long as it helps send again or elsewhere. The only loop of the story.

use std::pin::pin;
use std::time::Duration;

use aplomb_core::policy::{Answer, Decision, Failed, NextUpstream, Retry, RetryPolicy};
use aplomb_core::{Failure, Fault, Kind};
use http::StatusCode;
use tokio::time::{sleep, timeout_at};

use crate::attempt::{self, Failure as AttemptFailed, Outcome};
use crate::config::{Disclose, SharedQuota};
use crate::forward;
use crate::problem::{self, Problem};
use crate::reply::Reply;
use crate::setup::{Target, Way};
use crate::stage::plan::Plan;
use crate::trail::Trail;
use crate::worker::Worker;

/// How long a hint may be before a fallback is preferred to waiting for it.
const PREFER_FALLBACK_AFTER: Duration = Duration::from_secs(2);

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
    let mut hop = 0;
    loop {
        let target = &way.targets[hop];
        trail.begin(&target.name);
        progress.running = true;
        let outcome = attempt::run(worker, plan, target, plan.hops[hop].endpoint).await;
        progress.running = false;
        match &outcome {
            Outcome::Answer(reply) => trail.end(Some(reply.response.status().as_u16()), None),
            Outcome::Failed(failed) => trail.end(failed.status, Some(to_log(plan, target, &failed.failure))),
        }
        let failed = match outcome {
            Outcome::Answer(reply) => return Ok(reply),
            Outcome::Failed(failed) => *failed,
        };
        let decision = retry.failed(&Failed {
            failure: &failed.failure,
            sent: failed.sent,
            silent: failed.silent,
            repeatable: plan.hops[hop].repeatable,
            replayable: plan.received.body.kept().is_some(),
            own_credential: target.upstream.credential.ours().is_some(),
            next: way.targets.get(hop + 1).map(|next| NextUpstream { no_larger: no_larger(target, next) }),
            elapsed: trail.began.elapsed(),
            random: worker.random(),
        });
        progress.outcome_unknown = retry.outcome_unknown();
        match decision {
            Decision::Again { after } => {
                progress.last = Some(Box::new(problem(plan, target, failed, None)));
                sleep(after).await;
            }
            Decision::Next => {
                progress.last = Some(Box::new(problem(plan, target, failed, None)));
                hop += 1;
            }
            Decision::Answer(answer) => return Err(Box::new(problem(plan, target, failed, Some(answer)))),
        }
    }
}

fn policy(plan: &Plan) -> RetryPolicy {
    let route = &plan.way().route;
    RetryPolicy {
        attempts: route.retry.attempts,
        // A wait that outlasts the caller's own patience helps nobody.
        deadline: plan.received.patience.map_or(route.retry.deadline, |own| own.min(route.retry.deadline)),
        max_wait: route.queue.max_wait,
        prefer_fallback_after: PREFER_FALLBACK_AFTER,
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
    let ours = target.upstream.credential.ours().is_some();
    let disclosed = failure.kind;
    let loops = failure.status == Some(StatusCode::LOOP_DETECTED.as_u16());
    problem::shorten(&mut failure);
    if let Some(key) = target.upstream.credential.ours() {
        problem::hide_key(&mut failure, key.secret.expose());
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

/// The caller's own time is nearly over: told now, so that our answer comes before its SDK gives up.
fn out_of_patience(plan: &Plan, trail: &mut Trail, progress: Progress) -> Problem {
    let Progress { last, running, outcome_unknown } = progress;
    let mut problem = match last {
        // It waited for the next attempt: the last cause stands.
        Some(last) if !running => *last,
        _ => {
            let message = "no answer came in the time that the caller waits";
            let failure = Failure::new(Kind::GatewayTimeout).fault(Fault::Network).message(message);
            if running {
                trail.end(None, Some(failure.clone()));
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
