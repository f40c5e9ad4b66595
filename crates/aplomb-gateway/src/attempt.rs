//! One attempt: the request sent once, and its answer judged before anything of it is delivered.

use std::time::SystemTime;

use aplomb_core::dialect;
use aplomb_core::policy::Sent;
use aplomb_core::spec::{Endpoint, NativeErrors};
use aplomb_core::{Advice, Dialect, Evidence, Failure as CoreFailure, Fault, Headers, Kind, Limit, decode};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};

use crate::collect::{self, Collected};
use crate::config::Streaming;
use crate::forward;
use crate::guard::{self, Broken, Opened, StreamEnd};
use crate::hold;
use crate::lanes::Permit;
use crate::net::{Body, Patience, SendError, Stage, UpstreamBody};
use crate::problem::Original;
use crate::reply::{Held, Reply};
use crate::resume;
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::stage::receive::TOO_LARGE;
use crate::unpack::{self, Packing};
use crate::worker::Worker;

/// What an attempt brought.
pub(crate) enum Outcome {
    /// The answer that was asked for.
    Answer(Reply),
    /// Anything else; nothing was delivered.
    Failed(Box<Failure>),
}

/// An attempt that failed.
pub(crate) struct Failure {
    /// What it means.
    pub(crate) failure: CoreFailure,
    /// How far it came.
    pub(crate) sent: Sent,
    /// The upstream said nothing in time.
    pub(crate) silent: bool,
    /// The status of the answer, if one came.
    pub(crate) status: Option<u16>,
    /// The answer as it came, if it is whole.
    pub(crate) original: Option<Original>,
    /// The dialect that the answer turned out to speak.
    pub(crate) dialect: Option<&'static Dialect>,
}

/// Sends the request to a target, and judges the answer.
pub(crate) async fn run(
    worker: &Worker,
    plan: &Plan,
    target: &Target,
    body: Body,
    permit: &mut Permit,
) -> Outcome {
    let timeouts = &target.upstream.timeouts;
    let headers = if plan.wants_stream { timeouts.first_event } else { timeouts.headers };
    let endpoint = plan.endpoint(target);
    let request = forward::request(plan, target, endpoint, body);
    let patience = Patience { connect: timeouts.connect, headers };
    match worker.pool(target).send(&target.origin, request, patience).await {
        Ok(answer) => {
            permit.head(limits(target, answer.headers()));
            let promise = resume::Promise::of(plan, &answer);
            let outcome = judge(worker, plan, target, endpoint, answer).await;
            match promise {
                None => outcome,
                Some(promise) => resume::follow(worker, plan, target, *promise, outcome),
            }
        }
        Err(error) => Outcome::Failed(Box::new(unsent(&error, plan))),
    }
}

/// What an answer tells of limits; an answer that tells of none costs a look for a few headers.
fn limits(target: &Target, headers: &HeaderMap) -> Vec<Limit> {
    if !target.limit_headers.any_in(headers) {
        return Vec::new();
    }
    let Some(dialect) = target.dialect else { return Vec::new() };
    dialect::told_limits(dialect, Headers(&forward::listed(headers)), SystemTime::now())
}

/// No answer: whose fault it is, and whether the upstream may have acted.
fn unsent(error: &SendError, plan: &Plan) -> Failure {
    if plan.received.body.is_too_large() {
        let failure = CoreFailure::new(Kind::PayloadTooLarge).message(TOO_LARGE);
        return Failure { sent: Sent::Refused, ..judged(plan, failure, None) };
    }
    let (kind, fault) = match error.stage() {
        Stage::Silent | Stage::ConnectTimeout => (Kind::GatewayTimeout, Fault::Network),
        Stage::Request => (Kind::Cancelled, Fault::Caller),
        _ => (Kind::BadGateway, Fault::Network),
    };
    let sent = match error.never_sent() {
        true => Sent::Never,
        false if plan.safe => Sent::Refused,
        false => Sent::Unknown,
    };
    Failure {
        failure: CoreFailure::new(kind).fault(fault).message(error.to_string()),
        sent,
        silent: error.stage() == Stage::Silent,
        status: None,
        original: None,
        dialect: None,
    }
}

