//! What a caller writes, and what of it an upstream sees, byte by byte.

use std::cell::RefCell;
use std::rc::Rc;

use super::gateway::Gateway;
use super::wire::{Peer, Server};

/// Sends raw bytes through a gateway; gives what the upstream read and what the caller was answered: so many
/// answers, or with 0 all that comes until the gateway closes.
async fn through(bytes: &[u8], answers: usize) -> (String, String) {
    let seen = Rc::new(RefCell::new(String::new()));
    let log = seen.clone();
    let server = Server::start(move |_, mut peer| {
        let log = log.clone();
        async move {
            loop {
                let head = peer.head().await;
                let body = if head.contains("transfer-encoding: chunked") {
                    peer.until("0\r\n\r\n").await
                } else if head.contains("content-length: 5") {
                    peer.exactly(5).await
                } else {
                    String::new()
                };
                if head.is_empty() {
                    return;
                }
                log.borrow_mut().push_str(&(head + &body));
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: x\r\n\r\nok").await;
            }
        }
    })
    .await;
    let gateway = Gateway::before(&server.url());
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(bytes).await;
    let mut answer = String::new();
    for _ in 0..answers {
        answer += &caller.message().await;
    }
    if answers == 0 {
        answer = caller.rest().await;
    }
    let seen = seen.borrow().replace(&server.address.to_string(), "up");
    (seen, answer)
}

/// The upstream saw nothing, and the caller was told why in our words on a closed connection.
async fn refused(bytes: &[u8], status: &str) {
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let (seen, answer) = through(bytes, 0).await;
    assert_eq!(seen, "", "the upstream saw something of {shown:?}");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?} was answered {answer:?}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer:?}");
    assert!(answer.contains("\r\n\r\nrefused: "), "{answer:?}");
}

#[tokio::test(flavor = "local")]
async fn two_lengths_in_one_message_never_reach_the_upstream() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        "X: a\r\n Content-Length: 5\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n");
        refused(request.as_bytes(), "400").await;
    }
}

#[tokio::test(flavor = "local")]
async fn broken_heads_never_reach_the_upstream() {
    for head in [
        &b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rGET /evil HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        refused(head, "400").await;
    }
    refused(b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505").await;
    refused(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(16 * 1024)).as_bytes(), "414").await;
    refused(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100)).as_bytes(), "431").await;
    refused(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(70_000)).as_bytes(), "431").await;
}

#[tokio::test(flavor = "local")]
async fn what_may_be_written_in_several_ways_reaches_the_upstream_in_one() {
    let plain = "GET /x HTTP/1.1\r\nhost: up\r\nx: y\r\n\r\n";
    for bytes in [
        "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        "GET /x HTTP/1.1\nHost: a\nX: y\n\n",
        "\r\nGET /x HTTP/1.1\r\nHost: a\r\nX: \t y \t\r\n\r\n",
        "GET http://elsewhere.example/x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: keep-alive, z\r\nZ: 1\r\nKeep-Alive: 5\r\n\r\n",
        "GET /x HTTP/1.0\r\nHost: a\r\nX: y\r\n\r\n",
    ] {
        let (seen, answer) = through(bytes.as_bytes(), 1).await;
        assert_eq!(seen, plain, "{bytes:?}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn bodies_are_framed_anew() {
    let chunked = "POST / HTTP/1.1\r\nhost: up\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;name=\"a;b\"\r\nhello\r\n0;x\r\n\r\n",
        "0005 \r\nhello\r\n00\r\nTrailer: dropped\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(through(request.as_bytes(), 1).await.0, chunked, "{body:?}");
    }
    let sized = "POST / HTTP/1.1\r\nhost: up\r\ncontent-length: 5\r\n\r\nhello";
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(through(request.as_bytes(), 1).await.0, sized);
}

#[tokio::test(flavor = "local")]
async fn a_broken_chunk_never_becomes_a_whole_message() {
    for body in ["5\r\nhelloX\r\n0\r\n\r\n", "zz\r\n", "-1\r\n", "5\nhello", "fffffffffffffffff\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let (seen, _) = through(request.as_bytes(), 0).await;
        assert!(!seen.contains("0\r\n\r\n"), "{body:?} became {seen:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn what_follows_a_body_is_the_next_request_and_judged_as_one() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let evil = "GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let (seen, answer) = through(format!("{post}{post}{evil}{post}").as_bytes(), 0).await;
    let once = "POST / HTTP/1.1\r\nhost: up\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(seen, format!("{once}{once}"));
    assert_eq!(answer.matches("\r\n\r\nok").count(), 2);
    assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{answer:?}");
    let nested = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{evil}", evil.len());
    assert!(through(nested.as_bytes(), 1).await.1.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(flavor = "local")]
async fn an_answer_with_two_lengths_reaches_the_caller_with_one() {
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello";
    for (answer, length, body) in [
        (format!("{two}{chunks}"), "transfer-encoding: chunked", chunks),
        (twice.to_owned(), "content-length: 5", "hello"),
    ] {
        let server = Server::start(move |_, mut peer| {
            let answer = answer.clone();
            async move {
                peer.message().await;
                peer.send(answer).await;
                peer.rest().await;
            }
        })
        .await;
        let gateway = Gateway::before(&server.url());
        let mut caller = Peer::connect(gateway.address).await;
        caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = caller.head().await;
        let lengths: Vec<&str> =
            head.lines().filter(|line| line.contains("-length") || line.contains("-encoding")).collect();
        assert_eq!(lengths, [length], "{head:?}");
        assert_eq!(caller.exactly(body.len()).await, body);
    }
}
