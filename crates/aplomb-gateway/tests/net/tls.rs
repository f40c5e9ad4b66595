//! TLS on both sides, with certificates that live as long as their test.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use aplomb_gateway::net::{
    Dial, ListenSettings, Origin, Pool, PoolSettings, ServerTls, ServerTlsError, Stage, Trust, TrustError,
};
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;

use super::gateway::{Gateway, PATIENCE, get, text};
use super::wire::{Peer, Server};

/// A self-signed certificate for this machine, in files of the test's own.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Identity {
    pub(crate) fn new(test: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
        let write = |what: &str, text: String| {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{what}.pem"));
            fs::write(&path, text).unwrap();
            path
        };
        Self {
            certificate: write("certificate", made.cert.pem()),
            key: write("key", made.signing_key.serialize_pem()),
        }
    }

    pub(super) fn listen(&self) -> ListenSettings {
        let mut settings = ListenSettings::default();
        settings.tls = Some(ServerTls::from_pem(&self.certificate, &self.key).unwrap());
        settings
    }

    /// A pool that trusts it.
    pub(super) fn pool(&self) -> Pool {
        let trust = Arc::new(Trust::with_file(&self.certificate).unwrap());
        Pool::new(PoolSettings { dial: Dial { trust, ..Dial::default() }, ..PoolSettings::default() })
    }
}

#[tokio::test(flavor = "local")]
async fn http2_is_agreed_on_and_many_requests_share_one_connection() {
    let identity = Identity::new("shared");
    let settings = identity.listen();
    let gateway = Gateway::with(settings.clone(), |request, from| async move {
        assert!(from.tls && from.http2);
        text(StatusCode::OK, request.uri().to_string())
    });
    let (pool, port) = (identity.pool(), gateway.address.port());
    let origin = Origin::of(&format!("https://localhost:{port}").parse().unwrap()).unwrap();
    let asking = (0..20).map(|turn| {
        let (pool, origin) = (pool.clone(), origin.clone());
        tokio::task::spawn_local(async move {
            let request: Request<_> = get(&format!("/{turn}?q"));
            let answer = pool.send(&origin, request, PATIENCE).await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            answer.into_body().collect().await.unwrap().to_bytes()
        })
    });
    let asking: Vec<_> = asking.collect();
    for (turn, asked) in asking.into_iter().enumerate() {
        assert_eq!(asked.await.unwrap(), format!("https://localhost:{port}/{turn}?q"));
    }
    assert_eq!(settings.open(), 1);
}

#[tokio::test(flavor = "local")]
async fn a_certificate_that_nobody_vouches_for_is_refused_before_a_request_is_sent() {
    let identity = Identity::new("stranger");
    let gateway = Gateway::with(identity.listen(), |_, _| async { panic!("nothing may arrive") });
    let origin = Origin::of(&format!("https://{}", gateway.address).parse().unwrap()).unwrap();
    let other = Identity::new("stranger-other").pool();
    let error = other.send(&origin, get("/"), PATIENCE).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert!(error.never_sent());
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_does_not_speak_tls_fails_at_tls() {
    let identity = Identity::new("plain");
    let server = Server::start(|_, mut peer: Peer| async move {
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.rest().await;
    })
    .await;
    let origin = Origin::of(&format!("https://{}", server.address).parse().unwrap()).unwrap();
    let error = identity.pool().send(&origin, get("/"), PATIENCE).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let identity = Identity::new("files");
    let missing = PathBuf::from("no/such.pem");
    assert!(matches!(Trust::with_file(&missing), Err(TrustError::File { path, .. }) if path == missing));
    assert!(matches!(Trust::with_file(&identity.key), Err(TrustError::File { source: None, .. })));
    let swapped = ServerTls::from_pem(&identity.key, &identity.certificate).unwrap_err();
    assert!(matches!(swapped, ServerTlsError::File { what: "certificate", .. }));
    let mixed = ServerTls::from_pem(&identity.certificate, &Identity::new("files-other").key).unwrap_err();
    assert!(matches!(mixed, ServerTlsError::Pair(_)));
}
