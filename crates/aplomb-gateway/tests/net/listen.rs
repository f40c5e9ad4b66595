//! The listener: both protocols, callers that leave, early answers, limits and the end.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use aplomb_gateway::net::{Body, Drained, Kept, ListenSettings, keep};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::gateway::{Gateway, text};
use super::wire::Peer;

const PACE: Duration = Duration::from_secs(5);
pub(super) const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

async fn h2(gateway: &Gateway) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (sender, connection) = http2::handshake(Local, TokioIo::new(stream)).await.unwrap();
    spawn_local(async move { connection.await.unwrap_or_default() });
    sender
}

/// Sends a word when dropped.
pub(super) struct Dropped(pub(super) mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A service that never answers and says when it is asked and when it is dropped.
fn silent() -> (Gateway, mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = mpsc::unbounded_channel();
    let gateway = Gateway::start(move |_, _| {
        let dropped = Dropped(tell.clone());
        let _ = tell.send("asked");
        async move {
            let _dropped = dropped;
            pending().await
        }
    });
    (gateway, told)
}

#[tokio::test(flavor = "local")]
async fn both_protocols_are_spoken_on_one_port() {
    let gateway = Gateway::start(|request, from| async move {
        let (version, tls) = (request.version(), from.tls);
        text(StatusCode::OK, format!("{version:?} h2={} tls={tls}", from.http2))
    });
    let mut caller = Peer::connect(gateway.address).await;
    for _ in 0..3 {
        caller.send(GET).await;
        assert!(caller.message().await.ends_with("\r\n\r\nHTTP/1.1 h2=false tls=false"));
    }
    let request = Request::get("http://a/x").body(Full::default()).unwrap();
    let answer = h2(&gateway).await.send_request(request).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0 h2=true tls=false");
}

#[tokio::test(flavor = "local")]
async fn a_head_that_comes_byte_by_byte_is_read_like_any_other() {
    let gateway = Gateway::start(|request, _| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        text(StatusCode::OK, format!("{body:?}"))
    });
    let mut caller = Peer::connect(gateway.address).await;
    caller.stream.set_nodelay(true).unwrap();
    for byte in b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" {
        caller.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(caller.message().await.ends_with("\r\n\r\nb\"abc\""));
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_leaves_takes_its_request_along() {
    let (gateway, mut told) = silent();
    for request in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(request).await;
        assert_eq!(told.recv().await, Some("asked"));
        if request == GET {
            drop(caller);
            assert_eq!(told.recv().await, Some("dropped"));
        }
    }
    let mut sender = h2(&gateway).await;
    let request = Request::get("http://a/x").body(Full::default()).unwrap();
    let asking = spawn_local(sender.send_request(request));
    assert_eq!(told.recv().await, Some("dropped"), "the unread body's caller above is gone by now");
    assert_eq!(told.recv().await, Some("asked"));
    asking.abort();
    assert_eq!(told.recv().await, Some("dropped"));
}

#[tokio::test(flavor = "local")]
async fn a_caller_that_leaves_in_the_middle_of_an_answer_ends_the_answer() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let gateway = Gateway::start(move |_, _| {
        let dropped = Dropped(tell.clone());
        async move {
            let first = Ok(http_body::Frame::data(Bytes::from_static(b"begun")));
            let stream = futures_util::StreamExt::chain(
                futures_util::stream::iter([first]),
                futures_util::stream::once(async move {
                    let _dropped = dropped;
                    pending().await
                }),
            );
            Response::new(Body::stream(http_body_util::StreamBody::new(stream)))
        }
    });
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    caller.until("begun").await;
    drop(caller);
    assert_eq!(told.recv().await, Some("dropped"));
}

#[tokio::test(flavor = "local")]
async fn a_body_is_kept_whole_or_streamed_and_continue_is_said_when_it_is_wanted() {
    let gateway = Gateway::start(|request, _| async move {
        if request.uri().path() == "/early" {
            return text(StatusCode::FORBIDDEN, "no");
        }
        match keep(request.into_body(), 10, PACE, |_| true).await {
            Ok(Kept::Whole(bytes)) => text(StatusCode::OK, format!("whole {}", bytes.len())),
            Ok(Kept::Streaming(body)) => {
                let bytes = body.collect().await.unwrap().to_bytes();
                text(StatusCode::OK, format!("streamed {}", bytes.len()))
            }
            Ok(Kept::NoRoom) => text(StatusCode::SERVICE_UNAVAILABLE, "no room"),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{:?}", error.fault())),
        }
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (rest, said) in [
        ("Content-Length: 10\r\n\r\n0123456789", "whole 10"),
        ("Content-Length: 11\r\n\r\n0123456789a", "streamed 11"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "whole 6"),
        ("Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n", "streamed 16"),
        ("\r\n", "whole 0"),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Malformed"),
    ] {
        let mut caller = Peer::connect(gateway.address).await;
        caller.send(format!("{head}{rest}")).await;
        let answer = caller.message().await;
        assert!(answer.ends_with(&format!("\r\n\r\n{said}")), "{rest:?} was {answer:?}");
    }
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(format!("{head}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")).await;
    assert_eq!(caller.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    caller.send("abc").await;
    assert!(caller.message().await.ends_with("whole 3"));
    caller.send("POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    assert!(caller.head().await.starts_with("HTTP/1.1 403 "), "nobody wants that body");
}

#[tokio::test(flavor = "local")]
async fn an_answer_given_before_the_body_was_read_still_arrives() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::PAYLOAD_TOO_LARGE, "too large") });
    let mut caller = Peer::connect(gateway.address).await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n").await;
    caller.send(vec![b'x'; 600_000]).await;
    assert!(caller.message().await.ends_with("too large"));
}