async fn judge(
    worker: &Worker,
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    answer: Response<UpstreamBody>,
) -> Outcome {
    let (mut parts, body) = answer.into_parts();
    forward::strip_answer(&mut parts.headers, target);
    let status = parts.status;
    if status.as_u16() >= 400 {
        // Boxed like every rare way, so that the usual one stays small.
        return Box::pin(refused(worker, plan, target, status, parts.headers, body)).await;
    }
    if status == StatusCode::PARTIAL_CONTENT && !plan.received.headers.contains_key(header::RANGE) {
        let failure = lost("the upstream answered a part of what was asked for as a whole");
        return failed(plan, failure, Some(status));
    }
    let idle = target.upstream.timeouts.idle;
    match handling(plan, endpoint, status, &parts.headers) {
        Handling::Pass => pass(plan, Response::from_parts(parts, Body::from(body.at_least_every(idle)))),
        Handling::Hold { patient } => {
            let (body, bound) = (body.at_least_every(idle), target.upstream.hold_bytes);
            let (mut outcome, held) = match collect::until_whole(worker, body, bound, idle, patient).await {
                Collected::Whole(bytes) => (whole(plan, target, endpoint, parts, bytes), Held::Whole),
                Collected::Flows(body) => (pass(plan, Response::from_parts(parts, body)), Held::Live),
                Collected::Broken { silent, .. } => (broken_off(plan, status, silent), Held::Whole),
            };
            if let Outcome::Answer(reply) = &mut outcome {
                reply.held = patient.then_some(held);
            }
            outcome
        }
        Handling::Watch => {
            let packings = Packing::of(&parts.headers).unwrap_or_default();
            let body = unpack::undo(&packings, &mut parts.headers, Body::from(body));
            let (opened, held) = match plan.way().route.stream {
                Streaming::Live => (Box::pin(guard::open(plan, target, endpoint, body)).await, None),
                Streaming::Hold => {
                    let holding = Box::pin(hold::until_whole(worker, plan, target, endpoint, body));
                    let (opened, held) = holding.await;
                    (opened, Some(held))
                }
            };
            streamed(plan, target, parts, opened, held)
        }
    }
}

/// A stream that is on its way, or one that broke before anything of it was.
fn streamed(
    plan: &Plan,
    target: &Target,
    mut parts: http::response::Parts,
    opened: Opened,
    held: Option<Held>,
) -> Outcome {
    match opened {
        Opened::Healthy { body, end } => {
            // What passes may be shorter than what was announced, or end in an event of ours.
            parts.headers.remove(header::CONTENT_LENGTH);
            let mut reply = reply(plan, Response::from_parts(parts, body));
            (reply.end, reply.held) = (Some(end), held);
            Outcome::Answer(reply)
        }
        Opened::Failed(Broken { failure, silent, begun }) => {
            let mut failure = Failure { silent, ..judged(plan, failure, Some(parts.status)) };
            failure.dialect = target.dialect;
            // Whatever the stream says: somebody was at work already.
            if begun && failure.failure.retryable && !plan.safe {
                failure.sent = Sent::Unknown;
            }
            Outcome::Failed(Box::new(failure))
        }
    }
}

/// How an answer that is no error status is taken.
enum Handling {
    /// As it comes.
    Pass,
    /// Kept until it is whole, within bounds.
    Hold {
        /// It is a stream that the route holds: no pause makes it flow.
        patient: bool,
    },
    /// As a stream of events.
    Watch,
}

fn handling(plan: &Plan, endpoint: Option<&Endpoint>, status: StatusCode, headers: &HeaderMap) -> Handling {
    let bodiless = plan.received.method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT)
        || !status.is_success();
    if bodiless {
        return Handling::Pass;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is =
        |kind: &str| content_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if is("text/event-stream") {
        return if Packing::of(headers).is_some() { Handling::Watch } else { Handling::Pass };
    }
    let json = is("application/json") || content_type.contains("+json");
    let streams = plan.wants_stream && endpoint.is_some_and(|endpoint| endpoint.stream.is_some());
    let patient = streams && plan.way().route.stream == Streaming::Hold;
    let streams_otherwise = streams && !json;
    let text = (json || is("text/")) && !streams_otherwise;
    if patient || text { Handling::Hold { patient } } else { Handling::Pass }
}

fn reply(plan: &Plan, response: Response<Body>) -> Reply {
    let answer = plan.received.answer.or(plan.way().answer);
    Reply {
        response,
        sent_once: plan.received.body.kept().is_none(),
        answer,
        end: None,
        held: None,
        native: None,
        permit: None,
    }
}

fn pass(plan: &Plan, response: Response<Body>) -> Outcome {
    Outcome::Answer(reply(plan, response))
}

