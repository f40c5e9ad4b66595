//! Respond: the only place that turns a failure into bytes, and puts the gateway's own headers on every answer.

use std::time::SystemTime;

use aplomb_core::dialect::{render_event, speaks};
use aplomb_core::header::{retry_after, retry_after_ms};
use aplomb_core::{Dialect, Failure, Kind, render};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};

use crate::browser;
use crate::config::{Disclose, Trail as TrailPlace};
use crate::forward;
use crate::keepalive::Keepalive;
use crate::lanes::Permit;
use crate::limits;
use crate::net::Body;
use crate::problem::{Original, Problem};
use crate::reply::{Held, Reply};
use crate::setup::Setup;
use crate::stage::receive::Greeting;
use crate::trail::{Attempt, Trail};

const REQUEST_ID: HeaderName = HeaderName::from_static("aplomb-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("aplomb-attempts");
const KIND: HeaderName = HeaderName::from_static("aplomb-kind");
const FAULT: HeaderName = HeaderName::from_static("aplomb-fault");
const OUTCOME: HeaderName = HeaderName::from_static("aplomb-outcome");
const TRAIL: HeaderName = HeaderName::from_static("aplomb-trail");
const REPLAY: HeaderName = HeaderName::from_static("aplomb-replay");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const STREAM: HeaderName = HeaderName::from_static("aplomb-stream");
const STORE: HeaderName = HeaderName::from_static("aplomb-store");
const SHARED: HeaderName = HeaderName::from_static("aplomb-shared");
const EVENTS: &str = "text/event-stream";
/// What a failure's answer has room for before it has to grow.
const USUAL_HEADERS: usize = 24;
const NO_REPLAY: HeaderValue = HeaderValue::from_static("no; body too large to keep");

/// An answer that is ready to leave, with what there is to tell about it.
pub(crate) struct Told {
    /// The answer.
    pub(crate) response: Response<Body>,
    /// The failure that it tells of, if it does.
    pub(crate) failure: Option<Box<Failure>>,
    /// How a live stream ends.
    pub(crate) end: Option<std::rc::Rc<crate::guard::StreamEnd>>,
    /// The call's place in its lane.
    pub(crate) permit: Option<Box<Permit>>,
    /// An upstream may have acted although the answer doesn't say so.
    pub(crate) outcome_unknown: bool,
}

/// Makes the answer.
pub(crate) fn reply(
    setup: &Setup,
    greeting: &Greeting,
    outcome: Result<Reply, Box<Problem>>,
    trail: &Trail,
) -> Told {
    let dialect = match &outcome {
        Ok(reply) => reply.answer,
        Err(problem) => problem.answer,
    };
    let mut told = match outcome {
        Ok(reply) => passed(setup, reply, greeting),
        Err(problem) => failed(setup, greeting, *problem, trail),
    };
    // The version is that of a connection: an upstream's own ends with it (RFC 9110, 6.2).
    *told.response.version_mut() = Version::HTTP_11;
    let headers = told.response.headers_mut();
    tell_limits(headers, dialect.unwrap_or_else(|| plain_dialect(setup)), trail);
    headers.insert(REQUEST_ID, greeting.id.header());
    headers.insert(ATTEMPTS, count(trail.attempts.len()));
    if trail.store_down {
        headers.insert(STORE, HeaderValue::from_static("down"));
    }
    if trail.shared_down {
        headers.insert(SHARED, HeaderValue::from_static("down"));
    }
    if let Some(origin) = &greeting.origin {
        browser::allow(headers, origin);
    }
    told
}

/// How the caller's own limits stand, where it has any.
fn tell_limits(headers: &mut HeaderMap, dialect: &Dialect, trail: &Trail) {
    if let Some((admission, tier)) = trail.admission.as_ref().and_then(|one| Some((one, one.tier()?))) {
        limits::write(headers, dialect, tier.fields, &admission.limits);
    }
}

/// The head of a stream whose answer isn't known yet: what is known of every healthy one.
pub(crate) fn head(setup: &Setup, greeting: &Greeting, dialect: &Dialect, trail: &Trail) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    tell_limits(headers, dialect, trail);
    name_request(headers, setup.request_id_header(dialect), || Some(greeting.id.header()));
    headers.insert(REQUEST_ID, greeting.id.header());
    if let Some(origin) = &greeting.origin {
        browser::allow(headers, origin);
    }
    response
}

