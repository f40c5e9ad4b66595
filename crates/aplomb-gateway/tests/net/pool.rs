//! The upstream pool: reuse, stale connections, failures by stage, cancellation.

use std::time::Duration;

use aplomb_gateway::net::{
    Body, BodyError, BodyFault, Origin, Patience, Pool, PoolSettings, Stage, UpstreamBody,
};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use super::gateway::{PATIENCE, get};
use super::wire::{Peer, Server};

fn origin(url: &str) -> Origin {
    Origin::of(&url.parse().unwrap()).unwrap()
}

async fn text(answer: Response<UpstreamBody>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn fails(pool: &Pool, origin: &Origin, request: Request<Body>) -> Stage {
    pool.send(origin, request, PATIENCE).await.unwrap_err().stage()
}

/// Answers every request with its own target, for as long as the caller likes.
async fn echo(mut peer: Peer) {
    loop {
        let message = peer.message().await;
        let Some(target) = message.split(' ').nth(1) else { return };
        let length = target.len();
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{target}")).await;
    }
}

#[tokio::test(flavor = "local")]
async fn requests_in_turn_share_one_connection_and_at_once_do_not() {
    let server = Server::start(|_, peer| echo(peer)).await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    for turn in 0..5 {
        let answer = pool.send(&origin, get(&format!("/{turn}")), PATIENCE).await.unwrap();
        assert_eq!(text(answer).await, format!("/{turn}"));
    }
    assert_eq!((server.connections.get(), pool.waiting()), (1, 1));
    let (one, two) =
        tokio::join!(pool.send(&origin, get("/a"), PATIENCE), pool.send(&origin, get("/b"), PATIENCE));
    assert_eq!((text(one.unwrap()).await, text(two.unwrap()).await), ("/a".into(), "/b".into()));
    assert_eq!((server.connections.get(), pool.waiting()), (2, 2));
}

#[tokio::test(flavor = "local")]
async fn a_chunked_answer_and_one_without_a_body_give_their_connection_back() {
    let server = Server::start(|_, mut peer| async move {
        loop {
            let reply = match peer.message().await.split(' ').nth(1) {
                Some("/chunked") => {
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                }
                Some(_) => "HTTP/1.1 204 No Content\r\n\r\n",
                None => return,
            };
            peer.send(reply).await;
        }
    })
    .await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    for (path, body) in [("/chunked", "abc"), ("/none", ""), ("/chunked", "abc"), ("/none", "")] {
        assert_eq!(text(pool.send(&origin, get(path), PATIENCE).await.unwrap()).await, body);
    }
    assert_eq!((server.connections.get(), pool.waiting()), (1, 1));
}

#[tokio::test(flavor = "local")]
async fn a_request_arrives_with_its_headers_in_order_and_its_framing_right() {
    let server = Server::start(|_, mut peer| async move {
        while let Some(length) = Some(peer.head().await).filter(|head| !head.is_empty()) {
            let chunked = length.contains("transfer-encoding: chunked");
            let sized = length.contains("content-length: 5");
            let body = if chunked {
                peer.until("0\r\n\r\n").await
            } else if sized {
                peer.until("hello").await
            } else {
                String::new()
            };
            let seen = length + &body;
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len())).await;
        }
    })
    .await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    let host = server.address;
    let chunks = || {
        let frames =
            ["he", "llo"].map(|part| Ok::<_, BodyError>(Frame::data(Bytes::from_static(part.as_bytes()))));
        Body::stream(StreamBody::new(futures_util::stream::iter(frames)))
    };
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for (method, body, tail) in [
        (Method::GET, Body::empty(), "\r\n"),
        (Method::POST, Body::empty(), "content-length: 0\r\n\r\n"),
        (Method::POST, Body::full("hello"), "content-length: 5\r\n\r\nhello"),
        (Method::POST, chunks(), chunked),
        (Method::GET, chunks(), chunked),
    ] {
        let request = Request::builder()
            .method(method.clone())
            .uri("http://elsewhere.example/v1/x?y=1")
            .header("x-b", "1")
            .header("x-a", "2")
            .header("x-b", "3")
            .header("content-length", "77")
            .body(body)
            .unwrap();
        let seen = text(pool.send(&origin, request, PATIENCE).await.unwrap()).await;
        let head = format!("{method} /v1/x?y=1 HTTP/1.1\r\nx-b: 1\r\nx-b: 3\r\nx-a: 2\r\nhost: {host}\r\n");
        assert_eq!(seen, head + tail);
    }
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_closed_while_idle_is_replaced_unseen() {
    let (closed, wait) = oneshot::channel();
    let closed = std::cell::Cell::new(Some(closed));
    let server = Server::start(move |index, mut peer| {
        let closed = if index == 0 { closed.take() } else { None };
        async move {
            let Some(closed) = closed else { return echo(peer).await };
            peer.message().await;
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await;
            drop(peer);
            let _ = closed.send(());
        }
    })
    .await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    assert_eq!(text(pool.send(&origin, get("/0"), PATIENCE).await.unwrap()).await, "x");
    wait.await.unwrap();
    assert_eq!(text(pool.send(&origin, get("/1"), PATIENCE).await.unwrap()).await, "/1");
    assert_eq!(server.connections.get(), 2);
}

