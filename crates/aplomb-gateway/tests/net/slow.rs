//! Callers that take their time, of which an attacker has as much as it wants: on heads, bodies, answers and before all.

use std::time::Duration;

use aplomb_gateway::net::{Body, BodyFault, HeadLimits, Kept, keep};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::gateway::{Gateway, text};
use super::listen::{Dropped, GET};
use super::tls::Identity;
use super::wire::Peer;

const PACE: Duration = Duration::from_secs(5);

/// The preface of HTTP/2, empty settings, and a head of which a part is missing.
const HALF_A_HEAD: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82";

/// The type of its frame that asks whether somebody is there.
const PING: u8 = 6;

/// Sends some more after a while, unless the other side has given up.
async fn drip(peer: &mut Peer, after: Duration, bytes: impl AsRef<[u8]>) {
    sleep(after).await;
    let _given_up = peer.stream.write_all(bytes.as_ref()).await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_never_ends_is_answered_and_a_mute_connection_closed() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let mut slow = Peer::connect(gateway.address).await;
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    let mut mute = Peer::connect(gateway.address).await;
    assert_eq!(mute.rest().await, "");
    let mut idle = Peer::connect(gateway.address).await;
    idle.send(GET).await;
    idle.message().await;
    assert_eq!(idle.rest().await, "", "closed once it is idle for too long");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_comes_in_drops_gets_no_more_time_than_any_other() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let within = HeadLimits::default().within;
    let (began, mut slow) = (Instant::now(), Peer::connect(gateway.address).await);
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    // Whole lines, as they keep a server waiting that counts from the last one.
    for _ in 0..4 {
        drip(&mut slow, within / 5, "x: y\r\n").await;
    }
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(began.elapsed() < within + within / 5, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_stops_coming_is_given_up() {
    let gateway = Gateway::start(|request, _| async move {
        let Err(error) = keep(request.into_body(), 10, PACE, |_| true).await else {
            panic!("there is no more of it")
        };
        text(StatusCode::REQUEST_TIMEOUT, if error.fault() == BodyFault::Silent { "silent" } else { "other" })
    });
    let mut caller = Peer::connect(gateway.address).await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await;
    assert!(caller.message().await.ends_with("silent"));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_comes_in_drops_is_given_up_and_a_slow_one_is_not() {
    let gateway = Gateway::start(|request, _| async move {
        let most = if request.uri().path() == "/kept" { 10_000 } else { 10 };
        let outcome = match keep(request.into_body(), most, PACE, |_| true).await {
            Ok(Kept::Streaming(body)) => body.collect().await.map(|whole| whole.to_bytes().len()),
            Ok(Kept::Whole(bytes)) => Ok(bytes.len()),
            Ok(Kept::NoRoom) => panic!("there is room"),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(length) => text(StatusCode::OK, length.to_string()),
            Err(error) => text(StatusCode::REQUEST_TIMEOUT, format!("{:?}", error.fault())),
        }
    });
    for (path, piece, said) in [
        ("/kept", 1, "Silent"),
        ("/through", 1, "Silent"),
        ("/kept", 2_000, "8000"),
        ("/through", 2_000, "8000"),
    ] {
        let mut caller = Peer::connect(gateway.address).await;
        let length = piece * 4;
        caller.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).await;
        for _ in 0..4 {
            drip(&mut caller, PACE * 4 / 5, "x".repeat(piece)).await;
        }
        assert!(caller.message().await.ends_with(said), "{path} {piece}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_that_nobody_reads_for_a_while_is_not_its_callers_fault() {
    let gateway = Gateway::start(|request, _| async move {
        let Ok(Kept::Streaming(body)) = keep(request.into_body(), 10, PACE, |_| true).await else {
            panic!("it is too long to be kept")
        };
        sleep(PACE * 9).await;
        text(StatusCode::OK, body.collect().await.map_or(0, |whole| whole.to_bytes().len()).to_string())
    });
    let mut caller = Peer::connect(gateway.address).await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789").await;
    sleep(PACE * 9 + PACE / 2).await;
    caller.send("0123456789").await;
    assert!(caller.message().await.ends_with("20"));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_that_begins_and_goes_no_further_is_closed() {
    let identity = Identity::new("mute");
    let plain = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let secret = Gateway::with(identity.listen(), |_, _| async { text(StatusCode::OK, "ok") });
    for (name, address, begins) in [
        ("half a preface", plain.address, &HALF_A_HEAD[..10]),
        ("half a head", plain.address, HALF_A_HEAD),
        ("TLS without a word", secret.address, &[]),
        ("half a hello", secret.address, b"\x16\x03\x01\x02\0\x01"),
    ] {
        let (began, mut mute) = (Instant::now(), Peer::connect(address).await);
        mute.send(begins).await;
        mute.rest().await;
        assert!(began.elapsed() < Duration::from_secs(60), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_http2_caller_that_says_it_is_there_but_asks_nothing_is_closed_too() {
    let gateway = Gateway::start(|_, _| async { text(StatusCode::OK, "ok") });
    let (began, mut lively) = (Instant::now(), Peer::connect(gateway.address).await);
    lively.send(HALF_A_HEAD).await;
    let mut frame = [0; 9];
    while lively.stream.read_exact(&mut frame).await.is_ok() {
        let [_, high, low, kind, flags, ..] = frame;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        lively.stream.read_exact(&mut payload).await.unwrap();
        if (kind, flags) == (PING, 0) {
            frame[4] = 1;
            drip(&mut lively, Duration::ZERO, [&frame[..], &payload].concat()).await;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_caller_that_does_not_read_its_answer_is_cut() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let gateway = Gateway::start(move |_, _| {
        let dropped = Dropped(tell.clone());
        async move {
            let endless = futures_util::stream::repeat_with(move || {
                let _held = &dropped;
                Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 4096])))
            });
            Response::new(Body::stream(http_body_util::StreamBody::new(endless)))
        }
    });
    let mut caller = Peer::connect(gateway.address).await;
    caller.send(GET).await;
    assert_eq!(told.recv().await, Some("dropped"));
}
