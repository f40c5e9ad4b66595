//! Resuming: a download that was cut goes on where it stopped, if what follows is provably the rest of the same.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use aplomb_core::header::{date, retry_after};
use aplomb_core::policy::delay;
use bytes::{Buf as _, Bytes};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, sleep};

use crate::attempt::Outcome;
use crate::forward;
use crate::id::RequestId;
use crate::net::{Body, BodyError, BodyFault, Origin, Patience, Pool, UpstreamBody};
use crate::observe;
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::worker::Worker;

/// A date says what something is only if it was old when it was told: two changes may fall into one second, and
/// clocks differ (RFC 9110, 8.8.2.2).
const OLD: Duration = Duration::from_secs(60);

/// What a download's head promised: by this its rest is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    /// `etag` or `last-modified`, with its value.
    validator: (HeaderName, HeaderValue),
    total: u64,
    encoding: Option<HeaderValue>,
}

impl Promise {
    /// What an answer promises; nothing if it couldn't be resumed, or if it isn't for us to do so.
    ///
    /// In a box: few answers promise anything, and each one's way would carry the room for it.
    pub(crate) fn of(plan: &Plan, answer: &Response<UpstreamBody>) -> Option<Box<Self>> {
        let received = &plan.received;
        if received.method != Method::GET || answer.status() != StatusCode::OK {
            return None;
        }
        let bodiless = received.body.kept().is_some_and(Bytes::is_empty);
        let repeatable = bodiless && plan.way().route.retry.attempts > 1;
        let whole = !received.headers.contains_key(header::RANGE);
        let length = (repeatable && whole).then(|| answer.body().size_hint().exact()).flatten();
        Self::read(answer.headers(), length?).map(Box::new)
    }

    fn read(headers: &HeaderMap, total: u64) -> Option<Self> {
        let takes_ranges = headers.get(header::ACCEPT_RANGES)?.as_bytes().eq_ignore_ascii_case(b"bytes");
        let announced = headers.contains_key(header::CONTENT_LENGTH);
        let validator = match headers.get(header::ETAG) {
            Some(tag) => (header::ETAG, tag.clone()),
            None => (header::LAST_MODIFIED, headers.get(header::LAST_MODIFIED)?.clone()),
        };
        let strong = match validator.0 == header::ETAG {
            true => validator.1.as_bytes().starts_with(b"\""),
            false => is_old(headers),
        };
        let encoding = headers.get(header::CONTENT_ENCODING).cloned();
        (takes_ranges && announced && strong).then_some(Self { validator, total, encoding })
    }

    /// What an answer to the request for the rest is.
    fn rest(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>, at: u64) -> Rest {
        let (name, value) = &self.validator;
        let same = headers.get(name) == Some(value)
            && headers.get(header::CONTENT_ENCODING) == self.encoding.as_ref();
        let part = format!("bytes {at}-{}/{}", self.total - 1, self.total);
        match status {
            StatusCode::PARTIAL_CONTENT => {
                let range = headers.get(header::CONTENT_RANGE).is_some_and(|range| range == part.as_str());
                let fits = length.is_none_or(|length| length == self.total - at);
                if same && range && fits { Rest::Follows { skip: 0 } } else { Rest::Gone }
            }
            StatusCode::OK if same && length == Some(self.total) => Rest::Follows { skip: at },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Rest::Later,
            status if status.is_server_error() => Rest::Later,
            _ => Rest::Gone,
        }
    }
}

/// Whether the date of the last change was old when it was told.
fn is_old(headers: &HeaderMap) -> bool {
    let time = |name| headers.get(name).and_then(|value| date::parse(value.to_str().ok()?));
    match (time(header::LAST_MODIFIED), time(header::DATE)) {
        (Some(changed), Some(told)) => told.duration_since(changed).is_ok_and(|age| age >= OLD),
        _ => false,
    }
}

/// What an answer to the request for the rest is.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// The rest, behind so many bytes that came already.
    Follows { skip: u64 },
    /// Perhaps another time.
    Later,
    /// It can't be had, or it is the rest of something else.
    Gone,
}

