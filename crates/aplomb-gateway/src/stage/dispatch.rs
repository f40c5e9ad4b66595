//! Dispatch: send, and as long as it helps send again or elsewhere. The only loop of the story.

use std::time::Duration;

use aplomb_core::policy::{Answer, Decision, Failed, NextUpstream, Retry, RetryPolicy};
use aplomb_core::{Failure, Fault, Kind};
use tokio::time::{sleep, timeout_at};

use crate::attempt::{self, Failure as AttemptFailed, Outcome};
use crate::config::{Disclose, SharedQuota};
use crate::problem::{self, Problem};
use crate::reply::Reply;
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::trail::Trail;
use crate::worker::Worker;

/// How long a hint may be before a fallback is preferred to waiting for it.
const PREFER_FALLBACK_AFTER: Duration = Duration::from_secs(2);

/// Sends the request until it is answered, or until sending it once more doesn't help.
///
/// # Errors
/// The last failure, with what the caller may do about it.
pub(crate) async fn send(worker: &Worker, mut plan: Plan, trail: &mut Trail) -> Result<Reply, Problem> {
    let patience = plan.received.patience.map(|patience| trail.began + patience);
    let mut last = None;
    let attempts = attempts(worker, &mut plan, trail, &mut last);
    let Some(until) = patience else { return attempts.await };
    match timeout_at(until.into(), attempts).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(out_of_patience(&plan, last)),
    }
}

async fn attempts(
    worker: &Worker,
    plan: &mut Plan,
    trail: &mut Trail,
    last: &mut Option<Problem>,
) -> Result<Reply, Problem> {
    let way = plan.way().clone();
    let mut retry = Retry::new(policy(plan));
    let mut hop = 0;
    loop {
        let target = &way.targets[hop];
        trail.begin(&target.upstream.name);
        let outcome = attempt::run(worker, plan, target, plan.hops[hop].endpoint).await;
        match &outcome {
            Outcome::Answer(reply) => trail.end(Some(reply.response.status().as_u16()), None),
            Outcome::Failed(failed) => trail.end(failed.status, Some(failed.failure.clone())),
        }
        let failed = match outcome {
            Outcome::Answer(reply) => return Ok(*reply),
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
        match decision {
            Decision::Again { after } => {
                *last = Some(problem(plan, target, failed, None));
                sleep(after).await;
            }
            Decision::Next => {
                *last = Some(problem(plan, target, failed, None));
                hop += 1;
            }
            Decision::Answer(answer) => return Err(problem(plan, target, failed, Some(answer))),
        }
    }
}

fn policy(plan: &Plan) -> RetryPolicy {
    let route = &plan.way().route;
    RetryPolicy {
        attempts: route.retry.attempts,
        deadline: route.retry.deadline,
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

/// The failure as the caller is to hear of it.
fn problem(plan: &Plan, target: &Target, failed: AttemptFailed, answer: Option<Answer>) -> Problem {
    let route = &plan.way().route;
    let AttemptFailed { mut failure, original, dialect, .. } = failed;
    let ours = target.upstream.credential.ours().is_some();
    let disclosed = failure.kind;
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
        failure,
        answer: plan.received.answer.or(plan.way().answer).or(dialect),
        original: original.filter(|_| may_pass),
        disclose: route.disclose,
        trail: route.trail,
        status: None,
        headers: http::HeaderMap::new(),
    }
}

/// The caller's own time is nearly over: the last cause, so that our answer comes before its SDK gives up.
fn out_of_patience(plan: &Plan, last: Option<Problem>) -> Problem {
    let answer = plan.received.answer.or(plan.way().answer);
    let sent_unknown = last.as_ref().is_none_or(|problem| problem.outcome_unknown);
    let mut problem = last.unwrap_or_else(|| {
        let message = "no answer came in the time that the caller waits";
        Problem::local(Failure::new(Kind::GatewayTimeout).fault(Fault::Network).message(message))
            .answer_in(answer)
    });
    problem.should_retry = false;
    problem.outcome_unknown = sent_unknown && !plan.safe;
    problem
}