#[tokio::test(flavor = "local")]
async fn each_way_to_fail_has_its_stage() {
    let pool = Pool::new(PoolSettings::default());
    // Bound and not listening: whoever connects is refused, and nobody else is given the port.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = format!("http://{}", nobody.local_addr().unwrap());
    assert_eq!(fails(&pool, &origin(&free), get("/")).await, Stage::Connect);
    let unknown = origin("http://no-such-host.invalid");
    assert_eq!(fails(&pool, &unknown, get("/")).await, Stage::Resolve);

    let server = Server::start(|_, mut peer| async move {
        match peer.message().await.split(' ').nth(1).unwrap() {
            "/closes" => {}
            "/resets" => peer.stream.set_zero_linger().unwrap(),
            "/babbles" => peer.send("220 smtp.example ESMTP\r\n\r\n").await,
            _ => drop(peer.rest().await),
        }
    })
    .await;
    let origin = origin(&server.url());
    assert_eq!(fails(&pool, &origin, get("/closes")).await, Stage::Closed);
    assert_eq!(fails(&pool, &origin, get("/resets")).await, Stage::Reset);
    assert_eq!(fails(&pool, &origin, get("/babbles")).await, Stage::Protocol);
    let short = Patience { headers: Duration::from_millis(20), ..PATIENCE };
    let error = pool.send(&origin, get("/silent"), short).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Silent);
    assert!(!error.never_sent());
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test(flavor = "local")]
async fn a_request_body_that_breaks_is_told_apart_and_leaves_no_whole_message() {
    let (seen, wait) = oneshot::channel();
    let seen = std::cell::Cell::new(Some(seen));
    let server = Server::start(move |_, mut peer| {
        let seen = seen.take();
        async move { drop(seen.map(|seen| async move { seen.send(peer.rest().await) }).unwrap().await) }
    })
    .await;
    let pool = Pool::new(PoolSettings::default());
    let frames = [Ok(Frame::data(Bytes::from_static(b"part"))), Err(BodyError::new(BodyFault::Cut))];
    let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
    let request = Request::post("/").body(body).unwrap();
    assert_eq!(fails(&pool, &origin(&server.url()), request).await, Stage::Request);
    assert!(!wait.await.unwrap().contains("0\r\n\r\n"));
}

#[tokio::test(flavor = "local")]
async fn a_body_that_is_cut_is_told_from_one_that_is_reset_or_malformed() {
    let server = Server::start(|_, mut peer| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
        match peer.message().await.split(' ').nth(1).unwrap() {
            "/cut" => peer.send(head).await,
            "/cut-chunked" => peer.send(chunked).await,
            "/malformed" => peer.send(format!("{chunked}zz\r\n")).await,
            _ => {
                peer.send(head).await;
                peer.until("never").await;
            }
        }
    })
    .await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    for (path, fault) in
        [("/cut", BodyFault::Cut), ("/cut-chunked", BodyFault::Cut), ("/malformed", BodyFault::Malformed)]
    {
        let answer = pool.send(&origin, get(path), PATIENCE).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap_err().fault(), fault, "{path}");
    }
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test(flavor = "local")]
async fn giving_up_closes_the_connection_before_and_within_the_answer() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |_, mut peer| {
        let gone = gone.clone();
        async move {
            if peer.message().await.starts_with("GET /begun") {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
            } else {
                let _ = gone.send("asked");
            }
            peer.rest().await;
            let _ = gone.send("gone");
        }
    })
    .await;
    let (pool, origin) = (Pool::new(PoolSettings::default()), origin(&server.url()));
    tokio::select! {
        _ = pool.send(&origin, get("/waiting"), PATIENCE) => panic!("nobody answers"),
        asked = seen.recv() => assert_eq!(asked, Some("asked")),
    }
    assert_eq!(seen.recv().await, Some("gone"));
    let answer = pool.send(&origin, get("/begun"), PATIENCE).await.unwrap();
    drop(answer);
    assert_eq!(seen.recv().await, Some("gone"));
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test(flavor = "local")]
async fn a_connection_idle_for_too_long_is_closed_by_us() {
    let (gone, seen) = oneshot::channel();
    let gone = std::cell::Cell::new(Some(gone));
    let server = Server::start(move |_, mut peer| {
        let gone = gone.take();
        async move {
            peer.message().await;
            peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            peer.rest().await;
            let _ = gone.unwrap().send(());
        }
    })
    .await;
    let settings = PoolSettings { idle: Duration::from_millis(40), ..PoolSettings::default() };
    let pool = Pool::new(settings);
    drop(pool.send(&origin(&server.url()), get("/"), PATIENCE).await.unwrap());
    assert_eq!(pool.waiting(), 1);
    seen.await.unwrap();
    assert_eq!(pool.waiting(), 0);
}
