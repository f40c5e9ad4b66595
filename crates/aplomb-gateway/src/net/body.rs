//! The one body type, of requests going upstream and of answers going to callers alike.
//!
//! Every kind says its exact size when it knows it, so that a small message leaves with its head in one write.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::body_error::BodyError;
use super::upstream::UpstreamBody;

/// A body that is not needed on another thread and whose kind is known only when it runs.
pub type LocalBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// What follows the head of a message.
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Bytes),
    Caller(Incoming),
    /// Boxed, because every message is moved several times, and most have another body.
    Upstream(Box<UpstreamBody>),
    Stream(LocalBody),
}

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Exactly these bytes, in one piece.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self(Kind::Full(bytes)) }
    }

    /// A caller's body, passed through as it arrives.
    pub fn caller(incoming: Incoming) -> Self {
        Self(Kind::Caller(incoming))
    }

    /// Any other body of this thread; its frames are passed on as they come.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self(Kind::Stream(Box::pin(body)))
    }

    /// The bytes, when they are all there already: of an empty or a full body that was not read yet.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Empty => Some(&[]),
            Kind::Full(bytes) => Some(bytes),
            Kind::Caller(_) | Kind::Upstream(_) | Kind::Stream(_) => None,
        }
    }
}

impl From<UpstreamBody> for Body {
    fn from(body: UpstreamBody) -> Self {
        Self(Kind::Upstream(Box::new(body)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Full(_) => "full",
            Kind::Caller(_) => "caller",
            Kind::Upstream(_) => "upstream",
            Kind::Stream(_) => "stream",
        };
        write!(out, "Body({kind}, {:?})", http_body::Body::size_hint(self).exact())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Caller(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::of)))
            }
            Kind::Upstream(body) => Pin::new(body).poll_frame(cx),
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Caller(incoming) => incoming.is_end_stream(),
            Kind::Upstream(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Caller(incoming) => incoming.size_hint(),
            Kind::Upstream(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_full_body_is_one_frame_of_known_size() {
        let mut body = Body::full("hello");
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn no_bytes_are_an_empty_body_whichever_way_they_came() {
        for body in [Body::empty(), Body::full(Bytes::new()), Body::default()] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert_eq!(body.as_bytes(), Some(&[][..]));
        }
    }
}
