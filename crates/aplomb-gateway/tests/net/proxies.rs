//! Upstreams behind an HTTP proxy: absolute targets for `http`, a tunnel for `https`.

use std::sync::Arc;

use aplomb_gateway::net::{Dial, Origin, Pool, PoolSettings, Proxies, Stage, Trust};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use super::gateway::{Gateway, PATIENCE, get, text};
use super::tls::Identity;
use super::wire::{Peer, Server};

fn pool(proxy: &Server, trust: Trust) -> Pool {
    let url = format!("http://user:p%40ss@{}", proxy.address);
    let proxies = Proxies::from_env(|name| (name == "all_proxy").then(|| url.clone())).unwrap();
    let dial = Dial { trust: Arc::new(trust), proxies: Arc::new(proxies.loopback_too()) };
    Pool::new(PoolSettings { dial, ..PoolSettings::default() })
}

fn origin(url: &str) -> Origin {
    Origin::of(&url.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "local")]
async fn a_plain_request_names_the_whole_target_and_our_credentials() {
    let proxy = Server::start(|_, mut peer: Peer| async move {
        let seen = peer.message().await;
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len())).await;
    })
    .await;
    let pool = pool(&proxy, Trust::system());
    let answer = pool.send(&origin("http://a.example:81"), get("/x?y"), PATIENCE).await.unwrap();
    let seen = answer.into_body().collect().await.unwrap().to_bytes();
    let wanted = "GET http://a.example:81/x?y HTTP/1.1\r\nproxy-authorization: Basic dXNlcjpwQHNz\r\nhost: a.example:81\r\n\r\n";
    assert_eq!(seen, wanted);
}

#[tokio::test(flavor = "local")]
async fn tls_goes_through_a_tunnel() {
    let identity = Identity::new("tunnel");
    let gateway = Gateway::with(identity.listen(), |_, _| async { text(StatusCode::OK, "inside") });
    let to = gateway.address;
    let proxy = Server::start(move |_, mut peer: Peer| async move {
        let asked = peer.head().await;
        let line = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n");
        assert_eq!(asked, line + "proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n");
        peer.send("HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n").await;
        let mut upstream = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut peer.stream, &mut upstream).await;
    })
    .await;
    let pool = pool(&proxy, Trust::with_file(&identity.certificate).unwrap());
    for _ in 0..2 {
        let answer = pool.send(&origin(&format!("https://{to}")), get("/"), PATIENCE).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "inside");
    }
    assert_eq!(proxy.connections.get(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_proxy_that_refuses_babbles_or_is_not_there_fails_as_a_proxy() {
    let proxy = Server::start(|index, mut peer: Peer| async move {
        peer.head().await;
        let answers = ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "220 smtp\r\n\r\n", ""];
        peer.send(answers[index.min(2)]).await;
    })
    .await;
    let pool = pool(&proxy, Trust::system());
    for _ in 0..3 {
        let error = pool.send(&origin("https://a.example"), get("/"), PATIENCE).await.unwrap_err();
        assert_eq!((error.stage(), error.never_sent()), (Stage::Proxy, true));
    }
}
