//! An upstream's answer as it arrives, and the connection that it arrives on.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::super::body_error::{BodyError, BodyFault};
use super::h2::OpenStream;
use super::shelf::Lease;

/// The body of an upstream's answer.
///
/// Read to its end it gives its connection back to the pool; dropped before, it closes an HTTP/1.1
/// connection and resets an HTTP/2 stream, so that the upstream hears at once that nobody listens.
pub struct UpstreamBody {
    // Before the connection, so that a stream is reset before its place is given to another.
    incoming: Incoming,
    held: Held,
    /// How long it may be silent, if that is bounded here.
    idle: Option<Duration>,
    /// Runs while something is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

pub(super) enum Held {
    Connection(Lease),
    Stream(#[expect(dead_code, reason = "counts itself until dropped")] OpenStream),
    Nothing,
}

/// Binds an answer to what it arrives on.
pub(super) fn bind(answer: Response<Incoming>, held: Held) -> Response<UpstreamBody> {
    let (mut head, incoming) = answer.into_parts();
    settle_length(&mut head.headers, http_body::Body::size_hint(&incoming).exact());
    Response::from_parts(head, UpstreamBody::new(incoming, held))
}

/// Leaves one length at most, and none that the body contradicts: a chunked answer may come with one too, and
/// passed on it would end the answer somewhere else for the caller than it did for us.
fn settle_length(headers: &mut HeaderMap, exact: Option<u64>) {
    match exact {
        None => drop(headers.remove(CONTENT_LENGTH)),
        Some(length) if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() && length > 0 => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Some(_) => {}
    }
}

impl UpstreamBody {
    fn new(incoming: Incoming, held: Held) -> Self {
        let mut body = Self { incoming, held, idle: None, waiting: None };
        if http_body::Body::is_end_stream(&body.incoming) {
            body.finish();
        }
        body
    }

    /// The same, but silence for longer than this ends it with an error: whoever waits for it would wait for ever.
    ///
    /// Only the upstream's silence counts, not a reader who takes his time.
    #[must_use]
    pub fn at_least_every(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// Ready once it was silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = self.idle else { return Poll::Pending };
        self.waiting.get_or_insert_with(|| Box::pin(sleep(idle))).as_mut().poll(cx)
    }

    fn finish(&mut self) {
        if let Held::Connection(lease) = std::mem::replace(&mut self.held, Held::Nothing) {
            lease.give_back();
        }
    }

    /// Whether an end that hyper reports as clean came before the answer was whole.
    ///
    /// It takes an HTTP/2 stream that was reset without a fault for one that ended.
    fn is_short(&self) -> bool {
        matches!(self.held, Held::Stream(_)) && !http_body::Body::is_end_stream(&self.incoming)
    }
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.poll_silence(cx));
            self.held = Held::Nothing;
            return Poll::Ready(Some(Err(BodyError::new(BodyFault::Silent))));
        };
        self.waiting = None;
        match frame {
            Some(Ok(frame)) => {
                if http_body::Body::is_end_stream(&self.incoming) {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.held = Held::Nothing;
                Poll::Ready(Some(Err(BodyError::of(error))))
            }
            None if self.is_short() => {
                self.held = Held::Nothing;
                Poll::Ready(Some(Err(BodyError::new(BodyFault::Cut))))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("UpstreamBody")
    }
}
