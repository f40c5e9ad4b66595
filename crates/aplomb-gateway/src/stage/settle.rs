//! Settle: what happened is told once, when the answer's last byte is on its way or nobody waits for it any more.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aplomb_core::dialect::Usage;
use aplomb_core::{Failure, Fault, Kind};
use bytes::Bytes;
use http::{Response, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::guard::StreamEnd;
use crate::lanes::Permit;
use crate::metrics;
use crate::money::Delivered;
use crate::net::{Body, BodyError};
use crate::observe;
use crate::setup::Setup;
use crate::stage::respond::Told;
use crate::trail::Trail;
use crate::worker::Worker;

/// Watches over one request until its story is told.
///
/// Dropped before that, it tells that the caller went away: no other place can see that.
pub(crate) struct Watch {
    worker: Worker,
    trail: Option<Box<Trail>>,
    /// After how long the answer began.
    begun: Option<Duration>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn new(worker: Worker, trail: Box<Trail>) -> Self {
        worker.shared().in_flight.fetch_add(1, Ordering::Relaxed);
        Self { worker, trail: Some(trail), begun: None }
    }

    /// The story so far.
    pub(crate) fn trail(&mut self) -> &mut Trail {
        self.trail.as_mut().expect("the story is taken only when it is told")
    }

    /// What the answer took stands in place of what was taken from the caller's limits.
    ///
    /// Without a usage what was estimated stays taken, unless nobody was asked.
    fn settle(&mut self, usage: Option<Usage>) {
        let Some(trail) = &mut self.trail else { return };
        let Some(admission) = &mut trail.admission else { return };
        match usage {
            Some(usage) => admission.settle(usage),
            None if trail.attempts.is_empty() => admission.unused(),
            None => {}
        }
    }

    /// What the answer cost is charged; one that tells of a failure costs nothing.
    fn charge(&mut self, usage: Option<Usage>, delivered: Delivered, succeeded: bool) {
        let money = self.trail.as_mut().and_then(|trail| trail.money.take());
        if let Some(money) = money.filter(|_| succeeded) {
            money.settle(usage, delivered);
        }
    }

    fn tell(&mut self, end: &End) {
        if let Some(trail) = self.trail.take() {
            metrics::count(&self.worker, &trail, self.begun, end);
            observe::request(&trail, end);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.worker.shared().in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.trail.is_some() {
            // A bug of ours ends the story as well: then it is no caller that went away.
            let (kind, status) = match std::thread::panicking() {
                true => (Kind::Internal, 500),
                false => (Kind::Cancelled, 499),
            };
            let mut failure = Failure::new(kind);
            if kind == Kind::Internal {
                failure.fault = Fault::Gateway;
            }
            let failure = Some(Box::new(failure));
            self.tell(&End { status, failure, bytes: 0, cut: false });
        }
    }
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The status that the caller saw; 499 when it went away before.
    pub(crate) status: u16,
    /// What the answer told of.
    pub(crate) failure: Option<Box<Failure>>,
    /// How many bytes of body were handed over.
    pub(crate) bytes: u64,
    /// The body ended before its end.
    pub(crate) cut: bool,
}

/// Lets the answer go, and tells its story when it is over.
pub(crate) fn finish(mut watch: Watch, told: Told) -> Response<Body> {
    let Told { response, failure, end, permit, outcome_unknown: _ } = told;
    let status = response.status().as_u16();
    watch.begun = Some(watch.trail().began.elapsed());
    // Nobody polls a body that is empty from the start, such as one of HEAD: it would seem that the caller went away.
    if response.body().as_bytes().is_some() || response.body().is_end_stream() {
        let bytes = response.body().size_hint().exact().unwrap_or(0);
        let usage = end.and_then(|end| end.usage.get());
        watch.settle(usage);
        watch.charge(usage, Delivered { bytes, events: 0 }, failure.is_none());
        if let Some(permit) = permit {
            permit.settle(usage, bytes);
        }
        watch.tell(&End { status, failure, bytes, cut: false });
        return response;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_events = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let delivered = Delivered::default();
    response
        .map(|body| Body::stream(Watched { body, watch, status, failure, end, permit, delivered, is_events }))
}

/// Counts an answer to what the listener refused: it was no request yet, and has nothing else to tell.
pub(crate) fn refused(setup: &Setup, told: &Told) {
    let kind = told.failure.as_ref().map(|failure| failure.kind);
    setup.unrouted.refused(told.response.status().as_u16(), kind);
}

/// A body that is told of when it ends.
struct Watched {
    body: Body,
    watch: Watch,
    status: u16,
    failure: Option<Box<Failure>>,
    end: Option<Rc<StreamEnd>>,
    /// The call's place in its lane: it counts as under way until its answer is over.
    permit: Option<Box<Permit>>,
    delivered: Delivered,
    is_events: bool,
}

impl Watched {
    fn over(&mut self, cut: bool) {
        let usage = self.end.as_ref().and_then(|end| end.usage.get());
        self.watch.settle(usage);
        if let Some(permit) = self.permit.take() {
            permit.settle(usage, self.delivered.bytes);
        }
        // Nothing came of a stream that broke before its first byte; anything else is what was paid for.
        let succeeded = self.failure.is_none() && (!cut || self.delivered.bytes > 0);
        self.watch.charge(usage, self.delivered, succeeded);
        let in_stream = self.end.as_ref().and_then(|end| end.failure.borrow_mut().take());
        let failure = self.failure.take().or_else(|| in_stream.map(Box::new));
        self.watch.tell(&End { status: self.status, failure, bytes: self.delivered.bytes, cut });
    }
}

/// Whoever hangs up in the middle of an answer pays for what was delivered: no other place can see that.
impl Drop for Watched {
    fn drop(&mut self) {
        let usage = self.end.as_ref().and_then(|end| end.usage.get());
        let succeeded = self.failure.is_none() && self.delivered.bytes > 0;
        self.watch.charge(usage, self.delivered, succeeded);
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let is_events = self.is_events;
                frame.data_ref().into_iter().for_each(|data| self.delivered.add(data, is_events));
                if self.body.is_end_stream() {
                    self.over(false);
                }
            }
            Some(Err(_)) => self.over(true),
            None => self.over(false),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