/// Lets an answer's body go on where it is cut, if it flows.
pub(crate) fn follow(
    worker: &Worker,
    plan: &Plan,
    target: &Target,
    promise: Promise,
    outcome: Outcome,
) -> Outcome {
    let mut reply = match outcome {
        Outcome::Answer(reply) if reply.response.body().as_bytes().is_none() => reply,
        other => return other,
    };
    let timeouts = &target.upstream.timeouts;
    let (mut head, _body) = forward::request(plan, target, None, Body::empty()).into_parts();
    for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
        head.headers.remove(name);
    }
    head.headers.insert(header::IF_RANGE, promise.validator.1.clone());
    let retry = plan.way().route.retry;
    let source = Source {
        worker: worker.clone(),
        pool: worker.pool(target),
        origin: target.origin.clone(),
        patience: Patience { connect: timeouts.connect, headers: timeouts.headers },
        idle: timeouts.idle,
        deadline: retry.deadline,
        attempts: retry.attempts,
        made: Cell::new(1),
        id: plan.received.id.clone(),
        promise,
        head,
    };
    reply.response = reply.response.map(|body| {
        Body::stream(Resuming { source: Rc::new(source), state: State::Flows { body, skip: 0 }, at: 0 })
    });
    Outcome::Answer(reply)
}

/// Where the rest is to be had.
struct Source {
    worker: Worker,
    pool: Pool,
    origin: Origin,
    patience: Patience,
    idle: Duration,
    /// How long a cut may be mended.
    deadline: Duration,
    /// How often the request is sent, the first time included.
    attempts: u32,
    made: Cell<u32>,
    id: RequestId,
    promise: Promise,
    head: http::request::Parts,
}

impl Source {
    /// Asks for the rest until it comes or can't be had.
    async fn ask(self: Rc<Self>, at: u64) -> Found {
        let until = Instant::now() + self.deadline;
        let mut hint = None;
        while self.made.get() < self.attempts {
            let random = self.worker.random();
            let wait = match hint {
                Some(hint) => delay::after_hint(hint, random),
                None => delay::backoff(self.made.get() - 1, false, random),
            };
            if Instant::now() + wait >= until {
                return None;
            }
            sleep(wait).await;
            self.made.set(self.made.get() + 1);
            let Ok(answer) = self.pool.send(&self.origin, self.request(at), self.patience).await else {
                continue;
            };
            let length = answer.body().size_hint().exact();
            match self.promise.rest(answer.status(), answer.headers(), length, at) {
                Rest::Follows { skip } => {
                    observe::resumed(&self.id, at, self.promise.total);
                    return Some((Body::from(answer.into_body().at_least_every(self.idle)), skip));
                }
                Rest::Later => hint = asked_wait(answer.headers()),
                Rest::Gone => return None,
            }
        }
        None
    }

    fn request(&self, at: u64) -> Request<Body> {
        let mut request = Request::from_parts(self.head.clone(), Body::empty());
        let range = format!("bytes={at}-");
        let range = HeaderValue::try_from(range).expect("digits can stand in a header");
        request.headers_mut().insert(header::RANGE, range);
        request
    }
}

fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(value, SystemTime::now(), None)
}

/// The rest, if it can be had, and how much of it is known already.
type Found = Option<(Body, u64)>;

/// A body that goes on where it was cut.
struct Resuming {
    source: Rc<Source>,
    state: State,
    /// How much was handed over.
    at: u64,
}

enum State {
    Flows { body: Body, skip: u64 },
    Asks { cut: Option<BodyError>, rest: Pin<Box<dyn Future<Output = Found>>> },
    Over,
}