/// Makes the rest of an answer whose head has left: a stream as it is, a failure as an event.
pub(crate) fn in_stream(
    setup: &Setup,
    greeting: &Greeting,
    outcome: Result<Reply, Box<Problem>>,
    keepalive: &Keepalive,
) -> Told {
    let problem = match outcome {
        Ok(reply) if is_events(&reply.response) => return passed(setup, reply, greeting),
        Ok(reply) => {
            let message = "the upstream answered with something else than the stream that was asked for";
            Problem::local(Failure::new(Kind::BadGateway).message(message)).answer_in(reply.answer)
        }
        Err(problem) => *problem,
    };
    let dialect = problem.answer.unwrap_or_else(|| plain_dialect(setup));
    let event = render_event(dialect, keepalive.form(dialect), &problem.failure, Some(&*greeting.id));
    Told {
        response: Response::new(Body::full(event.0)),
        failure: Some(Box::new(problem.failure)),
        end: None,
        permit: None,
        outcome_unknown: problem.outcome_unknown,
    }
}

fn is_events(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    response.status().is_success()
        && content_type.is_some_and(|value| value.as_bytes().starts_with(EVENTS.as_bytes()))
}

fn passed(setup: &Setup, reply: Reply, greeting: &Greeting) -> Told {
    let Reply { mut response, sent_once, answer, native, end, held, permit } = reply;
    let headers = response.headers_mut();
    name_request(headers, answer.and_then(|dialect| setup.request_id_header(dialect)), || {
        Some(greeting.id.header())
    });
    if sent_once {
        headers.insert(REPLAY, NO_REPLAY);
    }
    if let Some(held) = held {
        let how = if held == Held::Whole { "held" } else { "live" };
        headers.insert(STREAM, HeaderValue::from_static(how));
    }
    if let Some(failure) = &native {
        name_kind(headers, failure);
    }
    Told { response, failure: native, end, permit, outcome_unknown: false }
}

fn failed(setup: &Setup, greeting: &Greeting, problem: Problem, trail: &Trail) -> Told {
    let Problem { failure, answer, should_retry, outcome_unknown, original, disclose, .. } = problem;
    let dialect = answer.unwrap_or_else(|| plain_dialect(setup));
    // In the upstream's own dialect a caller hears what it would hear without us, however little that is.
    let passes = |original: &Original| {
        let own = original.speaks.is_some_and(|spoken| spoken.name == dialect.name);
        dialect.lists(original.status.as_u16()) && (own || speaks(dialect, &failure, &original.body))
    };
    let mut response = match original {
        Some(original) if problem.trail == TrailPlace::Headers && passes(&original) => {
            as_it_came(original, &failure)
        }
        original => {
            let shown = if disclose == Disclose::Full { trail.attempts.as_slice() } else { &[] };
            let place = (problem.trail == TrailPlace::Body).then_some(shown);
            let mut response = rendered(dialect, &failure, greeting, problem.status, place);
            if let Some(original) = original {
                let kept = forward::kept_when_rendered(&original.headers);
                response.headers_mut().extend(kept.map(|(name, value)| (name.clone(), value.clone())));
            }
            response
        }
    };
    let headers = response.headers_mut();
    for (name, value) in &problem.headers {
        headers.insert(name, value.clone());
    }
    name_request(headers, setup.request_id_header(dialect), || match &failure.request_id {
        Some(own) => HeaderValue::from_str(own).ok(),
        None => Some(greeting.id.header()),
    });
    name_kind(headers, &failure);
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
    if problem.sent_once {
        headers.insert(REPLAY, NO_REPLAY);
    }
    if outcome_unknown {
        headers.insert(OUTCOME, HeaderValue::from_static("unknown"));
    }
    if disclose == Disclose::Full && trail.attempts.len() > 1 {
        put(headers, TRAIL, &trail.line());
    }
    if greeting.head {
        *response.body_mut() = Body::empty();
    }
    Told { response, failure: Some(Box::new(failure)), end: None, permit: None, outcome_unknown }
}

