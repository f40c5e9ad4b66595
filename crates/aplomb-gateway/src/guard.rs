//! The guard of a live stream: healthy events pass untouched, anything else becomes one error event and the end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use aplomb_core::dialect::{Seen, StreamReader, Usage};
use aplomb_core::spec::{Endpoint, StreamForm};
use aplomb_core::{Dialect, Failure, Fault, Kind};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep, timeout};

use crate::net::{Body, BodyError, BodyFault};
use crate::setup::Target;
use crate::stage::plan::Plan;
use crate::teller::Teller;

/// How a stream ended, for the log: filled by the body while it is delivered.
#[derive(Debug, Default)]
pub(crate) struct StreamEnd {
    /// What went wrong, if something did.
    pub(crate) failure: RefCell<Option<Failure>>,
    /// What passes next says that the answer is whole.
    pub(crate) ends: Cell<bool>,
    /// The answer was whole.
    pub(crate) complete: Cell<bool>,
    /// The tokens that it told of so far, if they are counted.
    pub(crate) usage: Cell<Option<Usage>>,
}

impl StreamEnd {
    /// Of an answer that is whole already.
    pub(crate) fn of_usage(usage: Usage) -> Rc<Self> {
        Rc::new(Self { complete: Cell::new(true), usage: Cell::new(Some(usage)), ..Self::default() })
    }
}

/// A stream that was taken in.
#[expect(clippy::large_enum_variant, reason = "it is looked at once and taken apart")]
pub(crate) enum Opened {
    /// It is on its way.
    Healthy {
        /// The events, watched.
        body: Body,
        /// How it ends.
        end: Rc<StreamEnd>,
    },
    /// It failed before anything could be delivered.
    Failed(Broken),
}

/// A stream that failed before anything could be delivered.
pub(crate) struct Broken {
    /// Why.
    pub(crate) failure: Failure,
    /// Nothing came in time.
    pub(crate) silent: bool,
    /// Healthy events came before it: the upstream began to do what it was asked.
    pub(crate) begun: bool,
}

/// Waits for the first whole event of a stream. What fails before it can still be repaired.
pub(crate) async fn open(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    mut body: Body,
) -> Opened {
    let failed = |failure, silent| Opened::Failed(Broken { failure, silent, begun: false });
    let mut reader = reader(plan, target, endpoint);
    let first_event = target.upstream.timeouts.first_event;
    let mut ready = VecDeque::new();
    while ready.is_empty() {
        let frame = match timeout(first_event, body.frame()).await {
            Ok(frame) => frame,
            Err(_elapsed) => return failed(silent(), true),
        };
        let now = SystemTime::now();
        let seen = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => reader.feed(data, now),
                Err(_trailers) => continue,
            },
            ended => {
                let cut = matches!(ended, Some(Err(_)));
                let usage = reader.usage();
                let Seen { pass, failure, .. } = reader.finish(cut, now);
                return match failure {
                    Some(failure) => failed(failure, false),
                    None => whole(pass.concat().into(), usage),
                };
            }
        };
        // Events that came with the failure were not delivered either.
        if let Some(failure) = seen.failure {
            return failed(failure, false);
        }
        ready.extend(seen.pass);
    }
    watch(plan, target, endpoint, Begun { body, reader, ready })
}

/// A stream of which something was read already.
pub(crate) struct Begun {
    /// What is still to come.
    pub(crate) body: Body,
    /// What follows it.
    pub(crate) reader: StreamReader<'static>,
    /// Healthy events that came.
    pub(crate) ready: VecDeque<Bytes>,
}

/// Lets a stream flow, watched.
pub(crate) fn watch(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
    begun: Begun,
) -> Opened {
    let Begun { body, reader, ready } = begun;
    let (usage, ends) = (Cell::new(reader.usage()), Cell::new(reader.is_complete()));
    let end = Rc::new(StreamEnd { usage, ends, ..StreamEnd::default() });
    let idle = target.upstream.timeouts.idle;
    let guard = Guard {
        upstream: Some(body),
        reader: Some(reader),
        ready,
        teller: Teller::new(plan, target, endpoint, form(plan.spoken(target), endpoint)),
        idle,
        timer: Box::pin(sleep(idle)),
        end: Rc::clone(&end),
    };
    Opened::Healthy { body: Body::stream(guard), end }
}

