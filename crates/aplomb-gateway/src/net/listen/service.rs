//! What stands behind a listener.

use std::future::Future;
use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;

use super::super::body::Body;
use super::Refusal;

/// Answers requests, on the thread that accepted them.
pub trait Service: 'static {
    /// Answers one request; dropped before it is done when the caller is gone.
    fn call(&self, request: Request<Incoming>, from: ConnInfo) -> impl Future<Output = Response<Body>>;

    /// Answers what could not be read as a request; the connection ends after it.
    fn refuse(&self, refusal: Refusal, from: ConnInfo) -> Response<Body>;
}

/// What a connection says about every request on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnInfo {
    /// Who is at the other end: the caller, or the last proxy before us.
    pub peer: SocketAddr,
    /// Whether it came by TLS.
    pub tls: bool,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
}
