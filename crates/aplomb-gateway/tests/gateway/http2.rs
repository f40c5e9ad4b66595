//! HTTP/2 callers, and HTTP/2 towards the upstream, through the whole gateway.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::rig::{CHAT, CHOICE, Rig, STREAMED};
use super::upstream::{Act, Upstream, events, json};

/// A caller that knows that HTTP/2 is spoken.
async fn caller(rig: &Rig) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(rig.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    spawn_local(connection);
    sender.ready().await.unwrap()
}

async fn ask(sender: &SendRequest<Bytes>, body: &'static str) -> Response<RecvStream> {
    let request = Request::post("http://localhost/v1/chat/completions").body(()).unwrap();
    let (answer, mut sending) = sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
    sending.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
    answer.await.unwrap()
}

/// The body, and why it broke off if it did.
async fn read(answer: Response<RecvStream>) -> (String, Option<Reason>) {
    let (mut body, mut text) = (answer.into_body(), String::new());
    while let Some(piece) = body.data().await {
        match piece {
            Ok(piece) => {
                text.push_str(std::str::from_utf8(&piece).unwrap());
                body.flow_control().release_capacity(piece.len()).unwrap();
            }
            Err(error) => return (text, error.reason()),
        }
    }
    (text, None)
}

#[tokio::test(flavor = "local")]
async fn many_requests_share_an_http2_callers_connection() {
    let upstream = Upstream::always(json(200, CHOICE)).await;
    let rig = Rig::before(&upstream);
    let sender = caller(&rig).await;
    let all = futures_util::future::join_all((0..50).map(|_| ask(&sender, CHAT))).await;
    for answer in all {
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["aplomb-attempts"].as_bytes()),
            (200, &b"1"[..])
        );
        assert_eq!(read(answer).await, (CHOICE.to_owned(), None));
    }
    assert_eq!(upstream.count(), 50);
    assert!(upstream.heard().iter().all(|heard| heard.request.says("via").starts_with("2 aplomb-")));
    assert!(upstream.heard().iter().all(|heard| heard.request.text() == CHAT));
}

#[tokio::test(flavor = "local")]
async fn a_stream_to_an_http2_caller_ends_in_an_error_event_and_a_body_in_a_reset() {
    let token = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}]}\n\n";
    let mut script = events(&[token]);
    script.push(Act::Close);
    let upstream = Upstream::always(script).await;
    let rig = Rig::before(&upstream);
    let (text, reset) = read(ask(&caller(&rig).await, STREAMED).await).await;
    assert!(text.starts_with(token) && text.contains("\"error\"") && reset.is_none(), "{text}");

    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nabc";
    let upstream = Upstream::always(vec![Act::Send(head.as_bytes().to_vec()), Act::Close]).await;
    let rig = Rig::before(&upstream);
    let (text, reset) = read(ask(&caller(&rig).await, CHAT).await).await;
    assert!("abc".starts_with(&text) && reset.is_some(), "a cut is never a clean end: {text:?} {reset:?}");
}

#[tokio::test(flavor = "local")]
async fn a_reset_stream_is_cancelled_upstream_and_the_connection_goes_on() {
    let upstream =
        Upstream::by(|index, _| if index == 0 { vec![Act::Silence] } else { json(200, CHOICE) }).await;
    let rig = Rig::before(&upstream);
    let sender = caller(&rig).await;
    let request = Request::post("http://localhost/v1/chat/completions").body(()).unwrap();
    let (answer, mut sending) = sender.clone().ready().await.unwrap().send_request(request, false).unwrap();
    sending.send_data(Bytes::from_static(CHAT.as_bytes()), true).unwrap();
    upstream.hears(1).await;
    sending.send_reset(Reason::CANCEL);
    drop(answer);
    upstream.is_left(1).await;
    assert_eq!(read(ask(&sender, CHAT).await).await.0, CHOICE);
}
