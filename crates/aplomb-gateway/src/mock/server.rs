//! The mock's listener, on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::MockSettings;
use super::handler::{Shared, handle};
use super::journal::{Seen, Tally};
use super::line::{Line, Plug};

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS: usize = 8_192;

/// How many connections the system keeps for us until then.
const BACKLOG: i32 = 4_096;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(60);

/// An API that fails like the real one.
#[derive(Debug)]
pub struct Mock;

impl Mock {
    /// Starts a mock and returns once it listens.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub fn start(settings: MockSettings) -> io::Result<MockHandle> {
        let listener = bind(settings.listen)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(settings));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("mock".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = listen(listener, serving) => result,
                    _ = stopped => Ok(()),
                }
            })
        })?;
        Ok(MockHandle { address, shared, stop: Some(stop), thread: Some(thread) })
    }
}

/// A running mock; it stops when this is dropped.
#[derive(Debug)]
pub struct MockHandle {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl MockHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the API's SDKs should look for it: with the path of the dialect's own base URL.
    pub fn base_url(&self) -> String {
        let base = self.shared.settings.dialect.base_url.as_deref().unwrap_or_default();
        let path = base.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        format!("{}{}", self.url(), path.unwrap_or_default().trim_end_matches('/'))
    }

    /// What it saw, oldest first.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.state().journal.rows().cloned().collect()
    }

    /// The counts.
    pub fn tally(&self) -> Tally {
        self.shared.state().journal.tally().clone()
    }

    /// Forgets what it saw, and begins every sequence and the outage anew.
    pub fn clear(&self) {
        self.shared.clear();
    }
}

impl Drop for MockHandle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A mock that panicked has said so on its own thread.
            let _ = thread.join();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: they come back when connections end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve(stream, shared).await;
            drop(permit);
        });
    }
}

/// One connection, HTTP/1.1 or HTTP/2 as the client begins it.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let connection = shared.state().journal.connect();
    // Without it small events wait for each other; a socket that refuses is served all the same.
    let _ = stream.set_nodelay(true);
    let is_http2 = tokio::time::timeout(HEAD, begins_http2(&stream)).await.unwrap_or(false);
    let plug = Arc::new(Plug::default());
    let line = TokioIo::new(Line::new(stream, Arc::clone(&plug)));
    let own = Arc::clone(&plug);
    let service =
        service_fn(move |request| handle(Arc::clone(&shared), Arc::clone(&own), connection, request));
    // How a connection ends is the client's business or the mock's own doing; both stand in the log.
    if is_http2 {
        let serving = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(1_024)
            .max_header_list_size(64 * 1_024)
            .serve_connection(line, service);
        tokio::select! { _ = serving => {}, () = plug.pulled() => {} }
    } else {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(128 * 1_024)
            .serve_connection(line, service);
        tokio::select! { _ = serving => {}, () = plug.pulled() => {} }
    }
}

/// Whether the client's first bytes are those of HTTP/2.
async fn begins_http2(stream: &TcpStream) -> bool {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0";
    let mut first = [0; PREFACE.len()];
    loop {
        let Ok(length) = stream.peek(&mut first).await else { return false };
        if length == 0 || first[..length] != PREFACE[..length] {
            return false;
        }
        if length == PREFACE.len() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
