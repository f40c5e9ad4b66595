//! Receive: whether the request can be read, whom it is for, and everything about it that later stages need.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aplomb_core::lane::Priority;
use aplomb_core::policy::deadline;
use aplomb_core::{Dialect, Failure, Kind};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use hyper::body::Incoming;

use crate::browser;
use crate::config::{NoRoute, Priorities};
use crate::forward;
use crate::id::RequestId;
use crate::net::{self, Body, BodyFault, ConnInfo, Kept, Overflow, Refusal, TrustedProxies};
use crate::problem::Problem;
use crate::setup::{Setup, Way};
use crate::trail::Trail;
use crate::worker::{Hold, Worker};

/// What a caller is told whose body is too large.
pub(crate) const TOO_LARGE: &str = "the request's body is larger than this gateway takes";

/// What a caller is told when held bodies take all the memory that they may.
const FULL: &str = "the gateway's memory for requests is full; send the request again in a moment";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PRIORITY: HeaderName = HeaderName::from_static("aplomb-priority");
/// How long the caller waits: what some SDKs say of it, and what gRPC's callers do.
const READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Where a caller asks how its own limits and its balance stand: behind the prefix of any route that counts, or alone.
const OWN_STATE: &str = "/aplomb/limits";

/// What is known before anything can go wrong: enough to answer a request that can't be read.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    /// The caller's own request id if it is sane, else ours.
    pub(crate) id: RequestId,
    /// The origin that the answer is for, when a browser may read it.
    pub(crate) origin: Option<HeaderValue>,
    /// `HEAD`: no answer has a body.
    pub(crate) head: bool,
}

/// A request that can be read and has a route.
///
/// It goes from stage to stage in a box: it is large, and each hand that it passes through would copy it.
pub(crate) struct Received {
    /// The setup that it began with.
    pub(crate) setup: Arc<Setup>,
    /// Its route.
    pub(crate) way: Arc<Way>,
    /// Its method.
    pub(crate) method: Method,
    /// What it asks for.
    pub(crate) rest: Rest,
    /// Its headers, ready to be sent upstream but for credentials.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: RequestBody,
    /// Its id.
    pub(crate) id: RequestId,
    /// The dialect that it asks failures in, whatever the route says.
    pub(crate) answer: Option<&'static Dialect>,
    /// How long the caller waits, counted from the request's arrival.
    pub(crate) patience: Option<Duration>,
    /// How urgent it is.
    pub(crate) priority: Priority,
    /// It takes server-sent events.
    pub(crate) accepts_events: bool,
    /// Whose word about addresses counts.
    pub(crate) proxies: Arc<TrustedProxies>,
    /// Where it came from.
    pub(crate) from: ConnInfo,
    /// By which name the gateway was called.
    pub(crate) host: Option<HeaderValue>,
    /// Its share of the memory for held bodies, given back when the request is over.
    pub(crate) hold: Option<Hold>,
}

impl Received {
    /// A problem with it, told in the dialect that its caller reads.
    pub(crate) fn told(&self, problem: Problem) -> Box<Problem> {
        problem.answer_in(self.answer_dialect()).into()
    }

    /// Whether the caller asks how its own limits stand: a question that counts as no request.
    pub(crate) fn asks_state(&self) -> bool {
        self.method == Method::GET && &*self.rest == OWN_STATE && self.way.route.protect.tells_state()
    }

    /// The dialect that its caller reads, as far as that is known before an upstream is asked.
    pub(crate) fn answer_dialect(&self) -> Option<&'static Dialect> {
        let own = self.answer.or(self.way.answer);
        own.or_else(|| self.setup.without_route(&self.headers))
    }
}

/// What a request asks for; as text, its path behind the route's prefix.
pub(crate) struct Rest {
    target: PathAndQuery,
    /// Where in the path the prefix ends.
    start: usize,
}

impl Rest {
    fn new(uri: &Uri, rest: &str) -> Self {
        let target = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let start = target.path().len().saturating_sub(rest.len());
        Self { target, start }
    }