/// A stream that came to its end before anything of it was delivered.
pub(crate) fn whole(events: Bytes, usage: Option<Usage>) -> Opened {
    let end = Rc::new(StreamEnd::default());
    end.complete.set(true);
    end.usage.set(usage);
    Opened::Healthy { body: Body::full(events), end }
}

/// What follows a target's stream.
pub(crate) fn reader(
    plan: &Plan,
    target: &Target,
    endpoint: Option<&'static Endpoint>,
) -> StreamReader<'static> {
    let dialect = plan.spoken(target);
    let reader = StreamReader::new(plan.setup().catalog, dialect, form(dialect, endpoint));
    if plan.count.tokens { reader.counting(plan.count.withhold.get()) } else { reader }
}

fn form(dialect: &'static Dialect, endpoint: Option<&Endpoint>) -> Option<&'static StreamForm> {
    dialect.stream(endpoint?.stream.as_deref()?)
}

/// Nothing came in time.
pub(crate) fn silent() -> Failure {
    Failure::new(Kind::GatewayTimeout)
        .fault(Fault::Network)
        .message("the upstream's stream brought nothing in time")
}

/// Nothing more came in time.
pub(crate) fn stalled() -> Failure {
    Failure::new(Kind::GatewayTimeout)
        .fault(Fault::Network)
        .message("the upstream's stream stalled before its end")
}

/// The body of a live stream.
struct Guard {
    /// Gone once the stream has ended: dropping it cancels the request upstream.
    upstream: Option<Body>,
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
            (Some(failure), Some(told)) if self.teller.passes() => self.end_with(told, failure),
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
        self.teller.hide_secrets(&mut failure);
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
        self.fail(stalled());
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
                        let usage = reader.usage();
                        let ends = reader.is_complete();
                        self.end.usage.set(usage);
                        self.end.ends.set(ends);
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

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    /// What passes of a stream, and its end.
    async fn passed(withhold: bool, pieces: &[&'static str]) -> (String, Rc<StreamEnd>) {
        let catalog = aplomb_core::catalog();
        let openai = catalog.get("openai").unwrap();
        let reader = StreamReader::new(catalog, openai, openai.stream("chat")).counting(withhold);
        let frames: Vec<_> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))).collect();
        let body = Body::stream(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
        let end = Rc::new(StreamEnd::default());
        let idle = Duration::from_secs(1);
        let guard = Guard {
            upstream: Some(body),
            reader: Some(reader),
            ready: VecDeque::new(),
            teller: Teller::plain(openai),
            idle,
            timer: Box::pin(sleep(idle)),
            end: Rc::clone(&end),
        };
        let text = Body::stream(guard).collect().await.unwrap().to_bytes();
        (String::from_utf8(text.to_vec()).unwrap(), end)
    }

    #[tokio::test]
    async fn the_end_tells_the_usage_and_its_event_only_passes_to_who_asked() {
        let told = Some(Usage { input: Some(3), output: Some(2), total: None });
        let (text, end) = passed(true, &[TOKEN, USAGE, DONE]).await;
        assert_eq!((text, end.usage.get(), end.complete.get()), ([TOKEN, DONE].concat(), told, true));
        let (text, end) = passed(false, &[TOKEN, USAGE, DONE]).await;
        assert_eq!((text, end.usage.get()), ([TOKEN, USAGE, DONE].concat(), told));
    }

    #[tokio::test]
    async fn a_stream_that_breaks_tells_what_it_told() {
        let (_, end) = passed(true, &[TOKEN, USAGE, "data: {"]).await;
        assert!(end.failure.borrow().is_some() && end.usage.get().is_some());
        assert_eq!(passed(true, &[TOKEN]).await.1.usage.get(), None);
    }
}