impl http_body::Body for Resuming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Flows { body, skip } => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        let mut data = match frame.into_data() {
                            Ok(data) => data,
                            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                        };
                        let known = usize::try_from(*skip).map_or(data.len(), |skip| skip.min(data.len()));
                        data.advance(known);
                        *skip -= known as u64;
                        if data.is_empty() {
                            continue;
                        }
                        this.at += data.len() as u64;
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Some(Err(cut)) if matches!(cut.fault(), BodyFault::Cut | BodyFault::Reset) => {
                        let rest = Box::pin(Rc::clone(&this.source).ask(this.at));
                        this.state = State::Asks { cut: Some(cut), rest };
                    }
                    other => return Poll::Ready(other),
                },
                State::Asks { cut, rest } => match ready!(rest.as_mut().poll(cx)) {
                    Some((body, skip)) => this.state = State::Flows { body, skip },
                    None => {
                        let cut = cut.take();
                        this.state = State::Over;
                        return Poll::Ready(cut.map(Err));
                    }
                },
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Flows { body, .. } => body.is_end_stream(),
            State::Asks { .. } => false,
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.promise.total.saturating_sub(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    const SUNDAY: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    const RANGES: (&str, &str) = ("accept-ranges", "bytes");
    const LENGTH: (&str, &str) = ("content-length", "10");

    #[test]
    fn only_what_is_provably_the_same_later_can_be_resumed() {
        let resumable = |lines: &[_]| Promise::read(&headers(lines), 10).is_some();
        let (strong, weak) = (("etag", "\"a\""), ("etag", "W/\"a\""));
        let (later, same) =
            (("date", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:40 GMT"));
        assert!(resumable(&[RANGES, LENGTH, strong]));
        assert!(resumable(&[RANGES, LENGTH, SUNDAY, later]));
        assert!(!resumable(&[RANGES, LENGTH, weak]));
        assert!(!resumable(&[RANGES, LENGTH, weak, SUNDAY, later]));
        assert!(!resumable(&[RANGES, LENGTH, SUNDAY, same]));
        assert!(!resumable(&[RANGES, LENGTH, SUNDAY]));
        assert!(!resumable(&[("accept-ranges", "none"), LENGTH, strong]));
        assert!(!resumable(&[LENGTH, strong]));
        assert!(!resumable(&[RANGES, strong]));
    }

    #[test]
    fn the_rest_must_be_of_the_same() {
        let promise = Promise::read(&headers(&[RANGES, LENGTH, ("etag", "\"a\"")]), 10).unwrap();
        let rest = |status: u16, length, lines: &[_]| {
            promise.rest(StatusCode::from_u16(status).unwrap(), &headers(lines), length, 4)
        };
        let (tag, range) = (("etag", "\"a\""), ("content-range", "bytes 4-9/10"));
        assert_eq!(rest(206, Some(6), &[tag, range]), Rest::Follows { skip: 0 });
        assert_eq!(rest(200, Some(10), &[tag]), Rest::Follows { skip: 4 });
        for lines in [
            &[tag][..],
            &[range],
            &[("etag", "\"b\""), range],
            &[("etag", "W/\"a\""), range],
            &[tag, ("content-range", "bytes 3-9/10")],
            &[tag, ("content-range", "bytes 4-8/10")],
            &[tag, ("content-range", "bytes 4-9/11")],
            &[tag, ("content-range", "bytes 4-9/*")],
            &[tag, range, ("content-encoding", "gzip")],
        ] {
            assert_eq!(rest(206, None, lines), Rest::Gone, "{lines:?}");
        }
        assert_eq!(rest(206, Some(7), &[tag, range]), Rest::Gone);
        assert_eq!(rest(200, Some(10), &[("etag", "\"b\"")]), Rest::Gone);
        assert_eq!(rest(200, Some(11), &[tag]), Rest::Gone);
        assert_eq!(rest(200, None, &[tag]), Rest::Gone);
        assert_eq!(
            (rest(416, None, &[]), rest(404, None, &[]), rest(302, None, &[])),
            (Rest::Gone, Rest::Gone, Rest::Gone)
        );
        assert_eq!((rest(503, None, &[]), rest(429, None, &[])), (Rest::Later, Rest::Later));
    }
}
