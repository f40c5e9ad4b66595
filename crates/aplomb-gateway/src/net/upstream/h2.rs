//! One HTTP/2 connection to an upstream, which carries many requests at once.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use http::header::HOST;
use http::{Request, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::super::body::Body;
use super::super::executor::LocalExecutor;
use super::super::transport::Transport;
use super::error::{SendError, Stage};
use super::h1::{absolute, unframe};
use super::origin::Origin;

/// So large that a busy connection does not wait for window updates.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// One slow reader may hold this much of the connection's window and no more.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How long a connection with open streams may be silent before it is asked whether it still stands.
const PING_AFTER: Duration = Duration::from_secs(20);

/// How long the answer to that may take.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// A connection that all requests of a thread to one origin share.
#[derive(Clone)]
pub(super) struct H2 {
    pub(super) sender: http2::SendRequest<Body>,
    /// How many streams the upstream allows, as last heard.
    room: Rc<Cell<usize>>,
    /// How many are open; an [`OpenStream`] counts itself.
    open: Rc<Cell<usize>>,
}

/// One request on a shared connection, counted until it is dropped.
pub(super) struct OpenStream(Rc<Cell<usize>>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl H2 {
    pub(super) async fn over(transport: Transport) -> Result<Self, SendError> {
        let (sender, mut connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_header_list_size(64 * 1024)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PONG_WITHIN)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|error| SendError::because(Stage::Connect, error))?;
        let room = Rc::new(Cell::new(connection.current_max_send_streams()));
        let heard = room.clone();
        spawn_local(poll_fn(move |cx: &mut Context<'_>| {
            let done = Pin::new(&mut connection).poll(cx);
            heard.set(connection.current_max_send_streams());
            // Whoever waits for an answer is told of the error by its own stream.
            done.map(|_| ())
        }));
        Ok(Self { sender, room, open: Rc::default() })
    }

    /// Whether nothing can be sent on it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Takes a place on the connection, if the upstream allows one more stream.
    pub(super) fn claim(&self) -> Option<OpenStream> {
        if self.open.get() >= self.room.get() {
            return None;
        }
        self.open.set(self.open.get() + 1);
        Some(OpenStream(self.open.clone()))
    }

    /// Whether no request is under way on it.
    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }
}

/// Gives a request the form that it has on an HTTP/2 connection.
pub(super) fn address(request: &mut Request<Body>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = absolute(request.uri(), origin.scheme(), origin.authority());
    request.headers_mut().remove(HOST);
    unframe(request.headers_mut());
}