#[tokio::test(flavor = "local")]
async fn http2_callers_are_held_to_the_same_limits() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let mut sender = h2(&gateway).await;
    let ask = |request: http::request::Builder| request.body(Full::<Bytes>::default()).unwrap();
    let long = ask(Request::get(format!("http://a/{}", "x".repeat(16 * 1024))));
    assert_eq!(sender.send_request(long).await.unwrap().status(), StatusCode::URI_TOO_LONG);
    let many = (0..101).fold(Request::get("http://a/"), |request, n| request.header(format!("x-{n}"), "y"));
    let status = sender.send_request(ask(many)).await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let twice = ask(Request::get("http://a/").header("host", "a").header("host", "b"));
    assert_eq!(sender.send_request(twice).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let good = ask(Request::get("http://a/"));
    assert_eq!(sender.send_request(good).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "local")]
async fn one_connection_too_many_is_closed_and_a_freed_place_is_given_again() {
    let mut settings = ListenSettings::default();
    settings.most_connections = 1;
    let gateway = Gateway::with(settings.clone(), |_, _| async { text(StatusCode::OK, "ok") });
    let mut first = Peer::connect(gateway.address).await;
    first.send(GET).await;
    first.message().await;
    assert_eq!(settings.open(), 1);
    assert_eq!(Peer::connect(gateway.address).await.rest().await, "");
    first.send(GET).await;
    assert!(first.message().await.ends_with("ok"));
    drop(first);
    while settings.open() > 0 {
        tokio::task::yield_now().await;
    }
    let mut next = Peer::connect(gateway.address).await;
    next.send(GET).await;
    assert!(next.message().await.ends_with("ok"));
}

#[tokio::test(flavor = "local")]
async fn stopping_lets_answers_finish_and_cuts_what_takes_too_long() {
    let (answer, held) = tokio::sync::oneshot::channel::<()>();
    let (asked, mut told) = mpsc::unbounded_channel();
    let held = Rc::new(Cell::new(Some(held)));
    let gateway = Gateway::start(move |request, _| {
        let (held, asked) = (held.clone(), asked.clone());
        async move {
            let _ = asked.send(());
            match request.uri().path() {
                "/slow" => drop(held.take().unwrap().await),
                "/never" => pending().await,
                _ => {}
            }
            text(StatusCode::OK, "done")
        }
    });
    let mut idle = Peer::connect(gateway.address).await;
    idle.send(GET).await;
    idle.message().await;
    let mut slow = Peer::connect(gateway.address).await;
    slow.send(GET.replace("/x", "/slow")).await;
    let mut never = Peer::connect(gateway.address).await;
    never.send(GET.replace("/x", "/never")).await;
    for _ in 0..3 {
        told.recv().await.unwrap();
    }
    gateway.stop.within(Duration::from_millis(300));
    assert_eq!(idle.rest().await, "");
    assert!(TcpStream::connect(gateway.address).await.is_err());
    answer.send(()).unwrap();
    let last = slow.rest().await;
    assert!(last.contains("connection: close") && last.ends_with("done"), "{last:?}");
    assert_eq!(never.rest().await, "");
    assert_eq!(gateway.ended.await.unwrap().unwrap(), Drained { finished: 2, cut: 1 });
}

#[tokio::test(flavor = "local")]
async fn http2_callers_are_told_of_the_end_too() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Empty<Bytes>>(Local, TokioIo::new(stream)).await.unwrap();
    let ended = spawn_local(connection);
    let request = Request::get("http://a/").body(Empty::new()).unwrap();
    sender.send_request(request).await.unwrap();
    gateway.stop.within(Duration::from_secs(5));
    assert_eq!(gateway.ended.await.unwrap().unwrap(), Drained { finished: 1, cut: 0 });
    ended.await.unwrap().unwrap();
}
