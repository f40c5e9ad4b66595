//! The guard of a live stream: healthy events pass untouched, anything else becomes one error event and the end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{Seen, StreamReader, render_event};
use aplomb_core::spec::{Endpoint, StreamForm};
use aplomb_core::{Dialect, Failure, Fault, Kind};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep, timeout};

use crate::config::Secret;
use crate::forward;
use crate::id::RequestId;
use crate::net::{Body, BodyError, BodyFault, UpstreamBody};
use crate::problem;
use crate::setup::Target;
use crate::stage::plan::Plan;

/// How a stream ended, for the log: filled by the body while it is delivered.
#[derive(Debug, Default)]
pub(crate) struct StreamEnd {
    /// What went wrong, if something did.
    pub(crate) failure: RefCell<Option<Failure>>,
    /// The answer was whole.
    pub(crate) complete: std::cell::Cell<bool>,
}

/// A stream after its first event.
pub(crate) enum Opened {
    /// It is on its way.
    Healthy {
        /// The events, watched.
        body: Body,
        /// How it ends.
        end: Rc<StreamEnd>,
    },
    /// It failed before anything could be delivered.
    Failed {
        /// Why.
        failure: Failure,
        /// Nothing came in time.
        silent: bool,
    },
}

/// Waits for the first whole event of a stream. What fails before it can still be repaired.
pub(crate) async fn open(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    mut body: UpstreamBody,
) -> Opened {
    let catalog = plan.setup().catalog;
    let dialect = plan.spoken(target);
    let form = form(dialect, endpoint);
    let mut reader = StreamReader::new(catalog, dialect, form);
    let timeouts = &target.upstream.timeouts;
    let mut ready = VecDeque::new();
    loop {
        let frame = match timeout(timeouts.first_event, body.frame()).await {
            Ok(frame) => frame,
            Err(_elapsed) => return Opened::Failed { failure: silent(), silent: true },
        };
        let now = SystemTime::now();
        let seen = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => reader.feed(data, now),
                Err(_trailers) => continue,
            },
            ended => {
                let cut = matches!(ended, Some(Err(_)));
                let Seen { pass, failure, .. } = reader.finish(cut, now);
                if let Some(failure) = failure {
                    return Opened::Failed { failure, silent: false };
                }
                let end = Rc::new(StreamEnd::default());
                end.complete.set(true);
                let whole: Vec<u8> = pass.concat();
                return Opened::Healthy { body: Body::full(whole), end };
            }
        };
        // Events that came with the failure were not delivered either.
        if let Some(failure) = seen.failure {
            return Opened::Failed { failure, silent: false };
        }
        ready.extend(seen.pass);
        if !ready.is_empty() {
            break;
        }
    }
    let end = Rc::new(StreamEnd::default());
    let teller = Teller::new(plan, target, endpoint, form);
    let idle = timeouts.idle;
    let guard = Guard {
        upstream: Some(body),
        reader: Some(reader),
        ready,
        teller,
        idle,
        timer: Box::pin(sleep(idle)),
        end: Rc::clone(&end),
    };
    Opened::Healthy { body: Body::stream(guard), end }
}

