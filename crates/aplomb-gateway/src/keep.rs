//! Keeping: a request under a key runs by itself, and its answer is on the disk before its caller sees the end of it.
//!
//! Whether the caller stays doesn't matter: what it doesn't wait for it can fetch by asking again.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aplomb_core::policy::{Ended, Fate, fate};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName};
use http::{HeaderMap, Response, response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::guard::StreamEnd;
use crate::keepalive::Keepalive;
use crate::money::{Delivered, Money};
use crate::net::{Body, BodyError};
use crate::run::Run;
use crate::setup::Setup;
use crate::stage::plan::Plan;
use crate::stage::receive::Greeting;
use crate::stage::respond::{self, Told};
use crate::stage::{dispatch, settle};
use crate::store::Record;
use crate::worker::{Hold, Worker};

/// How many frames of a stream wait for a caller that reads slowly: then the upstream waits too.
const AHEAD: usize = 16;

/// A request under a key, ready to be sent.
pub(crate) struct Keyed {
    pub(crate) worker: Worker,
    pub(crate) greeting: Greeting,
    pub(crate) watch: settle::Watch,
    pub(crate) plan: Plan,
    pub(crate) run: Run,
    pub(crate) keepalive: Option<Rc<Keepalive>>,
}

/// Sends it and gives the answer; it goes on when this is dropped.
pub(crate) async fn run(keyed: Keyed) -> Response<Body> {
    let (answer, comes) = oneshot::channel();
    tokio::task::spawn_local(keyed.tell(answer));
    comes.await.unwrap_or_else(|_gone| {
        // It panicked, and has said so: here the story breaks off in the same way.
        std::panic::resume_unwind(Box::new("a request under a key broke off"))
    })
}

impl Keyed {
    async fn tell(self, mut answer: oneshot::Sender<Response<Body>>) {
        let Self { worker, greeting, mut watch, plan, mut run, keepalive } = self;
        // An end of the process waits for it, though its caller may be gone.
        let _busy = worker.busy();
        let setup = Arc::clone(plan.setup());
        // Whoever hangs up leaves as much time as a whole answer may take.
        let alone =
            plan.way().targets.first().map_or(Duration::ZERO, |target| target.upstream.timeouts.headers);
        run.send();
        let outcome = {
            let mut send = pin!(dispatch::send(&worker, plan, watch.trail()));
            tokio::select! {
                biased;
                outcome = &mut send => Some(outcome),
                () = async { answer.closed().await; sleep(alone).await } => None,
            }
        };
        let Some(outcome) = outcome else {
            let _put_off = run.end(Fate::Unknown, None, None).await;
            return;
        };
        let in_stream = keepalive.filter(|keepalive| keepalive.head_is_gone());
        let told = match &in_stream {
            None => respond::reply(&setup, &greeting, outcome, watch.trail()),
            Some(keepalive) => respond::in_stream(&setup, &greeting, outcome, keepalive),
        };
        let sent = !watch.trail().attempts.is_empty();
        let fate = fate_of(&told, sent, in_stream.is_some());
        let money = watch.trail().money.take();
        let Some(body) = told.response.body().as_bytes() else {
            let end = told.end.clone();
            let response = settle::finish(watch, told);
            let stream = Stream::new(&worker, &setup, run, money, end);
            return stream.pass(response, answer, alone).await;
        };
        // A failure that is told inside a stream has no status that could be given again.
        let fits = body.len() <= run.most && (in_stream.is_none() || told.failure.is_none());
        let record = fits.then(|| Record {
            status: told.response.status().as_u16(),
            headers: kept(told.response.headers()),
            body: Bytes::copy_from_slice(body),
        });
        let delivered = Delivered { bytes: body.len() as u64, events: 0 };
        let usage = told.end.as_ref().and_then(|end| end.usage.get());
        let succeeded = told.failure.is_none();
        let charge = money.filter(|_| succeeded).and_then(|money| money.charge(usage, delivered));
        // What can't be kept now is kept later; the caller isn't kept waiting for that.
        let _put_off = run.end(fate, record, charge).await;
        let _hung_up = answer.send(settle::finish(watch, told));
    }
}

fn fate_of(told: &Told, sent: bool, in_stream: bool) -> Fate {
    let failure = told.failure.as_deref();
    let status = match failure {
        // The head left before anybody knew.
        Some(failure) if in_stream => failure.kind.facts().status,
        _ => told.response.status().as_u16(),
    };
    fate(&Ended { status, failure, sent, outcome_unknown: told.outcome_unknown })
}

/// The headers of an answer that belong to it whenever it is given.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let passing = |name: &HeaderName| {
        let text = name.as_str();
        matches!(text, "aplomb-request-id" | "aplomb-attempts" | "date" | "connection" | "vary")
            || matches!(text, "aplomb-store" | "aplomb-shared")
            || text.starts_with("access-control-")
            || *name == header::CONTENT_LENGTH
    };
    headers
        .iter()
        .filter(|(name, _)| !passing(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An answer that is recorded while it passes.
struct Stream {
    run: Run,
    money: Option<Money>,
    end: Option<Rc<StreamEnd>>,
    /// What came so far; nothing once it is too much.
    record: Option<BytesMut>,
    hold: Hold,
    memory: u64,
    delivered: Delivered,
}

impl Stream {
    fn new(
        worker: &Worker,
        setup: &Setup,
        run: Run,
        money: Option<Money>,
        end: Option<Rc<StreamEnd>>,
    ) -> Self {
        Self {
            run,
            money,
            end,
            record: Some(BytesMut::new()),
            hold: worker.shared().hold(),
            memory: setup.config.server.memory,
            delivered: Delivered::default(),
        }
    }

    async fn pass(
        mut self,
        response: Response<Body>,
        answer: oneshot::Sender<Response<Body>>,
        alone: Duration,
    ) {
        let (head, body) = response.into_parts();
        let (frames, coming) = mpsc::channel(AHEAD);
        let _hung_up = answer.send(Response::from_parts(head.clone(), Body::stream(Coming(coming))));
        let mut last = VecDeque::new();
        let outcome = self.read(&head, body, &frames, &mut last, alone).await;
        let whole = outcome.is_ok() && self.end.as_ref().is_none_or(|end| end.complete.get());
        let fate = if whole { Fate::Keep } else { Fate::Unknown };
        let usage = self.end.as_ref().and_then(|end| end.usage.get());
        let delivered = self.delivered;
        let charge = self
            .money
            .take()
            .filter(|_| whole || delivered.bytes > 0)
            .and_then(|money| money.charge(usage, delivered));
        let record = self.record.take().map(|body| Record {
            status: head.status.as_u16(),
            headers: kept(&head.headers),
            body: body.freeze(),
        });
        let _put_off = self.run.end(fate, record, charge).await;
        for frame in last {
            let _hung_up = frames.send(Ok(frame)).await;
        }
        if let Err(Some(error)) = outcome {
            let _hung_up = frames.send(Err(error)).await;
        }
    }

    /// Reads it to its end. What says that it is the end stays in `last`: nobody hears it before it is kept.
    ///
    /// # Errors
    /// What broke it; nothing if nobody is left who could want it.
    async fn read(
        &mut self,
        head: &response::Parts,
        mut body: Body,
        frames: &mpsc::Sender<Result<Frame<Bytes>, BodyError>>,
        last: &mut VecDeque<Frame<Bytes>>,
        alone: Duration,
    ) -> Result<(), Option<BodyError>> {
        let is_events = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let mut until = None::<Instant>;
        loop {
            let too_late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => frames.closed().await,
                }
            };
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = too_late => {
                    if until.is_some() || self.record.is_none() {
                        return Err(None);
                    }
                    until = Some(Instant::now() + alone);
                    continue;
                }
            };
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_err(Some)?;
            if let Some(data) = frame.data_ref() {
                self.take(data, is_events);
            }
            let ends = body.is_end_stream() || self.end.as_ref().is_some_and(|end| end.ends.get());
            if ends || !last.is_empty() {
                last.push_back(frame);
            } else if until.is_none() {
                // Whoever hangs up meanwhile is noticed at the next frame.
                let _hung_up = frames.send(Ok(frame)).await;
            }
        }
    }

    fn take(&mut self, data: &Bytes, is_events: bool) {
        self.delivered.add(data, is_events);
        let Some(record) = &mut self.record else { return };
        let fits = record.len() + data.len() <= self.run.most && self.hold.grow(data.len(), self.memory);
        if fits {
            record.extend_from_slice(data);
        } else {
            self.record = None;
        }
    }
}

/// Frames that come from a request that runs by itself.
struct Coming(mpsc::Receiver<Result<Frame<Bytes>, BodyError>>);

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_belongs_to_one_request_is_not_given_to_the_next() {
        let mut headers = HeaderMap::new();
        for name in
            ["aplomb-request-id", "aplomb-attempts", "date", "access-control-allow-origin", "content-length"]
        {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        headers.insert("x-own", HeaderValue::from_static("1"));
        headers.append("x-own", HeaderValue::from_static("2"));
        headers.insert("aplomb-kind", HeaderValue::from_static("not_found"));
        let left: Vec<_> = kept(&headers).keys().map(|name| name.as_str().to_owned()).collect();
        assert_eq!(left, ["x-own", "aplomb-kind"]);
        assert_eq!(kept(&headers).get_all("x-own").iter().count(), 2);
    }
}