    /// The rest with its query.
    pub(crate) fn with_query(&self) -> &str {
        &self.target.as_str()[self.start..]
    }

    /// Its query.
    pub(crate) fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// Removes every parameter of the query by which some API takes credentials.
    pub(crate) fn strip_credentials(&mut self, setup: &Setup) {
        let Some(query) = self.target.query() else { return };
        let left = forward::without_credentials(setup, query);
        if left.len() == query.len() {
            return;
        }
        let path = self.target.path();
        let text = if left.is_empty() { path.to_owned() } else { format!("{path}?{left}") };
        // A part of what was a target is one.
        self.target = PathAndQuery::try_from(text).unwrap_or_else(|_| PathAndQuery::from_static("/"));
    }

    /// Path and query as they came, if nothing of them stands before the rest.
    pub(crate) fn whole(&self) -> Option<&PathAndQuery> {
        (self.start == 0).then_some(&self.target)
    }
}

impl Deref for Rest {
    type Target = str;

    fn deref(&self) -> &str {
        &self.target.path()[self.start..]
    }
}

/// A request's body, as often as it can be sent.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// Kept whole.
    Whole(Bytes),
    /// Too large to be kept: it can be sent once.
    Once {
        /// Gone once it is sent.
        body: Option<Body>,
        /// Whether it is larger than anything that is taken here.
        overflow: Overflow,
    },
}

impl RequestBody {
    /// The body, when it is kept.
    pub(crate) fn kept(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Once { .. } => None,
        }
    }

    /// Whether more came than is taken here.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Once { overflow, .. } if overflow.happened())
    }

    /// The body to send; one that can be sent once is empty from then on.
    pub(crate) fn take(&mut self) -> Body {
        match self {
            Self::Whole(bytes) => Body::full(bytes.clone()),
            Self::Once { body, .. } => body.take().unwrap_or_default(),
        }
    }
}

/// Looks at a request from outside.
pub(crate) fn greet(worker: &Worker, setup: &Setup, raw: &Request<Incoming>) -> Greeting {
    let headers = raw.headers();
    let own = headers.get(&REQUEST_ID).and_then(RequestId::of_caller);
    Greeting {
        id: own.unwrap_or_else(|| worker.new_id()),
        origin: browser::allowed_origin(&setup.config.server, headers),
        head: raw.method() == Method::HEAD,
    }
}

/// What is known of a request of which not even the head could be read.
pub(crate) fn greet_unread(worker: &Worker) -> Greeting {
    Greeting { id: worker.new_id(), origin: None, head: false }
}

/// Why the listener refused a request before anybody read it.
pub(crate) fn refused(refusal: Refusal) -> Problem {
    let status = refusal.status();
    let kind = Kind::from_status(status.as_u16()).unwrap_or(Kind::InvalidRequest);
    let mut failure = Failure::new(kind).fault(aplomb_core::Fault::Caller).message(refusal.to_string());
    failure.status = Some(status.as_u16());
    Problem { should_retry: failure.retryable, ..Problem::local(failure).status(status) }
}

fn wants_problem(setup: &Setup, headers: &HeaderMap) -> Option<&'static Dialect> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    accept.contains("application/problem+json").then(|| setup.catalog.get("problem")).flatten()
}

/// Reads the body of a request; its size is checked first.
///
/// # Errors
/// It can't be read, is too large, or does not come in time.
pub(crate) async fn body(
    worker: &Worker,
    mut received: Box<Received>,
    incoming: Incoming,
) -> Result<Box<Received>, Box<Problem>> {
    let kept = keep(worker, &received.setup, &received.way, incoming).await;
    (received.body, received.hold) = kept.map_err(|problem| received.told(problem))?;
    Ok(received)
}

