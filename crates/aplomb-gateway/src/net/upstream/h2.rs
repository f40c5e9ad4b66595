//! One HTTP/2 connection to an upstream, which carries many requests at once.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::HOST;
use http::{Request, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::super::body::Body;
use super::super::executor::LocalExecutor;
use super::super::hop::remove_where;
use super::super::transport::Transport;
use super::error::{SendError, Stage};
use super::h1::absolute;
use super::origin::Origin;

/// So large that a busy connection does not wait for window updates.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// One slow reader may hold this much of the connection's window and no more.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How long a connection with open streams may be silent before it is asked whether it still stands.
const PING_AFTER: Duration = Duration::from_secs(20);

/// How long the answer to that may take.
const PONG_WITHIN: Duration = Duration::from_secs(10);

type Connection = http2::Connection<TokioIo<Transport>, Body, LocalExecutor>;

/// A connection that all requests of a thread to one origin share.
#[derive(Clone)]
pub(super) struct H2 {
    pub(super) sender: http2::SendRequest<Body>,
    /// Knows how many streams the upstream allows; polled by its own task, and gone once it is closed.
    connection: Rc<RefCell<Option<Connection>>>,
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
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_header_list_size(64 * 1024)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PONG_WITHIN)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|error| SendError::because(Stage::Connect, error))?;
        let connection = Rc::new(RefCell::new(Some(connection)));
        spawn_local(drive(connection.clone()));
        Ok(Self { sender, connection, open: Rc::default() })
    }

    /// Whether nothing can be sent on it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Takes a place on the connection, if the upstream allows one more stream.
    pub(super) fn claim(&self) -> Option<OpenStream> {
        let room = self.connection.borrow().as_ref()?.current_max_send_streams();
        if self.open.get() >= room {
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

/// Moves a connection's bytes until it is closed.
async fn drive(connection: Rc<RefCell<Option<Connection>>>) {
    poll_fn(|cx| {
        let mut connection = connection.borrow_mut();
        let Some(driven) = connection.as_mut() else { return Poll::Ready(()) };
        // Whoever waits for an answer is told of the error by its own stream.
        let done = Pin::new(driven).poll(cx).map(|_| ());
        if done.is_ready() {
            *connection = None;
        }
        done
    })
    .await;
}

/// Gives a request the form that it has on an HTTP/2 connection.
pub(super) fn address(request: &mut Request<Body>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = absolute(request.uri(), origin.scheme(), origin.authority());
    request.headers_mut().remove(HOST);
    // What another message said about its own framing.
    remove_where(request.headers_mut(), |name| matches!(name, "content-length" | "transfer-encoding"));
}
