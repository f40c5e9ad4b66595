//! One caller's connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::super::executor::LocalExecutor;
use super::super::transport::Transport;
use super::guarded::{Guarded, REFUSED};
use super::head::HeadLimits;
use super::sniff::{Rewound, sniff};
use super::watch::Watch;
use super::{ConnInfo, Refusal, ServerTls, Service, head};

/// How long TLS, or the first bytes without it, may take.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// How many requests one HTTP/2 caller may have under way.
const MOST_STREAMS: u32 = 1000;

/// What an HTTP/2 caller may send before it is read: on one stream, and on all together.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// How long an HTTP/2 caller may be silent before it is asked whether it is still there, and how long to answer.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// Serves a connection until either side is done with it.
pub(super) async fn serve_one<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    settings: (Option<ServerTls>, HeadLimits),
    service: Rc<S>,
    watch: Rc<Watch>,
) {
    let (tls, limits) = settings;
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let is_tls = tls.is_some();
    let Ok(Ok((transport, http2, first))) = timeout(BEGIN_WITHIN, begin(stream, tls)).await else { return };
    let from = ConnInfo { peer, tls: is_tls, http2 };
    // What ends a connection early is the caller's doing; it hears of it by the connection itself.
    if http2 {
        let _ = serve_h2(Rewound::new(first, transport, watch.clone()), limits, from, service, watch).await;
    } else {
        let _ = serve_h1((transport, first), limits, from, service, watch).await;
    }
}

/// Sets up TLS if there is any, and finds out which protocol is spoken.
async fn begin(stream: TcpStream, tls: Option<ServerTls>) -> io::Result<(Transport, bool, BytesMut)> {
    let Some(tls) = tls else {
        let mut transport = Transport::Plain(stream);
        let (http2, first) = sniff(&mut transport).await?;
        return Ok((transport, http2, first));
    };
    let stream = TlsAcceptor::from(tls.0).accept(stream).await?;
    let transport = Transport::Tls(Box::new(TlsStream::Server(stream)));
    let http2 = transport.agreed_on_h2();
    Ok((transport, http2, BytesMut::new()))
}

async fn serve_h1<S: Service>(
    (transport, first): (Transport, BytesMut),
    limits: HeadLimits,
    from: ConnInfo,
    service: Rc<S>,
    watch: Rc<Watch>,
) -> hyper::Result<()> {
    let guarded = Guarded::new(transport, first, limits, watch.clone());
    let asked = watch.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        asked.asked();
        let refused = asked.refusal().filter(|_| request.method().as_str() == REFUSED);
        let service = service.clone();
        async move {
            Ok::<_, Infallible>(match refused {
                Some(refusal) => service.refuse(refusal, from),
                None => service.call(request, from).await,
            })
        }
    });
    let connection = http1::Builder::new()
        .half_close(false)
        .header_read_timeout(None)
        // Twice the largest head; hyper takes no less than 8 KiB.
        .max_buf_size((2 * limits.bytes).max(8 * 1024))
        .serve_connection(TokioIo::new(guarded), answer);
    drive(connection, http1::Connection::graceful_shutdown, &watch).await
}

async fn serve_h2<S: Service>(
    rewound: Rewound,
    limits: HeadLimits,
    from: ConnInfo,
    service: Rc<S>,
    watch: Rc<Watch>,
) -> hyper::Result<()> {
    let asked = watch.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        asked.asked();
        let service = service.clone();
        async move {
            Ok::<_, Infallible>(match refusal_of(&request, limits) {
                Some(refusal) => service.refuse(refusal, from),
                None => service.call(request, from).await,
            })
        }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .serve_connection(TokioIo::new(rewound), answer);
    drive(connection, http2::Connection::graceful_shutdown, &watch).await
}

/// What the gate checks on HTTP/1.1, as far as HTTP/2 leaves it open.
fn refusal_of(request: &Request<Incoming>, limits: HeadLimits) -> Option<Refusal> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.target {
        return Some(Refusal::UriTooLong);
    }
    let headers = request.headers();
    if headers.len() > head::MOST_LINES {
        return Some(Refusal::HeadTooLarge);
    }
    if is_repeated(headers, HOST) || (request.uri().authority().is_none() && !headers.contains_key(HOST)) {
        return Some(Refusal::Host);
    }
    is_repeated(headers, CONTENT_LENGTH).then_some(Refusal::Malformed)
}

fn is_repeated(headers: &HeaderMap, name: http::HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// Runs a connection, asks it to end once its watch says so, and drops it if that gives it up.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    watch: &Watch,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let (mut known, mut told) = (false, false);
    poll_fn(|cx| {
        if !known {
            watch.wake_by(cx);
            known = true;
        }
        if watch.is_lost() {
            return Poll::Ready(Ok(()));
        }
        if watch.is_closing() && !told {
            end(connection.as_mut());
            told = true;
        }
        connection.as_mut().poll(cx)
    })
    .await
}