/// The dialect of callers who gave no sign of theirs.
fn plain_dialect(setup: &Setup) -> &'static Dialect {
    let catalog: &'static aplomb_core::Catalog = setup.catalog;
    catalog.get("problem").or_else(|| catalog.dialects().next()).expect("the catalogue is never empty")
}

/// The upstream's own answer; only what it said of waiting is told as it is by now, if it is worth waiting at all.
fn as_it_came(original: Original, failure: &Failure) -> Response<Body> {
    let mut response = Response::new(Body::full(original.body));
    *response.status_mut() = original.status;
    *response.headers_mut() = original.headers;
    let headers = response.headers_mut();
    headers.remove(header::RETRY_AFTER);
    headers.remove(RETRY_AFTER_MS);
    if let Some(wait) = failure.wait.filter(|_| failure.retryable) {
        put(headers, header::RETRY_AFTER, &retry_after::write(wait));
        put(headers, RETRY_AFTER_MS, &retry_after_ms::write(wait));
    }
    response
}

fn rendered(
    dialect: &Dialect,
    failure: &Failure,
    greeting: &Greeting,
    status: Option<StatusCode>,
    in_body: Option<&[Attempt]>,
) -> Response<Body> {
    let rendered = render(dialect, failure, Some(&*greeting.id), SystemTime::now());
    let body = match in_body {
        None => rendered.body,
        Some(attempts) => with_trail(rendered.body, failure, greeting, attempts),
    };
    let mut response = Response::new(Body::full(body));
    let own = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.status_mut() =
        status.filter(|status| !dialect.closed || dialect.lists(status.as_u16())).unwrap_or(own);
    let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
    for (name, value) in rendered.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    *response.headers_mut() = headers;
    response
}

/// The extra top-level member `aplomb`; a body that is no object stays as it is.
fn with_trail(body: Vec<u8>, failure: &Failure, greeting: &Greeting, attempts: &[Attempt]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut members)) = serde_json::from_slice(&body) else { return body };
    let attempts: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            serde_json::json!({
                "upstream": &*attempt.upstream,
                "began_ms": attempt.began.as_millis(),
                "took_ms": attempt.took.as_millis(),
                "status": attempt.status,
                "kind": attempt.failure.as_ref().map(|failure| failure.kind.as_str()),
            })
        })
        .collect();
    let member = serde_json::json!({
        "request_id": &*greeting.id,
        "kind": failure.kind.as_str(),
        "fault": failure.fault.as_str(),
        "advice": failure.advice.as_str(),
        "retryable": failure.retryable,
        "attempts": attempts,
    });
    members.insert("aplomb".to_owned(), member);
    serde_json::to_vec(&members).unwrap_or(body)
}

/// The dialect's own request id: the upstream's where it gave one, so that its support can find it, else ours.
fn name_request(
    headers: &mut HeaderMap,
    name: Option<&HeaderName>,
    id: impl FnOnce() -> Option<HeaderValue>,
) {
    let Some(name) = name.filter(|name| !headers.contains_key(*name)) else { return };
    if let Some(id) = id() {
        headers.insert(name, id);
    }
}

/// How many attempts there were; nearly always one, which needs no writing.
fn count(attempts: usize) -> HeaderValue {
    match attempts {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        more => HeaderValue::from(more),
    }
}

fn name_kind(headers: &mut HeaderMap, failure: &Failure) {
    headers.insert(KIND, HeaderValue::from_static(failure.kind.as_str()));
    headers.insert(FAULT, HeaderValue::from_static(failure.fault.as_str()));
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