/// An answer that is whole: the one asked for, or an error inside a 200.
fn whole(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    parts: http::response::Parts,
    body: Bytes,
) -> Outcome {
    if is_json(&parts.headers) && is_cut_off(&body) {
        return failed(plan, lost("the upstream's answer is JSON that was cut off"), Some(parts.status));
    }
    let inside = error_inside(plan, target, endpoint, &parts.headers, &body);
    let native = target.dialect.is_some_and(|dialect| dialect.errors_in_200 == NativeErrors::Native);
    match inside {
        Some(found) if !native => {
            let mut failure = judged(plan, found.failure, Some(parts.status));
            failure.dialect = Some(found.dialect);
            Outcome::Failed(Box::new(failure))
        }
        found => {
            let counted = target.dialect.filter(|_| plan.count.tokens);
            let usage = counted.and_then(|dialect| dialect::usage(dialect, &body));
            let mut reply = reply(plan, Response::from_parts(parts, Body::full(body)));
            reply.end = usage.map(StreamEnd::of_usage);
            reply.native = found.map(|found| Box::new(found.failure));
            Outcome::Answer(reply)
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    content_type.starts_with("application/json") && !headers.contains_key(header::CONTENT_ENCODING)
}

/// JSON that opens and doesn't close: a look at its two ends, so that a healthy answer costs no parse.
fn is_cut_off(body: &[u8]) -> bool {
    let text = body.trim_ascii();
    match (text.first(), text.last()) {
        (Some(b'{'), last) => last != Some(&b'}'),
        (Some(b'['), last) => last != Some(&b']'),
        _ => false,
    }
}

struct Inside {
    failure: CoreFailure,
    dialect: &'static Dialect,
}

/// An error in a body that came with a 200. A body without the words of one costs no parse.
fn error_inside(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&Endpoint>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Inside> {
    let compressed = headers.contains_key(header::CONTENT_ENCODING);
    if !compressed && !dialect::may_hold_error(body) {
        return None;
    }
    let listed = forward::listed(headers);
    let plain = dialect::body::plain(Headers(&listed), body);
    let results = endpoint.map(|endpoint| endpoint.result.as_slice()).unwrap_or_default();
    if !dialect::may_hold_error(&plain) || dialect::is_result(results, &plain) {
        return None;
    }
    let evidence = evidence(Some(200), &listed, body, target);
    let decoded = decode(plan.setup().catalog, target.dialect, &evidence);
    let mut failure = decoded.failure?;
    failure.status = failure.status.filter(|status| *status >= 400);
    if failure.kind == Kind::Unknown && failure.status.is_none() {
        failure.kind = Kind::BadGateway;
    }
    Some(Inside { failure, dialect: decoded.dialect })
}

/// An error status: read, decoded, and kept as it came.
async fn refused(
    worker: &Worker,
    plan: &Plan,
    target: &Target,
    status: StatusCode,
    headers: HeaderMap,
    body: UpstreamBody,
) -> Outcome {
    let (body, complete) = match plan.received.method == Method::HEAD {
        true => (Bytes::new(), true),
        false => collect::error_body(worker, body, target.upstream.timeouts.idle).await,
    };
    let listed = forward::listed(&headers);
    let decoded = decode(
        plan.setup().catalog,
        target.dialect,
        &evidence(Some(status.as_u16()), &listed, &body, target),
    );
    let mut failure = decoded.failure.unwrap_or_else(|| CoreFailure::new(Kind::Unknown));
    if status == StatusCode::LOOP_DETECTED {
        // Each repetition would go round again, and every station on the way would repeat it too.
        failure = failure.fault(Fault::Gateway).not_retryable(Advice::GiveUp);
    }
    let known = target.dialect.or_else(|| decoded.speaks.then_some(decoded.dialect));
    let mut failed = judged(plan, failure, Some(status));
    failed.sent = Sent::classify(&failed.failure, !body.is_empty(), plan.safe);
    failed.dialect = known;
    // Our own reading mends what a caller's SDK could not read: compressed, cut off, wrapped.
    let readable = !headers.contains_key(header::CONTENT_ENCODING)
        && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let speaks = (decoded.speaks && readable).then_some(decoded.dialect);
    failed.original = complete.then_some(Original { status, headers, body, speaks });
    Outcome::Failed(Box::new(failed))
}

fn evidence<'a>(
    status: Option<u16>,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    target: &'a Target,
) -> Evidence<'a> {
    let host = Some(target.upstream.url.host.as_str());
    Evidence { status, headers: Headers(headers), body, host, now: SystemTime::now() }
}

fn broken_off(plan: &Plan, status: StatusCode, silent: bool) -> Outcome {
    let failure = match silent {
        true => CoreFailure::new(Kind::GatewayTimeout)
            .fault(Fault::Network)
            .message("the upstream stopped in the middle of its answer"),
        false => lost("the upstream's answer was cut before its end"),
    };
    let mut outcome = judged(plan, failure, Some(status));
    outcome.silent = silent;
    Outcome::Failed(Box::new(outcome))
}

fn failed(plan: &Plan, failure: CoreFailure, status: Option<StatusCode>) -> Outcome {
    Outcome::Failed(Box::new(judged(plan, failure, status)))
}

fn lost(message: &str) -> CoreFailure {
    CoreFailure::new(Kind::BadGateway).fault(Fault::Network).message(message)
}

/// A failure of an answer that came: whether the upstream may have acted is told by the failure itself.
fn judged(plan: &Plan, failure: CoreFailure, status: Option<StatusCode>) -> Failure {
    let sent = Sent::classify(&failure, failure.fault != Fault::Network, plan.safe);
    let status = status.map(|status| status.as_u16());
    Failure { failure, sent, silent: false, status, original: None, dialect: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_does_not_close_is_cut_off() {
        for whole in ["{}", " {\"a\": 1}\n", "[1]", "\"text\"", "17", ""] {
            assert!(!is_cut_off(whole.as_bytes()), "{whole}");
        }
        for cut in ["{", "{\"a\": 1", "{\"a\": [1]", "[1, 2", "{\"a\": \"}\""] {
            assert!(is_cut_off(cut.as_bytes()), "{cut}");
        }
    }
}