/// Reads the head of a request.
///
/// # Errors
/// What can't be read, has no route, or may not come from where it comes from.
pub(crate) fn head(
    worker: &Worker,
    setup: &Arc<Setup>,
    parts: http::request::Parts,
    from: ConnInfo,
    id: &RequestId,
    trail: &mut Trail,
) -> Result<Box<Received>, Box<Problem>> {
    let asked = wants_problem(setup, &parts.headers);
    let path = parts.uri.path();
    let found = setup.find(path).or_else(|why| {
        // Who knows no route may still ask how it stands.
        let asks = parts.method == Method::GET && path == OWN_STATE;
        setup.for_state().filter(|_| asks).map(|way| (way, path)).ok_or(why)
    });
    let own = found.as_ref().ok().and_then(|(way, _)| way.answer);
    // A caller shows by its credential's header what it speaks; that is looked at when nothing else says it.
    let told = |problem: Problem, headers: &HeaderMap| {
        problem.answer_in(asked.or(own).or_else(|| setup.without_route(headers)))
    };
    let fit = browser::check(&setup.config.server, &parts.uri, &parts.headers)
        .and_then(|()| refuse_unfit(worker, setup, &parts));
    fit.map_err(|problem| told(problem, &parts.headers))?;
    let (way, rest) = found.map_err(|why| told(no_route(why, parts.uri.path()), &parts.headers))?;
    trail.way = Some(Arc::clone(way));
    let rest = Rest::new(&parts.uri, rest);
    let way = Arc::clone(way);
    let patience = patience(&parts.headers);
    let priority = priority(&way, &parts.headers);
    let accepts_events = accepts_events(&parts.headers);
    let host = host(&parts);
    let mut headers = parts.headers;
    prepare(&mut headers, id);
    worker.via().mark(&mut headers, parts.version).map_err(|_| told(came_back(), &headers))?;
    Ok(Box::new(Received {
        setup: Arc::clone(setup),
        way,
        method: parts.method,
        rest,
        headers,
        body: RequestBody::Whole(Bytes::new()),
        id: id.clone(),
        answer: asked,
        patience,
        priority,
        accepts_events,
        proxies: Arc::clone(&setup.proxies),
        from,
        host,
        hold: None,
    }))
}

/// What can be refused by its head alone.
fn refuse_unfit(worker: &Worker, setup: &Setup, parts: &http::request::Parts) -> Result<(), Problem> {
    let server = &setup.config.server;
    if worker.shared().draining.load(std::sync::atomic::Ordering::Relaxed) {
        let mut problem = busy("the gateway is about to stop; send the request again");
        if parts.version < Version::HTTP_2 {
            problem.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return Err(problem);
    }
    // This one is counted already.
    if worker.shared().in_flight.load(std::sync::atomic::Ordering::Relaxed) > server.max_requests {
        return Err(busy(
            "the gateway has all the requests under way that it takes; send the request again in a moment",
        ));
    }
    if worker.shared().held.load(std::sync::atomic::Ordering::Relaxed) > server.memory {
        return Err(full());
    }
    if parts.uri.path_and_query().is_some_and(|path| path.as_str().len() > server.max_url) {
        let message = format!("the URL is longer than {} bytes", server.max_url);
        return Err(Problem::refused(Kind::InvalidRequest, &message).status(StatusCode::URI_TOO_LONG));
    }
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        let message = format!("the method {} is not served here", parts.method);
        return Err(Problem::refused(Kind::MethodNotAllowed, &message));
    }
    if parts.headers.contains_key(header::UPGRADE) && is_upgrade(&parts.headers) {
        let message = "WebSocket and other upgrades are not supported by this gateway; \
                       use the API's HTTP endpoints, or connect to it directly";
        return Err(Problem::refused(Kind::NotImplemented, message));
    }
    Ok(())
}

/// No memory is left for what a request holds.
pub(crate) fn full() -> Problem {
    busy(FULL)
}

fn busy(message: &str) -> Problem {
    let failure = Failure::new(Kind::Unavailable)
        .fault(aplomb_core::Fault::Gateway)
        .message(message)
        .wait(Duration::from_secs(1));
    Problem { should_retry: true, ..Problem::local(failure) }
}

