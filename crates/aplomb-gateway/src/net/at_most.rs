//! A bound on a body that is passed through: what goes beyond it is never sent on.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::body::Body;
use super::body_error::{BodyError, BodyFault};

/// Whether a bounded body turned out to be too large.
#[derive(Clone, Debug, Default)]
pub struct Overflow(Rc<Cell<bool>>);

impl Overflow {
    /// More came than was allowed.
    pub fn happened(&self) -> bool {
        self.0.get()
    }
}

/// The same body, ending in an error when more than `most` bytes come.
pub fn at_most(body: Body, most: u64) -> (Body, Overflow) {
    let overflow = Overflow::default();
    (Body::stream(AtMost { body, left: most, overflow: overflow.clone() }), overflow)
}

struct AtMost {
    body: Body,
    left: u64,
    overflow: Overflow,
}

impl http_body::Body for AtMost {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(left) = self.left.checked_sub(length) else {
                self.overflow.0.set(true);
                return Poll::Ready(Some(Err(BodyError::new(BodyFault::Cut))));
            };
            self.left = left;
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_goes_beyond_the_bound_is_not_sent_on() {
        let (body, overflow) = at_most(Body::full("12345"), 5);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "12345");
        assert!(!overflow.happened());
        let (body, overflow) = at_most(Body::full("123456"), 5);
        assert!(body.collect().await.is_err());
        assert!(overflow.happened());
    }
}
