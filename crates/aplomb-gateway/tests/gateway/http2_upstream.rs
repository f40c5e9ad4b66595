//! An upstream that speaks HTTP/2 over TLS, agreed on by ALPN, behind the whole gateway.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use super::rig::{CHAT, CHOICE, Rig, STREAMED, Wishes, config, get, post};
use crate::net::h2::acceptor;
use crate::net::tls::Identity;

/// A gateway before an upstream that answers each request with its number; it counts connections and requests.
struct Both {
    rig: Rig,
    connections: Rc<Cell<usize>>,
    requests: Rc<Cell<usize>>,
}

type Exchange = (Request<RecvStream>, SendResponse<Bytes>);

impl Both {
    async fn start(test: &str, answer: impl Fn(usize, Exchange) + Copy + 'static) -> Self {
        let identity = Identity::new(test);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (connections, requests) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (opened, heard, acceptor) = (connections.clone(), requests.clone(), acceptor(&identity));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                opened.set(opened.get() + 1);
                let (acceptor, heard) = (acceptor.clone(), heard.clone());
                spawn_local(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok(exchange)) = connection.accept().await {
                        heard.set(heard.get() + 1);
                        answer(heard.get(), exchange);
                    }
                });
            }
        });
        let ca = format!("ca = \"{}\"", identity.certificate.display());
        let rig = Rig::start(config(&Wishes { upstream: &ca, ..Wishes::default() }.file(&url)));
        Self { rig, connections, requests }
    }
}

fn head(content_type: &str) -> Response<()> {
    Response::builder()
        .header("content-type", content_type)
        .header("x-request-id", "req-h2")
        .body(())
        .unwrap()
}

/// Answers, and sends back what it heard in a header.
fn choice((request, mut answer): Exchange) {
    let mut head = head("application/json");
    let heard = format!("{} {:?}", request.uri(), request.version());
    head.headers_mut().insert("x-heard", heard.parse().unwrap());
    let mut body = answer.send_response(head, false).unwrap();
    body.send_data(Bytes::from_static(CHOICE.as_bytes()), true).unwrap();
}

#[tokio::test(flavor = "local")]
async fn many_requests_share_a_connection_and_pass_byte_for_byte() {
    let both = Both::start("h2-upstream", |_, exchange| choice(exchange)).await;
    let first = both.rig.chat("").await;
    assert_eq!((first.status(), first.text().as_str(), first.says("x-request-id")), (200, CHOICE, "req-h2"));
    let heard = first.says("x-heard");
    assert!(
        heard.ends_with("/v1/chat/completions HTTP/2.0") && heard.starts_with("https://localhost:"),
        "{heard}"
    );
    for told in futures_util::future::join_all((0..20).map(|_| both.rig.chat(""))).await {
        assert_eq!((told.status(), told.text().as_str()), (200, CHOICE));
    }
    assert_eq!((both.connections.get(), both.requests.get()), (1, 21));
}

#[tokio::test(flavor = "local")]
async fn a_refused_stream_was_never_processed_and_is_asked_again() {
    let both = Both::start("h2-upstream-refused", |turn, exchange| {
        let (_, mut answer) = exchange;
        match turn {
            1 => answer.send_reset(Reason::REFUSED_STREAM),
            _ => choice((Request::new(exchange.0.into_body()), answer)),
        }
    })
    .await;
    let told = both.rig.ask(post("/v1/unknown", "", CHAT)).await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (200, "2"), "even what may not be done twice");
}

#[tokio::test(flavor = "local")]
async fn a_reset_stream_may_have_been_acted_on() {
    let both =
        Both::start("h2-upstream-reset", |_, (_, mut answer)| answer.send_reset(Reason::INTERNAL_ERROR))
            .await;
    let told = both.rig.ask(post("/v1/unknown", "", CHAT)).await;
    assert_eq!(
        (told.status(), told.says("aplomb-outcome"), told.says("aplomb-attempts")),
        (502, "unknown", "1")
    );
    let told = both.rig.ask(get("/v1/models", "")).await;
    assert_eq!((told.status(), told.says("aplomb-attempts")), (502, "3"), "{told:?}");
    assert_eq!(both.connections.get(), 1, "a reset ends a stream, not its connection");
}

#[tokio::test(flavor = "local")]
async fn a_stream_that_is_reset_in_its_middle_ends_in_an_error_event() {
    const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}]}\n\n";
    let both = Both::start("h2-upstream-stream", |_, (_, mut answer)| {
        let mut body = answer.send_response(head("text/event-stream"), false).unwrap();
        body.send_data(Bytes::from_static(TOKEN.as_bytes()), false).unwrap();
        spawn_local(async move {
            // What was written goes out before the reset that would overtake it.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            body.send_reset(Reason::INTERNAL_ERROR);
        });
    })
    .await;
    let told = both.rig.ask(post("/v1/chat/completions", "", STREAMED)).await.text();
    assert!(told.starts_with(TOKEN) && told.contains("\"error\"") && !told.contains("[DONE]"), "{told}");
}