/// Only a request that insists on it; `upgrade: h2c` and its like may be ignored (RFC 9110, 7.8).
fn is_upgrade(headers: &HeaderMap) -> bool {
    let is = |name: &HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    is(&header::UPGRADE, "websocket") && is(&header::CONNECTION, "upgrade")
}

fn no_route(why: NoRoute, path: &str) -> Problem {
    let path: String = path.chars().take(200).collect();
    match why {
        NoRoute::Unknown => Problem::refused(Kind::NotFound, &format!("no route is configured for {path}")),
        NoRoute::Unsound => Problem::refused(
            Kind::InvalidRequest,
            "the path holds segments such as `..`, which are not followed here",
        ),
    }
}

fn came_back() -> Problem {
    let failure = Failure::new(Kind::BadGateway)
        .fault(aplomb_core::Fault::Gateway)
        .message("the request came back to this gateway: a route leads to the gateway itself")
        .not_retryable(aplomb_core::Advice::GiveUp);
    Problem::local(failure).status(StatusCode::LOOP_DETECTED)
}

/// The name by which the gateway was called; HTTP/2 has it in the URL.
fn host(parts: &http::request::Parts) -> Option<HeaderValue> {
    let authority = || HeaderValue::try_from(parts.uri.authority()?.as_str()).ok();
    parts.headers.get(header::HOST).cloned().or_else(authority)
}

/// Makes the headers fit to be sent upstream.
fn prepare(headers: &mut HeaderMap, id: &RequestId) {
    net::strip_request(headers, |name| {
        matches!(name, "host" | "content-length") || name.starts_with("aplomb-")
    });
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(REQUEST_ID, id.header());
}

fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    deadline::patience(text(&READ_TIMEOUT), text(&GRPC_TIMEOUT))
}

/// How urgent the caller says that it is, where the route listens to that.
fn priority(way: &Way, headers: &HeaderMap) -> Priority {
    let said = || headers.get(&PRIORITY).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"batch"));
    match way.route.queue.priority {
        Priorities::Header if said() => Priority::Batch,
        Priorities::Header | Priorities::None => Priority::Interactive,
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/event-stream"))
}

async fn keep(
    worker: &Worker,
    setup: &Setup,
    way: &Way,
    incoming: Incoming,
) -> Result<(RequestBody, Option<Hold>), Problem> {
    use http_body::Body as _;
    let server = &setup.config.server;
    if incoming.is_end_stream() {
        return Ok((RequestBody::Whole(Bytes::new()), None));
    }
    if server.max_body.is_some_and(|most| incoming.size_hint().lower() > most) {
        return Err(Problem::refused(
            Kind::PayloadTooLarge,
            "the request's body is larger than this gateway takes",
        ));
    }
    let mut hold = worker.shared().hold();
    let room = |more| hold.grow(more, server.memory);
    match net::keep(incoming, way.route.replay_bytes, server.body_timeout, room).await {
        Ok(Kept::Whole(bytes)) => Ok((RequestBody::Whole(bytes), Some(hold))),
        Ok(Kept::NoRoom) => Err(full()),
        Ok(Kept::Streaming(body)) => {
            let (body, overflow) = net::at_most(body, server.max_body.unwrap_or(u64::MAX));
            Ok((RequestBody::Once { body: Some(body), overflow }, Some(hold)))
        }
        Err(error) if error.fault() == BodyFault::Silent => {
            let failure = Failure::new(Kind::Timeout)
                .fault(aplomb_core::Fault::Caller)
                .message("the rest of the request's body did not come in time");
            Err(Problem { should_retry: true, ..Problem::local(failure) })
        }
        Err(error) => {
            Err(Problem::refused(Kind::InvalidRequest, &format!("the request's body can't be read: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_must_be_meant() {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        assert!(!is_upgrade(&headers));
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        assert!(is_upgrade(&headers));
        headers.insert(header::UPGRADE, HeaderValue::from_static("h2c"));
        assert!(!is_upgrade(&headers));
    }
}
