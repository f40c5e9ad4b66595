//! Signs of life: a caller that waits for its stream is sent comments, once the status may be given away for them.
//!
//! The first comment takes the head of a healthy stream with it, so that whatever happens later is told in the stream.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aplomb_core::Dialect;
use aplomb_core::spec::StreamForm;
use bytes::Bytes;
use http::{Method, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::net::{Body, BodyError};
use crate::teller;

/// What the caller reads meanwhile: every reader of events skips it.
const COMMENT: &[u8] = b": waiting\n\n";

/// What the story and the body that its caller waits on know of each other.
#[derive(Debug)]
pub(crate) struct Keepalive {
    every: Duration,
    /// How many reasons there are to send comments now.
    reasons: Cell<u32>,
    head_is_gone: Cell<bool>,
    asked: (Method, String),
}

impl Keepalive {
    /// For a request of this method and path; `always`, or as long as somebody waits.
    pub(crate) fn new(every: Duration, always: bool, method: Method, rest: String) -> Self {
        let reasons = Cell::new(u32::from(always));
        Self { every, reasons, head_is_gone: Cell::new(false), asked: (method, rest) }
    }

    /// Comments may be sent as long as what this gives is kept: the request waits for its turn.
    pub(crate) fn wait(self: &Rc<Self>) -> Waits {
        self.reasons.set(self.reasons.get() + 1);
        Waits(Rc::clone(self))
    }

    /// The head of the answer has left: what is still to be told is told in the stream.
    pub(crate) fn head_is_gone(&self) -> bool {
        self.head_is_gone.get()
    }

    /// The form in which a dialect tells of a failure in this stream.
    pub(crate) fn form(&self, dialect: &'static Dialect) -> Option<&'static StreamForm> {
        let (method, rest) = &self.asked;
        teller::own_form(dialect, method, rest).or_else(|| dialect.streams.first())
    }
}

/// A reason to send comments, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waits(Rc<Keepalive>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.reasons.set(self.0.reasons.get() - 1);
    }
}

/// The answer itself if it comes before the first comment is due; else `head`, comments, and then the answer's body.
pub(crate) async fn answer(life: Rc<Keepalive>, head: Response<()>, mut answer: Answer) -> Response<Body> {
    loop {
        match timeout(life.every, answer.as_mut()).await {
            Ok(answer) => return answer,
            Err(_elapsed) if life.reasons.get() > 0 => break,
            Err(_elapsed) => {}
        }
    }
    life.head_is_gone.set(true);
    let timer = Box::pin(sleep(Duration::ZERO));
    head.map(|()| Body::stream(Waiting { answer: Ok(answer), timer, every: life.every }))
}

/// The rest of a story, in a box: most requests have no need of it.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>>>>;

/// Comments until the answer is there, then its body.
struct Waiting {
    answer: Result<Answer, Body>,
    timer: Pin<Box<Sleep>>,
    every: Duration,
}

impl http_body::Body for Waiting {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Ok(answer) = &mut this.answer {
            let Poll::Ready(answer) = answer.as_mut().poll(cx) else {
                ready!(this.timer.as_mut().poll(cx));
                this.timer.as_mut().reset(Instant::now() + this.every);
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
            };
            this.answer = Err(answer.into_body());
        }
        match &mut this.answer {
            Ok(_) => Poll::Pending,
            Err(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.answer.as_ref().is_err_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    const EVERY: Duration = Duration::from_secs(15);

    fn life(always: bool) -> Rc<Keepalive> {
        Rc::new(Keepalive::new(EVERY, always, Method::POST, "/v1/chat/completions".to_owned()))
    }

    async fn after(seconds: u64) -> Response<Body> {
        sleep(Duration::from_secs(seconds)).await;
        let mut response = Response::new(Body::full("data: 1\n\n"));
        response.headers_mut().insert("x-own", http::HeaderValue::from_static("1"));
        response
    }

    async fn told(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_before_the_first_comment_is_the_answer() {
        let response = answer(life(true), Response::new(()), Box::pin(after(14))).await;
        assert!(response.headers().contains_key("x-own"));
        assert_eq!(told(response).await, "data: 1\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn comments_flow_at_their_interval_until_the_answer_is_there() {
        let (life, began) = (life(true), Instant::now());
        let response = answer(Rc::clone(&life), Response::new(()), Box::pin(after(50))).await;
        assert_eq!((began.elapsed(), life.head_is_gone()), (EVERY, true));
        assert!(!response.headers().contains_key("x-own"));
        assert_eq!(
            told(response).await,
            [": waiting\n\n", ": waiting\n\n", ": waiting\n\n", "data: 1\n\n"].concat()
        );
        assert_eq!(began.elapsed(), Duration::from_secs(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_stream_keeps_its_status_unless_its_request_waits_for_its_turn() {
        let live = life(false);
        let response = answer(Rc::clone(&live), Response::new(()), Box::pin(after(50))).await;
        assert!(response.headers().contains_key("x-own") && !live.head_is_gone());
        let queued = life(false);
        let own = Rc::clone(&queued);
        let rest = Box::pin(async move {
            let turn = own.wait();
            sleep(Duration::from_secs(20)).await;
            drop(turn);
            after(20).await
        });
        let response = answer(Rc::clone(&queued), Response::new(()), rest);
        assert_eq!(told(response.await).await, [": waiting\n\n", ": waiting\n\n", "data: 1\n\n"].concat());
    }
}
