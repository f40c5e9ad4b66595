//! One HTTP/1.1 connection to an upstream, which carries one request at a time.

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version};
use http_body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::{JoinHandle, spawn_local};

use super::super::body::Body;
use super::super::hop::remove_where;
use super::super::transport::Transport;
use super::error::{SendError, Stage};
use super::origin::Origin;
use super::proxy::Proxy;

/// The most bytes of an answer's head, in keeping with what the gateway takes from its callers.
const MOST_HEAD: usize = 64 * 1024;

/// A connection of our own; dropping it closes it at once, whatever it was doing.
#[derive(Debug)]
pub(super) struct H1 {
    pub(super) sender: http1::SendRequest<Body>,
    /// The reaper's round in which it was made.
    pub(super) born: u32,
    driver: Driver,
}

/// The task that moves a connection's bytes.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl H1 {
    pub(super) async fn over(transport: Transport, born: u32) -> Result<Self, SendError> {
        let (sender, connection) = http1::Builder::new()
            .max_header_size(MOST_HEAD)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|error| SendError::because(Stage::Connect, error))?;
        let driver = Driver(spawn_local(async move {
            // Whoever waits for an answer is told of the error by the sender.
            let _ = connection.await;
        }));
        Ok(Self { sender, born, driver })
    }

    /// Whether the connection stands and has nothing under way.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.driver.0.is_finished()
    }
}

/// Gives a request the form that it has on an HTTP/1.1 connection: its target, host and framing.
pub(super) fn address(request: &mut Request<Body>, origin: &Origin, proxy: Option<&Proxy>) {
    *request.version_mut() = Version::HTTP_11;
    match proxy {
        Some(proxy) => {
            *request.uri_mut() = absolute(request.uri(), Scheme::HTTP, origin.authority());
            if let Some(authorization) = &proxy.authorization {
                let name = http::header::PROXY_AUTHORIZATION;
                request.headers_mut().insert(name, authorization.clone());
            }
        }
        None if request.uri().authority().is_some() => {
            *request.uri_mut() = Uri::from(path(request.uri()));
        }
        None => {}
    }
    request.headers_mut().insert(HOST, origin.host_header().clone());
    frame(request);
}

/// The same request target with the place it is meant for.
pub(super) fn absolute(uri: &Uri, scheme: Scheme, authority: &Authority) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(path(uri));
    Uri::from_parts(parts).expect("scheme, authority and path together are a URI")
}

fn path(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Leaves the framing to the body alone, where hyper would not say it itself.
fn frame(request: &mut Request<Body>) {
    let (empty, sized) = (request.body().is_end_stream(), request.body().size_hint().exact());
    let method = request.method();
    let takes_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    let takes_none = matches!(*method, Method::GET | Method::HEAD);
    let headers = request.headers_mut();
    // `te` speaks of one connection, and trailers are not passed on over HTTP/1.1.
    remove_where(headers, |name| matches!(name, "te" | "content-length" | "transfer-encoding"));
    if empty && takes_body {
        // Without a length some servers answer 411.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    } else if !empty && takes_none && sized.is_none() {
        // hyper would take it that such a method has no body, and drop the one that is there.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