fn form(dialect: &'static Dialect, endpoint: Option<&Endpoint>) -> Option<&'static StreamForm> {
    dialect.stream(endpoint?.stream.as_deref()?)
}

fn silent() -> Failure {
    Failure::new(Kind::GatewayTimeout)
        .fault(Fault::Network)
        .message("the upstream's stream brought nothing in time")
}

/// How a failure is told inside the stream.
struct Teller {
    answer: &'static Dialect,
    form: Option<&'static StreamForm>,
    id: RequestId,
    key: Option<Secret>,
    /// What must not be logged.
    secrets: Vec<String>,
    as_unavailable: bool,
    disclose: crate::config::Disclose,
    names: [String; 2],
    /// The upstream's own error events may pass: they are in the caller's dialect, and nothing is to be hidden.
    passes: bool,
}

impl Teller {
    /// In the answer dialect's form for this path, else its form of the same name, else its first, else plain SSE.
    fn new(
        plan: &Plan,
        target: &Target,
        endpoint: Option<&Endpoint>,
        upstream: Option<&'static StreamForm>,
    ) -> Self {
        let answer = plan.answer_dialect(target.dialect);
        let own_endpoint = answer.endpoint(plan.received.method.as_str(), &plan.received.rest);
        let form = own_endpoint
            .or_else(|| {
                endpoint.filter(|_| target.dialect.is_some_and(|dialect| dialect.name == answer.name))
            })
            .and_then(|endpoint| answer.stream(endpoint.stream.as_deref()?))
            .or_else(|| answer.stream(&upstream?.name))
            .or_else(|| answer.streams.first());
        let route = &plan.way().route;
        let key = target.credential.ours().map(|key| key.secret.clone());
        let same = target.dialect.is_some_and(|dialect| dialect.name == answer.name);
        Self {
            answer,
            form,
            id: plan.received.id.clone(),
            passes: same && key.is_none() && route.disclose == crate::config::Disclose::Full,
            key,
            secrets: forward::secrets(plan, target),
            as_unavailable: route.shared_quota == crate::config::SharedQuota::Unavailable,
            disclose: route.disclose,
            names: [target.upstream.name.clone(), target.upstream.url.host.clone()],
        }
    }

    fn tell(&self, failure: &Failure) -> Bytes {
        let mut told = failure.clone();
        if let Some(key) = &self.key {
            problem::hide_key(&mut told, key.expose());
            problem::on_our_credential(&mut told, self.disclose, self.as_unavailable);
        }
        problem::withhold(&mut told, self.disclose, &[&self.names[0], &self.names[1]]);
        Bytes::from(render_event(self.answer, self.form, &told, Some(&*self.id)).0)
    }
}

/// The body of a live stream.
struct Guard {
    /// Gone once the stream has ended: dropping it cancels the request upstream.
    upstream: Option<UpstreamBody>,
    reader: Option<StreamReader<'static>>,
    ready: VecDeque<Bytes>,
    teller: Teller,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    end: Rc<StreamEnd>,
}

impl Guard {
    fn take(&mut self, seen: Seen) {
        self.ready.extend(seen.pass);
        match (seen.failure, seen.told) {
            (Some(failure), Some(told)) if self.teller.passes => self.end_with(told, failure),
            (Some(failure), _) => self.fail(failure),
            (None, _) => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        let told = self.teller.tell(&failure);
        self.end_with(told, failure);
    }

    /// Delivers the event that tells of a failure; the stream is over.
    fn end_with(&mut self, told: Bytes, mut failure: Failure) {
        self.ready.push_back(told);
        self.teller.secrets.iter().for_each(|secret| problem::hide_key(&mut failure, secret));
        *self.end.failure.borrow_mut() = Some(failure);
        self.upstream = None;
        self.reader = None;
    }

    fn finish(&mut self, cut: bool) {
        let reader = self.reader.take();
        self.upstream = None;
        if let Some(reader) = reader {
            let seen = reader.finish(cut, SystemTime::now());
            self.end.complete.set(seen.failure.is_none());
            self.take(seen);
        }
    }

    /// Silence after everything was said is an end, not a stall.
    fn stalled(&mut self) {
        if self.reader.as_ref().is_some_and(StreamReader::is_complete) {
            return self.finish(false);
        }
        self.fail(
            Failure::new(Kind::GatewayTimeout)
                .fault(Fault::Network)
                .message("the upstream's stream stalled before its end"),
        );
    }
}

impl http_body::Body for Guard {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
            match Pin::new(upstream).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let idle = self.idle;
                    self.timer.as_mut().reset(tokio::time::Instant::now() + idle);
                    if let Some(reader) = &mut self.reader {
                        let seen = reader.feed(data, SystemTime::now());
                        self.take(seen);
                    }
                }
                Poll::Ready(Some(Err(error))) if error.fault() == BodyFault::Silent => self.stalled(),
                Poll::Ready(Some(Err(_cut))) => self.finish(true),
                Poll::Ready(None) => self.finish(false),
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(cx));
                    self.stalled();
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.upstream.is_none()
    }
}
