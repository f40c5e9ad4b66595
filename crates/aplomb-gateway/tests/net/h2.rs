//! HTTP/2 upstreams: what they refuse, what they cut, and how many requests they take at once.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use aplomb_gateway::net::{BodyFault, Origin, Pool, Stage};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use http_body_util::BodyExt;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use super::gateway::{PATIENCE, get};
use super::tls::Identity;

/// An upstream whose every request goes to `answer`, with a way to send it away afterwards.
struct Upstream {
    origin: Origin,
    pool: Pool,
    connections: Rc<Cell<usize>>,
}

type Exchange = (Request<RecvStream>, SendResponse<Bytes>);

impl Upstream {
    async fn start(test: &str, most: u32, answer: impl Fn(Exchange) -> After + Clone + 'static) -> Self {
        let identity = Identity::new(test);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let connections = Rc::new(Cell::new(0));
        let (count, acceptor) = (connections.clone(), acceptor(&identity));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.set(count.get() + 1);
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                spawn_local(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let mut connection = Builder::new()
                        .max_concurrent_streams(most)
                        .handshake::<_, Bytes>(stream)
                        .await
                        .unwrap();
                    while let Some(Ok(exchange)) = connection.accept().await {
                        if answer(exchange) == After::Leave {
                            connection.graceful_shutdown();
                        }
                    }
                });
            }
        });
        Self { origin: Origin::of(&url.parse().unwrap()).unwrap(), pool: identity.pool(), connections }
    }

    async fn fails(&self) -> (Stage, bool) {
        let error = self.pool.send(&self.origin, get("/"), PATIENCE).await.unwrap_err();
        (error.stage(), error.never_sent())
    }
}

#[derive(PartialEq)]
enum After {
    Stay,
    Leave,
}

pub(crate) fn acceptor(identity: &Identity) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn ok(answer: &mut SendResponse<Bytes>, body: &'static str) {
    let mut stream = answer.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
}

#[tokio::test(flavor = "local")]
async fn a_refused_stream_was_never_processed_and_a_reset_one_perhaps() {
    for (reason, stage) in [
        (Reason::REFUSED_STREAM, (Stage::Refused, true)),
        (Reason::INTERNAL_ERROR, (Stage::Reset, false)),
        (Reason::CANCEL, (Stage::Reset, false)),
    ] {
        let test = format!("h2-{reason:?}");
        let upstream = Upstream::start(&test, 100, move |(_, mut answer)| {
            answer.send_reset(reason);
            After::Stay
        })
        .await;
        assert_eq!(upstream.fails().await, stage, "{reason:?}");
    }
}

#[tokio::test(flavor = "local")]
async fn an_answer_that_is_reset_is_no_whole_answer_even_without_a_fault() {
    for (reason, fault) in [(Reason::NO_ERROR, BodyFault::Cut), (Reason::INTERNAL_ERROR, BodyFault::Reset)] {
        let upstream = Upstream::start(&format!("h2-cut-{fault:?}"), 100, move |(_, mut answer)| {
            let mut stream = answer.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
            spawn_local(async move {
                // The data goes out when the connection is polled next; a reset at once would overtake it.
                tokio::task::yield_now().await;
                stream.send_reset(reason);
            });
            After::Stay
        })
        .await;
        let answer = upstream.pool.send(&upstream.origin, get("/"), PATIENCE).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap_err().fault(), fault);
    }
}

#[tokio::test(flavor = "local")]
async fn more_requests_than_a_connection_takes_get_another() {
    let (asked, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start("h2-room", 2, move |(_, answer)| {
        let _ = asked.send(answer);
        After::Stay
    })
    .await;
    let (mut asking, mut held) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (pool, origin) = (upstream.pool.clone(), upstream.origin.clone());
        asking.push(spawn_local(async move { pool.send(&origin, get("/"), PATIENCE).await.unwrap() }));
        held.push(told.recv().await.unwrap());
    }
    assert_eq!(upstream.connections.get(), 3);
    held.iter_mut().for_each(|answer| ok(answer, "x"));
    for asked in asking {
        assert_eq!(asked.await.unwrap().into_body().collect().await.unwrap().to_bytes(), "x");
    }
}

#[tokio::test(flavor = "local")]
async fn a_connection_that_says_goodbye_is_not_used_again() {
    let upstream = Upstream::start("h2-goaway", 100, |(_, mut answer)| {
        ok(&mut answer, "bye");
        After::Leave
    })
    .await;
    for turn in 1..=3 {
        let answer = upstream.pool.send(&upstream.origin, get("/"), PATIENCE).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "bye");
        assert_eq!(upstream.connections.get(), turn);
        while upstream.pool.waiting() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "local")]
async fn giving_up_resets_the_stream_and_leaves_the_connection() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start("h2-cancel", 100, move |(request, mut answer)| {
        let tell = tell.clone();
        if request.uri().path() == "/ok" {
            ok(&mut answer, "ok");
            return After::Stay;
        }
        let _ = tell.send(None);
        spawn_local(async move {
            let reason = std::future::poll_fn(|cx| answer.poll_reset(cx)).await.unwrap();
            let _ = tell.send(Some(reason));
        });
        After::Stay
    })
    .await;
    tokio::select! {
        _ = upstream.pool.send(&upstream.origin, get("/wait"), PATIENCE) => panic!("nobody answers"),
        asked = told.recv() => assert_eq!(asked, Some(None)),
    }
    assert_eq!(told.recv().await, Some(Some(Reason::CANCEL)));
    let answer = upstream.pool.send(&upstream.origin, get("/ok"), PATIENCE).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    assert_eq!(upstream.connections.get(), 1);
}
